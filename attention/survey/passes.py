"""One batch of pictures -> the partial statistics of it; and all that these rest on, written down."""

import contextlib
import hashlib
import math
import platform
import re
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from attention import images, labels
from attention.files import reason_of
from attention.kinds import KINDS
from attention.limits import LIVE_TENSORS, PASSES, at_once
from attention.models import Network
from attention.records import Floats, Gate
from attention.survey.partials import OTHER_GATES, GateColumns, Means, Moments, Partial, TopK, histogram, ranked
from attention.survey.pictures import PictureList
from attention.survey.result import Failure, Integers, SurveyError

if TYPE_CHECKING:  # a result is read without torch
    from torch import Tensor, nn


SEED = 0
"""Seed of the shuffle of the classes."""
LARGEST = 64
"""Side of a map that is kept place by place; a larger one is averaged over tiles."""
MOST_COLUMNS = 2**12
"""Columns that a gate over neither channels nor places alone may have; where there are more, their mean is kept."""


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """What is surveyed, cut into batches: picture i is in batch i // batch_size, whoever runs it."""

    network: Network
    pictures: PictureList
    outputs: tuple[int, ...]
    """The output of the network that each class of the pictures is; -1 for one that it does not know."""
    batch_size: int
    shuffled: Integers = field(init=False)
    """The class of each picture after they were shuffled among the pictures."""

    def __post_init__(self) -> None:
        shuffled = np.random.default_rng(SEED).permutation(self.pictures.labels)
        object.__setattr__(self, "shuffled", shuffled)

    def __len__(self) -> int:
        return -(-len(self.pictures) // self.batch_size)


class Worker:
    """`worker(number)` is the Partial of a batch of the plan; one worker may serve many threads at once."""

    def __init__(self, plan: BatchPlan) -> None:
        from attention import capture

        self._plan = plan
        self._trace = capture.Tracer(plan.network.module, copy=False)
        room = at_once(LIVE_TENSORS * plan.network.largest, plan.batch_size)
        self._halvings = math.ceil(math.log2(plan.batch_size / room))
        on_host = all(tensor.device.type == "cpu" for tensor in plan.network.module.parameters())
        # Threads that decode go on meanwhile; two passes at once would need the memory of both.
        self._turn = contextlib.nullcontext() if on_host else threading.Lock()

    def __call__(self, number: int) -> Partial:
        size = self._plan.batch_size
        numbers = range(number * size, min((number + 1) * size, len(self._plan.pictures)))
        batch, failed = read_batch(self._plan, numbers)
        usable = np.array([number for number in numbers if number not in failed], np.int64)
        partial = self._count(usable, batch, failed) if len(usable) else Partial()
        partial.pictures, partial.halved = len(numbers), self._halvings
        partial.failures = [Failure(self._plan.pictures.paths[number], failed[number]) for number in sorted(failed)]
        return partial

    def _count(self, numbers: Integers, batch: "Tensor", failed: dict[int, str]) -> Partial:
        """The statistics of the pictures in the batch; those that come to no finite numbers go to `failed`."""
        gates, values, logits = self._forward_in_parts(batch)
        finite = np.isfinite(values).all(1) & np.isfinite(logits).all(1)
        failed.update({int(number): "the network's numbers for it are not finite" for number in numbers[~finite]})
        return self._summarise(gates, numbers[finite], values[finite], logits[finite].argmax(1))

    def _forward_in_parts(self, batch: "Tensor") -> tuple[tuple[GateColumns, ...], Floats, Floats]:
        """The pass in so few parts that the device's memory holds each; what one picture does not fit is an error."""
        import torch

        halvings = self._halvings
        size = max(1, -(-len(batch) // 2**halvings))
        try:
            passes = [self._forward(part) for part in batch.split(size)]
        except torch.OutOfMemoryError as error:
            if size == 1:
                message = f"The memory of the device does not hold one picture's pass: {_first_sentence(error)}"
                raise SurveyError(message) from None
        else:
            gates = passes[0][0]
            if any(each[0] != gates for each in passes):
                raise SurveyError(OTHER_GATES)
            return gates, np.concatenate([each[1] for each in passes]), np.concatenate([each[2] for each in passes])
        self._halvings = max(self._halvings, halvings + 1)  # outside, where the failed pass's tensors are let go
        return self._forward_in_parts(batch)

    def _forward(self, batch: "Tensor") -> tuple[tuple[GateColumns, ...], Floats, Floats]:
        """The gates, the table of their values, and the logits. Raises SurveyError where there are none."""
        import torch

        taken = PASSES.taking(LIVE_TENSORS * self._plan.network.largest * len(batch))
        with self._turn, taken, torch.inference_mode():
            trace = self._trace(self._plan.network.batch(batch))
        if getattr(trace.output, "ndim", 0) != 2:
            raise SurveyError(
                "The network does not answer with one score for each class; only classifiers are allowed."
            )
        return *gate_table(trace.gates, len(batch)), trace.output.float().cpu().numpy()

    def _summarise(
        self, gates: tuple[GateColumns, ...], numbers: Integers, values: Floats, predicted: NDArray[np.intp]
    ) -> Partial:
        rows, single = values.astype(np.float64), values[:, ranked(gates)]
        classes, shuffled = self._plan.pictures.labels[numbers], self._plan.shuffled[numbers]
        expected = np.array(self._plan.outputs)[classes]
        correct = np.where(expected < 0, -1, predicted == expected)
        return Partial(
            gates=gates,
            classes={int(key): Moments.from_rows(rows[classes == key]) for key in np.unique(classes)},
            correctness={bool(key): Moments.from_rows(rows[correct == key]) for key in np.unique(correct) if key >= 0},
            shuffled={int(key): Means.from_rows(rows[shuffled == key]) for key in np.unique(shuffled)},
            histogram=histogram(rows),
            top=TopK.from_rows(single, numbers),
            bottom=TopK.from_rows(-single, numbers),
            predictions=Counter(zip(classes.tolist(), predicted.tolist(), strict=True)),
        )


def read_batch(plan: BatchPlan, numbers: range) -> "tuple[Tensor, dict[int, str]]":
    """The pictures that can be read, float32 (N, 3, S, S), channels last; and of the others the reason why not."""
    import torch

    tensors, failed = [], {}
    for number in numbers:
        try:
            tensors.append(plan.network.transform(images.read(plan.pictures.read(number))))
        except (images.PictureError, OSError, BadZipFile, ZlibError, RuntimeError) as error:
            failed[number] = _reason(error)
    if not tensors:
        return torch.empty(0), failed
    return torch.stack(tensors).contiguous(memory_format=torch.channels_last), failed


def _first_sentence(error: Exception) -> str:
    """Its first sentence."""
    return str(error).partition(". ")[0].rstrip(".") + "."


def _reason(error: Exception) -> str:
    if isinstance(error, images.PictureError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"the file cannot be read: {reason_of(error)}"


def gate_table(gates: tuple[Gate, ...], pictures: int) -> tuple[tuple[GateColumns, ...], Floats]:
    """The gates of a pass -> their columns and the table of their values, (pictures, columns), side by side."""
    columns, parts = [], []
    for gate in gates:
        values, averaged = _reduce(gate)
        features = (1, *gate.feature_shape[1:])
        columns.append(GateColumns(gate.name, gate.kind, gate.activation, values.shape[1:], averaged, features))
        parts.append(values.reshape(len(values), -1))
    return tuple(columns), np.concatenate(parts, 1) if parts else np.zeros((pictures, 0), np.float32)


def _reduce(gate: Gate) -> tuple[Floats, str]:
    """What is kept of a gate of one pass: one value a channel or place of each picture."""
    values = gate.values
    if KINDS[gate.kind].by_channel:
        return (values.mean(tuple(range(2, values.ndim))), "the places") if values.ndim > 2 else (values, "")
    if KINDS[gate.kind].is_map and values.ndim == 3 and max(values.shape[1:]) > LARGEST:
        return _average_tiles(values)
    if not KINDS[gate.kind].is_map and values[0].size > MOST_COLUMNS:
        return values.reshape(len(values), -1).mean(1, keepdims=True), "all of it"
    return values.reshape(len(values), -1) if values.ndim == 1 else values, ""


def _average_tiles(values: Floats) -> tuple[Floats, str]:
    """(N, H, W) -> the means of tiles, so large that at most LARGEST lie side by side; the last may be smaller."""
    tile = -(-max(values.shape[1:]) // LARGEST)
    for axis in (1, 2):
        starts = np.arange(0, values.shape[axis], tile)
        widths = np.diff(np.append(starts, values.shape[axis]))
        sums = np.add.reduceat(values, starts, axis)
        values = (sums / np.expand_dims(widths, tuple({0, 1, 2} - {axis}))).astype(np.float32)
    return values, f"tiles of {tile} x {tile} places"


IMAGENET = 1000
"""Outputs of a network of ImageNet's classes."""


def class_outputs(network: Network, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The output that each class is, -1 for one that the network does not know.

    A class goes by the name of the network's class folder, by its label in any case, or, where the network has
    ImageNet's 1,000 outputs and every class is named by a WordNet id, by that. One output alone chooses nothing.
    """
    if len(network.labels) < 2:
        return (-1,) * len(classes)
    known = {label.casefold(): number for number, label in reversed(list(enumerate(network.labels)))}
    known |= {name: number for number, name in enumerate(network.card.classes)}
    if len(network.labels) == IMAGENET and all(re.fullmatch(r"n\d{8}", name) for name in classes):
        known = {name: number for number, name in enumerate(labels.imagenet())}
    return tuple(known.get(name, known.get(name.casefold(), -1)) for name in classes)


def provenance(plan: BatchPlan) -> dict[str, Any]:
    """Everything that the numbers depend on, but for the processor. Two surveys with equal ones give equal numbers."""
    card, seen = plan.network.card, asdict(plan.network.transform)
    return {
        "network": {"name": card.name, "title": card.title, "random": card.random, "file_sha256": card.sha256}
        | {"weights_sha256": weights_sha256(plan.network.module)},
        # Without the bands where they are the colours, as in files of before there were others.
        "preprocessing": {name: value for name, value in seen.items() if (name, value) != ("bands", images.RGB)},
        "pictures": _picture_facts(plan.pictures),
        "batch_size": plan.batch_size,
        "shuffle_seed": SEED,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "pillow")},
    }


def weights_sha256(module: "nn.Module") -> str:
    """SHA-256 over the names, types and values of all parameters and buffers, as they are in memory."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _picture_facts(pictures: PictureList) -> dict[str, Any]:
    root = str(pictures.root.resolve()).encode("utf-8", "backslashreplace").decode()
    facts = {"root": root, "count": len(pictures), "classes": len(pictures.classes)}
    return facts | {"left_out": pictures.left_out, "fingerprint": pictures.fingerprint}
