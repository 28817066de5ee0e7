"""Pictures that came as bytes, or that are to be called by another name than that of their folder on this machine."""

import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from attention.survey.errors import SurveyError
from attention.survey.folder import Pictures, pictures
from attention.survey.result import Result

LONGEST_NAME = 100
"""Of a file, in characters; of longer ones the end is kept."""


def gathered(files: Iterable[tuple[str, bytes]], most: int) -> Pictures:
    """At most so many pictures of files by name, or of one zip file; kept in a folder that lives as long as they do.

    Raises SurveyError where there is no picture.
    """
    folder = Path(tempfile.mkdtemp(prefix="gatescope-"))
    try:
        held = [_written(folder, name, data) for name, data in files]
        zipped = [path for path in held if path.suffix.lower() == ".zip"]
        if zipped and len(held) > 1:
            raise SurveyError(f"There are {len(held)} files, a zip file among them; one zip file, or pictures alone.")
        found = replace(pictures(zipped[0] if zipped else folder).limited(most))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def called(result: Result, name: str) -> Result:
    """The result with a name in place of the path at which the pictures lie on this machine."""
    facts = result.provenance["pictures"] | {"root": name}
    return replace(result, provenance=result.provenance | {"pictures": facts})


def _written(folder: Path, name: str, data: bytes) -> Path:
    """The file, under its last name without the folders before it; a second one of a name gets a number before it."""
    last = PureWindowsPath(name).name.lstrip(".").replace("\0", "")[-LONGEST_NAME:] or "picture"
    path = folder / last
    for number in range(2, 1_000_000):
        if not path.exists():
            break
        path = folder / f"{number} {last}"
    path.write_bytes(data)
    return path
