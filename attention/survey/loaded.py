"""A survey that is at hand, for whoever draws it: names, blocks, and each statistic, computed once when asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from attention import analysis
from attention.analysis.health import is_constant
from attention.foreign import readable
from attention.kinds import KINDS
from attention.numbers import amount
from attention.records import Floats, owner_of
from attention.survey import statistics
from attention.survey.passes import weights_sha256
from attention.survey.pictures import PictureList
from attention.survey.result import GateSurvey, Result, SurveyError
from attention.survey.statistics import INDICES, GroupDifference, Selectivity, SurveyedHealth

if TYPE_CHECKING:  # a survey is looked at without torch
    from torch import nn


class SurveyedBlock(NamedTuple):
    """One block of the network: its gate by channel and its map; None where it has none."""

    channel: GateSurvey | None
    spatial: GateSurvey | None


@dataclass(frozen=True, eq=False)
class LoadedSurvey:
    """A result with what follows from it, and with the pictures it was made of, where these are at hand."""

    result: Result
    key: str = ""
    """The same for the same numbers, and for no others."""
    pictures: PictureList | None = None
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What a person calls the classes."""
        return tuple(map(readable, statistics.class_names(self.result)))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The pictures of each class that could be used."""
        if self.result.gates:
            return self.result.gates[0].classes.count
        classes, _, pictures = self.result.predictions.T
        return np.bincount(classes, pictures, len(self.result.classes)).astype(np.int64)

    @cached_property
    def distinct_classes(self) -> NDArray[np.int64]:
        """The numbers of the classes with pictures; none where that is one class, which is all pictures."""
        used = np.flatnonzero(self.counts)
        return used if len(used) > 1 else used[:0]

    @cached_property
    def blocks(self) -> dict[str, SurveyedBlock]:
        """The blocks in depth order; those whose gates stand for neither channels nor places are left out."""
        shown = {}
        for block in analysis.blocks(cast("list", self.result.gates)):  # it reads what the two have in common
            gates = cast(tuple[GateSurvey, ...], block.gates)
            channel = next((gate for gate in gates if gate.by_channel), None)
            spatial = next((gate for gate in gates if KINDS[gate.kind].is_map and len(gate.shape) == 2), None)
            if channel or spatial:
                shown[block.name] = SurveyedBlock(channel, spatial)
        return shown

    @cached_property
    def block_names(self) -> dict[str, str]:
        """What the blocks are called for short, by their names."""
        return dict(zip(self.blocks, analysis.short_names(list(self.blocks)), strict=True))

    @cached_property
    def gates(self) -> tuple[GateSurvey, ...]:
        """The gates of these blocks in depth order."""
        return tuple(gate for block in self.blocks.values() for gate in block if gate)

    @cached_property
    def gate_names(self) -> list[str]:
        """What the gates are called for short, in depth order: after their kind, where the name is a mere count of the
        gates that one module applies."""
        names = [gate.name for gate in self.gates]
        by_kind = [
            f"{owner_of(gate.name)}.{gate.kind}".lstrip(".") if "#" in gate.name else gate.name for gate in self.gates
        ]
        return analysis.short_names(
            [name if by_kind.count(kind) > 1 else kind for name, kind in zip(names, by_kind, strict=True)]
        )

    def warnings(self, named: str) -> Iterator[str]:
        """What there is to beware of, in sentences; `named` says where the pictures are that could not be used."""
        result = self.result
        if self.random:
            yield "The network had random weights: this shows how it is built, not what it has learned."
        if result.failures:
            whole = result.provenance["pictures"]["count"]
            yield f"{len(result.failures):,} of {amount(whole, 'picture')} could not be used; {named}."
        if self.left_out:
            yield self.left_out
        classes = zip(result.classes, result.outputs, self.counts, strict=True)
        if unknown := [readable(name) for name, output, count in classes if count and output < 0]:
            more = f" and {len(unknown) - 1:,} more" * (len(unknown) > 1)
            yield (
                f"A picture is of the class that its folder is named after, and “{unknown[0]}”{more} "
                f"{'name' if more else 'names'} none of the network's outputs: those pictures count everywhere but in "
                "right and wrong."
                if len(self.distinct_classes)
                else f"The pictures lie in one folder, “{unknown[0]}”, and not in a folder for each class: nothing is "
                "said of classes, nor of right and wrong."
            )
        if averaged := sorted({gate.averaged for gate in self.gates if gate.averaged}):
            tiles = " or ".join(averaged).replace(" x ", " × ")
            yield f"Some gates were averaged over {tiles} before they were counted."
        if left := len(result.gates) - len(self.gates):
            yield (
                f"{left} of {amount(len(result.gates), 'gate')} stand for neither channels nor places of a picture: "
                "not shown here."
            )

    @property
    def left_out(self) -> str:
        """How many files of the folder were taken for no pictures, in a sentence; empty where none was."""
        count = self.result.provenance["pictures"]["left_out"]
        why = "no pictures by their name, no plain files, or folders that cannot be read"
        return f"{amount(count, 'file was', 'files were')} left out: {why}." if count else ""

    def health(self) -> dict[str, SurveyedHealth]:
        """The health of each gate, by its name."""
        return self._by_gate("health", statistics.gate_health)

    def check_network(self, module: "nn.Module", name: str) -> None:
        """Raises SurveyError where the survey is of other weights than these, whose channels need not be constant."""
        network = self.result.provenance["network"]
        if weights_sha256(module) != network["weights_sha256"]:
            raise SurveyError(
                f"{name} has other weights than the network of the survey, {network['name']}; the one that was "
                "surveyed is allowed."
            )

    def constant_channels(self) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
        """The mean of each channel gate over the pictures, (C,), by its name, and which channels are constant: none
        where there are fewer than two pictures."""
        known = self.result.pictures > 1
        return {
            gate.name: (gate.overall.mean.astype(np.float32), is_constant(gate.overall.std) & known)
            for gate in self.gates
            if KINDS[gate.kind].is_vector and not gate.averaged
        }

    def differences(self) -> dict[str, GroupDifference]:
        """Wrong against correct predictions of each gate, by its name."""
        counts = self.result.right_and_wrong
        return self._by_gate("differences", lambda gate: statistics.wrong_against_correct(gate, counts))

    def selectivity(self, index: str) -> dict[str, Selectivity]:
        """One of the `INDICES` of each gate, by its name."""
        return self._by_gate(index, INDICES[index].of_gate)

    def _by_gate(self, key: str, number: Callable[[GateSurvey], Any]) -> dict[str, Any]:
        if key not in self._kept:
            self._kept[key] = {gate.name: number(gate) for gate in self.gates}
        return self._kept[key]

    @property
    def title(self) -> str:
        """What its network is called."""
        return str(self.result.provenance["network"]["title"])

    @property
    def random(self) -> bool:
        """Whether the network had random weights."""
        return bool(self.result.provenance["network"]["random"])
