"""A network that is ready for pictures; random weights of a seed; the pass that shows that a network works."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from attention.images import Preprocessing, written
from attention.limits import Limits
from attention.numbers import amount, duration
from attention.records import Band, GatescopeError, Kind, ModelCard, Trace

if TYPE_CHECKING:  # a card is read without torch, so that a page can show it at once
    import torch
    from torch import Tensor, nn

SEED = 0
"""The seed of random weights, and of the picture that the gates are counted on."""
RANDOM = {"uniform_", "normal_", "exponential_", "bernoulli_", "random_", "cauchy_", "geometric_", "log_normal_"}
RANDOM |= {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"}
RANDOM |= {"xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "orthogonal_"}
RANDOM |= {"sparse_"}
"""What draws random numbers, and takes a generator."""
DRAWING = threading.Lock()
"""Held while numbers are drawn from torch's own generator, which is the process's."""


class ZooError(GatescopeError):
    """A network that cannot be had: no such name, or a weight file that is not what its card says."""


@contextlib.contextmanager
def needing_libraries() -> Iterator[None]:
    """A library that is not installed becomes one sentence, a ZooError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ZooError(f"{error.name} is not installed; `pip install 'gatescope[zoo]'` brings it.") from error


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready for pictures: `module` in eval mode, `transform` from a picture to a (C, H, W) tensor."""

    card: ModelCard
    module: "nn.Module"
    largest: int = 0
    """Bytes of the largest tensor of one picture's pass, where that was counted before the network was built."""

    @property
    def transform(self) -> Preprocessing:
        """From a picture to what the network sees."""
        return preprocessing(self.card)

    def batch(self, pictures: "Tensor") -> "Tensor":
        """Pictures (N, C, H, W) in the network's own precision, on the device that it is on."""
        tensors = (*self.module.parameters(), *self.module.buffers())
        first = next((tensor for tensor in tensors if tensor.is_floating_point()), pictures)
        return pictures.to(first.device, first.dtype)

    def on(self, device: "str | torch.device | None") -> "Network":
        """The same network, moved to this device; without one it stays where it is."""
        if device is not None:
            self.module.to(device)
        return self

    def reading(self, bands: tuple[Band, ...]) -> "Network":
        """The same network, whose input channels read these bands. Raises ZooError where there is not one for each."""
        return replace(self, card=reading(self.card, bands))

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""
        return self.card.labels


SEEN = ("crop", "mean", "std", "interpolation", "bands")
"""What a card and a preprocessing both have, besides the size."""


def card_of(seen: Preprocessing, **known: Any) -> ModelCard:
    """The card of a network that sees pictures so; `known` is what else its fields are."""
    return ModelCard(input_size=seen.size, **{name: getattr(seen, name) for name in SEEN}, **known)


def stored_card(fields: dict[str, Any]) -> ModelCard:
    """The card that a JSON file has, which knows no tuples."""
    lists: dict[str, Any] = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return ModelCard(**fields | lists)


def reading(card: ModelCard, bands: tuple[Band, ...]) -> ModelCard:
    """The card of the same network, whose input channels read these bands. Raises ZooError where there is not one for
    each."""
    check_bands(card.name, bands, len(card.bands))
    return replace(card, bands=bands, assumed=tuple(phrase for phrase in card.assumed if phrase != reads(card.bands)))


def reads(bands: tuple[Band, ...]) -> str:
    """What is assumed where nobody says what the input channels read, in a phrase."""
    channels = "input channel reads" if len(bands) == 1 else f"{len(bands)} input channels read"
    return f"what the {channels}: {', '.join(bands)}"


def check_bands(name: str, bands: tuple[Band, ...], channels: int) -> None:
    """Raises ZooError where there is not a band for each input channel."""
    if len(bands) != channels:
        given = f"{amount(len(bands), 'band is', 'bands are')} given, and {name} reads {channels}"
        raise ZooError(f"{given}; one for each input channel is allowed.")


def preprocessing(card: ModelCard) -> Preprocessing:
    """From a picture to what the network of this card sees."""
    return Preprocessing(
        card.input_size,
        **{name: getattr(card, name) for name in SEEN},
        whole_pixels=card.source != "own",  # the own networks' accuracy was measured on the exact square
    )


def seeded(make: "Callable[[], nn.Module]") -> "nn.Module":
    """A network in eval mode, with the random weights of SEED, which are those that `torch.manual_seed(SEED)` gives.

    torch's own generator, which is the process's, is left alone: several threads may build at a time. Raises ZooError
    where a number is to be drawn after the time that `Limits` allow.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    generator, most = torch.Generator().manual_seed(SEED), Limits.of_environment().building_seconds
    end = time.monotonic() + most
    like = {torch.rand_like: torch.rand, torch.randn_like: torch.randn}  # these two take no generator

    class Seeded(TorchFunctionMode):
        """Random numbers of this thread alone come from a generator of its own."""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if time.monotonic() > end:
                raise ZooError(f"The network took longer to build than the {duration(most)} that are allowed.")
            if function in like:
                usual = {"dtype": args[0].dtype, "device": args[0].device}
                return like[function](args[0].shape, **usual | kwargs, generator=generator)
            if getattr(function, "__name__", "") in RANDOM and kwargs.get("generator") is None:
                kwargs |= {"generator": generator}
            return function(*args, **kwargs)

    with Seeded():
        return make().eval()


class Size(NamedTuple):
    """What a network takes, in bytes."""

    numbers: int
    """Its parameters and buffers, as float32."""
    largest: int
    """The largest tensor of one pass over a picture."""


def check_size(name: str, build: "Callable[[], nn.Module]", seen: Preprocessing) -> Size:
    """Whether a network may be built, told from its shapes alone: a name or a small file can be that of a large one.

    Raises ZooError where its numbers, or one pass over a picture, would take more than `Limits` allow, or where it
    cannot see pictures of this size, and whatever the building raises.
    """
    from attention.cost import unallocated

    module = unallocated(build)
    numbers = check_numbers(name, module)
    try:
        return Size(numbers, check_pass(name, module, seen))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ZooError(f"{name} cannot see pictures of {written(seen.size)} px ({reason}); try 224.") from error


def check_pass(name: str, shadow: "nn.Module", seen: Preprocessing) -> int:
    """Bytes of the largest tensor of a pass of a module without numbers. Raises ZooError where the pass takes more than
    `Limits` allow, and what it raises."""
    from attention.cost import measure_unallocated

    limits, cost = Limits.of_environment(), measure_unallocated(shadow, seen.shape)
    given = f"One pass of {name} at {written(seen.size)} px takes"
    _insist(f"{given} {cost.largest:,} bytes for its largest tensor", cost.largest, limits.feature_bytes)
    _insist(f"{given} {cost.total_macs:,} multiply-accumulates", cost.total_macs, limits.macs)
    return cost.largest


def check_numbers(name: str, module: "nn.Module") -> int:
    """Bytes of the parameters and buffers, as float32. Raises ZooError where they are more than `Limits` allow."""
    from torch.nn.parameter import is_lazy

    tensors = [tensor for tensor in (*module.parameters(), *module.buffers()) if not is_lazy(tensor)]
    stored = sum(tensor.numel() * max(tensor.element_size(), 4) for tensor in tensors)
    _insist(f"The numbers of {name} take {stored:,} bytes", stored, Limits.of_environment().tensor_bytes)
    return stored


def _insist(given: str, taken: int, allowed: int) -> None:
    if taken > allowed:
        raise ZooError(f"{given}; at most {allowed:,} are allowed.")


def gate_counts(trace: Trace) -> dict[Kind, int]:
    """How many gates of each kind a pass applied."""
    return dict(Counter(gate.kind for gate in trace.gates))


def noise_for(seen: Preprocessing, number: int = 0) -> "Tensor":
    """A picture of noise as a network sees it, (1, C, H, W); another for each number."""
    import torch

    return torch.randn(seen.shape, generator=torch.Generator().manual_seed(SEED + number))


def on_host(output: Any) -> Any:
    """What a pass returned, with its tensors on the CPU, those of 16 bits as float32; what is so is not copied."""
    from torch import Tensor

    if isinstance(output, Tensor):
        home = output.cpu()
        return home.float() if home.is_floating_point() and home.element_size() < 4 else home
    if type(output) in (tuple, list):
        return type(output)(map(on_host, output))
    return {key: on_host(value) for key, value in output.items()} if type(output) is dict else output


def on_noise(module: "nn.Module", card: ModelCard) -> Trace:
    """One pass over a picture of noise. Raises ZooError where the network is no classifier."""
    import torch

    from attention import capture

    noise = Network(card, module).batch(noise_for(preprocessing(card)))
    with torch.inference_mode():
        trace = capture.trace(module, noise)
    if getattr(trace.output, "ndim", 0) != 2:
        raise ZooError(f"{card.name} does not answer with one score for each class; only classifiers are allowed.")
    return trace
