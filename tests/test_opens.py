"""docs/opens.md: every row's file is made here, and opens, or is refused, in the words that stand in the row."""

import argparse
import bz2
import gzip
import io
import lzma
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_safetensors

from attention import images
from attention.models import weight_files
from attention.records import GatescopeError
from tests import attacks, pictures, published
from tests.documents import document

NET = published.se_resnet(bottleneck=False, classes=3)
STATE = NET.state_dict()
FAMILY = "SE-ResNet, the published code's layout"


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(re.sub("_(?=[a-z0-9]+$)", ".", name), content)
    return file.getvalue()


def saved(content):
    return attacks.saved(content)


def program():
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(NET.eval(), torch.ones(1, 3, 32, 32)), file)
    return file.getvalue()


def numpy_archive():
    file = io.BytesIO()
    np.savez(file, weight=np.ones(3))
    return file.getvalue()


def prefixed(prefix):
    return {prefix + key: value for key, value in STATE.items()}


def of(attack):
    return attacks.ATTACKS[attack][0]


WEIGHTS = {
    "safetensors": lambda: save_safetensors(STATE),
    "`torch.save` of a state dict, under any suffix": lambda: saved(STATE),
    "the same in a zip, as pytorchcv publishes it": (
        lambda: zipped(resnet_pth=saved(STATE)),
        lambda: zipped(
            **{"net/resnet_pth": saved(STATE), "__MACOSX/net/._resnet_pth": b"of a Mac", "net/readme_md": b""}
        ),
    ),
    "a training script's dictionary, with epoch, optimizer and arguments": lambda: saved(
        {
            "epoch": 3,
            "model_state_dict": STATE,
            "optimizer": torch.optim.SGD(NET.parameters(), lr=0.1).state_dict(),
            "args": argparse.Namespace(lr=0.1),
        }
    ),
    "weights and their average over training": lambda: saved({"model": prefixed("other."), "model_ema": STATE}),
    "a checkpoint of Lightning": lambda: saved({"state_dict": prefixed("net."), "hyper_parameters": {"lr": 0.1}}),
    "a module wrapped by DataParallel, and compiled": lambda: saved(prefixed("module._orig_mod.")),
    "an average's counter, a loss's weight or a profiler's counters beside the weights": lambda: saved(
        STATE | {"criterion.weight": torch.ones(3), "total_ops": torch.ones(1)}
    ),
    "a whole module, `torch.save(model)`": lambda: saved(NET),
    "a TorchScript program": program,
    "weights in 16 or 64 bits": lambda: saved(
        {key: value.half() if value.dim() == 4 else value.double() for key, value in STATE.items() if value.dim()}
        | {key: value for key, value in STATE.items() if not value.dim()}
    ),
    "several networks, as of a GAN": lambda: saved({"G": STATE, "D": prefixed("d.")}),
    "a student beside its teacher in one state dict": lambda: saved(prefixed("student.") | prefixed("teacher.")),
    "weights of a network that is not in the list below": lambda: saved({"a.weight": torch.ones(3, 3, 3, 3)}),
    "a state dict in torch's format of before 1.6": lambda: attacks.saved(STATE, _use_new_zipfile_serialization=False),
    "a bare pickle": lambda: pickle.dumps({"a": 1}),
    "a file that asks to run a program": of("code"),
    "quantised weights": of("quantised"),
    "an optimizer alone": of("an optimizer alone"),
    "NaN or infinite weights": of("NaN"),
    "8-bit floats": of("eight-bit floats"),
    "a download that was cut off": lambda: saved(STATE)[:-100],
    "one of several files that a network was cut into, or their list": (
        lambda: b'{\n  "metadata": {"total_size": 9},\n  "weight_map": {"a": "model-00001-of-00002.safetensors"}\n}',
        lambda: b'{"weight_map": {"a": "model.safetensors"}}',
        lambda: b'{"a": "model-00001-of-00002.safetensors"}',
    ),
    "ONNX": of("ONNX"),
    "HDF5, as Keras writes it": of("HDF5"),
    "a `.keras` file, an `.npz`, a program of `torch.export`": (
        lambda: zipped(model_weights_h5=b""),
        numpy_archive,
        lambda: zipped(weights_0=b"", model_json=b""),
    ),
    "TensorFlow Lite": lambda: b"\x1c\0\0\0TFL3" + bytes(99),
    "a pointer of git-lfs": of("git-lfs"),
    "a saved web page": of("web page"),
    "gzip, bzip2, xz, Zstandard, 7z, RAR": (
        lambda: gzip.compress(b"weights"),
        lambda: bz2.compress(b"weights"),
        lambda: lzma.compress(b"weights"),
        lambda: b"\x28\xb5\x2f\xfd" + bytes(99),
        lambda: b"7z\xbc\xaf'\x1c" + bytes(99),
        lambda: b"Rar!\x1a\x07\1\0" + bytes(99),
    ),
    "anything else": lambda: b"weights: none\n" * 9,
}


def photo(form, mode="RGB", **options):
    return lambda: pictures.encode(pictures.photo().convert(mode), form, **options)


def bits(number):
    return lambda: pictures.encode(Image.fromarray(np.linspace(0, 2**number - 1, 64).astype("<u2")[None]), "TIFF")


PICTURES = {
    "JPEG in colours, grey or CMYK, turned by EXIF": (
        photo("JPEG"),
        photo("JPEG", "L"),
        photo("JPEG", "CMYK"),
        photo("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    ),
    "PNG in colours, grey, with a palette or transparent": tuple(
        photo("PNG", mode) for mode in ("RGB", "L", "P", "RGBA")
    ),
    "WebP, AVIF, HEIC, BMP": tuple(photo(form) for form in ("WEBP", *images.FORMATS[6:], "BMP")),
    "the first picture of a GIF, or of a TIFF of several pages": tuple(
        photo(form, mode, save_all=True, append_images=[Image.new(mode, (96, 64), shade) for shade in (9, 200)])
        for form, mode in (("GIF", "P"), ("TIFF", "L"))
    ),
    "10, 12, 14 bits in 16": tuple(bits(number) for number in (10, 12, 14)),
    "TIFF of any number of bands, of 8, 16 or 32 bits, whole or floating-point": tuple(
        lambda dtype=dtype, count=count: pictures.tiff(
            np.arange(24 * count).reshape(4, 6, count).astype(dtype), 3 if "f" in dtype else 1
        )
        for dtype in ("<u1", ">u2", "<u4", "<f4")
        for count in (2, 6)
    ),
    "a picture that is cut off or damaged": lambda: photo("JPEG")()[:300],
    "more than 20 MiB, or 50,000,000 pixels": (lambda: bytes(20 * 2**20 + 1), lambda: pictures.png(10_000, 6_000)),
    "a camera's raw file": (
        lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(99),
        lambda: b"\0\0\0\x18ftypcrx " + bytes(99),
        lambda: b"FUJIFILMCCD-RAW " + bytes(99),
    ),
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PDF": lambda: b"%PDF-1.7\n1 0 obj",
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(99), lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99)),
    "JPEG 2000": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), lambda: b"\xff\x4f\xff\x51" + bytes(99)),
    "DICOM": lambda: bytes(128) + b"DICM" + bytes(99),
    "NIfTI": lambda: b"\x5c\1\0\0" + bytes(340) + b"n+1\0" + bytes(99),
    "OpenEXR": lambda: b"v/1\1" + bytes(99),
    "a file of Photoshop": lambda: b"8BPS\0\1" + bytes(99),
    "a video": (lambda: b"\0\0\0\x18ftypisom" + bytes(99), lambda: b"\x1aE\xdf\xa3" + bytes(99)),
    "a zip archive": lambda: zipped(a_png=b""),
    "anything else": lambda: b"hello, I am a photo",
}


def rows(heading, columns):
    """What the table under a heading says: first cell → the others."""
    table = document("opens").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = (line.strip("|").split("|") for line in table.splitlines() if line.startswith("|"))
    found = {first.strip(): [cell.strip() for cell in rest] for first, *rest in cells}
    assert {len(rest) for rest in found.values()} == {columns - 1}
    return dict(list(found.items())[2:])


def said(cell):
    """The words in quotes."""
    return re.findall("“(.+?)”", cell)


def each(makers):
    return makers if isinstance(makers, tuple) else (makers,)


WEIGHT_ROWS, PICTURE_ROWS = rows("Weight files", 3), rows("Pictures", 3)


def test_the_page_has_the_rows_that_are_tried_and_no_other():
    assert list(WEIGHT_ROWS) == list(WEIGHTS)
    assert list(PICTURE_ROWS) == list(PICTURES)


def outcome(opened):
    """Whether it opened, and what was said of it."""
    try:
        return True, opened()
    except GatescopeError as error:
        return False, str(error)


def weights_opened(data):
    file = weight_files.opened(data, "weights.bin")
    assert file.architecture.family == FAMILY
    return "; ".join(file.notes)


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("row", WEIGHT_ROWS)
def test_a_weight_file_opens_or_is_refused_as_the_page_says(row):
    opens, words = WEIGHT_ROWS[row]
    for make in each(WEIGHTS[row]):
        opened, notes = outcome(lambda make=make: weights_opened(make()))
        assert opened == (opens == "yes"), notes
        assert all(word in notes for word in said(words)), notes


@pytest.mark.parametrize(
    ("row", "part"),
    [("several networks, as of a GAN", "G"), ("a student beside its teacher in one state dict", "teacher")],
)
def test_of_several_networks_the_chosen_one_opens(row, part):
    assert weight_files.opened(WEIGHTS[row](), part=part).architecture.family == FAMILY


@pytest.mark.parametrize("row", PICTURE_ROWS)
def test_a_picture_opens_or_is_refused_as_the_page_says(row):
    opens, words = PICTURE_ROWS[row]
    for make in each(PICTURES[row]):
        opened, notes = outcome(lambda make=make: images.read(make()).info.get("note", ""))
        assert opened == (opens == "yes"), notes
        assert all(word in notes for word in said(words)), notes


def test_every_family_is_in_the_list_and_no_other():
    """A family that is told from another by a choice alone has the choice's words behind its layout."""
    listed = {
        f"{name}, {'as it comes with this project' if name == 'EfficientNet-B0' else f'{layout} layout'}"
        for names, (layouts,) in rows("Networks that are recognised by their keys", 2).items()
        for name in names.split(", ")
        for layout in layouts.split(", ")
    }
    described = {", ".join(family.split(", ")[:2]).split(" with ca and sa")[0] for family in weight_files.families()}
    choices = ("anti-aliased", "TensorFlow's padding", "a pooling", "stride in the 3x3")
    assert {family for family in described if not any(choice in family.split(", ")[1] for choice in choices)} == listed
