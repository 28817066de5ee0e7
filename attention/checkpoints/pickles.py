"""Is a pickle one of a state dict? Answered from its operations, of which none is carried out.

`weights_only=True` keeps code out, but lets calls through that grow a kilobyte to gigabytes (a bytearray of any
length, a dictionary copied again and again), and tuples so deep that Python itself crashes on them.
"""

import pickletools
from collections.abc import Iterable, Iterator

from attention.checkpoints.limits import CheckpointError, Limits

CALLS = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "collections.OrderedDict"}
TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
MEMO = {"BINPUT", "LONG_BINPUT"}
TUPLES_OF_A_TENSOR = 6
"""Its storage, its size, its strides, its arguments, those of a Parameter; and one to spare."""


def check(pickle: bytes, limits: Limits) -> None:
    """Raises CheckpointError where a pickle does anything but build dictionaries and lists of values and tensors.

    torch has gone through it before: it has none of the operations that `weights_only` does not know.
    """
    try:
        _check_operations(pickletools.genops(pickle), len(pickle), TUPLES_OF_A_TENSOR * limits.tensors)
    except CheckpointError:
        raise
    except (ValueError, IndexError, UnicodeError):
        raise CheckpointError("The pickle in the file is damaged.") from None


def refusal(names: Iterable[str]) -> str:
    """The sentence for a pickle that calls these."""
    listed = sorted(names)
    shown = ", ".join(name[:60] for name in listed[:3]) + f" and {len(listed) - 3} more" * (len(listed) > 3)
    return f"The file asks to run {shown}; save the state dict alone, torch.save(model.state_dict(), ...), without it."


def _check_operations(operations: Iterator, size: int, tuples: int) -> None:
    before, last = "", ""
    for operation, argument, _ in operations:
        name = operation.name
        if name in MEMO:
            if argument > size:  # Python's memo grows to the largest number in it
                raise CheckpointError("The pickle in the file is damaged: it counts further than it is long.")
            continue
        if name == "GLOBAL" and not _is_allowed(called := argument.replace(" ", ".", 1)):
            raise CheckpointError(refusal([called]))
        if name == "NEWOBJ" or (name == "REDUCE" and not _is_tensor_call(before, last)):
            raise CheckpointError(refusal(["a call that no tensor needs"]))
        tuples -= name in TUPLES
        if tuples < 0:
            raise CheckpointError("The pickle in the file holds more tuples than its tensors can need.")
        before, last = last, name


def _is_allowed(called: str) -> bool:
    return called in CALLS or (called.startswith("torch.") and called.endswith("Storage"))


def _is_tensor_call(before: str, last: str) -> bool:
    """OrderedDict() takes nothing; the others end in one that was just made and is empty, the backward hooks."""
    return last == "EMPTY_TUPLE" or (last in ("TUPLE", "TUPLE3") and before == "REDUCE")
