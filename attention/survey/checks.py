"""A result file judged by what it says of itself before memory is spent on it, and the result once it is read.

Everything here is for files that may be hostile. Parquet states the size of each page without compression in the
page's own header, and .npy that of its array: these are what a reader allocates, so these are added up.
"""

import io
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from attention.kinds import KINDS
from attention.survey.result import BINS, GateSurvey, Result, Summary, SurveyError

HEADER = 2**16
"""Bytes in which the header of a page must end; those of ours take about thirty."""


@dataclass(frozen=True)
class FileLimits:
    """What a file may come to."""

    file: int
    """Bytes of the file."""
    rows: int
    """Rows of its table; 15 million are SE-ResNet-50 over 1,000 classes."""
    text: int
    """Bytes of the JSON text."""
    arrays: int
    """Bytes of the arrays beside the table, unpacked; those of 15,000 channels and 1,000 classes take 130 MB."""
    gates: int
    classes: int

    @property
    def unpacked(self) -> int:
        """Bytes of all pages without compression."""
        return 64 * self.rows + self.arrays


UPLOAD = FileLimits(200 * 2**20, rows=20_000_000, text=64 * 2**20, arrays=2**30, gates=2_000, classes=50_000)
OWN = FileLimits(2**36, rows=2**31, text=2**32, arrays=2**32, gates=2**20, classes=2**20)
"""The limits of a file that whoever starts the program names."""


def at_most(what: str, number: int, allowed: int) -> None:
    """Raises SurveyError where there are more."""
    if not 0 <= number <= allowed:
        raise SurveyError(f"The file has {number:,} {what}; at most {allowed:,} are allowed.")


def require(condition: Any) -> None:
    """Raises ValueError where the condition does not hold."""
    if not condition:
        raise ValueError("the parts of the file do not fit each other")


def expect_form(form: Any, expected: int) -> None:
    """Raises SurveyError where the file has another form."""
    if form != expected:
        raise SurveyError(f"The result has format {form}; 1 and 2 are those that can be read.")


def weigh_table(raw: BinaryIO, facts: Any, limits: FileLimits) -> None:
    """Whether the table, of whose metadata the facts are, takes no more memory than is allowed."""
    at_most("rows", sum(facts.row_group(number).num_rows for number in range(facts.num_row_groups)), limits.rows)
    end, total = raw.seek(0, io.SEEK_END), 0
    for start, size in column_chunks(raw):
        require(0 < start < start + size <= end)
        for unpacked in page_sizes(raw, start, start + size):
            total += unpacked
            at_most("bytes without compression", total, limits.unpacked)


def column_chunks(raw: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where the pages of each column of each row group begin in a Parquet file, and how many bytes they take.

    From the footer (parquet.thrift, FileMetaData: 4 row groups, of each 1 its columns, of each 3 the facts), since
    pyarrow's own `RowGroupMetaData.column` ends the whole process where a statistic in it is damaged. Raises
    ValueError where it is none.
    """
    end = raw.seek(0, io.SEEK_END)
    raw.seek(max(end - 8, 0))
    length, ending = struct.unpack("<I4s", raw.read(8))
    require(ending == b"PAR1" and length + 8 <= end)
    raw.seek(end - 8 - length)
    footer = _Thrift(raw.read(length))
    for _ in footer.structs(4):
        for _ in footer.structs(1):
            yield footer.column()


def page_sizes(raw: BinaryIO, start: int, end: int) -> Iterator[int]:
    """The bytes without compression of each page that lies between two places of a Parquet file.

    A page is a header, a struct of Apache Thrift's compact protocol (parquet.thrift, PageHeader: 2 the size without
    compression, 3 the size as it lies there), and so many bytes after it. Raises ValueError where it is none.
    """
    while start != end:
        require(start < end)
        raw.seek(start)
        header = _Thrift(raw.read(min(HEADER, end - start)))
        sizes = header.integers()
        require(all(0 <= sizes.get(field, -1) < 2**31 for field in (2, 3)))
        yield sizes[2]
        start += header.at + sizes[3]


class _Thrift:
    """Reads a struct of the compact protocol; `at` is how many bytes it has taken."""

    INTEGERS = (4, 5, 6)
    FIRST_PAGE, DICTIONARY, SIZE = 9, 11, 7
    """Fields of the facts of a column, ColumnMetaData."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def integers(self) -> dict[int, int]:
        """The integer fields of the struct by their number; the others are passed over."""
        integers: dict[int, int] = {}
        for field, kind in self.fields():
            if kind in self.INTEGERS:
                integers[field] = self._zigzag()
            else:
                integers[field] = -1
                self.skip(kind)
        return integers

    def structs(self, wanted: int) -> Iterator[None]:
        """Goes through a struct, and stops at each struct of the list in this field, which is read then."""
        for field, kind in self.fields():
            if field == wanted and kind == 9:
                inner, count = self._list()
                require(inner == 12)
                for _ in range(count):
                    yield
            else:
                self.skip(kind)

    def column(self) -> tuple[int, int]:
        """Where a column's pages begin, its dictionary's where it has one, and their bytes."""
        pages = None
        for field, kind in self.fields():
            if (field, kind) == (3, 12):
                pages = self._pages()
            else:
                self.skip(kind)
        if pages is None:
            raise ValueError("a column without facts")
        return pages

    def _pages(self) -> tuple[int, int]:
        facts: dict[int, int] = {}
        for field, kind in self.fields():
            if field in (self.FIRST_PAGE, self.DICTIONARY, self.SIZE):
                require(kind == 6)  # or another reader would pass it over
                facts[field] = self._zigzag()
            else:
                self.skip(kind)
        first = facts[self.FIRST_PAGE]
        return min(first, facts.get(self.DICTIONARY, first)), facts[self.SIZE]

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and kind of each field of a struct, whose value is to be read or skipped then."""
        field, seen = 0, set[int]()
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else self._zigzag()
            require(field not in seen and -(2**15) <= field < 2**15)  # or another reader might take another one
            seen.add(field)
            yield field, kind

    def skip(self, kind: int, depth: int = 0) -> None:
        """Passes a value over."""
        require(depth < 8)  # a level is a call of Python's, and a file may claim any number of them
        if kind in (1, 2):  # true and false are kinds of their own
            return
        if kind == 3:
            self._byte()
        elif kind in self.INTEGERS:
            self._varint()
        elif kind == 7:
            self.at += 8
        elif kind == 8:
            length = self._varint()
            self.at += length
        elif kind in (9, 10):
            inner, count = self._list()
            for _ in range(count):
                require(self.at < len(self.data))
                self.skip(inner, depth + 1)
        elif kind == 12:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        else:
            raise ValueError("no struct of the compact protocol")

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _list(self) -> tuple[int, int]:
        head = self._byte()
        inner = 3 if head & 15 in (1, 2) else head & 15  # in a list true and false are a byte each
        return inner, self._varint() if head >> 4 == 15 else head >> 4

    def _zigzag(self) -> int:
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            require(shift < 64)


def weigh_arrays(packed: BinaryIO, limits: FileLimits) -> None:
    """Whether every array is as large as its header says; the headers are read without their arrays.

    Together they are no larger than the bytes that are there: the archive is stored, and nothing in it inflates.
    """
    size = packed.seek(0, io.SEEK_END)
    at_most("bytes of arrays", size, limits.arrays)
    packed.seek(0)
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        require(len({member.filename for member in members}) == len(members))
        require(sum(member.file_size for member in members) <= size)
        for member in members:
            with archive.open(member) as file:
                first = np.lib.format.read_magic(file) == (1, 0)
                read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                shape, _, kind = read(file)
                require(kind.kind in "iuf" and math.prod(shape) * kind.itemsize + file.tell() == member.file_size)
                if member.filename == "survey.npy":
                    at_most("bytes of text", math.prod(shape), limits.text)
    packed.seek(0)


def weigh_text(text: dict[str, Any], limits: FileLimits) -> None:
    """Whether the text names no more gates and classes than are allowed."""
    at_most("gates", len(text["gates"]), limits.gates)
    at_most("classes", len(text["classes"]), limits.classes)


def judge(result: Result) -> None:
    """Whether all parts fit each other, so that whoever draws them need not ask. Raises ValueError where they don't."""
    classes = len(result.classes)
    require(len(result.outputs) == classes and all(-1 <= number < len(result.labels) for number in result.outputs))
    require(all(isinstance(name, str) for name in (*result.classes, *result.labels, *result.paths.values())))
    require(all(isinstance(text, str) for failure in result.failures for text in failure))
    require(len({gate.name for gate in result.gates}) == len(result.gates))
    rows, ends = result.predictions, (classes, len(result.labels), 2**40)
    require(rows.dtype.kind == "i" and rows.ndim == 2 and rows.shape[1] == 3)
    require((rows >= 0).all() and all((column < end).all() for column, end in zip(rows.T, ends, strict=True)))
    _judge_provenance(result.provenance)
    for gate in result.gates:
        _judge_gate(gate, classes)
        for kept in (gate.top, gate.bottom):
            require(kept is None or set(np.unique(kept.pictures).tolist()) <= result.paths.keys())


def _judge_provenance(facts: dict[str, Any]) -> None:
    network, pictures = facts["network"], facts["pictures"]
    require(all(isinstance(network[name], str) for name in ("name", "title", "weights_sha256")))
    require(isinstance(network["random"], bool) and isinstance(pictures["root"], str))
    require(all(isinstance(pictures[name], int) for name in ("count", "classes", "left_out")))
    require(all(isinstance(facts[name], dict) for name in ("preprocessing", "versions", "run")))


def _judge_gate(gate: GateSurvey, classes: int) -> None:
    require(gate.kind in KINDS and gate.by_channel <= (len(gate.shape) == 1))
    require(all(isinstance(text, str) for text in (gate.name, gate.activation, gate.averaged)))
    require(math.prod(gate.shape) > 0 and all(isinstance(size, int) for size in gate.feature_shape))
    _judge_summary(gate.classes, (classes,), gate.shape)
    for summary in (gate.overall, gate.correct, gate.wrong):
        _judge_summary(summary, (), gate.shape)
    counts, means = gate.shuffled
    require(counts.shape == (classes,) and means.shape == (classes, *gate.shape))
    require(gate.histogram.shape == (*gate.shape, BINS + 2) and gate.histogram.dtype.kind in "iu")
    for kept in filter(None, (gate.top, gate.bottom)):
        require(len(kept.values) and kept.values.ndim == 2 and kept.values.shape[1:] == gate.shape)
        require(kept.pictures.shape == kept.values.shape and kept.pictures.dtype.kind == "i")


def _judge_summary(summary: Summary, rows: tuple[int, ...], shape: tuple[int, ...]) -> None:
    require(np.shape(summary.count) == rows and np.asarray(summary.count).dtype.kind == "i")
    require(np.min(summary.count, initial=0) >= 0)
    for numbers in (summary.mean, summary.std, summary.minimum, summary.maximum):
        require(numbers.shape == (*rows, *shape) and numbers.dtype.kind == "f")
        known = numbers[np.asarray(summary.count) > 0]
        require(np.isfinite(known).all())
