"""What reading a large picture takes beside its own pixels, each in a process of its own.

    python -m benchmarks.pictures          # every format and mode, pictures of 24 million pixels
    python -m benchmarks.pictures 1 30000  # a PNG of this width and height

Own pixels are those of the decoded picture as Pillow keeps them; the peak is the process's largest resident size from
before the reading on, and the file itself counts.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attention import images
from attention.records import GatescopeError

SIZE = (6000, 4000)
SMOOTH: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 50},
    "JPEG progressive": {"progressive": True, "quality": 50, "subsampling": 0},
    "WEBP": {"method": 0, "quality": 10},
    "AVIF": {"speed": 10, "quality": 10},
    "TIFF": {"compression": "tiff_deflate"},
    "PNG": {"compress_level": 1},
    "GIF": {},
    "BMP": {},
}
KINDS = {
    "JPEG": ("L", "RGB", "CMYK"),
    "JPEG progressive": ("RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"),
    "PNG": ("1", "L", "P", "P transparent", "LA", "RGB", "RGBA", "I;16"),
    "GIF": ("P", "P transparent"),
    "BMP": ("L", "P"),
}


def encoded(form: str, kind: str, size: tuple[int, int] = SIZE) -> bytes:
    """A flat picture with a few other pixels, so that files stay small."""
    mode, _, transparent = kind.partition(" ")
    picture = Image.new("L", size, 120)
    picture.paste(Image.linear_gradient("L").resize((64, 64)), (0, 0))
    picture = Image.fromarray(np.asarray(picture).astype(np.uint16)) if mode == "I;16" else picture.convert(mode)
    options = SMOOTH[form] | ({"transparency": 0} if transparent else {})
    file = BytesIO()
    picture.save(file, form.partition(" ")[0], **options)
    return file.getvalue()


def peak() -> int:
    """The largest resident size so far, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(file: Path) -> None:
    """Print the peak and the picture's own pixels in MB, the seconds, and what came of it."""
    images.read(images.samples()[0].path.read_bytes())
    with Image.open(file) as picture:
        picture.draft(None, images._fitted_size(picture.size))
        own = picture.width * picture.height * images.OWN_BYTES.get(picture.mode, 4)
    data, before = file.read_bytes(), _forget_peak()
    start = time.perf_counter()
    try:
        outcome = " x ".join(map(str, images.read(data).size))
    except GatescopeError as error:
        outcome, own = str(error), 0
    seconds = time.perf_counter() - start
    above = (peak() - before - own) / 1e6
    print(f"own {own / 1e6:5.0f} MB, above them {above:5.0f} MB, {seconds:4.1f} s: {outcome}")


def _forget_peak() -> int:
    """The resident size from which the peak is counted from now on."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def rows() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What is measured, and what makes its file."""
    if len(sys.argv) > 2:
        size = (int(sys.argv[1]), int(sys.argv[2]))
        yield f"PNG RGB {size[0]:,} x {size[1]:,}", lambda: encoded("PNG", "RGB", size)
        return
    for form, kinds in KINDS.items():
        for kind in kinds:
            yield f"{form} {kind}", lambda form=form, kind=kind: encoded(form, kind)


def main() -> None:
    """A row for each, each in a process of its own."""
    for name, make in rows():
        file = Path(tempfile.gettempdir()) / "gatescope-measured-picture"
        try:
            file.write_bytes(make())
            code = f"from benchmarks import pictures; pictures.measure(pictures.Path({str(file)!r}))"
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            print(f"{name:18} {run.stdout.strip()}", flush=True)
        finally:
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
