"""Weight files that a person brings: read by the rules for strangers' files, recognised, and made a network."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from attention import labels as class_names
from attention.images import Preprocessing
from attention.records import Card
from attention.zoo import from_torchvision, library
from attention.zoo.downloads import hash_of
from attention.zoo.network import Network, ZooError

if TYPE_CHECKING:  # a page takes this module's defaults without torch
    from torch import Tensor

    from attention.recognition import Architecture

USUAL = Preprocessing(
    224,
    crop=0.875,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
    whole_pixels=True,
)
"""How pictures of ImageNet are mostly prepared: 256 px on the shorter side, and the central 224 of them."""
UNSAID = "how its pictures were prepared: 224 px, the central 87.5 %, bilinear, ImageNet's mean and standard deviation"
IMAGENET = "the names of the classes: ImageNet-1k's in their usual order, because there are 1,000"


@dataclass(frozen=True, eq=False)
class WeightFile:
    """A weight file that was read and recognised, and of which no network has been made yet."""

    name: str
    """Without its folders."""
    sha256: str
    state: "Mapping[str, Tensor]"
    architecture: "Architecture"
    notes: tuple[str, ...]
    """What was taken out of what, and off the keys, before it was recognised."""

    @property
    def classes(self) -> int:
        """How many, which is how many labels may be given."""
        return cast(int, self.architecture.settings["classes"])


def families() -> tuple[str, ...]:
    """What `family` may be: the names of all networks that can be recognised."""
    from attention.recognition import FAMILIES

    return FAMILIES


def opened(source: Path | bytes, name: str = "", *, family: str | None = None) -> WeightFile:
    """A .safetensors, .pt or .pth file, or such a file's bytes, under a name, with the network that it belongs to.

    `family`, one of `families()`, overrides what the keys say. Raises CheckpointError where the file is not read, and
    RecognitionError where its weights are those of no network that is known.
    """
    from attention import checkpoints, recognition

    state, notes = checkpoints.contents(source)
    if isinstance(source, bytes):
        digest = hashlib.sha256(source).hexdigest()
    else:
        name, digest = name or source.name, hash_of(source, "sha256")
    return WeightFile(PurePath(name).name, digest, state, recognition.recognise(state, family), notes)


def assemble(file: WeightFile, *, seen: Preprocessing = USUAL, labels: Sequence[str] = ()) -> Network:
    """The network with the weights of the file; `seen` says how pictures are prepared, `labels` name the classes.

    Raises RecognitionError where a key does not fit, and ZooError where the labels are not as many as the classes,
    where the network cannot see pictures of this size or scores one as NaN, or where a pass would take more than the
    limits allow.
    """
    from attention import recognition

    if labels and len(labels) != file.classes:
        raise ZooError(f"{len(labels):,} labels are given, and {file.name} has {file.classes:,} classes.")
    module = recognition.load(file.state, file.architecture)
    _check_pass(file, seen.size)
    card = replace(_card(file, seen), labels=tuple(labels) or usual_labels(file.classes))
    if not labels and file.classes == 1000:
        card = replace(card, assumed=(*card.assumed, IMAGENET))
    trace = library.on_noise(module, card)
    if not trace.output.isfinite().all():
        raise ZooError(f"{file.name} scores a picture of noise as NaN or infinite; only finite scores are allowed.")
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Network(replace(card, parameters=parameters, gates=library.kinds(trace)), module)


def load(path: Path) -> Network:
    """The network of a weight file, with everything assumed that weights do not say. Raises as the two before it."""
    return assemble(opened(path))


def _card(file: WeightFile, seen: Preprocessing) -> Card:
    """What is known before a pass, and what is assumed."""
    found = file.architecture
    alike = f"the family: {found.family}; the same keys and shapes have {'; '.join(found.alternatives)}"
    return Card(
        name=file.name,
        title=file.name,
        description=f"recognised as {found.family}: {'; '.join(found.evidence + file.notes)}",
        source="file",
        licence="not stated: a file of your own",
        parameters=0,
        input_size=seen.size,
        mean=seen.mean,
        std=seen.std,
        crop=seen.crop,
        interpolation=seen.interpolation,
        assumed=((UNSAID,) if seen == USUAL else ()) + ((alike,) if found.alternatives else ()),
        sha256=file.sha256,
    )


def usual_labels(classes: int) -> tuple[str, ...]:
    """What classes are called that nobody has named: ImageNet's where there are 1,000, else by their number."""
    return from_torchvision.labels("resnet50") if classes == 1000 else class_names.default(classes)


def _check_pass(file: WeightFile, size: int) -> None:
    """Raises ZooError where one pass over a picture would be too large, or impossible."""
    from attention.checkpoints import Limits
    from attention.recognition import passes

    limits = Limits.of_environment()
    if file.classes > limits.classes:
        raise ZooError(f"{file.name} has {file.classes:,} classes; at most {limits.classes:,} are allowed.")
    try:
        cost = passes.of(file.architecture.build, size)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ZooError(f"{file.name} cannot see pictures of {size} px ({reason}); try 224.") from error
    for taken, allowed, what in (
        (cost.largest, limits.feature_bytes, "bytes for its largest tensor"),
        (cost.macs, limits.macs, "multiply-accumulates"),
    ):
        if taken > allowed:
            given = f"One pass of {file.name} at {size} px takes {taken:,} {what}"
            raise ZooError(f"{given}; at most {allowed:,} are allowed.")
