"""A stranger's bytes -> an upright picture -> the crop that a network sees; and the sample pictures."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features
from PIL.ExifTags import Base as Tag

from attention import bands, files
from attention.bands import BANDS, RGB, PictureError
from attention.limits import MIB, Budget, Limits
from attention.process import Filter, filtered
from attention.records import Band, Box, GatescopeError, Interpolation, Size

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE / "app" if (PACKAGE / "app").is_dir() else PACKAGE.parent
"""Where the dashboard stands: beside the package in a clone, inside it where it is installed."""
ASSETS = ROOT / "assets"
HEIC = find_spec("pillow_heif") is not None
AVIF = find_spec("PIL.AvifImagePlugin") is not None and features.check("avif")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", *(["AVIF"] if AVIF else []), *(["HEIF"] if HEIC else []))
"""AVIF where Pillow was built with it, as its wheels from 11.3 on are; HEIC, a phone's, where pillow-heif is there."""
_NAMES = [{"WEBP": "WebP", "HEIF": "HEIC"}.get(form, form) for form in FORMATS]
ALLOWED = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
LARGEST_SIDE = 1024
"""Side of the picture that a network sees, in pixels, at most."""
MAX_MEAN = 1_000_000
"""What a mean or a deviation may be at most; colours are from 0 to 1; the networks compute in float32."""
MAX_SIDE = 1600
"""What `read` keeps, in pixels: above this a picture is scaled down, and a JPEG already while it is decoded."""

DECODER_BYTES = {"WEBP": 12, "AVIF": 8, "HEIF": 6, "TIFF": 4}
"""What a decoder takes beside the picture, in bytes a pixel, where it does not work row by row: the canvases of WebP,
AVIF and HEIC, the strips of TIFF (`python -m benchmarks.pictures`)."""
OWN_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
"""What Pillow keeps of a pixel; 4 of all other modes."""
STRIPS = 100_000_000
"""What their conversions take, in bytes."""
REACH = 2
"""Rows of the result that a bicubic kernel reaches over, on either side."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Those of ImageNet's colours, from 0 to 1, which most networks have learned with."""
MOST_FRAMES = 10_000
"""Pictures of a TIFF file that are counted."""


_decoding = Budget(lambda: Limits.of_environment().decoding_bytes)


@dataclass(frozen=True)
class Sample:
    """A picture that comes with the project, and whose it is."""

    name: str
    title: str
    path: Path
    source: str
    """The package it was taken from, and where that has it from."""
    licence: str
    author: str
    changes: str
    """What was done to it here."""
    shows: tuple[str, ...]
    """What is right to say of it, out of ImageNet's 1,000 classes; nothing where none of them is."""
    named: bool
    """Whether the first guess of the project's EfficientNet-B0 is one of these."""

    @property
    def credit(self) -> str:
        """Whose it is, its licence, and what was done to it, in a sentence."""
        done = "unchanged" if self.changes == "none" else self.changes
        return f"By {self.author} ({self.licence}), {done}."


THUMBNAIL = (96, 72)
"""Width and height of a sample in assets/thumbnails.webp, in pixels."""
ACROSS = 5
"""Samples side by side in it; they come row by row."""


@dataclass(frozen=True)
class Preprocessing:
    """RGB picture -> float tensor (C, H, W): the central square, or the central part of another shape, resized;
    (x / 255 - mean) / std by channel, each of which reads a band."""

    size: Size
    _: KW_ONLY
    crop: float = 1.0
    """Side of the square as a share of the picture's shorter side, in (0, 1]; of another shape, of the side where that
    fits the picture tightest."""
    mean: tuple[float, float, float]
    """Those of red, green and blue; any other band has the average of the three."""
    std: tuple[float, float, float]
    bands: tuple[Band, ...] = RGB
    interpolation: Interpolation = "bicubic"
    whole_pixels: bool = False
    """Whether the square starts at a whole pixel of the resized picture, as torchvision's CenterCrop after Resize."""

    def __post_init__(self) -> None:
        if min(sides(self.size)) < 1 or not 0 < self.crop <= 1:
            raise GatescopeError(f"Size {self.size} and crop {self.crop}: at least 1 and in (0, 1] are allowed.")
        spread = zip(self.mean, self.std, strict=True)
        if not all(abs(middle) <= MAX_MEAN and 1 / MAX_MEAN <= width <= MAX_MEAN for middle, width in spread):
            allowed = f"finite numbers up to {MAX_MEAN:,}, and a deviation above 0, a millionth at least"
            raise GatescopeError(f"Mean {self.mean} and standard deviation {self.std}: {allowed}, are allowed.")
        if not self.bands:
            raise GatescopeError(f"The bands are none; {bands.FORM} is allowed for each input channel.")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the batch that one picture makes, (1, C, H, W)."""
        return (1, len(self.bands), *sides(self.size))

    def box(self, size: tuple[int, int]) -> Box:
        """(left, top, right, bottom) of what is seen of a picture of this (width, height), in pixels."""
        if self.whole_pixels:
            return self._snapped_box(size)
        wanted = sides(self.size)[::-1]
        unit = self.crop * min(side / new for side, new in zip(size, wanted, strict=True))
        width, height = (unit * new for new in wanted)
        left, top = (size[0] - width) / 2, (size[1] - height) / 2
        return left, top, left + width, top + height

    def _snapped_box(self, size: tuple[int, int]) -> Box:
        """The box whose resized pixels are those of a resize of the whole picture and a central crop after that.

        A crop of half a pixel beside it would change the network's input by up to 90 of 255 levels.
        """
        wanted = sides(self.size)[::-1]
        tight, short = min(zip(size, wanted, strict=True), key=lambda pair: pair[0] / pair[1])
        resized = [int(round(short / self.crop) * side / tight) for side in size]
        scales = [side / new for side, new in zip(size, resized, strict=True)]
        starts = [round((new - part) / 2) for new, part in zip(resized, wanted, strict=True)]
        left, top = (start * scale for start, scale in zip(starts, scales, strict=True))
        ends = [(start + part) * scale for start, part, scale in zip(starts, wanted, scales, strict=True)]
        return left, top, min(ends[0], size[0]), min(ends[1], size[1])

    def square(self, picture: Image.Image) -> Image.Image:
        """What the network sees, before the normalisation: an RGB picture of its size, grey where it reads grey alone.

        Raises PictureError where the picture is not RGB.
        """
        if picture.mode != "RGB":
            raise PictureError(f"The picture's mode is {picture.mode}; RGB is allowed, as attention.images.read gives.")
        seen = self._resized(picture)
        return seen.convert("L").convert("RGB") if {*self.bands} == {"grey"} else seen

    def _resized(self, picture: Image.Image) -> Image.Image:
        resampling = Image.Resampling[self.interpolation.upper()]
        return picture.resize(sides(self.size)[::-1], resampling, box=self.box(picture.size))

    def __call__(self, picture: Image.Image) -> "Tensor":
        """float32 (C, H, W). Raises PictureError where the picture is not RGB, or lacks a band."""
        import torch  # here, because a page must show the picture before torch is loaded

        if {*self.bands} <= {*BANDS} and not bands.layers_of(picture):
            seen = self.square(picture)
            planes = {band: bands.plane(seen, band) for band in {*self.bands}}
        else:
            planes = {band: self._resized(bands.plane(picture, band)) for band in {*self.bands}}
        scaled = np.dstack([np.asarray(planes[band]) for band in self.bands]).astype(np.float32) / 255
        places = [BANDS.index(band) if band in BANDS else -1 for band in self.bands]
        mean, std = (np.array([*three, sum(three) / 3], np.float32)[places] for three in (self.mean, self.std))
        return torch.from_numpy(((scaled - mean) / std).transpose(2, 0, 1).copy())


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def size_in_words(size: Size) -> str:
    """In words, height first: "224 × 224"."""
    return " × ".join(map(str, sides(size)))


def parse_size(text: str) -> Size:
    """ "224" -> a square, "256x128" -> height and width. Raises PictureError where it is neither."""
    parts = re.fullmatch(r"\s*(\d{1,4})\s*(?:[x×]\s*(\d{1,4})\s*)?", text)
    height, width = (int(parts[1]), int(parts[2] or parts[1])) if parts else (0, 0)
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        allowed = f"1 to {LARGEST_SIDE} pixels, or a height and a width, as in 256x128, are allowed"
        raise PictureError(f"The image size is {text[:40]!r}; {allowed}.")
    return height if height == width else (height, width)


def read(data: bytes) -> Image.Image:
    """Bytes of a JPEG, PNG, WebP, BMP, TIFF or GIF file -> its first frame, upright, 8-bit RGB, transparency on white.

    The longer side is at most MAX_SIDE. 16 bits keep their black and white, or those of 10, 12 or 14 bits where no more
    are used; grey of 32 bits is stretched from its own minimum to its maximum. What of the file is not what is
    shown stands in `info["note"]`, in words. Raises PictureError where the bytes are no such file,
    damaged or too large.
    """
    if HEIC:
        _register_heic()
    if not data:
        raise PictureError(f"The file is empty; choose a {ALLOWED} picture.")
    if len(data) > (allowed := Limits.of_environment().picture_bytes):
        raise PictureError(f"The file has more than the {allowed / MIB:g} MiB that are allowed.")
    with filtered(Filter("ignore", module="PIL"), Filter("error", category=Image.DecompressionBombWarning)):
        return _decode(data)


def samples() -> tuple[Sample, ...]:
    """The pictures in assets/samples, in the order of its samples.json. Raises FileError where that is damaged."""
    folder = ASSETS / "samples"
    with files.shipped_text(folder / "samples.json") as text:
        return tuple(
            Sample(name=Path(file).stem, path=folder / file, **record | {"shows": tuple(record["shows"])})
            for file, record in json.loads(text).items()
        )


@cache
def credits_by_key() -> dict[str, str]:
    """The credit of each sample by the SHA-256 of its file."""
    return {hashlib.sha256(sample.path.read_bytes()).hexdigest(): sample.credit for sample in samples()}


def thumbnails() -> bytes:
    """All samples in one WebP file, each of THUMBNAIL pixels, ACROSS of them in a row."""
    return (ASSETS / "thumbnails.webp").read_bytes()


@cache
def _register_heic() -> None:
    """Lets Pillow open HEIC; without the thumbnails and the further pictures of a file."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)


def _decode(data: bytes) -> Image.Image:
    limits = Limits.of_environment()
    try:
        if file := bands.tiff(data):
            return _read_bands(file, limits)
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            taken = _decoder_bytes(picture, limits)  # before `draft`, which makes the size another than the file's
            picture.draft(None, _fitted_size(picture.size))
            own = picture.width * picture.height * OWN_BYTES.get(picture.mode, 4)
            if bands.sixteen_bit_raw_mode(picture):
                own *= 2  # the lower bytes are decoded as a second picture
            with _decoding.taking(taken + own):
                return _upright(picture, data)
    except GatescopeError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureError(f"The picture is too large; at most {limits.picture_pixels:,} pixels are allowed.") from None
    except UnidentifiedImageError:
        raise PictureError(f"The file is {_kind_in_words(data)}; choose a {ALLOWED} picture.") from None
    except Exception as error:  # on damaged data Pillow raises nearly every type there is
        reason = "The file cannot be decoded: it is damaged, cut off, or of a rare variant"
        raise PictureError(f"{reason}; choose another {ALLOWED} picture.") from error


def _decoder_bytes(picture: Image.Image, limits: Limits) -> int:
    """What decoding takes beside the picture's own pixels, from the header alone: 200 kB can claim a gigabyte.

    Raises PictureError where the picture is too long or too large, or that is too much.
    """
    form = picture.format or ""
    coefficients = 2 * len(picture.getbands()) if "progressive" in picture.info else 0  # all of a JPEG's at once
    return _decoding_bytes(picture.size, DECODER_BYTES.get(form, coefficients), form, limits)


def _decoding_bytes(size: tuple[int, int], each: int, form: str, limits: Limits) -> int:
    """What decoding so many pixels takes, `each` bytes for one. Raises PictureError as `_decoder_bytes` does."""
    pixels, given = size[0] * size[1], f"The picture has {size[0]:,} x {size[1]:,}"
    if pixels > limits.picture_pixels:
        raise PictureError(f"{given} = {pixels:,} pixels; at most {limits.picture_pixels:,} are allowed.")
    if max(size) > limits.picture_side:
        raise PictureError(f"{given} pixels; at most {limits.picture_side:,} are allowed on a side.")
    taken = pixels * each
    if taken > limits.decoder_bytes:
        given = f"{given} pixels, and to decode so many from {form} takes {taken:,} bytes beside them"
        raise PictureError(f"{given}; at most {limits.decoder_bytes:,} are allowed.")
    return taken + STRIPS


def _read_bands(file: bands.Tiff, limits: Limits) -> Image.Image:
    """A TIFF file of many bands: three of them as the picture, and all of them beside it."""
    values, allowed = file.size[0] * file.size[1] * file.count, Image.MAX_IMAGE_PIXELS or 0
    taken = _decoding_bytes(file.size, file.count * max(file.itemsize, 2), f"TIFF of {file.count} bands", limits)
    if values > allowed:
        raise PictureError(f"The picture has {values:,} values in {file.count} bands; at most {allowed:,} are allowed.")
    with _decoding.taking(taken):
        greys, note = bands.to_greys(bands.band_values(file))
        kept = [_scaled_down(grey, lambda strip: strip, "L") for grey in greys]
    frames, orientation = _frames(file.data)
    layers = [bands.BandLayer(name, _rotated(one, orientation)) for name, one in zip(file.names, kept, strict=True)]
    shown = Image.merge("RGB", [layers[place].image for place in file.colours])
    numbers = ", ".join(str(place + 1) for place in dict.fromkeys(file.colours))
    which = "first 3 bands" if file.colours == (0, 1, 2) else f"bands {numbers}" if numbers != "1" else "first band"
    first = "" if file.count == 3 == len({*file.colours}) else f"its {which} of {file.count}"
    shown.info = {"note": "; ".join(filter(None, [frames, first, note]))}
    return bands.with_layers(shown, layers)


def _frames(data: bytes) -> tuple[str, int]:
    """What is said of a TIFF file's further pictures, and how it is to be turned."""
    count, turn = 0, 1
    for count, directory in enumerate(islice(bands.directories(data), MOST_FRAMES), start=1):
        turn = int(directory.get(Tag.Orientation, 1)) if count == 1 else turn
    return f"the first of its {count:,} pictures" if count > 1 else "", turn


def _rotated(picture: Image.Image, orientation: int) -> Image.Image:
    """Upright, by EXIF's number."""
    picture.getexif()[Tag.Orientation] = orientation
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _upright(picture: Image.Image, data: bytes) -> Image.Image:
    """The first frame, 8-bit RGB, at most MAX_SIDE on the longer side, with what was left aside in `info`."""
    notes = list(_unread_parts(picture))
    unpacked = bands.sixteen_bit_raw_mode(picture)
    picture.load()
    if unpacked:
        notes.append(bands.stretch_sixteen_bit(picture, unpacked, data))
    if bands.is_signed(picture):
        notes.append(bands.stretch_signed(picture))
    convert: Callable[[Image.Image], Image.Image] = _rgb
    if picture.mode.startswith(("I", "F")):
        convert, note = _grey_stretch(picture)
        notes.append(note)
    shown = _scaled_down(picture, convert)
    shown = _rotated(shown, picture.getexif().get(Tag.Orientation, 1))
    shown.info = {"note": "; ".join(filter(None, notes))}
    return shown


def _fitted_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) that a picture is kept at."""
    scale = min(1, MAX_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _scaled_down(picture: Image.Image, convert: Callable[[Image.Image], Image.Image], mode: str = "RGB") -> Image.Image:
    """Converted to the mode and at most MAX_SIDE on the longer side, strip by strip: a conversion of the whole picture
    would take its memory again, up to four times. A strip comes with the rows around it that its outermost need."""
    width, height = _fitted_size(picture.size)
    scale, shown = picture.height / height, Image.new(mode, (width, height))
    rows = max(1, int(bands.STRIP / (picture.width * scale)))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(0, int((top - REACH) * scale) - 1)
        last = min(picture.height, int((bottom + REACH) * scale) + 2)
        strip = convert(picture.crop((0, first, picture.width, last)))
        box = (0.0, top * scale - first, float(picture.width), min(bottom * scale - first, last - first))
        shown.paste(strip.resize((width, bottom - top), Image.Resampling.BICUBIC, box), (0, top))
    return shown


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        return white.convert("RGB")
    return picture.convert("RGB")


def _grey_stretch(picture: Image.Image) -> tuple[Callable[[Image.Image], Image.Image], str]:
    """From grey of 16 or 32 bits to RGB, and what that does; Pillow's own conversion would clip all above 255 to white.

    Raises PictureError where a value is no finite number.
    """
    sixteen_bit = picture.mode.startswith("I;16")

    def values(strip: Image.Image) -> Image.Image:
        return strip.convert("I" if sixteen_bit else strip.mode).convert("F")

    parts = (np.asarray(values(picture.crop(box))) for box in bands.strips(picture.size))
    low, high, note = bands.black_and_white(*bands.extremes(parts), sixteen_bit=sixteen_bit)
    scale = 255 / ((high - low) or 1)

    def stretched(strip: Image.Image) -> Image.Image:
        # Of numbers of 32 bits Pillow takes a function of this form alone: a factor, and something added.
        return values(strip).point(lambda value: value * scale - low * scale).convert("L").convert("RGB")

    return stretched, note


def _unread_parts(picture: Image.Image) -> Iterator[str]:
    """What of a file is not read, a phrase each."""
    if (frames := getattr(picture, "n_frames", 1)) > 1:
        yield f"the first of its {frames:,} pictures"
    if picture.mode == "RGB" and (count := getattr(picture, "tag_v2", {}).get(Tag.SamplesPerPixel, 1)) > 3:
        yield f"its first 3 bands of {count}"


def _tiff_in_words(data: bytes) -> str:
    """What a TIFF file that is not read holds, by its own header."""
    try:
        tags = next(bands.directories(data))
        bits = max(tags.get(Tag.BitsPerSample, (1,)))
        kinds = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
        number = kinds.get(max(tags.get(Tag.SampleFormat, (1,))), "unsigned")
        count = tags.get(Tag.SamplesPerPixel, 1)
        held = f"{count} band{'s' * (count != 1)} of {bits} {number} bits"
    except Exception:  # on damaged data Pillow raises nearly every type there is
        return "a damaged TIFF picture"
    return f"a TIFF picture of {held}, or compressed, in a way that is not read"


def _kind_in_words(data: bytes) -> str:
    """What a file that Pillow did not recognise may be, in words."""
    found = files.kind(data[: files.SIGNATURE_BYTES])
    if found == files.SIGNATURES[b"II*\0"]:
        return _tiff_in_words(data)
    if found in {f"{article} {name} picture" for article in ("a", "an") for name in _NAMES}:
        return f"{found} that is cut off or damaged"
    return found or "not a picture in an allowed format, or its beginning is damaged"
