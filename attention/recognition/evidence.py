"""Why a network was recognised, or not, in words."""

from collections.abc import Iterator, Mapping

from attention.recognition.differences import COUNTER
from attention.recognition.records import Candidate, Differences, Family, Shapes, first

WORDS = {
    "reduction": "reduction {}",
    "spatial kernel": "spatial kernel {0}x{0}",
    "groups": "3x3 convolutions in {} groups",
    "size": "size {}",
    "width": "width {}",
}
UNSAID = {"groups": 1, "width": 1.0, "spatial kernel": None}
"""Settings of what is no feature of a network."""


def of(found: Shapes, family: Family, candidate: Candidate, differences: Differences) -> tuple[str, ...]:
    """A phrase for each clue, for the settings read off the shapes, and for how the keys compare."""
    clues = (f"{key} {list(found[key])}: {meaning}" for key, meaning in family.clues.items())
    return (*clues, *_settings(candidate.settings), *_keys(found, differences))


def refusal(found: Shapes, nearest: tuple[Family, Candidate, Differences] | None, family: str | None) -> str:
    """The sentence for weights that no network, or none of the family, has."""
    way = "choose a family, or start the dashboard with a factory of your own (--model package.module:factory)"
    given = f"The {len(found):,} keys ({first(found)})"
    if family is not None:
        return f"{given} are not those of {family}; choose another family."
    if nearest is None:
        return f"{given} are those of no network that is known here; {way}."
    return f"{given} come closest to {nearest[0].name}, but do not fit it: {nearest[2]}; {way}."


def _settings(settings: Mapping[str, object]) -> Iterator[str]:
    stages = settings.get("stages")
    if isinstance(stages, tuple):
        layers = f": {settings['depth']} layers" if "depth" in settings else ""
        kind = f"{settings['block']} " if "block" in settings else ""
        yield f"{sum(stages)} {kind}blocks in stages of {', '.join(map(str, stages))}{layers}"
    for name, words in WORDS.items():
        if name in settings and UNSAID.get(name, ...) != settings[name]:
            yield words.format(settings[name])
    yield f"{settings['classes']:,} classes"


def _keys(found: Shapes, differences: Differences) -> Iterator[str]:
    if differences:
        yield f"chosen by hand, and the keys differ: {differences}"
        return
    yield f"all {len(found):,} keys and shapes are those of this network"
    if not any(key.endswith(COUNTER) for key in found):
        yield f"{COUNTER}, which counts training steps, is missing, as in files of before torch 0.4.1"
