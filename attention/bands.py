"""The bands of a picture: what a network's input channels read, by colour, number or name; TIFF files of many bands;
levels that Pillow reads otherwise than they are meant (16 bits a colour, signed bytes).
"""

import re
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from io import BytesIO
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, TiffImagePlugin
from PIL.ExifTags import Base as Tag

from attention.numbers import number as in_digits
from attention.records import Band, GatescopeError

RGB: tuple[Band, ...] = ("red", "green", "blue")
BANDS: tuple[Band, ...] = (*RGB, "grey")
"""What every picture has; grey is Pillow's, of ITU-R 601-2: 0.299 red + 0.587 green + 0.114 blue."""
FORM = f"{', '.join(BANDS)}, a number from 1 on, or a name that the file gives"
MOST_CHANNELS, LONGEST = 64, 60
STRIP = 4_000_000
"""Values that are converted at a time."""
_LAYERS = "gatescope_layers"
"""An attribute, which no operation of Pillow's copies: in `info`, a mirrored picture would keep bands that are not."""
_GDAL = 42112
"""The tag in which GDAL describes the bands."""
_PLACES = {Tag.StripOffsets: Tag.StripByteCounts, Tag.TileOffsets: Tag.TileByteCounts}
"""The tags of where the strips or the tiles are, and of how long they are."""
_NEEDED = {Tag.ImageWidth, Tag.ImageLength, Tag.BitsPerSample, Tag.PhotometricInterpretation}
_USUAL: dict[int, tuple[int, ...]] = dict.fromkeys(
    (Tag.Compression, Tag.SamplesPerPixel, Tag.PlanarConfiguration, Tag.Predictor, Tag.SampleFormat), (1,)
)
"""What a tag that is not there means."""
_WANTED = {*_NEEDED, *_USUAL, Tag.ExtraSamples, Tag.RowsPerStrip, Tag.TileWidth, Tag.TileLength}
_WANTED |= {*_PLACES, *_PLACES.values()}
_READ = {(1, 8), (1, 16), (1, 32), (2, 16), (2, 32), (3, 32)}
"""Sample formats (whole, signed, floating-point) and bits that Pillow has of one band."""
_DESCRIBED = re.compile(r'<Item name="DESCRIPTION" sample="(\d{1,3})"[^<>]*>([^<>]{1,200})</Item>')


class PictureError(GatescopeError):
    """These bytes are no picture that can be shown, or it lacks what is asked of it; the message says why."""


class BandLayer(NamedTuple):
    """One band of a file."""

    name: str
    """As the file has it; empty where it has none."""
    image: Image.Image
    """8-bit grey, of the size of the picture that it is kept with."""


def parse_bands(text: str) -> tuple[Band, ...]:
    """ "red, grey, 5, B8A" -> the bands, one for each input channel. Raises PictureError where it names none, or too
    many; whether a picture has them is known when there is one."""
    named: list[Band] = []
    for words in map(str.split, text.split(",")):
        plain = all(word in BANDS or word.isdecimal() for word in words)
        named += words if words and plain else [" ".join(words)]
    if len(named) > MOST_CHANNELS or not all(1 <= len(name) <= LONGEST for name in named):
        given, allowed = f"The bands are {text[:40]!r}", f"{FORM} is allowed for each input channel"
        raise PictureError(f"{given}; {allowed}, with commas between, {MOST_CHANNELS} at most.")
    return tuple(named)


def layers_of(picture: Image.Image) -> tuple[BandLayer, ...]:
    """The bands of the file that a picture was read from, where it had others than its colours."""
    return getattr(picture, _LAYERS, ())


def with_layers(picture: Image.Image, layers: Sequence[BandLayer]) -> Image.Image:
    """The picture, with the bands beside it from now on."""
    setattr(picture, _LAYERS, tuple(layers))
    return picture


def plane(picture: Image.Image, band: Band) -> Image.Image:
    """One band of an RGB picture, 8-bit grey: a name of its file, a number from 1 on, or a colour.

    Raises PictureError where the picture has no such band.
    """
    check_bands(picture, [band])
    layers = layers_of(picture)
    named = [layer.image for layer in layers if layer.name.casefold() == band.casefold()]
    if named:
        return named[0]
    if band == "grey":
        return picture.convert("L")
    if band in RGB:
        return picture.getchannel(RGB.index(band))
    return layers[int(band) - 1].image if layers else picture.getchannel(int(band) - 1)


def has_bands(picture: Image.Image, wanted: Sequence[Band]) -> bool:
    """Whether a picture has all of these bands."""
    try:
        check_bands(picture, wanted)
    except PictureError:
        return False
    return True


def check_bands(picture: Image.Image, wanted: Sequence[Band]) -> None:
    """Raises PictureError where a picture lacks one of these bands."""
    layers = layers_of(picture)
    named = {layer.name.casefold() for layer in layers if layer.name}
    numbers = {str(number) for number in range(1, len(layers or RGB) + 1)}
    for band in wanted:
        if band not in {*BANDS} | numbers and band.casefold() not in named:
            raise PictureError(f"The network reads the band {band!r}, and the picture has {bands_in_words(picture)}.")


def bands_in_words(picture: Image.Image) -> str:
    """The bands of a picture, in words."""
    layers = layers_of(picture)
    if not layers:
        return f"{', '.join(RGB)} (1 to 3) and grey"
    named = [f"{number} ({layer.name})" for number, layer in enumerate(layers, 1) if layer.name]
    numbered = f"the bands 1 to {len(layers)}"
    return f"{numbered}: {', '.join(named)}" if named else f"{numbered}, shown as {', '.join(RGB)} and grey"


@dataclass(frozen=True, eq=False)
class Tiff:
    """A TIFF file of which Pillow shows no band, or not all."""

    data: bytes
    tags: dict[int, tuple[int, ...]]
    names: tuple[str, ...]
    """What GDAL calls the bands; empty where it says nothing."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.tags[Tag.ImageWidth][0], self.tags[Tag.ImageLength][0]

    @property
    def count(self) -> int:
        """How many bands there are."""
        return self.tags[Tag.SamplesPerPixel][0]

    @property
    def itemsize(self) -> int:
        """Bytes of a value, decoded."""
        return self.tags[Tag.BitsPerSample][0] // 8

    @property
    def colours(self) -> tuple[int, int, int]:
        """Which bands are shown as red, green and blue: those of these names, else the first; of two, the first."""
        lowered = [name.casefold() for name in self.names]
        if {*RGB} <= {*lowered}:
            red, green, blue = map(lowered.index, RGB)
            return red, green, blue
        return (0, 1, 2) if self.count > 2 else (0, 0, 0)


def tiff(data: bytes) -> Tiff | None:
    """The file, where it is a TIFF file of bands that this module reads and Pillow does not, or not all."""
    if not data.startswith((b"II*\0", b"MM\0*")):
        return None
    try:
        directory = next(directories(data))
        found = {tag: tuple(map(int, _as_sequence(directory[tag]))) for tag in _WANTED if tag in directory}
        described = str(directory.get(_GDAL, ""))
    except Exception:  # on damaged data Pillow raises nearly every type there is, and will say so
        return None
    tags = _USUAL | found
    if not tags.keys() >= _NEEDED or not _is_supported(tags):
        return None
    names = [""] * tags[Tag.SamplesPerPixel][0]
    for number, name in _DESCRIBED.findall(described):
        if int(number) < len(names):
            names[int(number)] = " ".join(unescape(name).split())[:LONGEST]
    return Tiff(data, tags, tuple(names))


def directories(data: bytes) -> Iterator[TiffImagePlugin.ImageFileDirectory_v2]:
    """The list of tags of each picture of a TIFF file, which is one object that is filled anew. On damaged data Pillow
    raises nearly every type of error there is."""
    directory, file = TiffImagePlugin.ImageFileDirectory_v2(data[:8]), BytesIO(data)
    while directory.next:
        file.seek(directory.next)
        directory.load(file)
        yield directory


def _as_sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def _is_supported(tags: dict[int, tuple[int, ...]]) -> bool:
    """Whether the bands are what this module reads, whole bytes, alike, no JPEG; and Pillow does not give them all."""
    kinds = {(number, bits) for number in tags[Tag.SampleFormat] for bits in tags[Tag.BitsPerSample]}
    photometric, count = tags[Tag.PhotometricInterpretation], tags[Tag.SamplesPerPixel][0]
    if photometric not in ((1,), (2,)) or tags[Tag.Compression][0] in (6, 7) or not 2 <= count <= 512:
        return False
    ways = {tags[Tag.Predictor][0], tags[Tag.PlanarConfiguration][0]}
    if len(kinds) != 1 or not kinds <= _READ or not ways <= {1, 2}:
        return False
    grey = photometric == (1,)
    with_alpha = count == (2 if grey else 4) and {*tags.get(Tag.ExtraSamples, ())} & {1, 2}
    return not with_alpha and not (not grey and count == 3 and kinds == {(1, 8)})


def band_values(file: Tiff) -> list[NDArray[Any]]:
    """The values of every band, (height, width) each.

    Pillow decodes one band, and so is given one: of bands pixel by pixel a picture that is as many times as wide, of
    bands one after the other each in turn. Raises PictureError where the file has not what its header says.
    """
    (width, height), count = file.size, file.count
    at = next((tag for tag in _PLACES if tag in file.tags and _PLACES[tag] in file.tags), None)
    if at is None:
        raise PictureError("The TIFF file does not say where its values are; it is damaged.")
    places, lengths = file.tags[at], file.tags[_PLACES[at]]
    if file.tags[Tag.PlanarConfiguration][0] == 1:
        whole = _decode_as_one_band(file, places, lengths, count, at).reshape(height, width, count)
        return list(np.moveaxis(_without_predictor(whole, file), 2, 0))
    each = len(places) // count
    parts = [slice(number * each, (number + 1) * each) for number in range(count)]
    single = (_decode_as_one_band(file, places[part], lengths[part], 1, at).reshape(height, width, 1) for part in parts)
    return [_without_predictor(one, file)[..., 0] for one in single]


def _decode_as_one_band(file: Tiff, places: Sequence[int], lengths: Sequence[int], times: int, at: Tag) -> NDArray[Any]:
    """(height, width * times): the strips or tiles at these places as one band."""
    tags, (width, height) = file.tags, file.size
    wanted: dict[int, Sequence[int]] = {
        Tag.ImageWidth: [width * times],
        Tag.ImageLength: [height],
        Tag.BitsPerSample: [tags[Tag.BitsPerSample][0]],
        Tag.Compression: tags[Tag.Compression],
        Tag.PhotometricInterpretation: [1],
        Tag.SamplesPerPixel: [1],
        Tag.SampleFormat: [tags[Tag.SampleFormat][0]],
        at: places,
        _PLACES[at]: lengths,
    }
    if at == Tag.StripOffsets:
        wanted[Tag.RowsPerStrip] = [min(tags.get(Tag.RowsPerStrip, (height,))[0], height)]
    else:
        wanted |= {Tag.TileWidth: [tags[Tag.TileWidth][0] * times], Tag.TileLength: tags[Tag.TileLength]}
    with Image.open(BytesIO(_with_directory(file.data, wanted)), formats=["TIFF"]) as picture:
        decoded = np.array(picture)
    return decoded.astype(decoded.dtype.newbyteorder("="), copy=False)


def _with_directory(data: bytes, wanted: dict[int, Sequence[int]]) -> bytes:
    """The file with another directory, which is put behind it."""
    order = "<" if data.startswith(b"II") else ">"
    lists, behind = b"", len(data) + 2 + 12 * len(wanted) + 4
    table = struct.pack(f"{order}H", len(wanted))
    for tag, numbers in sorted(wanted.items()):
        short = max(numbers) < 2**16
        packed = struct.pack(f"{order}{len(numbers)}{'H' if short else 'I'}", *numbers)
        table += struct.pack(f"{order}HHI", tag, 3 if short else 4, len(numbers))
        if len(packed) > 4:
            table += struct.pack(f"{order}I", behind + len(lists))
            lists += packed
        else:
            table += packed.ljust(4, b"\0")
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + table + bytes(4) + lists


def _without_predictor(pixels: NDArray[Any], file: Tiff) -> NDArray[Any]:
    """Without the horizontal differences of predictor 2, which begin anew in each tile; (height, width, bands)."""
    if file.tags[Tag.Predictor] == (2,):
        across = file.tags.get(Tag.TileWidth, file.size[:1])[0]
        for left in range(0, pixels.shape[1], across):
            part = pixels[:, left : left + across]
            np.add.accumulate(part, axis=1, out=part)  # in the values' own type, where the sums are meant to overflow
    return pixels


def to_greys(found: Sequence[NDArray[Any]]) -> tuple[list[Image.Image], str]:
    """Every band as 8-bit grey, all by one scale, and what that does, in words: 16 bits, or the 10, 12 or 14 that are
    used of them, keep their black and white; other numbers are stretched from the least to the greatest.

    Raises PictureError where a value is no finite number.
    """
    if found[0].dtype == np.uint8:
        return [Image.fromarray(np.ascontiguousarray(band)) for band in found], ""
    parts = [(band, slice(top, bottom)) for band in found for _, top, _, bottom in strips(band.shape[::-1])]
    sixteen_bit = found[0].dtype == np.uint16
    low, high, note = black_and_white(*extremes(band[rows] for band, rows in parts), sixteen_bit=sixteen_bit)
    greys = {id(band): np.empty(band.shape, np.uint8) for band in found}
    for band, rows in parts:
        levels = (band[rows].astype(np.float32) - np.float32(low)) * np.float32(255 / ((high - low) or 1))
        greys[id(band)][rows] = np.clip(levels, 0, 255)
    return [Image.fromarray(greys[id(band)]) for band in found], note


def strips(size: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """The boxes of a picture of this width and height in which it is converted, a part of its rows each."""
    width, height = size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def extremes(parts: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """The least and the greatest of all values. Raises PictureError where one is no finite number."""
    low, high, wrong, count = inf, -inf, 0, 0
    for values in parts:
        wrong += int((~np.isfinite(values)).sum())
        count += values.size
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if wrong:
        raise PictureError(f"{wrong:,} of the picture's {count:,} values are no finite numbers; none may be so.")
    return low, high


def black_and_white(low: float, high: float, *, sixteen_bit: bool) -> tuple[float, float, str]:
    """What becomes black and white, of values from `low` to `high`, and that in words; `sixteen_bit` where they are
    whole numbers of 16 bits."""
    if not sixteen_bit:
        run = f"{in_digits(low, 6)} to {in_digits(high, 6)}"
        return low, high, f"its values of {run} are stretched over all greys"
    bits = next(bits for bits in (10, 12, 14, 16) if high < 2**bits)
    return 0.0, 2.0**bits - 1, f"its values are of {bits} bits in 16, and stretched so" if bits < 16 else ""


def is_signed(picture: Image.Image) -> bool:
    """Whether the bytes of a grey TIFF stand for -128 to 127."""
    return picture.mode == "L" and getattr(picture, "tag_v2", {}).get(Tag.SampleFormat) == (2,)


def stretch_signed(picture: Image.Image) -> str:
    """Stretches whole numbers from -128 to 127, which Pillow takes for 0 to 255, over all greys, in place; in words."""
    values = [level - 256 * (level > 127) for level in range(256)]
    used = [value for value, count in zip(values, picture.histogram(), strict=True) if count]
    low, high, note = black_and_white(min(used), max(used), sixteen_bit=False)
    levels = np.clip((np.array(values) - low) * 255 / ((high - low) or 1), 0, 255).round().astype(int)
    picture.paste(picture.point(levels.tolist()))
    return note


def sixteen_bit_raw_mode(picture: Image.Image) -> str:
    """Pillow's name for how it unpacks colours of 16 bits, of which it keeps the upper 8; empty of other pictures."""
    names = [tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in getattr(picture, "tile", ())]
    return next((name for name in names if re.fullmatch(r"(RGB|RGBA|LA);16[BLN]", str(name))), "")


def stretch_sixteen_bit(picture: Image.Image, unpacked: str, data: bytes) -> str:
    """Stretches colours of 10, 12 or 14 bits in 16 over all levels, in place, and says so; of 16 bits it says nothing.

    The lower 8 of them are what Pillow keeps when it takes the bytes in the other order.
    """
    colours = 1 if unpacked.startswith("LA") else 3
    highest = int(np.max(picture.getextrema()[:colours]))
    _, white, note = black_and_white(0, 256 * highest + 255, sixteen_bit=True)
    if not note:
        return ""
    upper, lower = ([min(255, round(level * step * 255 / white)) for level in range(256)] for step in (256, 1))
    with Image.open(BytesIO(data), formats=[str(picture.format)]) as rest:
        if colours == 3:  # of grey with transparency Pillow has one order alone
            rest.tile = [tile._replace(args=_in_other_byte_order(tile[3])) for tile in rest.tile]
        rest.load()
        for box in strips(picture.size):
            parts = list(picture.crop(box).split())
            for place, more in enumerate(rest.crop(box).split()[: len(parts) - picture.mode.endswith("A")]):
                stretched = parts[place].point(upper)
                parts[place] = ImageChops.add(stretched, more.point(lower)) if colours == 3 else stretched
            picture.paste(Image.merge(picture.mode, parts), box)
    return note


def _in_other_byte_order(arguments: Any) -> Any:
    """What Pillow's decoder is told, with the bytes of each 16 bits in the other order."""
    name = arguments if isinstance(arguments, str) else arguments[0]
    big = name.endswith("B") or (name.endswith("N") and sys.byteorder == "big")
    other = f"{name[:-1]}{'L' if big else 'B'}"
    return other if isinstance(arguments, str) else (other, *arguments[1:])
