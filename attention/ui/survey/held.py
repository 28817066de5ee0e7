"""A survey that is at hand on the page, and what is computed from it once."""

import secrets
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention import analysis, serving, survey
from attention.images import ASSETS
from attention.kinds import KINDS
from attention.survey import statistics
from attention.survey.result import GateSurvey

READY = ASSETS / "surveys"
"""The surveys that come with the project, by the name of their network."""
INDICES = {
    "Share between classes": statistics.share_between,
    "Class selectivity": statistics.class_selectivity,
}


class Place(NamedTuple):
    """One block of the network: its gate by channel and its map; None where it has none."""

    channel: GateSurvey | None
    spatial: GateSurvey | None


@dataclass(frozen=True, eq=False)
class Held:
    """A survey with the pictures it was made of, where these are at hand."""

    key: str
    """The same for the same numbers, and for no others."""
    result: survey.Result
    pictures: survey.Pictures | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What a person calls the classes."""
        return survey.profiles.class_names(self.result)

    @cached_property
    def places(self) -> dict[str, Place]:
        """The blocks in depth order; those whose gates stand for neither channels nor places are left out."""
        found = {}
        for block in analysis.blocks(cast("list", self.result.gates)):  # it reads their names and kinds alone
            gates = cast(tuple[GateSurvey, ...], block.gates)
            channel = next((gate for gate in gates if gate.by_channel), None)
            spatial = next((gate for gate in gates if KINDS[gate.kind].is_map and len(gate.shape) == 2), None)
            if channel or spatial:
                found[block.name] = Place(channel, spatial)
        return found

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The pictures of each class that could be used."""
        gates = self.result.gates
        if gates:
            return gates[0].classes.count
        classes, _, pictures = self.result.predictions.T
        return np.bincount(classes, pictures, len(self.result.classes)).astype(np.int64)

    @property
    def gates(self) -> list[GateSurvey]:
        """The gates of these blocks in depth order."""
        return [gate for place in self.places.values() for gate in place if gate]

    @property
    def title(self) -> str:
        """What its network is called."""
        return str(self.result.provenance["network"]["title"])

    @property
    def random(self) -> bool:
        """Whether the network had random weights."""
        return bool(self.result.provenance["network"]["random"])


def new(result: survey.Result, pictures: survey.Pictures) -> Held:
    """A survey that was just made."""
    return Held(secrets.token_hex(8), result, pictures)


@st.cache_resource(max_entries=4, show_spinner="Reading the survey")
def ready(network: str) -> Held | None:
    """The survey of a network of the project's own that comes with it; None where there is none."""
    path = READY / f"{Path(network).name}.parquet"
    return Held(f"ready {network}", survey.read(path)) if path.is_file() else None


def as_file(held: Held) -> bytes:
    """The survey as a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        survey.write(held.result, path)
        return path.read_bytes()


def pictures(held: Held) -> survey.Pictures | survey.Found | None:
    """Of the survey: those that it was made of on the page, or those of a folder that the server allows."""
    found = (_found(held.key, str(folder), held) for folder in serving.folders().values())
    return held.pictures or next(filter(None, found), None)


@st.cache_resource(max_entries=64, ttl=600, show_spinner="Looking for the pictures of the survey")
def _found(key: str, folder: str, _held: Held) -> survey.Found | None:
    return survey.found(_held.result, Path(folder))


@st.cache_data(max_entries=256, show_spinner=False)
def selectivity(key: str, gate: str, index: str, _held: Held) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The index of every channel or place of a gate, (*shape), and the same of the shuffled classes."""
    found = INDICES[index](_gate(_held, gate))
    return found.index, found.shuffled


@st.cache_data(max_entries=256, show_spinner=False)
def health(key: str, gate: str, _held: Held) -> statistics.Health:
    """What a gate does, and whether it does anything."""
    return statistics.health(_gate(_held, gate))


def _gate(held: Held, name: str) -> GateSurvey:
    return next(gate for gate in held.result.gates if gate.name == name)
