"""What a file is by its first bytes, in words, for sentences about what is not read.

The beginnings are those that the formats' own documents give.
"""

BEGINNINGS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture, or a camera's raw file",
    b"MM\0*": "a TIFF picture, or a camera's raw file",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"8BPS": "a Photoshop file",
    b"gimp xcf": "a GIMP file",
    b"v/1\1": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance HDR picture",
    b"\0\0\1\0": "an icon",
    b"SIMPLE  =": "a FITS file",
    b"\x1aE\xdf\xa3": "a video file",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript file",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard: unpack it first",
    b"7z\xbc\xaf'\x1c": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"MATLAB 5.0": "a MATLAB file",
    b"GGUF": "a GGUF file, of a language model",
    b"version https://git-lfs": "a pointer of git-lfs, in place of the file itself: fetch that with git lfs pull",
}
LATER = {
    (4, b"TFL3"): "a TensorFlow Lite model",
    (8, b"WEBP"): "a WebP picture",
    (8, b"CR\2\0"): "a camera's raw file",
    (128, b"DICM"): "a DICOM file",
    (257, b"ustar"): "a tar archive: unpack it first",
    (344, b"n+1\0"): "a NIfTI volume",
}
"""By where they stand."""
BRANDS = {b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"crx ": "a camera's raw file"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC picture"
)
"""What files in boxes (ISO/IEC 14496-12) call themselves; most others are videos."""
NEEDED = 512
"""Bytes of a file's beginning that `kind` looks at."""


def kind(start: bytes) -> str | None:
    """What a file that begins with these bytes is, in words, or None where they say nothing."""
    for (place, mark), name in LATER.items():
        if start[place : place + len(mark)] == mark:
            return name
    for beginning, name in BEGINNINGS.items():
        if start.startswith(beginning):
            return name
    if start[4:8] == b"ftyp":
        return BRANDS.get(start[8:12], "a video file")
    if start[:1] == b"\x08" and start[2:3] == b"\x12":  # its version, then who wrote it
        return "an ONNX graph"
    return _text(start[:NEEDED].lstrip(b"\xef\xbb\xbf \t\r\n"))


def _text(start: bytes) -> str | None:
    """The same of a text."""
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "a saved web page, in place of the file that it speaks of"
    if b"<svg" in start or start.startswith(b"<?xml"):
        return "an SVG drawing or other XML"
    if start.startswith(b"{") and (b'"weight_map"' in start or b"-of-0" in start):
        return "the list of weights that lie in several files: join them in one first"
    return "a text of JSON" if start.startswith(b'{"') else None
