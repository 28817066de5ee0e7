"""How the keys and shapes of a file differ from those of a network."""

from collections.abc import Mapping

from torch import Tensor

from attention.recognition.records import Differences, Shapes

COUNTER = "num_batches_tracked"


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
