"""A result file from a person who may be hostile: judged by what it says of itself before memory is spent on it."""

import io
import json
import math
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from attention.kinds import KINDS
from attention.survey import files
from attention.survey.errors import SurveyError
from attention.survey.partials import BINS
from attention.survey.result import GateSurvey, Result, Summary

MAX_BYTES = 200 * 2**20
"""Of the file."""
MAX_ROWS = 20_000_000
"""Of its table: 15 million are SE-ResNet-50 over 1,000 classes."""
MAX_TEXT = 64 * 2**20
MAX_ARRAYS = 2**30
"""Bytes of the arrays beside the table, unpacked."""
MAX_GATES = 2_000
MAX_CLASSES = 50_000


def received(data: bytes, name: str) -> Result:
    """The result in the bytes of a file of this name. Raises SurveyError, in one sentence, for anything else."""
    if len(data) > MAX_BYTES:
        raise SurveyError(f"{name} has {len(data) / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} are allowed.")
    try:
        _weigh(data)
        result = _read(data)
        _judge(result)
    except SurveyError:
        raise
    except _errors() as error:
        raise SurveyError(f"{name} is no result of a survey; only what the survey wrote is allowed.") from error
    return result


def _errors() -> tuple[type[Exception], ...]:
    """What pyarrow, zipfile, numpy and json raise for files that are not as they say."""
    import pyarrow as pa

    lookups = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
    reading = (OSError, EOFError, struct.error, zlib.error, zipfile.BadZipFile, RuntimeError, MemoryError)
    return (pa.ArrowException, *lookups, *reading)


def _read(data: bytes) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "The file"
        path.write_bytes(data)
        return files.read(path)


def _weigh(data: bytes) -> None:
    """Whether the sizes that the file states are allowed, and fit each other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(io.BytesIO(data)) as file:
        facts = file.metadata
        groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
        _most("rows", facts.num_rows, MAX_ROWS)
        _most("bytes of table", sum(group.total_byte_size for group in groups), 64 * MAX_ROWS)
        _most("bytes of text", len(facts.metadata[files.TEXT]), MAX_TEXT)
        text = json.loads(facts.metadata[files.TEXT])
    _most("gates", len(text["gates"]), MAX_GATES)
    _most("classes", len(text["classes"]), MAX_CLASSES)
    rows = sum(gate["shape"][0] for gate in text["gates"] if gate["by_channel"]) * len(text["classes"])
    _insist(rows == facts.num_rows)
    start, length, size = text["arrays"]
    _insist(0 <= start <= start + length <= len(data))
    _most("bytes of arrays", size, MAX_ARRAYS)
    _weigh_arrays(pa.decompress(data[start : start + length], size, "zstd", asbytes=True))


def _weigh_arrays(packed: bytes) -> None:
    """Whether every array is as large as its header says; the headers are read without their arrays."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        _insist(sum(member.file_size for member in archive.infolist()) <= len(packed))
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(file)
                _insist(kind.kind in "iuf" and math.prod(shape) * kind.itemsize + file.tell() == member.file_size)


def _most(what: str, number: int, allowed: int) -> None:
    if not 0 <= number <= allowed:
        raise SurveyError(f"The file has {number:,} {what}; at most {allowed:,} are allowed.")


def _insist(true: Any) -> None:
    if not true:
        raise ValueError


def _judge(result: Result) -> None:
    """Whether all parts fit each other, so that whoever draws them need not ask."""
    classes = len(result.classes)
    _insist(len(result.outputs) == classes and all(-1 <= number < len(result.labels) for number in result.outputs))
    _insist(all(isinstance(name, str) for name in (*result.classes, *result.labels, *result.paths.values())))
    _insist(all(isinstance(text, str) for failure in result.failures for text in failure))
    _insist(len({gate.name for gate in result.gates}) == len(result.gates))
    _judge_predictions(result)
    _judge_provenance(result.provenance)
    for gate in result.gates:
        _judge_gate(gate, classes)
        for kept in (gate.top, gate.bottom):
            _insist(kept is None or set(np.unique(kept.pictures).tolist()) <= result.paths.keys())


def _judge_predictions(result: Result) -> None:
    found, ends = result.predictions, (len(result.classes), len(result.labels), 2**40)
    _insist(found.dtype.kind == "i" and found.ndim == 2 and found.shape[1] == 3)
    _insist((found >= 0).all() and all((column < end).all() for column, end in zip(found.T, ends, strict=True)))


def _judge_provenance(facts: dict[str, Any]) -> None:
    network, pictures = facts["network"], facts["pictures"]
    _insist(all(isinstance(network[name], str) for name in ("name", "title", "weights_sha256")))
    _insist(isinstance(network["random"], bool) and isinstance(pictures["root"], str))
    _insist(all(isinstance(pictures[name], int) for name in ("count", "classes", "left_out")))
    _insist(all(isinstance(facts[name], dict) for name in ("preprocessing", "versions", "run")))


def _judge_gate(gate: GateSurvey, classes: int) -> None:
    _insist(gate.kind in KINDS and gate.by_channel <= (len(gate.shape) == 1))
    _insist(all(isinstance(text, str) for text in (gate.name, gate.activation, gate.averaged)))
    _insist(math.prod(gate.shape) > 0)
    _judge_summary(gate.classes, (classes,), gate.shape)
    for summary in (gate.overall, gate.right, gate.wrong):
        _judge_summary(summary, (), gate.shape)
    counts, means = gate.shuffled
    _insist(counts.shape == (classes,) and means.shape == (classes, *gate.shape))
    _insist(gate.histogram.shape == (*gate.shape, BINS + 2) and gate.histogram.dtype.kind in "iu")
    for kept in filter(None, (gate.top, gate.bottom)):
        _insist(len(kept.values) and kept.values.ndim == 2 and kept.values.shape[1:] == gate.shape)
        _insist(kept.pictures.shape == kept.values.shape and kept.pictures.dtype.kind == "i")


def _judge_summary(summary: Summary, rows: tuple[int, ...], shape: tuple[int, ...]) -> None:
    _insist(np.shape(summary.count) == rows and np.asarray(summary.count).dtype.kind == "i")
    _insist(np.min(summary.count, initial=0) >= 0)
    for numbers in (summary.mean, summary.std, summary.minimum, summary.maximum):
        _insist(numbers.shape == (*rows, *shape) and numbers.dtype.kind == "f")
        known = numbers[np.asarray(summary.count) > 0]
        _insist(np.isfinite(known).all())
