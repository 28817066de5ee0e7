"""What a page looks at: one network and one picture."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attention import analysis
from attention.charts import overlay
from attention.models import zoo
from attention.records import Inventory, ModelCard, Steps, Trace
from attention.ui import cache


@dataclass(frozen=True, eq=False)
class View:
    """One network and one picture; what they give is computed when it is first asked for, and kept by content."""

    choice: cache.Choice
    shown: cache.Picture

    @property
    def key(self) -> str:
        """The same for the same network and picture, and for no others."""
        return f"{self.choice.key}-{self.shown.key}"

    @property
    def card(self) -> ModelCard:
        """What is known of the network without loading it."""
        return self.choice.card

    @property
    def picture(self) -> Image.Image:
        """The whole upright picture, RGB."""
        return self.shown.image

    @property
    def picture_name(self) -> str:
        """What the person calls it."""
        return self.shown.name

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The crop that the network sees, on the picture: left, top, right, bottom, in pixels."""
        return zoo.preprocessing(self.card).box(self.picture.size)

    @property
    def seen(self) -> bytes:
        """The picture as the network sees it, JPEG."""
        return overlay.jpeg(zoo.preprocessing(self.card).square(self.picture))

    @property
    def network(self) -> zoo.Network:
        """The network itself, shared by all sessions: never change it."""
        return cache.network(self.choice.key, self.choice)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""
        return self.network.labels

    @property
    def trace(self) -> Trace:
        """The forward pass of this picture, N = 1."""
        return cache.trace(self.choice.key, self.shown.key, self.choice, self.picture)

    @cached_property
    def blocks(self) -> tuple[analysis.Block, ...]:
        """The blocks with attention, in depth order."""
        return analysis.blocks(self.trace.gates)

    @cached_property
    def names(self) -> dict[str, str]:
        """What the blocks are called for short, by their names."""
        names = [block.name for block in self.blocks]
        return dict(zip(names, analysis.short_names(names), strict=True))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each class, (classes,)."""
        return analysis.probabilities(cache.logits(self.trace))

    @property
    def inventory(self) -> Inventory:
        """What stands in the network, with what each layer costs."""
        return cache.inventory(self.choice.key, self.shown.key, self.choice, self.picture)

    def steps(self, gate: str) -> Steps | None:
        """The inner steps of one gate; None where it has neither SE's nor CBAM's form."""
        return cache.steps(self.choice.key, self.shown.key, gate, self.choice, self.picture)

    def beside(self, picture: cache.Picture) -> "View":
        """The same network on another picture."""
        return View(self.choice, picture)
