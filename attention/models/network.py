"""A network that is ready for pictures; random weights of a seed; the pass that shows that a network works."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attention.images import Preprocessing
from attention.records import GatescopeError, Kind, ModelCard, Trace

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import Tensor, nn

SEED = 0
"""The seed of random weights, and of the picture that the gates are counted on."""
# The seed is the process's, so threads must take turns.
_building = threading.Lock()


class ZooError(GatescopeError):
    """A network that cannot be had: no such name, or a weight file that is not what its card says."""


@contextlib.contextmanager
def needing_libraries() -> Iterator[None]:
    """A library that is not installed becomes one sentence, a ZooError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ZooError(f"{error.name} is not installed; `pip install 'gatescope[zoo]'` brings it.") from error


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready for pictures: `module` in eval mode, `transform` from a picture to a (C, H, W) tensor."""

    card: ModelCard
    module: "nn.Module"

    @property
    def transform(self) -> Preprocessing:
        """From a picture to what the network sees."""
        return preprocessing(self.card)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""
        return self.card.labels


SEEN = ("crop", "mean", "std", "interpolation", "bands")
"""What a card and a preprocessing both have, besides the size."""


def card_of(seen: Preprocessing, **known: Any) -> ModelCard:
    """The card of a network that sees pictures so; `known` is what else its fields are."""
    return ModelCard(input_size=seen.size, **{name: getattr(seen, name) for name in SEEN}, **known)


def preprocessing(card: ModelCard) -> Preprocessing:
    """From a picture to what the network of this card sees."""
    return Preprocessing(
        card.input_size,
        **{name: getattr(card, name) for name in SEEN},
        whole_pixels=card.source != "own",  # the own networks' accuracy was measured on the exact square
    )


def seeded(make: "Callable[[], nn.Module]") -> "nn.Module":
    """A network in eval mode, with the random weights of SEED; torch's own generator is left as it was."""
    import torch

    with _building, torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make().eval()


def gate_counts(trace: Trace) -> dict[Kind, int]:
    """How many gates of each kind a pass applied."""
    return dict(Counter(gate.kind for gate in trace.gates))


def noise_for(seen: Preprocessing) -> "Tensor":
    """A picture of noise as a network sees it, (1, C, H, W)."""
    import torch

    return torch.randn(seen.shape, generator=torch.Generator().manual_seed(SEED))


def on_noise(module: "nn.Module", card: ModelCard) -> Trace:
    """One pass over a picture of noise. Raises ZooError where the network is no classifier."""
    import torch

    from attention import capture

    noise = noise_for(preprocessing(card))
    with torch.inference_mode():
        trace = capture.trace(module, noise)
    if getattr(trace.output, "ndim", 0) != 2:
        raise ZooError(f"{card.name} does not answer with one score for each class; only classifiers are allowed.")
    return trace
