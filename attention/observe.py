"""A network on a picture: what the pages, the report, the comparison, the interventions and the commands look at.

Everything is computed when it is first asked for, and kept by content in a `Store` that several observations share.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from PIL import Image

from attention import analysis, bands, files, images
from attention.analysis import predictions
from attention.analysis.usual import AgainstUsual, UsualGates, View, Views, views
from attention.foreign import readable
from attention.limits import LIVE_TENSORS, PASSES
from attention.models import zoo
from attention.models.code import OWN_CODE_ERRORS, CodeError, failure
from attention.models.network import on_host
from attention.models.weight_files import usual_labels
from attention.numbers import amount, number
from attention.records import (
    Band,
    Box,
    Doubles,
    Floats,
    GatescopeError,
    Heatmap,
    Inventory,
    ModelCard,
    Outputs,
    Report,
    Steps,
    Trace,
)
from attention.store import Store

if TYPE_CHECKING:  # a page reads this before torch is loaded
    from torch import Tensor

    from attention.attribution import Attributor, Layers, Method
    from attention.capture import Tracer
    from attention.cost import PassCost

Kept = TypeVar("Kept")


class Picture(NamedTuple):
    """An upright RGB picture with what the person calls it, and a key that is the same for the same pixels alone."""

    name: str
    image: Image.Image
    key: str


@dataclass(frozen=True, eq=False)
class NetworkChoice:
    """A network that was chosen and need not be loaded yet."""

    card: ModelCard
    """What is known of it before it is loaded."""
    key: str
    """The same for the same network, weights and labels, and for no others."""
    load: Callable[[], zoo.Network]
    random: bool = False
    """Whether its weights will be random ones."""
    outputs: Outputs | None = None
    """What the person says that it returns."""

    @property
    def here(self) -> bool:
        """Whether it can be loaded without fetching anything."""
        return self.random or self.card.source in ("code", "file") or zoo.here(self.card.name)


@dataclass(frozen=True, eq=False)
class Observation:
    """One network on one picture."""

    choice: NetworkChoice
    picture: Picture
    store: Store = field(default_factory=Store)
    as_seen: bool = False
    """Whether the picture is shown as the network sees it, without what lies outside."""

    @property
    def key(self) -> str:
        """The same for the same network and picture, and for no others."""
        return f"{self.choice.key}-{self.choice.outputs}-{self.picture.key}"

    @property
    def card(self) -> ModelCard:
        """What is known of the network without loading it."""
        return self.choice.card

    @property
    def image(self) -> Image.Image:
        """The whole upright picture, RGB."""
        return self.picture.image

    @property
    def box(self) -> Box:
        """The crop that the network sees, on the picture."""
        return zoo.preprocessing(self.card).box(self.image.size)

    @property
    def square(self) -> Image.Image:
        """The picture as the network sees it, before it is normalised."""
        return zoo.preprocessing(self.card).square(self.image)

    @property
    def view(self) -> tuple[Image.Image, Box]:
        """The picture as it is shown, and the part of that which the network sees."""
        if not self.as_seen:
            return self.image, self.box
        square = self.square.convert("RGB")
        return square, (0.0, 0.0, float(square.width), float(square.height))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of what the network sees, (1, C, H, W)."""
        return zoo.preprocessing(self.card).shape

    @property
    def network(self) -> zoo.Network:
        """The network itself, which others look at too: never change it."""
        return self.store.get("network", self.choice.key, self.choice.load)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs; none where there are no classes."""
        named = self.network.labels
        if self.outputs == "values" or (not named and self.probabilities_or_none is None):
            return ()
        return named or usual_labels(len(self.logits))

    @property
    def batch(self) -> "Tensor":
        """The picture as the network takes it, (1, C, H, W), on its device."""
        return self.network.batch(self.network.transform(self.image)[None])

    @property
    def tracer(self) -> "Tracer":
        """The network's tracer, which discovers the gates once for a size of picture."""
        from attention import capture

        return self.store.get("tracer", self.choice.key, lambda: capture.Tracer(self.network.module))

    @property
    def trace(self) -> Trace:
        """The forward pass of this picture, N = 1, its output on the CPU.

        Raises TraceError where a gate is not finite.
        """
        return self.keep("trace", (), self._run_trace)

    @cached_property
    def blocks(self) -> tuple[analysis.Block, ...]:
        """The blocks with attention, in depth order."""
        return analysis.blocks(self.trace.gates)

    @cached_property
    def names(self) -> dict[str, str]:
        """What the blocks are called for short, by their names."""
        return analysis.titles(self.blocks)

    @property
    def coverage(self) -> tuple[str, ...]:
        """What the pass was seen to do, in sentences: its gates, what came close, or that there is neither."""
        from attention.capture import coverage

        return coverage(self.trace)

    @property
    def outputs(self) -> Outputs:
        """What the network returns: as the person says, or as it is known or recognised."""
        return self.choice.outputs or self.network.card.outputs

    @property
    def measure(self) -> str:
        """What `logits` has for a class, in a word."""
        return predictions.MEASURE[self.outputs]

    @property
    def logits(self) -> Floats:
        """The network's answer as logits, (classes,). Raises PredictionError where it gives no score for each class."""
        return predictions.logits(self.trace.output, self.outputs)[0]

    @property
    def probabilities(self) -> Doubles:
        """The probability of each class, (classes,). Raises PredictionError where there is no score for each class."""
        return analysis.probabilities(self.logits, self.outputs)

    @property
    def probabilities_or_none(self) -> Doubles | None:
        """The probability of each class; None where the network gives no score for each class."""
        try:
            return self.probabilities
        except predictions.PredictionError:
            return None

    @property
    def targets(self) -> tuple[str, ...]:
        """What a heatmap can be of: the classes, or the numbers that the network measures; nothing where it returns
        neither."""
        if self.probabilities_or_none is not None:
            return self.labels
        try:
            count = predictions.score_table(self.trace.output).shape[1] if self.outputs == "values" else 0
        except predictions.PredictionError:
            count = 0
        return tuple(f"number {place}" for place in range(count))

    @property
    def first_target(self) -> int:
        """The first guess; of measured numbers the first."""
        found = self.probabilities_or_none
        return 0 if found is None else int(found.argmax())

    def answer(self, target: int) -> str:
        """What the network gives for a target, in words: a probability, or the number itself."""
        found = self.probabilities_or_none
        if found is not None:
            return f"{found[target]:.1%}"
        return number(predictions.score_table(self.trace.output)[0, target])

    @property
    def inventory(self) -> Inventory:
        """What stands in the network, what each layer costs, and the gates that this pass found in it."""
        from attention.inventory import inventory

        gates = self.trace.gates  # first: where the pass fails, that is the reason to be said
        return self.keep("inventory", (), lambda: inventory(self.network.module, self.cost, gates))

    @property
    def cost(self) -> "PassCost":
        """What every module of the network computes and gives for one picture."""
        return self.store.get("cost", self.choice.key, self._count_cost)

    def steps(self, gate: str) -> Steps | None:
        """The inner steps of one gate; None where it has neither SE's nor CBAM's form."""
        block = next(block for block in self.blocks if any(each.name == gate for each in block.gates))
        return self.all_steps([each.name for each in block.gates])[gate]

    def all_steps(self, gates: Sequence[str]) -> dict[str, Steps | None]:
        """The same of several gates, from one pass."""
        return self.keep("steps", tuple(gates), lambda: self._pass(lambda tracer, batch: tracer.steps(batch, gates)))

    @property
    def attributor(self) -> "Attributor":
        """What makes the network's heatmaps."""
        from attention.attribution import Attributor

        return self.store.get("attributor", self.choice.key, lambda: Attributor(self.network.module))

    @property
    def layers(self) -> "Layers":
        """What a heatmap can be read from, and what the network computes besides."""
        with guarded(self.card):
            return self.attributor.layers(self.shape)

    def heatmap(self, target: int, method: "Method | None" = None) -> Heatmap:
        """The heatmap of a class; Grad-CAM of the last block unless said. Raises AttributionError."""
        return self.keep("heatmap", (target, method), lambda: self._heatmap(target, method))

    @property
    def usual_gates(self) -> UsualGates:
        """The network's gates for the pictures that come with the project, and for a grey card; a picture that the
        network cannot take is left out."""
        return self.learn_usual()

    def learn_usual(self, follow: Report = lambda done, total: None) -> UsualGates:
        """The same, of which `follow` hears before each pass: how many are done, and of how many. It may raise to
        stop."""
        return self.store.get("usual", self.choice.key, lambda: self._usual_gates(follow))

    @property
    def has_usual_gates(self) -> bool:
        """Whether these have been computed."""
        return self.store.find("usual", self.choice.key) is not None

    @property
    def against_usual(self) -> dict[View, AgainstUsual]:
        """Every view of this picture's gates against those for the other pictures, in depth order."""
        seen = {view: self.usual_gates.against(view, own, self.picture.key) for view, own in views(self.blocks).items()}
        return {view: found for view, found in seen.items() if found}

    def of(self, picture: Picture) -> "Observation":
        """The same network on another picture."""
        return Observation(self.choice, picture, self.store)

    def keep(self, kind: str, key: tuple[object, ...], make: Callable[[], Kept]) -> Kept:
        """What is computed of this network and picture alone, kept by what the key adds to them."""
        return self.store.get(kind, (self.key, *key), make)

    def _usual_gates(self, follow: Report) -> UsualGates:
        pictures: dict[str, Views] = {}
        samples = images.samples()
        for done, sample in enumerate(samples):
            follow(done, len(samples) + 1)
            one = self.of(read_picture(sample.path))
            with contextlib.suppress(GatescopeError):
                pictures[one.picture.key] = views(analysis.blocks(one._run_trace().gates))
        follow(len(samples), len(samples) + 1)
        return UsualGates(pictures, views(analysis.blocks(self.of(grey_card(self.card.bands))._run_trace().gates)))

    def _run_trace(self) -> Trace:
        from attention.capture.gates import TraceError

        def whole(tracer: "Tracer", batch: "Tensor") -> Trace:
            trace = tracer(batch)
            if broken := analysis.gates_not_finite(trace.gates):  # no figure, mean or rank can be made of them
                more = f", as are those of {amount(len(broken) - 1, 'gate')} after it" * (len(broken) > 1)
                raise TraceError(
                    f"Values of gate {broken[0]} are NaN or infinite with this picture{more}; "
                    "finite ones alone can be shown."
                )
            return replace(trace, output=on_host(trace.output))

        return self._pass(whole)

    def _pass(self, run: "Callable[[Tracer, Tensor], Kept]") -> Kept:
        import torch

        with guarded(self.card):
            tracer, batch = self.tracer, self.batch  # outside, or its weights would allow no gradient
            with PASSES.taking(LIVE_TENSORS * self.network.largest), torch.inference_mode():
                return run(tracer, batch)

    def _count_cost(self) -> "PassCost":
        from attention.cost import measure

        with guarded(self.card):
            return measure(self.network.module, self.shape)

    def _heatmap(self, target: int, method: "Method | None") -> Heatmap:
        with guarded(self.card):
            return self.attributor(self.batch, target, method=method)


def observe(network: zoo.Network, picture: Picture, store: Store | None = None) -> Observation:
    """A network that is loaded already, on a picture."""
    return Observation(choice_of(network), picture, store or Store())


def choice_of(network: zoo.Network) -> NetworkChoice:
    """A network that is loaded already, as a choice; its key is that of the module in memory and of its bands."""
    key = f"{network.card.name} {id(network.module)} {network.card.bands}"
    return NetworkChoice(network.card, key, lambda: network)


def load_network(model: str, *, random: bool = False) -> zoo.Network:
    """A network by name, or of a weight file, as `zoo.named` reads it. Raises GatescopeError."""
    source, part, family = zoo.named(model)
    return zoo.load(source, random=random, part=part, family=family)


def read_picture(path: Path) -> Picture:
    """The picture in a file. Raises PictureError where it is none."""
    data = files.read(path)
    with files.errors_naming(path):
        return picture_of(readable(path.name), data)


def picture_of(name: str, data: bytes) -> Picture:
    """The picture in these bytes, under the name of their file. Raises PictureError where they are none."""
    return Picture(name, images.read(data), hashlib.sha256(data).hexdigest())


def grey_card(further: Sequence[Band] = ()) -> Picture:
    """A picture of nothing: the same grey everywhere, in these bands too."""
    grey = Image.new("RGB", (256, 256), (128, 128, 128))
    layers = [bands.BandLayer(band, grey.getchannel(0)) for band in further if band not in bands.BANDS]
    return Picture(
        "grey card", bands.with_layers(grey, layers), " ".join(["grey card", *(layer.name for layer in layers)])
    )


@contextlib.contextmanager
def guarded(card: ModelCard) -> Iterator[None]:
    """What a person's own code raises becomes one sentence; what anything else raises is a mistake of this project."""
    try:
        yield
    except GatescopeError:
        raise
    except OWN_CODE_ERRORS as error:
        if card.source != "code":
            raise
        raise CodeError(f"{card.name} failed: {failure(error)}.") from error
