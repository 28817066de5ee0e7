"""A result as one Parquet file: the table of the channel gates, and everything else inside the same file.

One row is a (gate, class, channel). The key `gatescope` of the file's metadata is JSON of all that is text; under
`arrays` it names the place of a .npz with the arrays that do not fit the table, under zstd: offset, bytes, and bytes
without compression. It lies between the last row and the footer, where readers of Parquet do not look, and where it
may be of any size.

`read_upload` reads the file of a person who may be hostile: it is judged by what it says of itself before memory is
spent on it.
"""

import io
import json
import math
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from attention.records import Kind
from attention.survey.passes import FORMAT
from attention.survey.result import BINS, Exemplars, Failure, GateSurvey, Result, Summary, SurveyError

if TYPE_CHECKING:
    import pyarrow as pa


TEXT = b"gatescope"
MAX_OWN_ARRAYS = 2**32
"""Bytes of the arrays without compression; those of 15,000 channels and 1,000 classes take 130 MB."""
COLUMNS = ("mean", "std", "min", "max")
SUMMARIES = {"classes": "classes", "overall": "overall", "correct": "right", "wrong": "wrong"}
"""The summaries of a gate, and what the file calls them."""


def write(result: Result, path: Path) -> None:
    """Replace the file in one step."""
    import pyarrow.parquet as pq

    schema = _schema()
    writing = path.with_name(path.name + ".writing")
    with writing.open("wb") as raw, pq.ParquetWriter(raw, schema, compression="zstd") as table:
        for gate in result.gates:
            if gate.by_channel:
                table.write_table(_rows(gate, result.classes, schema))
        packed, size = _pack(result)
        place = [raw.tell(), len(packed), size]
        raw.write(packed)
        table.add_key_value_metadata({TEXT: json.dumps(_text(result) | {"arrays": place})})
    writing.replace(path)


def read(path: Path) -> Result:
    """The result in a file that `write` wrote. Raises SurveyError where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise SurveyError(f"{path} is not there; a result of `python -m attention survey` is allowed.")
    try:
        with path.open("rb") as raw, pq.ParquetFile(raw) as file:
            text = json.loads((file.metadata.metadata or {})[TEXT])
            table = file.read(["count", *COLUMNS])
            start, length, size = text["arrays"]
            raw.seek(start)
            return _result(text, _unpack(raw.read(length), size), table)
    except (
        pa.ArrowException,
        zipfile.BadZipFile,
        LookupError,
        ValueError,
        OSError,
        TypeError,
        AttributeError,
    ) as error:
        if isinstance(error, SurveyError):
            raise
        raise SurveyError(f"{path.name} is no result of a survey; only what the survey wrote is allowed.") from error


def _schema() -> "pa.Schema":
    import pyarrow as pa

    names = pa.dictionary(pa.int32(), pa.string())
    columns = {"gate": names, "class": names, "channel": pa.int32(), "count": pa.int64()}
    return pa.schema(columns | dict.fromkeys(COLUMNS[:2], pa.float64()) | dict.fromkeys(COLUMNS[2:], pa.float32()))


def _pack(result: Result) -> tuple[bytes, int]:
    """The arrays as a .npz under zstd, and their bytes without it."""
    import pyarrow as pa

    packed = io.BytesIO()
    np.savez(packed, **dict(_arrays(result)))  # type: ignore[arg-type] # its stub takes them for allow_pickle
    return pa.compress(packed.getbuffer(), "zstd", asbytes=True), packed.getbuffer().nbytes


def _unpack(packed: bytes, size: int) -> Any:
    import pyarrow as pa

    if not 0 < size <= MAX_OWN_ARRAYS:
        raise ValueError("more bytes than a result has")
    return np.load(io.BytesIO(pa.decompress(packed, size, "zstd", asbytes=True)), allow_pickle=False)


def _rows(gate: GateSurvey, classes: tuple[str, ...], schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    channels, number = gate.shape[0], len(classes)
    named = pa.DictionaryArray.from_arrays(np.repeat(np.arange(number, dtype=np.int32), channels), _texts(classes))
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(number * channels, np.int32), [gate.name]),
        named,
        np.tile(np.arange(channels, dtype=np.int32), number),
        np.repeat(gate.classes.count, channels),
        *(getattr(gate.classes, field.name).ravel() for field in fields(Summary)[1:]),
    ]
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema)


def _texts(names: tuple[str, ...]) -> list[str]:
    """Names of files that are no UTF-8 with their odd bytes spelled out."""
    return [name.encode("utf-8", "backslashreplace").decode() for name in names]


def _text(result: Result) -> dict[str, Any]:
    gates = [
        {name: getattr(gate, name) for name in ("name", "kind", "activation", "shape", "averaged", "by_channel")}
        for gate in result.gates
    ]
    return {
        "provenance": result.provenance,
        "classes": _texts(result.classes),
        "outputs": result.outputs,
        "labels": result.labels,
        "gates": gates,
        "failures": [_texts(failure) for failure in result.failures],
        "paths": list(zip(result.paths, _texts(tuple(result.paths.values())), strict=True)),
    }


def _arrays(result: Result) -> Iterator[tuple[str, NDArray]]:
    yield "predictions", result.predictions
    for number, gate in enumerate(result.gates):
        for name, stored in list(SUMMARIES.items())[gate.by_channel :]:
            summary = getattr(gate, name)
            yield from ((f"{number}/{stored}/{field.name}", getattr(summary, field.name)) for field in fields(Summary))
        yield f"{number}/histogram", gate.histogram
        yield from zip((f"{number}/shuffled/count", f"{number}/shuffled/mean"), gate.shuffled, strict=True)
        for end in ("top", "bottom") if gate.by_channel else ():
            exemplars = getattr(gate, end)
            yield from ((f"{number}/{end}/{field.name}", getattr(exemplars, field.name)) for field in fields(Exemplars))


def _result(text: dict[str, Any], arrays: Any, table: "pa.Table") -> Result:
    if text["provenance"]["format"] != FORMAT:
        raise SurveyError(
            f"The result has format {text['provenance']['format']}; {FORMAT} is the one that can be read."
        )
    classes, start, gates = len(text["classes"]), 0, []
    for number, facts in enumerate(text["gates"]):
        by_class = None
        if facts["by_channel"]:
            rows = classes * facts["shape"][0]
            by_class = _class_summary(table.slice(start, rows), classes)
            start += rows
        gates.append(_gate(facts, number, arrays, by_class))
    return Result(
        provenance=text["provenance"],
        classes=tuple(text["classes"]),
        outputs=tuple(text["outputs"]),
        labels=tuple(text["labels"]),
        gates=tuple(gates),
        predictions=arrays["predictions"],
        failures=tuple(Failure(*failure) for failure in text["failures"]),
        paths=dict(text["paths"]),
    )


def _class_summary(table: "pa.Table", classes: int) -> Summary:
    count, *numbers = (table[name].to_numpy().reshape(classes, -1) for name in ("count", *COLUMNS))
    return Summary(count[:, 0], *numbers)


def _gate(facts: dict[str, Any], number: int, arrays: Any, by_class: Summary | None) -> GateSurvey:
    def record(kind: type, name: str) -> Any:
        return kind(*(arrays[f"{number}/{name}/{field.name}"] for field in fields(kind)))

    ranked = facts["by_channel"]
    return GateSurvey(
        facts["name"],
        facts["kind"],
        facts["activation"],
        tuple(facts["shape"]),
        facts["averaged"],
        classes=by_class or record(Summary, "classes"),
        **{name: record(Summary, stored) for name, stored in list(SUMMARIES.items())[1:]},
        shuffled=(arrays[f"{number}/shuffled/count"], arrays[f"{number}/shuffled/mean"]),
        histogram=arrays[f"{number}/histogram"],
        top=record(Exemplars, "top") if ranked else None,
        bottom=record(Exemplars, "bottom") if ranked else None,
    )


MAX_BYTES = 200 * 2**20
"""Bytes of an uploaded file."""
MAX_ROWS = 20_000_000
"""Rows of its table: 15 million are SE-ResNet-50 over 1,000 classes."""
MAX_TEXT = 64 * 2**20
MAX_ARRAYS = 2**30
"""Bytes of the arrays beside the table, unpacked."""
MAX_GATES = 2_000
MAX_CLASSES = 50_000


def read_upload(data: bytes, name: str) -> Result:
    """The result in the bytes of a file of this name. Raises SurveyError, in one sentence, for anything else."""
    if len(data) > MAX_BYTES:
        raise SurveyError(f"{name} has {len(data) / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} are allowed.")
    try:
        _weigh(data)
        result = _read_bytes(data)
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


def _read_bytes(data: bytes) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "The file"
        path.write_bytes(data)
        return read(path)


def _weigh(data: bytes) -> None:
    """Whether the sizes that the file states are allowed, and fit each other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(io.BytesIO(data)) as file:
        facts = file.metadata
        groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
        _most("rows", facts.num_rows, MAX_ROWS)
        _most("bytes of table", sum(group.total_byte_size for group in groups), 64 * MAX_ROWS)
        _most("bytes of text", len(facts.metadata[TEXT]), MAX_TEXT)
        text = json.loads(facts.metadata[TEXT])
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
                first = version == (1, 0)
                header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                shape, _, kind = header(file)
                _insist(kind.kind in "iuf" and math.prod(shape) * kind.itemsize + file.tell() == member.file_size)


def _most(what: str, number: int, allowed: int) -> None:
    if not 0 <= number <= allowed:
        raise SurveyError(f"The file has {number:,} {what}; at most {allowed:,} are allowed.")


def _insist(condition: Any) -> None:
    if not condition:
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
    rows, ends = result.predictions, (len(result.classes), len(result.labels), 2**40)
    _insist(rows.dtype.kind == "i" and rows.ndim == 2 and rows.shape[1] == 3)
    _insist((rows >= 0).all() and all((column < end).all() for column, end in zip(rows.T, ends, strict=True)))


def _judge_provenance(facts: dict[str, Any]) -> None:
    network, pictures = facts["network"], facts["pictures"]
    _insist(all(isinstance(network[name], str) for name in ("name", "title", "weights_sha256")))
    _insist(isinstance(network["random"], bool) and isinstance(pictures["root"], str))
    _insist(all(isinstance(pictures[name], int) for name in ("count", "classes", "left_out")))
    _insist(all(isinstance(facts[name], dict) for name in ("preprocessing", "versions", "run")))


def _judge_gate(gate: GateSurvey, classes: int) -> None:
    _insist(gate.kind in get_args(Kind) and gate.by_channel <= (len(gate.shape) == 1))
    _insist(all(isinstance(text, str) for text in (gate.name, gate.activation, gate.averaged)))
    _insist(math.prod(gate.shape) > 0)
    _judge_summary(gate.classes, (classes,), gate.shape)
    for summary in (gate.overall, gate.correct, gate.wrong):
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
