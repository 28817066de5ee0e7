"""What a survey is of, and what it rests on."""

from collections.abc import Iterator

import streamlit as st

from attention.report import html, surveyed
from attention.ui import parts, presenting
from attention.ui.survey.held import Held, as_file
from attention.ui.takeaway import offer_report

MOST_FAILURES = 1000
"""In the table; the file has all."""


def draw(held: Held) -> None:
    """One line of what it is, warnings, and, but in a presentation, all that the numbers rest on."""
    result, facts = held.result, held.result.provenance
    parts.mark_files(random=held.random)
    n, classes = result.pictures, int((held.counts > 0).sum())
    known = "" if result.accuracy is None else f" It names {result.accuracy:.1%} of them right."
    st.markdown(
        f"**{parts.literal(held.title)}** over {n:,} pictures in {classes:,} {'class' if classes == 1 else 'classes'}: "
        f"{parts.literal(facts['pictures']['root'])}.{known}"
    )
    for sentence in _warnings(held):
        st.caption(f":material/warning: {sentence}")
    if presenting.is_on():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        box = st.expander("What it rests on", icon=":material/fact_check:", key="survey_facts", on_change="rerun")
        name = f"{facts['network']['name'].replace('/', '_')}-survey{parts.mark()}.parquet"
        st.download_button("Parquet", lambda: as_file(held), name, on_click="ignore", key="survey_parquet")
        offer_report(name.removesuffix(f"{parts.mark()}.parquet"), lambda: html(surveyed(result)), key="survey_report")
    if box.open:
        with box:
            _draw_facts(held)


def _warnings(held: Held) -> Iterator[str]:
    result = held.result
    if held.random:
        yield "The network had random weights: this shows how it is built, not what it has learned."
    if result.failures:
        yield f"{len(result.failures):,} pictures could not be used; “What it rests on” names them."
    unknown = sum(output < 0 for output, count in zip(result.outputs, held.counts, strict=True) if count)
    if unknown:
        yield (
            f"The network knows no class by the name of {unknown:,} of these: their pictures count everywhere but in "
            "right and wrong."
        )
    if averaged := sorted({gate.averaged for gate in held.gates if gate.averaged}):
        yield f"Some gates were averaged over {parts.literal(' or '.join(averaged))} before they were counted."
    if left := len(result.gates) - len(held.gates):
        yield f"{left} of {len(result.gates)} gates stand for neither channels nor places of a picture: not shown here."


def _draw_facts(held: Held) -> None:
    facts = list(_flat("", held.result.provenance))
    st.dataframe(
        {"fact": [name for name, _ in facts], "value": [value for _, value in facts]},
        hide_index=True,
        alt=f"{len(facts)} facts that the numbers rest on.",
    )
    if failures := held.result.failures[:MOST_FAILURES]:
        st.markdown(f"{len(held.result.failures):,} pictures could not be used:")
        columns = {"picture": [each.path for each in failures], "why": [each.reason for each in failures]}
        st.dataframe(columns, hide_index=True, alt=f"The first is {failures[0].path}.")


def _flat(before: str, facts: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(f"{before}{name} ", value)
        else:
            yield f"{before}{name}".replace("_", " "), str(value)
