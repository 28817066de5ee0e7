"""The kinds of gates: one table of what a gate varies over, what that is called, and how it is drawn and edited.

A kind is known by the axes that its values have besides N. Everything else that differs from kind to kind stands in
its row of `KINDS`, or follows from the axes; no other room compares a kind with a name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "channel", "spatial", "full", "height", "width", "channel-height", "channel-width", "token", "sample",
    "volume", "depth", "channel-depth", "depth-height", "depth-width", "branch",
]  # fmt: skip
"""The axes that a gate varies over besides N: "full" over the channels and all places, "token" over the places of a
sequence, "volume" over those of a 3-D feature map, "branch" over parallel branches, "sample" over none."""
Action = Literal["off", "mean", "shuffle", "top", "top-off", "set", "replace", "invert", "move"]
"""What an edit does with the values of a gate."""

CHANNEL: Kind = "channel"
SPATIAL: Kind = "spatial"
SIDES: tuple[Kind, Kind] = ("height", "width")
"""What a gate without a map is drawn along."""

ANYWHERE: tuple[Action, ...] = ("off", "mean", "shuffle", "replace")
"""Edits that every gate allows, a single number too."""
AMONG_VALUES: tuple[Action, ...] = (*ANYWHERE, "top", "top-off", "set")
"""Edits that need several values to choose among."""
ON_A_MAP: tuple[Action, ...] = (*AMONG_VALUES, "invert", "move")
_FULL = {3: "CL", 4: "CHW", 5: "CDHW"}
"""The axes of a full gate, by the rank of its values."""


@dataclass(frozen=True)
class GateKind:
    """What there is to know of one kind of gates."""

    axes: str
    """What the values vary over, after N: branch (B), channel (C), depth (D), height (H), width (W), place of a
    sequence (L)."""
    number_for: str
    """What the gate has a number for: `"each channel"`."""
    display: str = ""
    """How the pages show it, where it is neither of the two that they are made for."""
    edits: tuple[Action, ...] = AMONG_VALUES
    shares_block: bool = True
    """Whether it may stand in one block with gates of other kinds, as CBAM's two do and triplet attention's three."""

    @property
    def by_channel(self) -> bool:
        """Whether it has numbers for channels, if averaged over places."""
        return "C" in self.axes

    @property
    def is_vector(self) -> bool:
        """Whether its values are (N, C): one number a channel."""
        return self.axes == "C"

    @property
    def is_map(self) -> bool:
        """Whether its values are (N, H, W): one number a place of the picture."""
        return self.axes == "HW"

    @property
    def plural(self) -> str:
        """What such gates are called on the pages, which are made for two kinds of them."""
        return "channel gates" if self.is_vector else "spatial gates" if self.is_map else "gates of other kinds"

    @property
    def values(self) -> str:
        """What its values are called where a person counts them."""
        return "channels" if self.is_vector else "places"

    def along_width(self, rank: int) -> bool:
        """Whether the last axis of values of this rank is the width, which a mirrored picture turns round."""
        return self.axes_of(rank).endswith("W")

    def axes_of(self, rank: int) -> str:
        """The axes of values of this rank, N not among them; a full gate has as many as its features."""
        return _FULL.get(rank, "") if self.axes == KINDS["full"].axes else self.axes


KINDS: dict[Kind, GateKind] = {
    "channel": GateKind("C", "each channel"),
    "spatial": GateKind("HW", "each place", edits=ON_A_MAP),
    "full": GateKind(
        "CHW", "each channel and place", "averaged to a map, and to a number for each channel", shares_block=False
    ),
    "height": GateKind("H", "each row", "as a profile along the height"),
    "width": GateKind("W", "each column", "as a profile along the width"),
    "channel-height": GateKind(
        "CH", "each channel and row", "as a profile along the height, and averaged to a number for each channel"
    ),
    "channel-width": GateKind(
        "CW", "each channel and column", "as a profile along the width, and averaged to a number for each channel"
    ),
    "token": GateKind(
        "L", "each token", "on the overview only: its tokens have no known place in the picture", shares_block=False
    ),
    "sample": GateKind(
        "",
        "the whole picture",
        "on the overview only: it is one number for the whole picture",
        edits=ANYWHERE,
        shares_block=False,
    ),
    "volume": GateKind("DHW", "each place in space", "averaged over the depth to a map"),
    "depth": GateKind("D", "each slice", "on the overview only: a picture has no slices"),
    "channel-depth": GateKind("CD", "each channel and slice", "as a number for each channel"),
    "depth-height": GateKind("DH", "each slice and row", "as a profile along the height"),
    "depth-width": GateKind("DW", "each slice and column", "as a profile along the width"),
    "branch": GateKind("B", "each branch", "on the overview only: branches have no place in the picture"),
}


def unit_in_words(kinds: Iterable[Kind]) -> str:
    """What a value of gates of these kinds is for: "channel", or "channel or place" for CBAM's two."""
    rows = (KINDS[kind] for kind in kinds)
    return " or ".join(dict.fromkeys(row.number_for.removeprefix("each ") for row in rows if row.axes)) or "gate"
