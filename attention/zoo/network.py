"""A network that is ready for pictures, and what goes wrong on the way to one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attention.images import Preprocessing
from attention.records import Card, GatescopeError

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    from torch import nn


class ZooError(GatescopeError):
    """A network that cannot be had: no such name, or a weight file that is not what its card says."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready for pictures: `module` in eval mode, `transform` from a picture to a (3, H, W) tensor."""

    card: Card
    module: "nn.Module"

    @property
    def transform(self) -> Preprocessing:
        """From a picture to what the network sees."""
        return preprocessing(self.card)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""
        return self.card.labels


def preprocessing(card: Card) -> Preprocessing:
    """From a picture to what the network of this card sees."""
    return Preprocessing(
        card.input_size,
        crop=card.crop,
        mean=card.mean,
        std=card.std,
        interpolation=card.interpolation,
        whole_pixels=card.source != "own",  # the own networks' accuracy was measured on the exact square
    )
