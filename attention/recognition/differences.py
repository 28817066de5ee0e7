"""How the keys and shapes of a file differ from those of a network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from attention.recognition.records import Shapes

COUNTER = "num_batches_tracked"
SHOWN = 3


@dataclass(frozen=True)
class Differences:
    """Keys that the file lacks, keys that it has besides, and keys of another shape. False where there are none."""

    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    misshapen: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.left_over) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "left over": self.left_over, "of another shape": self.misshapen}
        return "; ".join(f"{len(keys)} {kind} ({first(keys)})" for kind, keys in kinds.items() if keys)


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(value.shape) for name, value in state.items()}


def between(network: Shapes, found: Shapes) -> Differences:
    """The counters of training steps may be missing from a file, and nothing else."""
    return Differences(
        missing=tuple(key for key in network if key not in found and not key.endswith(COUNTER)),
        left_over=tuple(key for key in found if key not in network),
        misshapen=tuple(
            f"{key} {list(found[key])} instead of {list(network[key])}"
            for key in network
            if key in found and found[key] != network[key]
        ),
    )


def first(keys: Iterable[str]) -> str:
    """The first few, for a message; a stranger's names are cut short."""
    listed = [key if len(key) <= 80 else f"{key[:77]}..." for key in keys]
    return ", ".join(listed[:SHOWN]) + " ..." * (len(listed) > SHOWN)
