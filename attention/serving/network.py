"""A module, and what it does not say of itself -> a network for the pages, after one pass that shows that it works."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from attention import labels
from attention.analysis import predictions
from attention.images import Preprocessing
from attention.records import Card, GatescopeError, Trace
from attention.serving.factories import failure
from attention.serving.records import ServingError
from attention.zoo import Network, library
from attention.zoo.files import IMAGENET, USUAL, unsaid, usual_labels

if TYPE_CHECKING:  # options are read without torch
    from torch import nn

LARGEST = 1024
"""Side of the picture that a network sees, in pixels."""

Colours = tuple[float, float, float]


@dataclass(frozen=True)
class Settings:
    """What a module does not say of itself; None where it is left to be assumed, as `zoo.files.USUAL` has it."""

    labels: Sequence[str] | Path | None = None
    """What a person calls the classes, in the order of the outputs, or the path of a file as `labels.read` takes."""
    image_size: int | None = None
    """Side of the square picture that the network sees, in pixels."""
    mean: Colours | None = None
    """Taken off the picture's values of 0 to 1: red, green, blue."""
    std: Colours | None = None
    """What the rest is divided by."""

    def __post_init__(self) -> None:
        if self.image_size is not None and not 1 <= self.image_size <= LARGEST:
            raise ServingError(f"The image size is {self.image_size}; 1 to {LARGEST} pixels are allowed.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != 3:
                raise ServingError(f"The {name} has {len(values)} numbers; three are allowed: red, green, blue.")

    def seen(self) -> Preprocessing:
        """How pictures are prepared. Raises GatescopeError where that makes no sense."""
        size, mean, std = self.image_size or USUAL.size, self.mean or USUAL.mean, self.std or USUAL.std
        return replace(USUAL, size=size, mean=mean, std=std)

    def assumed(self) -> Iterator[str]:
        """A phrase for each thing that nobody said."""
        parts = {"size": self.image_size, "mean": self.mean, "std": self.std}
        return unsaid(USUAL, [name for name, value in parts.items() if value is not None])


def network(module: "nn.Module", name: str, settings: Settings) -> Network:
    """A module with its card, after one pass over a picture of noise; `name` is what it is called.

    The module is moved to the CPU, to float32 and to eval mode. Raises ServingError where it does not run or the
    labels are not its, and what the trace and the reading of labels raise.
    """
    seen = settings.seen()
    card = Card(
        name,
        title=type(module).__name__,
        description="a network of your own",
        source="code",
        licence="your own",
        parameters=0,
        input_size=seen.size,
        mean=seen.mean,
        std=seen.std,
        crop=seen.crop,
        interpolation=seen.interpolation,
        assumed=tuple(settings.assumed()),
    )
    trace = _tried(module, card)
    parameters = sum(parameter.numel() for parameter in module.parameters())  # a lazy module has them from now on
    names = _labels(trace, settings)
    if settings.labels is None and len(names) == 1000:
        card = replace(card, assumed=(*card.assumed, IMAGENET))
    kinds = dict(Counter(gate.kind for gate in trace.gates))
    return Network(replace(card, parameters=parameters, gates=kinds, labels=names), module)


def _tried(module: "nn.Module", card: Card) -> Trace:
    import torch

    from attention import capture

    size = card.input_size
    noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(library.SEED))
    try:
        module.to("cpu", torch.float32).eval()
        if any(map(torch.nn.parameter.is_lazy, module.parameters())):
            with torch.no_grad():
                module(noise)  # learns its shapes
        with torch.inference_mode():
            return capture.trace(module, noise)
    except GatescopeError:
        raise
    except Exception as error:  # it is a person's own code, and may raise anything
        tried = f"{card.name} does not run on a picture of 3 channels and {size} × {size} pixels"
        raise ServingError(f"{tried}: {failure(error)}; {_hint(module, error)}.") from error


def _hint(module: "nn.Module", error: Exception) -> str:
    from torch import nn

    if isinstance(error, TypeError):
        return "it has to run on a batch of pictures and nothing else"
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != 3:
        return f"the channels that its first convolution reads are {first.in_channels}, and those of a picture are 3"
    return "another image size may be the right one"


def _labels(trace: Trace, settings: Settings) -> tuple[str, ...]:
    """A name for each class; none where the network does not give a score for each."""
    try:
        classes = len(predictions.scores(trace.output))
    except predictions.PredictionError as error:
        if settings.labels is None:
            return ()
        raise ServingError(f"Labels were given, and there is nothing to label: {error}") from error
    if settings.labels is None:
        return usual_labels(classes)
    if isinstance(settings.labels, str | Path):
        return labels.read(_bytes(Path(settings.labels)), Path(settings.labels).name, classes)
    if len(settings.labels) != classes:
        given = f"{len(settings.labels):,} labels were given"
        raise ServingError(f"{given} and the network has {classes:,} classes; one each is allowed.")
    return tuple(map(str, settings.labels))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServingError(f"The labels {path.name} cannot be read: {error.strerror or error}.") from error
