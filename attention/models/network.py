"""A network that is ready for pictures: a batch of them in, a score for each class out; the pass that shows it."""

import contextlib
import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from attention.images import Preprocessing, size_in_words
from attention.limits import Limits
from attention.numbers import amount, duration
from attention.records import WHOLE, Band, Box, GatescopeError, Kind, ModelCard, Trace, in_rows

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Adapter = Callable[["Tensor"], Any]
"""A batch of pictures (N, C, H, W) -> what the module takes: one argument, a tuple of them, or a dict by name."""
Output = str | Callable[[Any], "Tensor"]
"""Where in what a module returns its answer stands, `"out"`, `"0"`, `"aux.logits"`; or a function that takes it out."""


class AdaptError(GatescopeError):
    """What an adapter, an output or a region cannot do with a module."""


def parse_region(text: str) -> Box:
    """`whole`, or left, top, right, bottom in shares: `0.25,0.25,0.75,0.75`. Raises AdaptError."""
    if text.strip() == "whole":
        return WHOLE
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        raise AdaptError(
            f"The region is {text[:40]!r}; whole, or four shares such as 0,0,0.5,0.5, is allowed."
        ) from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise AdaptError(f"The region is {text[:40]!r}; left below right and top below bottom, 0 to 1, are allowed.")
    return left, top, right, bottom


def output_shapes(output: Any, path: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor in what a module returns: where it stands, as an `Output`, and its shape."""
    if hasattr(output, "shape"):
        yield path, tuple(output.shape)
    for key, value in _parts(output).items():
        yield from output_shapes(value, f"{path}.{key}" if path else key)


def adapt(
    module: "nn.Module", *, adapter: Adapter | None = None, output: Output | None = None, region: Box | None = None
) -> None:
    """Let the module take a batch of pictures by the adapter, and return one of its outputs, from now on.

    With a region, a score for each class and place, (N, classes, H, W), becomes its mean over that part of the map; a
    lone number of each picture is a table (N, 1). What cannot be done is an AdaptError of the pass.
    """
    if adapter is not None:
        module.register_forward_pre_hook(_adapter_hook(adapter), with_kwargs=True)
    if output is not None or region is not None:
        module.register_forward_hook(_output_hook(output, region))
    module.register_forward_hook(_in_rows)


def shared_copy(module: "nn.Module") -> "nn.Module":
    """A copy of the module with hooks of its own, whose parameters and buffers are the module's."""
    # What deepcopy finds in its memo it takes for a copy that is there already.
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def _adapter_hook(adapter: Adapter) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    def adapted(
        _: "nn.Module", given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            taken = adapter(*given, **named)
        except Exception as error:  # it is a person's own code, and may raise anything
            message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise AdaptError(f"The adapter fails on a batch of pictures: {message}.") from error
        if isinstance(taken, Mapping):
            return (), dict(taken)
        return (tuple(taken) if isinstance(taken, tuple | list) else (taken,)), {}

    return adapted


def _output_hook(output: Output | None, region: Box | None) -> Callable[..., "Tensor"]:
    def chosen(_: "nn.Module", given: tuple[Any, ...], returned: Any) -> "Tensor":
        answer = output(returned) if callable(output) else _output_at(returned, output or "")
        return answer if region is None else _region_mean(answer, region)

    return chosen


def _in_rows(_: "nn.Module", given: tuple[Any, ...], returned: Any) -> Any:
    return in_rows(returned, given)


def _output_at(returned: Any, path: str) -> Any:
    found = returned
    for key in path.split(".") if path else ():
        found = _parts(found).get(key)
    if found is None:
        raise AdaptError(f"There is no output {path!r}; the network returns {_outputs_in_words(returned)}.")
    return found


def _outputs_in_words(returned: Any) -> str:
    """Which outputs there are to be named, in words."""
    named = ", ".join(path for path, _ in output_shapes(returned))
    alone = "a tensor alone" if hasattr(returned, "shape") else f"an object of the type {type(returned).__name__}"
    return named or alone


def _region_mean(answer: Any, region: Box) -> "Tensor":
    if getattr(answer, "ndim", 0) != 4:
        shape = " × ".join(map(str, getattr(answer, "shape", ()))) or type(answer).__name__
        several = f", of which one is to be chosen: {named}" if (named := ", ".join(_parts(answer))) else ""
        wanted = "A region is of a score for each class and place, (N, classes, H, W)"
        raise AdaptError(f"{wanted}, and this is {shape}{several}.")
    ends = zip(region[1::-1], region[:1:-1], answer.shape[2:], strict=True)
    (top, bottom), (left, right) = (_index_range(start, end, size) for start, end, size in ends)
    part: Tensor = answer[:, :, top:bottom, left:right]
    return part.mean((2, 3))


def _index_range(start: float, end: float, size: int) -> tuple[int, int]:
    """From which place to which, one at least."""
    first = min(round(start * size), size - 1)
    return first, max(round(end * size), first + 1)


def _parts(value: Any) -> dict[str, Any]:
    """What stands in a container, by its key or number."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        names = getattr(value, "_fields", range(len(value)))
        return {str(name): part for name, part in zip(names, value, strict=True)}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {}


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

    def with_bands(self, bands: tuple[Band, ...]) -> "Network":
        """The same network, whose input channels read these bands. Raises ZooError where there is not one for each."""
        return replace(self, card=with_bands(self.card, bands))

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes, in the order of the outputs."""
        return self.card.labels


SHARED_FIELDS = ("crop", "mean", "std", "interpolation", "bands")
"""What a card and a preprocessing both have, besides the size."""


def card_of(seen: Preprocessing, **known: Any) -> ModelCard:
    """The card of a network that sees pictures so; `known` is what else its fields are."""
    return ModelCard(input_size=seen.size, **{name: getattr(seen, name) for name in SHARED_FIELDS}, **known)


def stored_card(fields: dict[str, Any]) -> ModelCard:
    """The card that a JSON file has, which knows no tuples."""
    lists: dict[str, Any] = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return ModelCard(**fields | lists)


def with_bands(card: ModelCard, bands: tuple[Band, ...]) -> ModelCard:
    """The card of the same network, whose input channels read these bands. Raises ZooError where there is not one for
    each."""
    check_bands(card.name, bands, len(card.bands))
    assumed = tuple(phrase for phrase in card.assumed if phrase != reads(card.bands))
    return replace(card, bands=bands, assumed=assumed)


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
        **{name: getattr(card, name) for name in SHARED_FIELDS},
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
        raise ZooError(f"{name} cannot see pictures of {size_in_words(seen.size)} px ({reason}); try 224.") from error


def check_pass(name: str, shadow: "nn.Module", seen: Preprocessing) -> int:
    """Bytes of the largest tensor of a pass of a module without numbers. Raises ZooError where the pass takes more than
    `Limits` allow, and what it raises."""
    from attention.cost import measure_unallocated

    limits, cost = Limits.of_environment(), measure_unallocated(shadow, seen.shape)
    given = f"One pass of {name} at {size_in_words(seen.size)} px takes"
    _check_allowed(f"{given} {cost.largest:,} bytes for its largest tensor", cost.largest, limits.feature_bytes)
    _check_allowed(f"{given} {cost.total_macs:,} multiply-accumulates", cost.total_macs, limits.macs)
    return cost.largest


def check_numbers(name: str, module: "nn.Module") -> int:
    """Bytes of the parameters and buffers, as float32. Raises ZooError where they are more than `Limits` allow."""
    from torch.nn.parameter import is_lazy

    tensors = [tensor for tensor in (*module.parameters(), *module.buffers()) if not is_lazy(tensor)]
    stored = sum(tensor.numel() * max(tensor.element_size(), 4) for tensor in tensors)
    _check_allowed(f"The numbers of {name} take {stored:,} bytes", stored, Limits.of_environment().tensor_bytes)
    return stored


def _check_allowed(given: str, taken: int, allowed: int) -> None:
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
