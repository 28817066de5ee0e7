"""What the zoo asks of a library of networks, and what is made of the answers."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attention.kinds import Kind
from attention.records import Card, Trace
from attention.zoo.downloads import Weights
from attention.zoo.network import ZooError

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import Tensor, nn

SEED = 0
"""Of random weights, and of the picture that the gates are counted on."""
ABOUT = "the download's size: that of the tensors"
# The seed is the process's, so threads must take turns.
_building = threading.Lock()


class Library(Protocol):
    """A library of networks: one module of this folder each, which imports the library where it is used."""

    def names(self) -> Sequence[str]:
        """The classifiers that the library can build."""

    def describe(self, name: str) -> Card:
        """What the library's metadata say, all but what can be counted. Raises ZooError for a network of another use.

        `name` is without the library's own.
        """

    def weights(self, name: str) -> Weights | None:
        """Where the trained weights come from; None where none are published."""

    def build(self, name: str) -> "nn.Module":
        """With random weights."""

    def trained(self, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
        """With the weights of a file, and what had to be assumed on the way. What it raises `trained` below knows."""

    def labels(self, name: str) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""


def seeded(make: "Callable[[], nn.Module]") -> "nn.Module":
    """In eval mode, with the random weights of SEED; torch's own generator is left as it was."""
    import torch

    with _building, torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make().eval()


def trained(library: Library, name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    """In eval mode, with the weights of a file. Raises ZooError where they are not this network's."""
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    assumed: list[str] = []

    def make() -> "nn.Module":
        module, notes = library.trained(name, file)
        assumed.extend(notes)
        return module

    try:
        return seeded(make), tuple(assumed)
    except (RuntimeError, EOFError, KeyError, UnpicklingError, SafetensorError) as error:
        said = f"{file} does not hold the weights of {name}, or more than weights"
        raise ZooError(f"{said}; delete it, and it is fetched anew.") from error


def counted(library: Library, name: str) -> Card:
    """The full card of a network: its metadata, and what one real forward pass with random weights shows."""
    card = library.describe(name)
    try:
        module = seeded(lambda: library.build(name))
    except Exception as error:  # a person may type any name, and what a library's builders raise is anything
        raise ZooError(f"{card.name} cannot be built here: {type(error).__name__}: {error}") from error
    parameters = sum(parameter.numel() for parameter in module.parameters())
    card = replace(card, parameters=parameters, gates=kinds(on_noise(module, card)))
    if library.weights(name) is None:
        return replace(card, assumed=(*card.assumed, "no trained weights are published"))
    if not card.download:
        size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
        card = replace(card, download=size, assumed=(*card.assumed, ABOUT))
    return card


def kinds(trace: Trace) -> dict[Kind, int]:
    """How many gates of each kind a pass applied."""
    return dict(Counter(gate.kind for gate in trace.gates))


def on_noise(module: "nn.Module", card: Card) -> Trace:
    """One pass over a picture of noise. Raises ZooError where the network is no classifier."""
    import torch

    from attention import capture

    noise = torch.randn(1, 3, card.input_size, card.input_size, generator=torch.Generator().manual_seed(SEED))
    with torch.inference_mode():
        trace = capture.trace(module, noise)
    if getattr(trace.output, "ndim", 0) != 2:
        raise ZooError(f"{card.name} does not answer with one score for each class; only classifiers are allowed.")
    return trace


def square(name: str, shape: Sequence[int]) -> int:
    """The side of the picture. Raises ZooError where the network does not see square pictures in colour."""
    channels, height, width = shape
    if channels != 3 or height != width:
        given = f"{name} sees {channels} channels of {height} x {width} pixels"
        raise ZooError(f"{given}; 3 channels and square pictures are allowed.")
    return height


def read(file: Path) -> "dict[str, Tensor]":
    """The tensors of a weight file that torch wrote; a file that holds more raises UnpicklingError."""
    import torch

    return torch.load(file, map_location="cpu", weights_only=True)
