"""What costs time, kept by content: networks, pictures and traces. All of it is shared by all sessions and frozen."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from PIL import Image

from attention import images
from attention.analysis import predictions
from attention.models import zoo
from attention.models.code import CodeError, failure
from attention.records import Floats, GatescopeError, Inventory, ModelCard, Steps, Trace

if TYPE_CHECKING:
    from attention.capture import Tracer
    from attention.inventory.measuring import Measured

LONGEST_SIDE = 1024


@dataclass(frozen=True, eq=False)
class Choice:
    """A network that was chosen and need not be loaded yet."""

    card: ModelCard
    """What is known of it before it is loaded."""
    key: str
    """The same for the same network, weights and labels, and for no others."""
    load: Callable[[], zoo.Network]
    random: bool = False
    """Whether its weights will be random ones."""

    @property
    def here(self) -> bool:
        """Whether it can be loaded without fetching anything."""
        return self.random or self.card.source in ("code", "file") or zoo.here(self.card.name)


class Picture(NamedTuple):
    """An upright RGB picture, at most 1024 px on its longer side, with its name and the hash of its bytes."""

    name: str
    image: Image.Image
    key: str


@st.cache_resource(max_entries=8, show_spinner="Loading the network")
def network(key: str, _choice: Choice) -> zoo.Network:
    """The network that was chosen."""
    return _choice.load()


@st.cache_resource(max_entries=8, show_spinner=False)
def tracer(key: str, _choice: Choice) -> "Tracer":
    """Of that network, shared by all visitors: it discovers the gates once for a size of picture."""
    from attention import capture

    return capture.Tracer(network(key, _choice).module)


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
def trace(key: str, picture_key: str, _choice: Choice, _image: Image.Image) -> Trace:
    """One forward pass of a network over one picture."""
    return _trace(_choice, _image)


@st.cache_resource(max_entries=16, show_spinner="Running the network once more, with this gate's inner steps")
def steps(key: str, picture_key: str, gate: str, _choice: Choice, _image: Image.Image) -> Steps | None:
    """The inner steps of one gate of that pass."""
    return _trace(_choice, _image, gate).steps[gate]


def logits(traced: Trace) -> Floats:
    """The network's output for the one picture, (classes,). Raises PredictionError where it is none for each class."""
    return predictions.scores(traced.output)


def _trace(choice: Choice, image: Image.Image, *gates: str) -> Trace:
    import torch

    loaded = network(choice.key, choice)
    with guarded(choice.card), torch.inference_mode():
        return tracer(choice.key, choice)(loaded.transform(image)[None], steps=gates)


@st.cache_resource(max_entries=8, show_spinner="Counting parameters and MACs")
def measured(key: str, _choice: Choice) -> "Measured":
    """What every module of the network computes and gives for one picture."""
    from attention.inventory.measuring import measure

    loaded = network(key, _choice)
    with guarded(_choice.card):
        return measure(loaded.module, (1, 3, loaded.card.input_size, loaded.card.input_size))


@st.cache_resource(max_entries=16, show_spinner=False)
def inventory(key: str, picture_key: str, _choice: Choice, _image: Image.Image) -> Inventory:
    """What stands in the network, with the gates that the pass over this picture found."""
    from attention.inventory.tree import inventory

    gates = trace(key, picture_key, _choice, _image).gates
    return inventory(network(key, _choice).module, measured(key, _choice), gates)


@contextlib.contextmanager
def guarded(card: ModelCard) -> Iterator[None]:
    """What a person's own code raises becomes one sentence; what anything else raises is a mistake of this project."""
    try:
        yield
    except GatescopeError:
        raise
    except Exception as error:
        if card.source != "code":
            raise
        raise CodeError(f"{card.name} failed: {failure(error)}.") from error
