"""The store that all sessions share, and the pictures that come with the project or with a person."""

import contextlib
import hashlib
from functools import cache

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from attention import images
from attention.limits import Limits
from attention.observe import NetworkChoice, Observation, Picture, picture_of
from attention.store import Store

MAKING = {
    "network": "Loading the network",
    "weights": "Reading the weights",
    "recognised": "Recognising the network",
    "assembled": "Building the network",
    "trace": "Running the network on the picture",
    "steps": "Running the network once more, with this gate's inner steps",
    "cost": "Counting parameters and MACs",
    "heatmap": "Making a class heatmap",
    "usual": "Running the network on the samples",
    "edited": "Running the network with the edits",
    "edited heatmap": "Making a class heatmap",
    "seconds": "Timing a pass",
    "picture": "Reading the picture",
    "convolution": "Running the network once more, with one convolution watched",
}
"""What a page says while one of a kind is made; the others say nothing."""
MOST = {
    "network": 8,
    "weights": 4,
    "recognised": 4,
    "assembled": 4,
    "tracer": 8,
    "attributor": 8,
    "cost": 8,
    "resume": 8,
    "trace": 64,
    "steps": 16,
    "inventory": 16,
    "heatmap": 128,
    "edited": 64,
    "edited heatmap": 64,
    "change": 2048,
    "seconds": 32,
    "picture": 32,
    "usual": 16,
    "convolution": 8,
    "result": 64,
}
"""How many of a kind are kept for all visitors, as far as their bytes allow."""


def _spinner(kind: str) -> contextlib.AbstractContextManager[None]:
    on_a_page = get_script_run_ctx(suppress_warning=True) is not None  # jobs make things too, in threads of their own
    return st.spinner(MAKING[kind]) if on_a_page and kind in MAKING else contextlib.nullcontext()


STORE = Store(MOST, _spinner, lambda: Limits.of_environment().kept_bytes)


def observe(choice: NetworkChoice, picture: Picture) -> Observation:
    """A network on a picture, with what is known of them already."""
    return Observation(choice, picture, STORE)


def picture(name: str, data: bytes) -> Picture:
    """A person's picture. Raises PictureError where the bytes are not one."""
    return STORE.get("picture", (name, hashlib.sha256(data).digest()), lambda: picture_of(name, data))


@cache
def samples() -> dict[str, images.Sample]:
    """The pictures that come with the project, by title."""
    return {sample.title: sample for sample in images.samples()}


def sample(title: str) -> Picture:
    """One of the pictures that come with the project."""
    return picture(title, samples()[title].path.read_bytes())
