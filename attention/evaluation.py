"""What the cards claim, measured by a survey of a folder of pictures: top-1 accuracy and the health of every gate."""

import contextlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from attention import survey
from attention.files import open_plain, reason_of
from attention.models import Network
from attention.numbers import amount
from attention.records import GateHealth, GatescopeError, ModelCard
from attention.survey.running import print_progress
from attention.survey.statistics import gate_health


@contextlib.contextmanager
def data_folder(path: Path) -> Iterator[Path]:
    """The directory itself, or a tar archive's content in a temporary directory."""
    if path.is_dir():
        yield path
        return
    if not (path.is_file() and tarfile.is_tarfile(path)):
        raise GatescopeError(f"{path} is neither a directory of class folders nor a tar archive of one")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with open_plain(path) as file, tarfile.open(fileobj=file) as archive:
                archive.extractall(folder, filter="data")
        except OSError as error:
            raise GatescopeError(f"{path} cannot be unpacked into {folder}: {reason_of(error)}.") from None
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise GatescopeError(
                f"{path} cannot be unpacked: {error}; a whole tar of plain files is allowed."
            ) from None
        yield Path(folder)


def card_with_accuracy(network: Network, folder: Path) -> ModelCard:
    """The network's card with what every picture of a directory of class folders gives: accuracy and gate health.

    Raises GatescopeError where the network names no class folders, one of them is missing from the directory, or a
    picture in them cannot be used.
    """
    result = _survey_all(network, _class_pictures(network, folder))
    return replace(
        network.card, accuracy=result.accuracy, validation_pictures=result.pictures, gate_health=_gate_health(result)
    )


def card_with_health(network: Network, folder: Path, over: str, limit: int | None = None) -> ModelCard:
    """The network's card with the health of its gates over the pictures below a directory, whatever they show.

    `over` names the pictures, of which at most `limit` are taken, spread evenly. Raises GatescopeError where there is
    none, or one of them cannot be used.
    """
    result = _survey_all(network, survey.list_pictures(folder).limited(limit))
    over = f"{amount(result.pictures, 'picture')} of {over}"
    return replace(network.card, gate_health=_gate_health(result), gate_health_over=over)


def _survey_all(network: Network, pictures: survey.PictureList) -> survey.Result:
    result = survey.run(network, pictures, progress=print_progress())
    if result.failures:
        path, reason = result.failures[0]
        raise GatescopeError(
            f"{amount(len(result.failures), 'picture')} of {pictures.root} cannot be used; {path}: {reason}"
        )
    return result


def _gate_health(result: survey.Result) -> tuple[GateHealth, ...]:
    checked = (gate_health(gate) for gate in result.gates)
    return tuple(GateHealth(each.name, each.kind, each.low, each.high, each.deviation) for each in checked)


def _class_pictures(network: Network, folder: Path) -> survey.PictureList:
    """The pictures in the network's class folders; those of other folders are left out."""
    classes = network.card.classes
    if not classes:
        raise GatescopeError(f"{network.card.name} names no class folders; the project's own networks do")
    if missing := [name for name in classes if not (folder / name).is_dir()]:
        raise GatescopeError(f"{folder} lacks class folders of {network.card.name}: {', '.join(missing)}")
    pictures = survey.list_pictures(folder)
    known = [number for number, name in enumerate(pictures.classes) if name in classes]
    return pictures.select(np.flatnonzero(np.isin(pictures.labels, known)).tolist())
