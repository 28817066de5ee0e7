"""What the pass found of attention: known blocks against gates, gates elsewhere, and what is no gate."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from attention import analysis
from attention.analysis import Block
from attention.inventory.known import WITHOUT_GATE
from attention.kinds import KINDS
from attention.observe import Observation
from attention.records import Known, Rejected
from attention.ui import widgets

MOST_NAMES = 6
ON_PAGES = {"cbam": "Where does it look?", "excitation": "Which channels get through?"}
STEPPED = ("SE", "CBAM")
"""Forms whose inner steps the pages show."""
FORMS = {
    "effective SE": "one layer instead of two, so it has no hidden units and no reduction ratio",
    "ECA": "a convolution over the channels instead of two layers, so it has no hidden units and no reduction ratio",
    "gather-excite": "it may squeeze windows of the picture instead of all of it",
    "global context": "it squeezes by a learned weight for each place instead of the mean",
    "light CBAM": "its channel gate sums average and maximum before its layers, and not after them",
    "BAM": "channels and places in one gate, 1 + σ, so it lies between 1 and 2 and only strengthens",
    "coordinate attention": "a gate along the height and one along the width, for each channel, instead of a map",
    "local attention": "a gate along the height and one along the width, for each channel, instead of a map",
    "strip attention": "a number for each channel and place, from long narrow convolutions",
    "selective kernel": "a softmax over branches of different kernels: the branches stand one after the other, and the "
    "numbers of a channel add up to 1 over them",
    "split attention": "a softmax over the splits: these stand one after the other, and the numbers of a channel add "
    "up to 1 over them",
    "triplet attention": "three gates, each constant along one side, whose results are averaged",
}
"""In what a form differs from SE and CBAM."""
NO_GATES = (
    "Attention here is what multiplies features by a gate. Self-attention, as in a vision transformer, mixes places or "
    "channels in a matrix product instead: it has no gate, and is not counted as attention."
)


def draw(observation: Observation) -> None:
    """The report, from what was found to what was not."""
    st.subheader(headline(observation.inventory.known, len(observation.trace.gates)), anchor=False)
    if not observation.inventory.known and not observation.trace.gates:
        st.caption(NO_GATES)
    _draw_forms(observation)
    for sentence in (*missing(observation.inventory.known), *elsewhere(observation), *differences(observation)):
        st.markdown(f"- {sentence}")
    _draw_blocks(observation)
    _draw_rejected(observation)


def headline(known: Sequence[Known], gates: int) -> str:
    """Found 16 of 16 SE blocks."""
    total, found = Counter(block.form for block in known), Counter(block.form for block in known if block.gates)
    counts = [f"{found[form]} of {number} {form} blocks" for form, number in total.items()]
    if counts:
        return f"Found {' and '.join(counts)}"
    return (
        f"Found {gates} gates, in no known attention block" if gates else "No gates, and no block that is known for one"
    )


def missing(known: Sequence[Known]) -> list[str]:
    """The known blocks without a gate, by form, and why that may be."""
    silent: dict[str, list[str]] = {}
    for block in known:
        if not block.gates:
            silent.setdefault(block.form, []).append(block.name)
    return [
        f"**No gate** in {_listed(names)} ({form}): "
        + WITHOUT_GATE.get(form, "this pass did not run it, or multiplied nothing by what it made")
        + "."
        for form, names in silent.items()
    ]


def elsewhere(observation: Observation) -> list[str]:
    """The gates that are in no known block, by the class that applies them; they count as found."""
    by_class: dict[str, list[str]] = {}
    for gate in observation.inventory.unlisted:
        by_class.setdefault(gate.module, []).append(gate.gate or "the network itself")
    return [
        f"**Found without being known**: {_listed(names)}, in {widgets.literal(module)}, a class that is not listed as "
        "attention. All of such a module is counted as attention, so that its share is an upper bound (≤)."
        for module, names in by_class.items()
    ]


def differences(observation: Observation) -> list[str]:
    """What does not apply to the forms and kinds that are neither SE nor CBAM."""
    forms = dict.fromkeys(block.form for block in observation.inventory.known if block.gates)
    said = [
        f"**{form}**: {FORMS.get(form, 'its own form')}. Its values are shown; its inner steps are not."
        for form in forms
        if form not in STEPPED
    ]
    kinds = dict.fromkeys(gate.kind for gate in observation.trace.gates)
    return said + [f"A **{kind}** gate is shown {KINDS[kind].shown}." for kind in kinds if KINDS[kind].shown]


def pages(block: Block) -> str:
    """The questions whose pages show a block."""
    shown = [ON_PAGES["excitation"]] * bool(analysis.channel_view(block))
    shown += [ON_PAGES["cbam"]] * bool(analysis.spatial_view(block) or analysis.profiles(block))
    return " ".join(shown)


def _draw_forms(observation: Observation) -> None:
    if not observation.inventory.known:
        return
    gates = {gate.name: gate for gate in observation.trace.gates}
    groups: dict[tuple[str, str], list[Known]] = {}
    for block in observation.inventory.known:
        groups.setdefault((block.form, block.module), []).append(block)
    inside = [[gates[name] for block in blocks for name in block.gates] for blocks in groups.values()]
    st.dataframe(
        {
            "form": [form for form, _ in groups],
            "class": [module for _, module in groups],
            "blocks": [len(blocks) for blocks in groups.values()],
            "with gates": [sum(bool(block.gates) for block in blocks) for blocks in groups.values()],
            "gates": [len(found) for found in inside],
            "kinds": [", ".join(dict.fromkeys(gate.kind for gate in found)) for found in inside],
            "activations": [", ".join(dict.fromkeys(gate.activation for gate in found)) for found in inside],
        },
        hide_index=True,
        alt=headline(observation.inventory.known, len(gates)),
    )


def _draw_blocks(observation: Observation) -> None:
    if not observation.blocks:
        return
    rows = [(block, gate) for block in observation.blocks for gate in block.gates]
    columns: dict[str, Sequence[Any]] = {
        "gate": [gate.name or "(the network)" for _, gate in rows],
        "kind": [gate.kind for _, gate in rows],
        "activation": [gate.activation for _, gate in rows],
        "multiplies": [analysis.features(gate) for _, gate in rows],
        "minimum": [gate.minimum for _, gate in rows],
        "maximum": [gate.maximum for _, gate in rows],
        "shown on": [pages(block) for block, _ in rows],
    }
    st.markdown("**Every gate, layer by layer**")
    widgets.data(gates=columns)


def _draw_rejected(observation: Observation) -> None:
    rejected = observation.trace.rejected
    if not rejected:
        return
    st.markdown("**Seen and judged not to be a gate**")
    alike: dict[tuple[str, str], list[Rejected]] = {}
    for each in rejected:
        alike.setdefault((each.reason, each.activation), []).append(each)
    columns = {
        "why it is no gate": [reason for reason, _ in alike],
        "activation": [activation for _, activation in alike],
        "products": [sum(each.count for each in some) for some in alike.values()],
        "modules": [[each.name or "(the network)" for each in some] for some in alike.values()],
    }
    st.dataframe(columns, hide_index=True, alt=f"Products that are no gates, for {len(alike)} reasons.")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown
