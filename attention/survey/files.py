"""A result as one Parquet file: the table of the channel gates, and everything else inside the same file.

One row is a (gate, class, channel). The key `gatescope` of the file's metadata is JSON of all that is text; under
`arrays` it names the place of a .npz with the arrays that do not fit the table, under zstd: offset, bytes, and bytes
without compression. It lies between the last row and the footer, where readers of Parquet do not look, and where it
may be of any size.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attention.survey.errors import SurveyError
from attention.survey.partials import Failure
from attention.survey.provenance import FORMAT
from attention.survey.result import Exemplars, GateSurvey, Result, Summary

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = b"gatescope"
MAX_BYTES = 2**32
"""Of the arrays without compression; those of 15,000 channels and 1,000 classes take 130 MB."""
COLUMNS = ("mean", "std", "min", "max")
SUMMARIES = ("classes", "overall", "right", "wrong")


def write(result: Result, path: Path) -> None:
    """Replace the file in one step."""
    import pyarrow.parquet as pq

    schema = _schema()
    writing = path.with_name(path.name + ".writing")
    with writing.open("wb") as raw, pq.ParquetWriter(raw, schema, compression="zstd") as table:
        for gate in result.gates:
            if gate.by_channel:
                table.write_table(_rows(gate, result.classes, schema))
        held, size = _packed(result)
        place = [raw.tell(), len(held), size]
        raw.write(held)
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
            return _result(text, _unpacked(raw.read(length), size), table)
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


def _packed(result: Result) -> tuple[bytes, int]:
    """The arrays as a .npz under zstd, and their bytes without it."""
    import pyarrow as pa

    packed = io.BytesIO()
    np.savez(packed, **dict(_arrays(result)))  # type: ignore[arg-type] # its stub takes them for allow_pickle
    return pa.compress(packed.getbuffer(), "zstd", asbytes=True), packed.getbuffer().nbytes


def _unpacked(held: bytes, size: int) -> Any:
    import pyarrow as pa

    if not 0 < size <= MAX_BYTES:
        raise ValueError("more bytes than a result has")
    return np.load(io.BytesIO(pa.decompress(held, size, "zstd", asbytes=True)), allow_pickle=False)


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
        for summary in SUMMARIES[gate.by_channel :]:
            held = getattr(gate, summary)
            yield from ((f"{number}/{summary}/{field.name}", getattr(held, field.name)) for field in fields(Summary))
        yield f"{number}/histogram", gate.histogram
        yield from zip((f"{number}/shuffled/count", f"{number}/shuffled/mean"), gate.shuffled, strict=True)
        for end in ("top", "bottom") if gate.by_channel else ():
            held = getattr(gate, end)
            yield from ((f"{number}/{end}/{field.name}", getattr(held, field.name)) for field in fields(Exemplars))


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
            by_class = _of_rows(table.slice(start, rows), classes)
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


def _of_rows(table: "pa.Table", classes: int) -> Summary:
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
        **{name: record(Summary, name) for name in SUMMARIES[1:]},
        shuffled=(arrays[f"{number}/shuffled/count"], arrays[f"{number}/shuffled/mean"]),
        histogram=arrays[f"{number}/histogram"],
        top=record(Exemplars, "top") if ranked else None,
        bottom=record(Exemplars, "bottom") if ranked else None,
    )
