"""Weight files that a person brings: read by the rules for strangers' files, recognised, and made a network."""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from attention import labels as class_names
from attention.files import errors_naming
from attention.images import IMAGENET_MEAN, IMAGENET_STD, RGB, Preprocessing, size_in_words
from attention.limits import BUILDING, Limits
from attention.models import own
from attention.models.downloads import hash_of
from attention.models.network import Network, ZooError, card_of, check_bands, check_size, gate_counts, on_noise, reads
from attention.numbers import amount
from attention.records import Band, ModelCard

if TYPE_CHECKING:  # a page takes this module's defaults without torch
    from torch import Tensor

    from attention.models.checkpoints import Contents
    from attention.models.families import Architecture

USUAL = Preprocessing(
    224, crop=0.875, mean=IMAGENET_MEAN, std=IMAGENET_STD, interpolation="bilinear", whole_pixels=True
)
"""How pictures of ImageNet are mostly prepared: 256 px on the shorter side, and the central 224 of them."""
PARTS = ("size", "crop", "interpolation", "mean", "std", "bands")
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
    from attention.models.recognise import FAMILIES

    return FAMILIES


def opened(source: Path | bytes, name: str = "", *, family: str | None = None, part: str | None = None) -> WeightFile:
    """A .safetensors, .pt or .pth file, or such a file's bytes, under a name, with the network that it belongs to.

    `family`, one of `families()`, overrides what the keys say; `part` is what `checkpoints.contents` takes. Raises
    CheckpointError where the file is not read, and RecognitionError where its weights are those of no network that is
    known.
    """
    from attention.models import checkpoints

    read = checkpoints.contents(source, part=part)
    if isinstance(source, bytes):
        return recognise_file(name, hashlib.sha256(source).hexdigest(), read, family)
    with errors_naming(source):
        return recognise_file(name or source.name, hash_of(source, "sha256"), read, family)


def recognise_file(name: str, sha256: str, read: "Contents", family: str | None = None) -> WeightFile:
    """What was read of a file of this name and checksum, with the network that it belongs to.

    Raises RecognitionError as `opened` does.
    """
    from attention.models import recognise

    notes = read.notes
    if family is None and (family := _family_of(sha256)):
        notes = (*notes, "its checksum is that of a file of this project")
    fitted = recognise.fit(read.state, family)
    return WeightFile(PurePath(name).name, sha256, fitted.state, fitted.architecture, notes + fitted.notes)


def _family_of(sha256: str) -> str | None:
    """The family of a file that comes with the project: networks that differ in their padding share their keys."""
    from attention.models.published import OWN

    return next((family for family, name in OWN.items() if own.card(name).sha256 == sha256), None)


def usual_preprocessing(architecture: "Architecture") -> Preprocessing:
    """How the pictures of such a network are mostly prepared: this project's own see what `train` shows them."""
    from attention.models.published import OWN

    seen = replace(USUAL, bands=usual_bands(int(str(architecture.settings.get("channels", len(RGB))))))
    if architecture.family not in OWN:
        return seen
    known = own.card(OWN[architecture.family])
    return replace(seen, size=known.input_size, crop=known.crop, interpolation=known.interpolation)


def usual_bands(channels: int) -> tuple[Band, ...]:
    """What so many input channels are taken to read: the colours, and grey for what is more or fewer."""
    colours = RGB if channels >= len(RGB) else ()
    grey: list[Band] = ["grey"] * (channels - len(colours))
    return (*colours, *grey)


def assumptions(taken: Preprocessing, stated: Container[str]) -> Iterator[str]:
    """A phrase for each part of the preparation that nobody said; `said` holds the names of the parts that are."""
    if "size" not in stated:
        yield f"pictures of {taken.size if isinstance(taken.size, int) else size_in_words(taken.size)} px"
    if "crop" not in stated:
        yield f"the central {taken.crop:.1%} of a picture"
    if "bands" not in stated and taken.bands != RGB:
        yield reads(taken.bands)
    if "interpolation" not in stated:
        yield f"{taken.interpolation} interpolation"
    colours = {"mean": "mean", "std": "standard deviation"}
    if missing := [word for name, word in colours.items() if name not in stated]:
        yield f"ImageNet's {' and '.join(missing)}"


def assemble(file: WeightFile, *, seen: Preprocessing | None = None, labels: Sequence[str] = ()) -> Network:
    """The network with the weights of the file; `seen` says how pictures are prepared, `labels` name the classes.

    Raises RecognitionError where a key does not fit, and ZooError where the labels are not as many as the classes,
    where the network cannot see pictures of this size or scores one as NaN, or where a pass would take more than the
    limits allow.
    """
    from attention.cost import count_parameters
    from attention.models import recognise

    if labels and len(labels) != file.classes:
        raise ZooError(
            f"{amount(len(labels), 'label is', 'labels are')} given, and {file.name} has "
            f"{amount(file.classes, 'class', 'classes')}."
        )
    seen = seen or usual_preprocessing(file.architecture)
    check_bands(file.name, seen.bands, len(usual_preprocessing(file.architecture).bands))
    if file.classes > (allowed := Limits.of_environment().classes):
        raise ZooError(f"{file.name} has {amount(file.classes, 'class', 'classes')}; at most {allowed:,} are allowed.")
    size = check_size(file.name, file.architecture.build, seen)
    card = replace(_card(file, seen), labels=tuple(labels) or usual_labels(file.classes))
    if not labels and file.classes == 1000:
        card = replace(card, assumed=(*card.assumed, IMAGENET))
    with BUILDING.taking(size.numbers):
        module = recognise.load(file.state, file.architecture)
        trace = on_noise(module, card)
    if not trace.output.isfinite().all():
        raise ZooError(f"{file.name} scores a picture of noise as NaN or infinite; only finite scores are allowed.")
    return Network(replace(card, parameters=count_parameters(module), gates=gate_counts(trace)), module, size.largest)


def load(path: Path, *, part: str | None = None, family: str | None = None) -> Network:
    """The network of a weight file, with everything assumed that weights do not say; `part` and `family` as `opened`
    takes them, a family in small letters or large ones. Raises as the two before it."""
    chosen = family and next((known for known in families() if known.casefold() == family.casefold()), family)
    network = assemble(opened(path, part=part, family=chosen))
    name = f"{path.name}{f':{part}' if part else ''}{f' as {chosen}' if chosen else ''}"
    return replace(network, card=replace(network.card, name=name))


def _card(file: WeightFile, seen: Preprocessing) -> ModelCard:
    """What is known before a pass, and what is assumed: each part of `seen` that is the usual one."""
    architecture = file.architecture
    expected = usual_preprocessing(architecture)
    stated = [name for name in PARTS if getattr(seen, name) != getattr(expected, name)]
    known = "taken for" if architecture.alternatives else "recognised as"
    alike = f"the family: {architecture.family}; the same keys and shapes have {'; '.join(architecture.alternatives)}"
    return card_of(
        seen,
        name=file.name,
        title=file.name,
        description=f"{known} {architecture.family}: {'; '.join(architecture.evidence + file.notes)}",
        source="file",
        licence="not stated: a file of your own",
        parameters=0,
        assumed=(*assumptions(seen, stated), *architecture.assumed, *((alike,) if architecture.alternatives else ())),
        sha256=file.sha256,
    )


def usual_labels(classes: int) -> tuple[str, ...]:
    """What classes are called that nobody has named: ImageNet's where there are 1,000, else by their number."""
    return tuple(class_names.imagenet().values()) if classes == 1000 else class_names.default(classes)
