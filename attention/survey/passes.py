"""One batch of pictures -> the partial statistics of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from attention import images
from attention.kinds import KINDS
from attention.models import Network
from attention.records import Floats, Gate
from attention.survey.errors import SurveyError
from attention.survey.folder import Pictures
from attention.survey.partials import Block, Failure, Highest, Means, Moments, Partial, Whole, histogram, ranked

if TYPE_CHECKING:  # a result is read without torch
    from torch import Tensor

SEED = 0
"""Of the shuffle of the classes."""
LARGEST = 64
"""Side of a map that is kept place by place; a larger one is averaged over tiles."""
BY_CLASS = 2**12
"""Columns of one gate that vary over neither channels nor places alone; where there are more, their mean is kept."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is surveyed, cut into batches: picture i is in batch i // batch_size, whoever runs it."""

    network: Network
    pictures: Pictures
    outputs: tuple[int, ...]
    """The output of the network that each class of the pictures is; -1 for one that it does not know."""
    batch_size: int
    shuffled: Whole = field(init=False)
    """The class of each picture after they were shuffled among the pictures."""

    def __post_init__(self) -> None:
        shuffled = np.random.default_rng(SEED).permutation(self.pictures.labels)
        object.__setattr__(self, "shuffled", shuffled)

    def __len__(self) -> int:
        return -(-len(self.pictures) // self.batch_size)


class Worker:
    """`worker(number)` is the Partial of a batch of the job; one worker may serve many threads."""

    def __init__(self, job: Job) -> None:
        from attention import capture

        self._job = job
        self._trace = capture.Tracer(job.network.module, copy=False)

    def __call__(self, number: int) -> Partial:
        size = self._job.batch_size
        numbers = range(number * size, min((number + 1) * size, len(self._job.pictures)))
        batch, failed = read(self._job, numbers)
        usable = np.array([number for number in numbers if number not in failed], np.int64)
        found = self._counted(usable, batch, failed) if len(usable) else Partial()
        found.pictures = len(numbers)
        found.failures = [Failure(self._job.pictures.paths[number], failed[number]) for number in sorted(failed)]
        return found

    def _counted(self, numbers: Whole, batch: "Tensor", failed: dict[int, str]) -> Partial:
        """Of the pictures in the batch; those that come to no finite numbers go to `failed`."""
        blocks, values, logits = self._passed(batch)
        finite = np.isfinite(values).all(1) & np.isfinite(logits).all(1)
        failed.update({int(number): "the network's numbers for it are not finite" for number in numbers[~finite]})
        if not finite.any():
            return Partial()
        return self._summed(blocks, numbers[finite], values[finite], logits[finite].argmax(1))

    def _passed(self, batch: "Tensor") -> tuple[tuple[Block, ...], Floats, Floats]:
        """The blocks, the table of gate values, and the logits. Raises SurveyError where there are none."""
        import torch

        with torch.inference_mode():
            trace = self._trace(batch)
        if getattr(trace.output, "ndim", 0) != 2:
            raise SurveyError(
                "The network does not answer with one score for each class; only classifiers are allowed."
            )
        return *table(trace.gates, len(batch)), trace.output.float().numpy()

    def _summed(self, blocks: tuple[Block, ...], numbers: Whole, values: Floats, said: NDArray[np.intp]) -> Partial:
        rows, single = values.astype(np.float64), values[:, ranked(blocks)]
        classes, shuffled = self._job.pictures.labels[numbers], self._job.shuffled[numbers]
        expected = np.array(self._job.outputs)[classes]
        verdicts = np.where(expected < 0, -1, said == expected)
        return Partial(
            blocks=blocks,
            classes={int(key): Moments.of(rows[classes == key]) for key in np.unique(classes)},
            verdicts={bool(key): Moments.of(rows[verdicts == key]) for key in np.unique(verdicts) if key >= 0},
            shuffled={int(key): Means.of(rows[shuffled == key]) for key in np.unique(shuffled)},
            histogram=histogram(rows),
            top=Highest.of(single, numbers),
            bottom=Highest.of(-single, numbers),
            predictions=Counter(zip(classes.tolist(), said.tolist(), strict=True)),
        )


def read(job: Job, numbers: range) -> "tuple[Tensor, dict[int, str]]":
    """The pictures that can be read, float32 (N, 3, S, S), channels last; and of the others the reason why not."""
    import torch

    tensors, failed = [], {}
    for number in numbers:
        try:
            tensors.append(job.network.transform(images.read(job.pictures.read(number))))
        except (images.PictureError, OSError, BadZipFile, ZlibError, RuntimeError) as error:
            failed[number] = _reason(error)
    return _channels_last(torch.stack(tensors) if tensors else torch.empty(0)), failed


def _channels_last(batch: "Tensor") -> "Tensor":
    import torch

    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch


def _reason(error: Exception) -> str:
    if isinstance(error, images.PictureError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"the file cannot be read: {getattr(error, 'strerror', None) or error}"


def table(gates: tuple[Gate, ...], pictures: int) -> tuple[tuple[Block, ...], Floats]:
    """The gates of a pass -> the blocks and the table of their values, (pictures, columns), side by side."""
    blocks, parts = [], []
    for gate in gates:
        values, averaged = _reduced(gate)
        blocks.append(Block(gate.name, gate.kind, gate.activation, values.shape[1:], averaged))
        parts.append(values.reshape(len(values), -1))
    return tuple(blocks), np.concatenate(parts, 1) if parts else np.zeros((pictures, 0), np.float32)


def _reduced(gate: Gate) -> tuple[Floats, str]:
    """What is kept of a gate of one pass: one value a channel or place of each picture."""
    values = gate.values
    if Block(gate.name, gate.kind, "", (), "").by_channel:
        return (values.mean(tuple(range(2, values.ndim))), "the places") if values.ndim > 2 else (values, "")
    if KINDS[gate.kind].is_map and values.ndim == 3 and max(values.shape[1:]) > LARGEST:
        return _tiled(values)
    if not KINDS[gate.kind].is_map and values[0].size > BY_CLASS:
        return values.reshape(len(values), -1).mean(1, keepdims=True), "all of it"
    return values.reshape(len(values), -1) if values.ndim == 1 else values, ""


def _tiled(values: Floats) -> tuple[Floats, str]:
    """(N, H, W) -> the means of tiles, so large that at most LARGEST lie side by side; the last may be smaller."""
    tile = -(-max(values.shape[1:]) // LARGEST)
    for axis in (1, 2):
        starts = np.arange(0, values.shape[axis], tile)
        widths = np.diff(np.append(starts, values.shape[axis]))
        sums = np.add.reduceat(values, starts, axis)
        values = (sums / np.expand_dims(widths, tuple({0, 1, 2} - {axis}))).astype(np.float32)
    return values, f"tiles of {tile} x {tile} places"
