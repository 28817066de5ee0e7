"""A result as one Parquet file, which any program that reads Parquet can read and write again without a loss.

A row is a (gate, class, channel) of the gates by channel; where there are none, there is one row without names. The
first row has in its column `arrays` all that does not fit the table: the bytes of a .npz with the other arrays, and
under `survey` the UTF-8 of a JSON text. In the first form of the file they lay between the last row and the footer,
under zstd, and the text in the file's metadata, under `gatescope`, with their place: that form is still read.
"""

import io
import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from attention.files import open_plain, reason_of, replacing
from attention.foreign import load_json, readable
from attention.survey import checks
from attention.survey.result import Exemplars, Failure, GateSurvey, Result, Summary, SurveyError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FORMAT = 2
"""The form of the file; it counts up when that changes."""
FIRST_FORM = b"gatescope"
NAMES = ("gate", "class")
NUMBERS = ("mean", "std", "min", "max")
SUMMARIES = ("classes", "overall", "correct", "wrong")
FIRST_NAMES = {"correct": "right"}
"""What the first form calls a summary, where that is another name."""


def write(result: Result, path: Path) -> None:
    """Replace the file in one step. Raises FileError where it cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    options = {"compression": "zstd", "use_dictionary": list(NAMES), "write_statistics": ["gate", "class", "channel"]}
    with replacing(path) as raw, pq.ParquetWriter(raw, schema, **options) as file:
        rest: bytes | None = _pack(result)
        for gate in result.gates:
            if gate.by_channel:
                file.write_table(_rows(gate, result.classes, rest, schema))
                rest = None
        if rest is not None:
            file.write_table(pa.Table.from_pylist([{"arrays": rest}], schema))


def read(path: Path) -> Result:
    """The result in a file that `write` wrote, or an earlier version. Raises SurveyError where it is none."""
    try:
        if not path.is_file():
            raise SurveyError(f"{path} is not there; a result of `python -m attention survey` is allowed.")
        with open_plain(path) as raw:
            return _read(raw, path.name, checks.OWN)
    except OSError as error:
        raise SurveyError(f"{path} cannot be read: {reason_of(error)}.") from None


def read_upload(data: bytes, name: str) -> Result:
    """The result in the bytes of a file of this name, from anyone. Raises SurveyError, in one sentence, for others."""
    most = checks.UPLOAD.file
    if len(data) > most:
        raise SurveyError(f"{name} has {len(data) / 2**20:,.0f} MB; at most {most // 2**20} are allowed.")
    return _read(io.BytesIO(data), name, checks.UPLOAD)


def _read(raw: BinaryIO, name: str, limits: checks.FileLimits) -> Result:
    """Sizes are judged by what the file says of itself before memory is spent on them, then whether all parts fit."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(raw, read_dictionary=list(NAMES)) as file:
            checks.weigh_table(raw, file.metadata, limits)
            form, text, packed = _rest(raw, file, limits)
            checks.weigh_text(text, limits)
            table = file.read([*NAMES, "channel", "count", *NUMBERS])
            result = _result(form, text, np.load(packed, allow_pickle=False), table)
        checks.judge(result)
    except SurveyError:
        raise
    except _errors() as error:
        raise SurveyError(f"{name} is no result of a survey; only what the survey wrote is allowed.") from error
    return result


def _errors() -> tuple[type[Exception], ...]:
    """What pyarrow, zipfile, numpy and json raise for files that are not as they say."""
    import pyarrow as pa

    lookups = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
    headers = (SyntaxError, tokenize.TokenError)  # numpy takes the header of an array apart as Python
    reading = (OSError, EOFError, struct.error, zlib.error, zipfile.BadZipFile, RuntimeError, MemoryError)
    return (pa.ArrowException, *lookups, *headers, *reading)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    names = pa.dictionary(pa.int32(), pa.string())
    columns = {"gate": names, "class": names, "channel": pa.int32(), "count": pa.int64()}
    columns |= dict.fromkeys(NUMBERS[:2], pa.float64()) | dict.fromkeys(NUMBERS[2:], pa.float32())
    return pa.schema(columns | {"arrays": pa.large_binary()})


def _rows(gate: GateSurvey, classes: tuple[str, ...], rest: bytes | None, schema: "pa.Schema") -> "pa.Table":
    """A gate by channel as rows; the first of them takes the rest of the result, where it is given."""
    import pyarrow as pa

    channels, number = gate.shape[0], len(classes)
    codes = np.repeat(np.arange(number, dtype=np.int32), channels)
    cells = pa.array([rest], pa.large_binary())
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(number * channels, np.int32), _utf8((gate.name,))),
        pa.DictionaryArray.from_arrays(codes, _utf8(classes)),
        np.tile(np.arange(channels, dtype=np.int32), number),
        np.repeat(gate.classes.count, channels),
        *(getattr(gate.classes, field.name).ravel() for field in fields(Summary)[1:]),
        pa.concat_arrays([cells, pa.nulls(number * channels - 1, pa.large_binary())]),
    ]
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema)


def _pack(result: Result) -> bytes:
    """All that does not fit the table."""
    packed = io.BytesIO()
    text = np.frombuffer(json.dumps(_text(result)).encode(), np.uint8)
    np.savez(packed, survey=text, **dict(_arrays(result)))  # type: ignore[arg-type] # its stub takes them for allow_pickle
    return packed.getvalue()


def _rest(raw: BinaryIO, file: "pq.ParquetFile", limits: checks.FileLimits) -> tuple[int, dict[str, Any], Any]:
    """The form of the file, its text, and the .npz as a file of its own, whose sizes are judged."""
    import pyarrow as pa

    if "arrays" not in file.schema_arrow.names:
        return _rest_of_first_form(raw, file, limits)
    cells = file.read(["arrays"])["arrays"].drop_null()
    if len(cells) != 1:
        raise SurveyError("The file lacks rows of its survey's table: another program has left some out.")
    packed = pa.BufferReader(cells[0].as_buffer())
    checks.weigh_arrays(packed, limits)
    text = load_json(np.load(packed, allow_pickle=False)["survey"].tobytes())
    checks.expect_form(text["format"], FORMAT)
    packed.seek(0)
    return FORMAT, text, packed


def _rest_of_first_form(
    raw: BinaryIO, file: "pq.ParquetFile", limits: checks.FileLimits
) -> tuple[int, dict[str, Any], Any]:
    import pyarrow as pa

    stored = (file.metadata.metadata or {}).get(FIRST_FORM)
    if stored is None:
        raise ValueError("no table of a survey, or nothing of it but the table")
    checks.at_most("bytes of text", len(stored), limits.text)
    text = load_json(stored)
    start, length, size = text["arrays"]
    checks.at_most("bytes of arrays", size, limits.arrays)
    checks.require(0 <= start <= start + length)
    try:
        raw.seek(start)
        packed = io.BytesIO(pa.decompress(raw.read(length), size, "zstd", asbytes=True))
    except (pa.ArrowException, OSError) as error:
        raise SurveyError(
            "The file has the form of an earlier version, and another program has left its arrays out; only the file "
            "as the survey wrote it is allowed."
        ) from error
    checks.weigh_arrays(packed, limits)
    checks.expect_form(text["provenance"].pop("format"), 1)
    return 1, text, packed


def _utf8(names: tuple[str, ...]) -> list[str]:
    """Names of files that are no UTF-8 with their odd bytes spelled out."""
    return [readable(name) for name in names]


def _text(result: Result) -> dict[str, Any]:
    facts = ("name", "kind", "activation", "shape", "averaged", "feature_shape", "by_channel")
    gates = [{name: getattr(gate, name) for name in facts} for gate in result.gates]
    return {
        "format": FORMAT,
        "provenance": result.provenance,
        "classes": result.classes,
        "outputs": result.outputs,
        "labels": result.labels,
        "gates": gates,
        "failures": [_utf8(failure) for failure in result.failures],
        "paths": list(zip(result.paths, _utf8(tuple(result.paths.values())), strict=True)),
    }


def _arrays(result: Result) -> Iterator[tuple[str, NDArray]]:
    yield "predictions", result.predictions
    for number, gate in enumerate(result.gates):
        for name in SUMMARIES[gate.by_channel :]:
            yield from _record_arrays(f"{number}/{name}", getattr(gate, name))
        yield f"{number}/histogram", gate.histogram
        yield from zip((f"{number}/shuffled/count", f"{number}/shuffled/mean"), gate.shuffled, strict=True)
        for end in ("top", "bottom") if gate.by_channel else ():
            yield from _record_arrays(f"{number}/{end}", getattr(gate, end))


def _record_arrays(name: str, record: Summary | Exemplars) -> Iterator[tuple[str, NDArray]]:
    yield from ((f"{name}/{field.name}", getattr(record, field.name)) for field in fields(record))


def _result(form: int, text: dict[str, Any], arrays: Any, table: "pa.Table") -> Result:
    classes, start, gates = text["classes"], 0, []
    checks.require(classes)
    rows = sum(facts["shape"][0] * len(classes) for facts in text["gates"] if facts["by_channel"])
    if len(table) != (max(rows, 1) if form == FORMAT else rows):
        raise SurveyError("The file lacks rows of its survey's table: another program has left some out.")
    for number, facts in enumerate(text["gates"]):
        by_class = None
        if facts["by_channel"]:
            rows = facts["shape"][0] * len(classes)
            by_class = _class_summary(table.slice(start, rows), facts["name"], classes)
            start += rows
        gates.append(_gate(facts, number, arrays, by_class, FIRST_NAMES if form == 1 else {}))
    return Result(
        provenance=text["provenance"],
        classes=tuple(classes),
        outputs=tuple(text["outputs"]),
        labels=tuple(text["labels"]),
        gates=tuple(gates),
        predictions=arrays["predictions"],
        failures=tuple(Failure(*failure) for failure in text["failures"]),
        paths=dict(text["paths"]),
    )


def _class_summary(rows: "pa.Table", gate: str, classes: list[str]) -> Summary:
    """The summary by class of the rows of one gate, which are in the order of classes and channels."""
    names, channels = _part_names(rows["class"], len(classes)), rows["channel"].to_numpy().reshape(len(classes), -1)
    if _part_names(rows["gate"], 1) != [gate] or names != classes or (channels != np.arange(channels.shape[1])).any():
        raise SurveyError("The rows of the file are not in the order in which the survey wrote them.")
    count, *numbers = (rows[name].to_numpy().reshape(len(classes), -1) for name in ("count", *NUMBERS))
    return Summary(count[:, 0], *numbers)


def _part_names(column: "pa.ChunkedArray", parts: int) -> list[str] | None:
    """The name of each of so many equal parts of a column of names; None where a part has several."""
    whole = column.combine_chunks()
    codes = whole.indices.to_numpy(zero_copy_only=False).reshape(parts, -1)
    if (codes != codes[:, :1]).any():
        return None
    return [readable(whole.dictionary[int(code)].as_py()) for code in codes[:, 0]]


def _gate(
    facts: dict[str, Any], number: int, arrays: Any, classes: Summary | None, names: dict[str, str]
) -> GateSurvey:
    def record(kind: type, name: str) -> Any:
        return kind(*(arrays[f"{number}/{names.get(name, name)}/{field.name}"] for field in fields(kind)))

    ranked = facts["by_channel"]
    return GateSurvey(
        facts["name"] or "#1",  # an earlier version gave no name to the only gate of the network itself
        facts["kind"],
        facts["activation"],
        tuple(facts["shape"]),
        facts["averaged"],
        tuple(facts.get("feature_shape", ())),
        classes=classes or record(Summary, "classes"),
        **{name: record(Summary, name) for name in SUMMARIES[1:]},
        shuffled=(arrays[f"{number}/shuffled/count"], arrays[f"{number}/shuffled/mean"]),
        histogram=arrays[f"{number}/histogram"],
        top=record(Exemplars, "top") if ranked else None,
        bottom=record(Exemplars, "bottom") if ranked else None,
    )
