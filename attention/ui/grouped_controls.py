"""The numbers of the page on grouped convolution: chosen here, kept in the URL."""

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention import grouped
from attention.grouped import Convolution


class Number(NamedTuple):
    """One of the numbers to choose."""

    label: str
    first: int
    most: int
    help: str


NUMBERS = {
    "c1": Number("C₁", 32, 2048, "Input channels"),
    "c2": Number("C₂", 32, 2048, "Output channels, which is also the number of kernels"),
    "h1": Number("h₁", 3, 11, "Height of a kernel"),
    "w1": Number("w₁", 3, 11, "Width of a kernel"),
    "h": Number("H", 28, 512, "Height of the output"),
    "w": Number("W", 28, 512, "Width of the output"),
}
FIRST_GROUPS = 4
EXAMPLES = {
    "Small": Convolution(12, 12, (3, 3), 3, 28, 28, False),
    "AlexNet conv2": Convolution(96, 256, (5, 5), 2, 27, 27, True),
    "ResNeXt 32 × 4": Convolution(128, 128, (3, 3), 32, 56, 56, False),
    "256 channels": Convolution(256, 256, (3, 3), 8, 14, 14, False),
    "Depthwise": Convolution(64, 64, (3, 3), 64, 56, 56, False),
}


def choose(place: DeltaGenerator) -> Convolution:
    """The numbers go into `place`, the groups stand here; what they say of a wish that was not met stands below."""
    notes = _read_link()
    with place:
        columns = st.columns([*[3] * len(NUMBERS), 3], vertical_alignment="bottom")
        numbers = {}
        for (key, number), column in zip(NUMBERS.items(), columns, strict=False):
            numbers[key] = column.number_input(
                number.label, 1, number.most, number.first, key=key, help=number.help, bind="query-params"
            )
        bias = columns[-1].toggle("bias", key="bias", bind="query-params")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown("Try", width="content")
            for name, example in EXAMPLES.items():
                st.button(
                    name,
                    key=f"example_{name}",
                    on_click=_show,
                    args=(example,),
                    icon=":material/arrow_forward:",
                    type="tertiary",
                )
    groups = _choose_groups(numbers["c1"], numbers["c2"])
    if groups != (wish := st.session_state["_wished_groups"]):
        notes.append(f"g = {wish} does not divide both C₁ and C₂; this is g = {groups}, the nearest that does.")
    if notes:
        st.info("\n\n".join(notes), icon=":material/info:")
    kernel = numbers["h1"], numbers["w1"]
    return Convolution(numbers["c1"], numbers["c2"], kernel, groups, numbers["h"], numbers["w"], bias)


def _choose_groups(c1: int, c2: int) -> int:
    """Only what divides both: the nearest to what the person wished last, by a click, a link or the browser's Back.

    The state is written only where it has to move: writing it always would undo what Back restores.
    """
    state = st.session_state
    if state.get("g") not in (None, state.get("_shown_groups")):
        state["_wished_groups"] = state.g
    nearest = grouped.nearest_groups(state["_wished_groups"], in_channels=c1, out_channels=c2)
    if state.get("g") != nearest:
        state.g = nearest
    valid = grouped.valid_groups(c1, c2)
    groups = st.pills("Groups g: what divides both C₁ and C₂", valid, required=True, key="g", bind="query-params")
    if groups is None:  # Back came to a link without a g, which unsets the widget
        state["_wished_groups"] = FIRST_GROUPS
        st.rerun()
    if groups != nearest:
        state["_wished_groups"] = groups
    state["_shown_groups"] = groups
    return groups


def _read_link() -> list[str]:
    """On the first visit: what the link asks for and cannot have. It leaves the link, and the first value stands.

    The widgets must not see it, since streamlit's own reading of a number stumbles over infinity; they read the link
    as it was when the run began, hence another run.
    """
    if "g" in st.session_state:
        return []
    asked = st.query_params.to_dict()
    st.session_state["_wished_groups"] = int(asked["g"]) if _whole(asked.get("g", "")) else FIRST_GROUPS
    wrong = {key: text for key, text in asked.items() if key in NUMBERS and not _possible(text, NUMBERS[key])}
    if wrong:
        for key in wrong:
            del st.query_params[key]
        st.session_state["_link_notes"] = [_refusal(text, NUMBERS[key]) for key, text in wrong.items()]
        st.rerun()
    return st.session_state.pop("_link_notes", [])


def _refusal(text: str, number: Number) -> str:
    asked = f"The link asks for {number.label} = {text[:20]}"
    return f"{asked}; it can be 1 to {number.most:,}, and is {number.first} here."


def _possible(text: str, number: Number) -> bool:
    return _whole(text) and int(text) <= number.most


def _whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0


def _show(example: Convolution) -> None:
    h1, w1 = example.kernel
    values = (example.in_channels, example.out_channels, h1, w1, example.height, example.width)
    st.session_state.update(zip(NUMBERS, values, strict=True), bias=example.bias, _wished_groups=example.groups)
