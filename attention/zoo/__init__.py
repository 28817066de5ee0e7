"""Networks by name: their cards, and `load(name)`.

network    what a loaded network is
own        the networks that this project trained
"""

from attention.records import Card
from attention.zoo import own
from attention.zoo.network import Network, ZooError, preprocessing

__all__ = ["Network", "ZooError", "card", "load", "names", "own", "preprocessing"]


def names() -> tuple[str, ...]:
    """The networks on offer, in the order in which the subjects build on one another."""
    return own.names()


def card(name: str) -> Card:
    """The card of a network. Raises ZooError where there is no such network."""
    return own.card(name)


def load(name: str) -> Network:
    """A network with its trained weights. Raises ZooError where the name or the weight file is not right."""
    return own.load(name)
