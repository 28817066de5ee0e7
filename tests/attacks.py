"""Weight files that mean harm, or are merely wrong: each built here, with a piece of the sentence that refuses it."""

import argparse
import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save as save_safetensors

BOMB = 500 * 2**20
MARK = "code-was-run"
"""The file that the code in an attack would leave in the working directory."""


def flat(header: dict | bytes, data: bytes = b"", size: int | None = None) -> bytes:
    """A safetensors file with any header, and any claim of the header's size."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def entry(begin: int, end: int, *, shape: list | None = None, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


def saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def archive(
    pickled: bytes,
    data: dict[str, bytes] | None = None,
    *,
    compression: int = zipfile.ZIP_STORED,
    order: str = "little",
) -> bytes:
    """A zip in torch's layout, around any pickle and any tensor data."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=1) as parts:
        parts.writestr("archive/data.pkl", pickled)
        parts.writestr("archive/byteorder", order)
        for name, content in (data or {}).items():
            parts.writestr(f"archive/data/{name}", content)
        parts.writestr("archive/version", "3\n")
    return file.getvalue()


def pickle_of(content: object) -> bytes:
    """The pickle in what torch.save makes of this."""
    with zipfile.ZipFile(io.BytesIO(saved(content))) as parts:
        return parts.read("archive/data.pkl")


class Harm:
    """Pickled, this is a call of os.system."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {MARK}",)


def code_without_a_name() -> bytes:
    """`eval` put together while the pickle is read (STACK_GLOBAL), so that no listing of names shows it."""
    code = f"open({MARK!r}, 'w').close()"
    return archive(b"\x80\4\x8c\x08builtins\x8c\x04eval\x93\x8c" + bytes([len(code)]) + code.encode() + b"\x85R.")


def growing_string(times: int) -> bytes:
    """Hexadecimal of hexadecimal, again and again: half a kilobyte that becomes a gigabyte."""
    call, name = b"c_codecs\nencode\n", b"X\x03\0\0\0hex\x86R"
    return archive(b"\x80\2" + call * (times + 1) + b"X\4\0\0\0abcdX\5\0\0\0utf-8\x86R" + name * times + b".")


def copied_dictionary() -> bytes:
    """A dictionary of ten thousand entries, copied eight hundred times."""
    pairs = b"".join(b"M" + struct.pack("<H", n) + b"K\1\x86" for n in range(10_000))
    copies = b"ccollections\nOrderedDict\nh\0\x85R" * 800
    return archive(b"\x80\2](" + pairs + b"eq\0](" + copies + b"e.")


class Holding(torch.nn.Linear):
    """A module with harm among its attributes."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.harm = Harm()


def module_in_itself(name: str = "m") -> bytes:
    """A module twice in itself: its parts have 2 ** depth names."""
    module = torch.nn.Linear(1, 1)
    module._modules |= {name: module, "n": module}
    return saved(module)


class Starting:
    """Pickled, this starts a process."""

    def __reduce__(self) -> tuple:
        return subprocess.Popen, (["touch", MARK],)


def code_in_attributes() -> bytes:
    return saved({"state_dict": {"a": torch.ones(2)}, "arguments": argparse.Namespace(lr=0.1, hook=Starting())})


def many_entries() -> bytes:
    keys = (b"X\5\0\0\0" + f"{number:05x}".encode() + b"]" for number in range(95_000))
    return archive(b"\x80\2}(" + b"".join(keys) + b"u.")


def call_in_call() -> bytes:
    """Calls of torch's that make what another call makes, each in the next one's arguments."""
    call = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    return archive(b"\x80\2" + call + (b"(" + call + b"N") * 9000 + b")" + b"Nt" * 9000 + b"R.")


def negative_place() -> bytes:
    return archive(pickle_of({"a": torch.zeros(7)}).replace(b"QK\0", b"QJ\xfc\xff\xff\xff"), {"0": bytes(28)})


def past_its_end() -> bytes:
    """Every second number of four, four times."""
    return archive(pickle_of({"a": torch.zeros(4)}).replace(b"K\1\x85", b"K\2\x85"), {"0": bytes(16)})


def deep_tuples() -> bytes:
    return archive(b"\x80\2})" + b"\x85" * 900_000 + b"K\1s.")


def stride_0() -> bytes:
    return saved({"weight": torch.zeros(1).expand(10**9)})


def storage_lie() -> bytes:
    """The pickle of 125 million numbers, and one of them in the file."""
    honest = pickle_of({"weight": torch.zeros(7)})
    return archive(honest.replace(b"K\7", b"J" + struct.pack("<i", BOMB // 4)), {"0": b"\0" * 4})


def deflated_bomb() -> bytes:
    honest = pickle_of({"weight": torch.zeros(7)})
    pickled = honest.replace(b"K\7", b"J" + struct.pack("<i", BOMB // 4))
    return archive(pickled, {"0": b"\0" * BOMB}, compression=zipfile.ZIP_DEFLATED)


@cache
def wrapped_bomb() -> bytes:
    file = io.BytesIO()
    wrapper = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with wrapper, wrapper.open("weights.pth", "w") as inner:
        inner.write(b"PK\3\4")
        for _ in range(BOMB // 2**20):
            inner.write(bytes(2**20))
    return file.getvalue()


def wrapped_lie() -> bytes:
    """The bomb, whose directory says that it unpacks to no more than it takes."""
    bomb = bytearray(wrapped_bomb())
    record = bomb.rindex(b"PK\1\2")
    bomb[record + 24 : record + 28] = bomb[record + 20 : record + 24]
    return bytes(bomb)


def one_entry_many_names() -> bytes:
    """A directory that lists the same megabyte under five hundred names."""
    honest = archive(pickle_of({"weight": torch.zeros(2**18)}), {"000": bytes(2**20)})
    end = honest.rindex(b"PK\5\6")
    count, length, begin = struct.unpack("<H2L", honest[end + 10 : end + 20])
    listed = honest[begin:end]
    first = listed.rindex(b"PK\1\2", 0, listed.index(b"/data/000"))
    record = listed[first : listed.index(b"/data/000") + len("/data/000")]
    more = b"".join(record.replace(b"/000", b"/%03d" % n) for n in range(1, 500))
    counts = struct.pack("<2H2L", count + 499, count + 499, length + len(more), begin)
    return honest[:begin] + listed + more + b"PK\5\6\0\0\0\0" + counts + b"\0\0"


def two_directories() -> bytes:
    """Whoever counts the directory's place from the start reads another one than who counts it from the end."""
    return archive(pickle_of({"weight": torch.zeros(7)}), {"0": bytes(28)}) + saved({"weight": torch.zeros(7)})


def one_name_twice() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of a name that is there
        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("archive/data.pkl", pickle_of({"weight": torch.zeros(7)}))
            for content in (bytes(28), b"\1" * 28):
                parts.writestr("archive/data/0", content)
    return file.getvalue()


def long_directory() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        for number in range(15_000):
            parts.writestr(f"archive/data/{number}-{'x' * 40}", b"")
    return file.getvalue()


def quantised() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants another way of quantising to be used
        return saved({"weight": torch.quantize_per_tensor(torch.ones(4), 0.5, 0, torch.qint8)})


def program() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants torch.export to be used
        torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), file)
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


@dataclass
class Sparse:
    """A file of a size of which only the start takes place on the disk."""

    start: bytes
    size: int

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            file.write(self.start)
            file.truncate(self.size)


BAD = torch.tensor([1.0, float("nan")])
ENDLESS = torch.tensor([1.0, float("-inf")], dtype=torch.bfloat16)
TWO = {"a": entry(0, 8), "b": entry(8, 16)}
ATTACKS: dict[str, tuple[Callable[[], bytes | Sparse], str]] = {
    "empty": (lambda: b"", "is empty"),
    "picture": (picture, "a PNG picture"),
    "text": (lambda: b"weights: none\n" * 9, "no weight file"),
    "ONNX": (lambda: b"\x08\x08\x12\x07pytorch" + bytes(99), "an ONNX graph"),
    "no ONNX": (lambda: b"\x08\x08\x13\x07pytorch" + bytes(99), "no weight file"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file, as Keras writes them"),
    "git-lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of git-lfs"),
    "web page": (lambda: b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html></html>", "a saved web page"),
    "gzip": (lambda: gzip.compress(b"weights"), "packed with gzip"),
    "over the size": (lambda: Sparse(b"PK\3\4", 2**40), "has 1,048,576 MiB; at most 600 MiB"),
    # safetensors
    "huge header": (lambda: flat(b"{}", size=2**62), "header of the safetensors file claims 4,611,686,018"),
    "header of a bomb": (lambda: Sparse(flat(b"{", size=BOMB), 8 + BOMB), "claims 524,288,000 bytes"),
    "header past the end": (lambda: flat(b"{}", size=1000), "more than the file has"),
    "header of no JSON": (lambda: flat(b"{'a': 1}"), "is no JSON"),
    "header of a bomb of lists": (lambda: flat(b'{"a":' + b"[" * 10**6), "is no JSON"),
    "one name twice": (lambda: flat(b'{"a": {}, "a": {}}'), "names a thing twice"),
    "entry of another form": (lambda: flat({"a": [1, 2]}), "no dtype, shape and data_offsets for 'a'"),
    "one offset": (lambda: flat({"a": entry(0, 0) | {"data_offsets": [0]}}), "'a' has 1 data_offsets"),
    "negative offset": (lambda: flat({"a": entry(-4, 0, shape=[1])}, bytes(4)), "whole numbers from 0"),
    "overlapping offsets": (
        lambda: flat({str(n): entry(0, 2**20) for n in range(500)}, bytes(2**20)),
        "overlaps the tensor before it",
    ),
    "gap between tensors": (lambda: flat({"a": entry(4, 8)}, bytes(8)), "leaves a gap before it"),
    "shape lie": (lambda: flat({"a": entry(0, 4, shape=[BOMB // 4])}, bytes(4)), r"'a' claims bytes 0 to 4, but its"),
    "endless shape": (lambda: flat({"a": entry(0, 4, shape=[2**62, 2**62])}, bytes(4)), "MiB of memory"),
    "cut in the middle": (lambda: save_safetensors({"a": torch.ones(9)})[:-5], "claim 36 bytes and the file has 31"),
    "bytes left over": (lambda: flat(TWO, bytes(17)), "claim 16 bytes and the file has 17"),
    "more tensors than a network has": (
        lambda: flat({str(n): entry(0, 0) for n in range(5001)}),
        "claims 5,001 tensors; at most 5,000",
    ),
    "dimensions": (lambda: flat({"a": entry(0, 4, shape=[1] * 9)}, bytes(4)), "has 9 dimensions; at most 8"),
    "eight-bit floats": (
        lambda: save_safetensors({"a": torch.ones(2).to(torch.float8_e4m3fn)}),
        "of the type 'F8_E4M3'",
    ),
    "no tensors": (lambda: flat({"__metadata__": {"format": "pt"}}), "holds no tensor"),
    "NaN": (lambda: save_safetensors({"a": BAD}), "'a' holds NaN or infinite"),
    # torch.save
    "code": (lambda: saved({"a": Harm()}), r"asks to run posix\.system"),
    "Python 2's name of it": (
        lambda: archive(b"\x80\2c__builtin__\neval\nX\1\0\0\x001\x85R."),
        r"asks to run __builtin__\.eval",
    ),
    "code without a name": (code_without_a_name, r"asks to run builtins\.eval"),
    "a module without weights": (lambda: saved(torch.nn.ReLU()), "holds no tensor"),
    "a module in itself": (module_in_itself, "more than 20,000 parts, or one in itself"),
    "a module with long names": (lambda: module_in_itself("m" * 900), "more than 20,000 parts, or one in itself"),
    "code in a module": (lambda: saved({"model": Holding()}), r"asks to run posix\.system"),
    "code in the attributes of an object": (code_in_attributes, r"asks to run commands\.Popen"),
    "bare pickle": (lambda: pickle.dumps({"a": 1}), "a bare pickle"),
    "legacy format": (lambda: saved({"a": BAD}, _use_new_zipfile_serialization=False), "before version 1.6"),
    "program": (program, "holds no tensor"),
    "quantised": (quantised, r"'weight' in it is of the type torch\._utils\._rebuild_qtensor"),
    "bytearray": (
        lambda: archive(b"\x80\2cbuiltins\nbytearray\nJ\0\0\0\x20\x85R."),
        r"holds something of the type builtins\.bytearray",
    ),
    "growing string": (lambda: growing_string(27), r"holds something of the type _codecs\.encode"),
    "copied dictionary": (copied_dictionary, "holds something of the type list"),
    "deep tuples": (deep_tuples, "would take more than 12 MiB of memory"),
    "many dictionaries": (lambda: archive(b"\x80\2](" + b"}" * 2**19 + b"e."), "would take more than 12 MiB"),
    "many marks": (lambda: archive(b"\x80\2" + b"(" * 2**19 + b"N."), "would take more than 12 MiB"),
    "many entries of a dictionary": (many_entries, "would take more than 12 MiB"),
    "a number without an end": (lambda: archive(b"\x80\2I" + b"9" * 10**5 + b"\n."), "damaged"),
    "a deep key": (lambda: archive(b"\x80\2})" + b"\x85" * 50_000 + b"K\1s."), "holds no tensor"),
    "a call in a call": (call_in_call, "holds something of the type torch"),
    "an extension": (lambda: archive(b"\x80\2\x82\1."), "the operation EXT1, which no weights need"),
    "a negative place": (negative_place, "a size or a place -4; whole numbers"),
    "a tensor past its end": (past_its_end, "claims 4 numbers, 16 bytes, and 16 are stored"),
    "other bytes first": (
        lambda: archive(pickle_of({"a": torch.zeros(1)}), {"0": bytes(4)}, order="big"),
        "big-endian",
    ),
    "a tensor without strides": (
        lambda: archive(pickle_of({"a": torch.zeros(4)}).replace(b"K\1\x85", b")"), {"0": bytes(16)}),
        "The pickle in the file is damaged",
    ),
    "numbers of bytes": (
        lambda: saved({"a": torch.ones(2).to(torch.float8_e5m2)}),
        r"'a' is of the type torch\.float8_e5m2; float64, float32",
    ),
    "numbers that torch does not have": (
        lambda: archive(pickle_of({"a": torch.ones(2).to(torch.float8_e5m2)}).replace(b"e5m2", b"e9m9"), {}),
        r"'a' is of the type 'torch\.float8_e9m9', which torch does not have",
    ),
    "a storage that is not read": (
        lambda: archive(pickle_of({"a": torch.ones(2)}).replace(b"FloatStorage", b"QInt8Storage"), {}),
        "'a' is in a storage of the type 'QInt8Storage', which is not read",
    ),
    "a persistent object": (lambda: archive(b"\x80\2}X\1\0\0\0aNQs."), "'a' in it is of the type a persistent object"),
    "what lies below a mark": (lambda: archive(b"\x80\2}(\x85."), "The pickle in the file is damaged"),
    "a number as a list": (lambda: archive(b"\x80\2K\1Na."), "The pickle in the file is damaged"),
    "a number as a name": (lambda: archive(b"\x80\4K\1K\2\x93."), "The pickle in the file is damaged"),
    "memo": (lambda: archive(b"\x80\2}r\xff\xff\xff\x7f."), "counts further than it is long"),
    "broken pickle": (lambda: archive(b"\x80\2}X\xff\xff\xff\x7fa"), "damaged"),
    "long pickle": (lambda: archive(b"\x80\2" + b"N0" * 2**20 + b"N."), "pickle in the file claims 2,097,156 bytes"),
    "deflated bomb": (deflated_bomb, "'archive/data.pkl' is compressed, from"),
    "wrapped bomb": (wrapped_bomb, "at most 4 times are allowed"),
    "wrapped lie": (wrapped_lie, "cannot be unpacked: the zip file is damaged"),
    "wrapped in bzip2": (lambda: _zip({"weights.pth": bytes(2**20)}, zipfile.ZIP_BZIP2), "compressed in a rare way"),
    "stride 0": (stride_0, "MiB of memory"),
    "small stride 0": (
        lambda: saved({"a": torch.zeros(1).expand(10**7)}),
        "10,000,000 numbers, 40,000,000 bytes, and 4",
    ),
    "storage lie": (storage_lie, "524,288,000 bytes, and 4 are stored"),
    "one entry, many names": (one_entry_many_names, "entries claim 524,288,181 bytes; the file itself"),
    "two directories": (two_directories, "directory at the end of the zip file is damaged"),
    "one entry twice": (one_name_twice, "two entries of one name"),
    "long directory": (long_directory, "directory of the zip file claims"),
    "cut zip": (lambda: saved({"a": torch.ones(99)})[:-30], "may be cut off"),
    "name in another alphabet": (
        lambda: saved({"a": torch.ones(2)}).replace(b"archive/data.pkl", b"archive/dat\xff.pkl", 1),
        "cannot be unpacked: the zip file is damaged",
    ),
    "zip of something": (lambda: _zip({"a.txt": b"", "b.txt": b""}), "no data.pkl"),
    "zip of a picture": (lambda: _zip({"weights.pth": picture()}), "a PNG picture"),
    "complex": (lambda: saved({"a": torch.ones(2, dtype=torch.complex64)}), r"of the type torch\.complex64"),
    "infinite": (lambda: saved({"a": ENDLESS}), "'a' holds NaN or infinite"),
    "beyond 32 bits": (
        lambda: saved({"a": torch.tensor([1.0, 1e300], dtype=torch.float64)}),
        "'a' holds NaN or infinite",
    ),
    "a wrapper in itself": (lambda: archive(b"\x80\2}q\0X\5\0\0\0modelh\0s."), "holds no tensor"),
    "an optimizer alone": (lambda: saved({"state": {0: {"step": torch.ones(2)}}}), "holds no tensor"),
    "a list": (lambda: saved([torch.ones(2)]), "holds something of the type list"),
    "nothing": (lambda: saved({"state_dict": {}}), "holds no tensor"),
}


def _zip(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archived:
        for name, content in parts.items():
            archived.writestr(name, content)
    return file.getvalue()


def write(name: str, path: Path) -> None:
    """The attack of this name, as a file."""
    made = ATTACKS[name][0]()
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made.write(path)
