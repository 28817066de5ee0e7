"""The pictures of a survey, found again in a folder by what its result says of them."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from attention import images
from attention.survey.folder import ENDINGS, hidden, pictures
from attention.survey.result import Result


class Found(NamedTuple):
    """A folder with the pictures that a result names."""

    root: Path
    paths: Mapping[int, str]
    same: bool
    """Whether all pictures of the survey have the same path, class and size there; else the names alone agree."""

    def read(self, number: int) -> bytes:
        """The bytes of a picture, at most `images.MAX_BYTES` + 1 of them. Raises OSError where it is not there."""
        place = inside(self.root, self.paths[number])
        if place is None:
            raise FileNotFoundError(self.paths[number])
        with place.open("rb") as file:
            return file.read(images.MAX_BYTES + 1)


def found(result: Result, folder: Path) -> Found | None:
    """The pictures that the result names, in the folder; None where it does not have all of them."""
    if not result.paths or not all(inside(folder, path) for path in result.paths.values()):
        return None
    facts = result.provenance["pictures"]
    count = facts.get("count")
    same = isinstance(count, int) and pictures(folder).limited(count).fingerprint == facts.get("fingerprint")
    return Found(folder, result.paths, same)


def inside(folder: Path, path: str) -> Path | None:
    """The file of a picture below the folder, by a path that a result names.

    None where there is no such file, and for whatever a survey of the folder would not list or that lies outside of it:
    an absolute path, one with `..`, a hidden one, a link that leads out.
    """
    named = PurePosixPath(path)
    if named.is_absolute() or ".." in named.parts or hidden(path) or not path.lower().endswith(ENDINGS):
        return None
    try:
        place = (folder / named).resolve()
        return place if place.is_file() and place.is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that no file can have
        return None
