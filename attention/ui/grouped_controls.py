"""The numbers of the page on grouped convolution: chosen here, kept in the URL."""

from typing import NamedTuple

import streamlit as st

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


def choose() -> Convolution:
    """The controls; what they say when a wish could not be met stands below them."""
    notes = _read_link()
    columns = st.columns([*[3] * len(NUMBERS), 2], vertical_alignment="bottom")
    numbers = {}
    for (key, number), column in zip(NUMBERS.items(), columns, strict=False):
        numbers[key] = column.number_input(
            number.label, 1, number.most, number.first, key=key, help=number.help, bind="query-params"
        )
    bias = columns[-1].toggle("bias", key="bias", bind="query-params")
    groups = _choose_groups(numbers["c1"], numbers["c2"])
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("Try", width="content")
        for name, example in EXAMPLES.items():
            st.button(name, key=f"example_{name}", on_click=_show, args=(example,), icon=":material/arrow_forward:", type="tertiary")
    for note in notes:
        st.info(note, icon=":material/info:")
    kernel = numbers["h1"], numbers["w1"]
    return Convolution(numbers["c1"], numbers["c2"], kernel, groups, numbers["h"], numbers["w"], bias)


def _choose_groups(c1: int, c2: int) -> int:
    """Only what divides both; where the wish does not, the nearest number that does, and a sentence that says so."""
    wish = st.session_state["_wished_groups"]
    st.session_state.g = groups = grouped.nearest_groups(wish, in_channels=c1, out_channels=c2)

    def remember() -> None:
        st.session_state["_wished_groups"] = st.session_state.g

    valid = grouped.valid_groups(c1, c2)
    st.pills(
        "Groups g: what divides both C₁ and C₂", valid, required=True, key="g", bind="query-params", on_change=remember
    )
    if groups != wish:
        st.info(
            f"g = {wish} does not divide both C₁ = {c1} and C₂ = {c2}; this is g = {groups}, the nearest that does.",
            icon=":material/info:",
        )
    return groups


def _read_link() -> list[str]:
    """On the first visit: what the link asks for and cannot have, where the widgets fall back to their first value."""
    if "_wished_groups" in st.session_state and "g" in st.session_state:
        return []
    asked = st.query_params.to_dict()
    st.session_state["_wished_groups"] = int(asked["g"]) if _whole(asked.get("g", "")) else FIRST_GROUPS
    return [
        f"The link asks for {number.label} = {asked[key]}; it can be 1 to {number.most:,}, and is {number.first} here."
        for key, number in NUMBERS.items()
        if key in asked and not (_whole(asked[key]) and int(asked[key]) <= number.most)
    ]


def _whole(text: str) -> bool:
    return text.isdecimal() and text.isascii() and int(text) > 0


def _show(example: Convolution) -> None:
    h1, w1 = example.kernel
    values = (example.in_channels, example.out_channels, h1, w1, example.height, example.width)
    st.session_state.update(zip(NUMBERS, values, strict=True), bias=example.bias, _wished_groups=example.groups)
