"""What costs time, kept by content: networks, pictures and traces. All of it is shared by all sessions and frozen."""

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st
from PIL import Image

from attention import images, zoo
from attention.records import Floats, NetworkCost, Steps, Trace

if TYPE_CHECKING:
    from attention.capture import Tracer

LONGEST_SIDE = 1024


class Picture(NamedTuple):
    """An upright RGB picture, at most 1024 px on its longer side, with its name and the hash of its bytes."""

    name: str
    image: Image.Image
    key: str


@st.cache_resource(max_entries=8, show_spinner="Loading the network")
def network(name: str) -> zoo.Network:
    """A network of the zoo."""
    return zoo.load(name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _tracer(name: str) -> "Tracer":
    """Of that network: it discovers the gates once."""
    from attention import capture

    return capture.Tracer(network(name).module)


def picture(name: str, data: bytes) -> Picture:
    """A person's picture. Raises PictureError where the bytes are not one."""
    key = hashlib.sha256(data).hexdigest()[:16]
    return Picture(name, _image(key, data), key)


@st.cache_resource(max_entries=32, show_spinner="Reading the picture")
def _image(key: str, _data: bytes) -> Image.Image:
    image = images.read(_data)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return image


@st.cache_resource
def samples() -> dict[str, images.Sample]:
    """The pictures that come with the project, by title."""
    return {sample.title: sample for sample in images.samples()}


def sample(title: str) -> Picture:
    """One of the pictures that come with the project."""
    return picture(title, samples()[title].path.read_bytes())


@st.cache_resource(max_entries=64, show_spinner="Running the network on the picture")
def trace(name: str, key: str, _image: Image.Image) -> Trace:
    """One forward pass of a network over one picture."""
    return _trace(name, _image)


@st.cache_resource(max_entries=16, show_spinner="Running the network once more, with this gate's inner steps")
def steps(name: str, key: str, gate: str, _image: Image.Image) -> Steps | None:
    """The inner steps of one gate of that pass."""
    return _trace(name, _image, gate).steps[gate]


@st.cache_resource(max_entries=8, show_spinner="Counting parameters and MACs")
def cost(name: str, key: str, _image: Image.Image) -> NetworkCost:
    """What the network costs, and its attention."""
    from attention.cost import network_cost

    loaded = network(name)
    return network_cost(loaded.module, loaded.card.input_size, trace(name, key, _image).gates)


def logits(traced: Trace) -> Floats:
    """The network's output for the one picture, (classes,)."""
    return np.asarray(traced.output)[0]


def _trace(name: str, image: Image.Image, *gates: str) -> Trace:
    import torch

    with torch.inference_mode():
        return _tracer(name)(network(name).transform(image)[None], steps=gates)
