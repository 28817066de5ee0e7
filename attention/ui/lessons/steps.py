"""How a lesson goes: its steps one by one, a prediction before the answer, and the way from each step to the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from attention.records import GatescopeError
from attention.ui import presenting, widgets
from attention.ui.page_style import at_most

Subject = TypeVar("Subject")
UNDECIDED = "Just show me"
_NUMBER = "step_number"
HEIGHT, HEIGHT_GUESSED = 420, 300
"""How high a presented figure is at most, in pixels: on a screen of 720 there is room for title and sentence too, and,
with the latter, for a question."""


class OtherFormError(GatescopeError):
    """The block is not built as the step explains it."""


@dataclass(frozen=True)
class Prediction:
    """What the reader is asked before the answer is drawn."""

    question: str
    options: tuple[str, ...]
    right: str
    """One of the options."""
    explanation: str
    """The answer in a sentence, with its number."""


@dataclass(frozen=True)
class Step:
    """One idea: a sentence, a figure, and at most one thing to do."""

    sentence: str
    draw: Callable[[], object]
    source: str = ""
    """From which layer and by which formula its numbers are, in markdown."""
    prediction: Prediction | None = None
    before: Callable[[], object] | None = None
    """What is drawn until the reader has predicted."""


def go_through(steps: Mapping[str, Callable[[Subject], Step]], subject: Subject, where: str) -> None:
    """The step about the subject that the address names, with the way back and on; `where` is what its numbers are of,
    a prediction of which says nothing elsewhere. A step is made when it is its turn."""
    number = _choose_step(list(steps))
    title = list(steps)[number - 1]
    widgets.say(f"{number}. {title}", "headline", "header")
    try:
        step = steps[title](subject)
    except OtherFormError as error:
        widgets.info(str(error))
        return
    with widgets.errors():
        widgets.say(step.sentence, "sentence")
        if step.prediction is None or _has_predicted(step.prediction, f"guess_{where}_{number}"):
            with at_most(HEIGHT_GUESSED if step.prediction else HEIGHT):
                step.draw()
            if step.source:
                widgets.say(step.source, "source", "caption")
        elif step.before:
            with at_most(HEIGHT_GUESSED):
                step.before()


def _choose_step(titles: list[str]) -> int:
    """Back and on, by buttons and the arrow keys, and a step by its number. It stands in the address, where no widget
    holds it: so the browser's Back and Forward go through the steps."""

    def go(number: int) -> None:
        st.query_params["step"] = str(number)

    def turn() -> None:
        go(st.session_state[_NUMBER])

    asked, numbers = st.query_params.get("step", "1"), range(1, len(titles) + 1)
    number = next((each for each in numbers if str(each) == asked), None)
    if number is None:
        widgets.say_fallback("step", asked, f"1 to {len(titles)}")
        number = 1
    st.session_state[_NUMBER] = number
    bar = st.bottom.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="steps")
    back = bar.container(width="content")
    with bar:
        st.pagination(len(titles), key=_NUMBER, on_change=turn, max_visible_pages=5)
    on = bar.container(width="content")
    for place, way, key, to in ((back, "Previous", "Left", number - 1), (on, "Next", "Right", number + 1)):
        outside = to not in numbers
        place.button(f"{way} step", key=f"{way}_step", shortcut=key, disabled=outside, on_click=go, args=(to,))
    bar.text(f"Step {number} of {len(titles)}")
    return number


def _has_predicted(prediction: Prediction, key: str) -> bool:
    """Whether the reader has chosen; then the answer stands beside the question."""
    options = [*prediction.options, UNDECIDED]
    kept_key = f"_{key}"

    def keep() -> None:
        st.session_state[kept_key] = st.session_state[key]

    chosen = st.session_state.get(kept_key)
    if chosen is None:
        st.segmented_control(f"**{prediction.question}**", options, key=key, on_change=keep)
        if not presenting.is_on():
            st.caption("Predict first; the answer comes with the number.")
        return False
    guess = "" if chosen == UNDECIDED else f" You said: {chosen}."
    st.markdown(f"**{prediction.question}**{guess}")  # no buttons any more, which would take the arrow keys
    if chosen == UNDECIDED:
        st.markdown(f":material/visibility: **It is {prediction.right}.** {prediction.explanation}")
    elif chosen == prediction.right:
        st.markdown(f":material/check_circle: **Yes.** {prediction.explanation}")
    else:
        st.markdown(f":material/cancel: **No, it is {prediction.right}.** {prediction.explanation}")
    return True
