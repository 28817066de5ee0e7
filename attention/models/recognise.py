"""Which network do these weights belong to, and the network with them in it: every key and shape, none left over.

state dict -> families whose keys it has -> settings read off the shapes -> the network with exactly these keys
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attention.models import layouts, published
from attention.models.families import Architecture, Candidate, Differences, Family, RecognitionError, Shapes, first
from attention.models.network import needing_libraries
from attention.numbers import amount

HEADS = ("fc", "classifier", "classifier.1", "classifier.3", "last_linear", "head.fc", "output")
"""Where the libraries keep the last layer."""
LAYER = re.compile(r"(\d{1,2})\.weight")
CHANNELS = 3
Change = Callable[[nn.Module], None]


@dataclass(frozen=True)
class Head:
    """A head that was put in the place of the last layer: linear layers, normalisations, and what has no weights."""

    path: str
    shapes: Shapes
    """What the parts have, by their names under the path."""

    @property
    def linear(self) -> dict[int, tuple[int, ...]]:
        """The shapes of the linear layers, by their places in the sequence."""
        found = {int(match[1]): self.shapes[key] for key in self.shapes if (match := LAYER.fullmatch(key))}
        return {place: shape for place, shape in sorted(found.items()) if len(shape) == 2}

    def build(self) -> nn.Module:
        """Between two linear layers stands one ReLU, which is assumed; dropouts pass everything on."""
        if "weight" in self.shapes:
            classes, inputs = self.shapes["weight"]
            return nn.Linear(inputs, classes, bias="bias" in self.shapes)
        linear, layers, wanted = self.linear, nn.Sequential(), False
        for place in range(max(linear) + 1):
            shape = self.shapes.get(f"{place}.weight")
            if place in linear:
                layers.append(nn.Linear(linear[place][1], linear[place][0], bias=f"{place}.bias" in self.shapes))
                wanted = place != max(linear)
            elif shape is not None:
                by_batch = f"{place}.running_mean" in self.shapes
                layers.append(nn.BatchNorm1d(shape[0]) if by_batch else nn.LayerNorm(shape))
            else:
                layers.append(nn.ReLU() if wanted else nn.Identity())
                wanted = False
        return layers


@dataclass(frozen=True, eq=False)
class Adapted:
    """A candidate with the changes that a file's shapes ask for."""

    candidate: Candidate
    shapes: Shapes
    """The keys and shapes of its network."""
    small: bool
    """Whether its first convolution is one of 3x3, in place of the family's larger one."""


def usual_heads(shapes: Shapes) -> Iterator[tuple[Shapes, Head]]:
    """For each head that may have been changed, the shapes with a usual one in its place, and what is there instead."""
    for path in HEADS:
        inside = {key.removeprefix(f"{path}."): shape for key, shape in shapes.items() if key.startswith(f"{path}.")}
        head = Head(path, inside)
        alone = "weight" in inside and len(inside["weight"]) == 2 and "bias" not in inside
        if alone or ("weight" not in inside and head.linear):
            linear = [inside["weight"]] if alone else list(head.linear.values())
            usual = {f"{path}.weight": (linear[-1][0], linear[0][1]), f"{path}.bias": (linear[-1][0],)}
            yield {**shapes, **usual}, head


def usual_places(shapes: Shapes) -> Iterator[Shapes]:
    """For each place of a last layer that is empty, the shapes with one there, of one class: of a network whose head
    is gone or has another name, that finds what comes closest."""
    for path in HEADS:
        if f"{path}.weight" not in shapes:
            yield {**shapes, f"{path}.weight": (1, 1), f"{path}.bias": (1,)}


def adapt(candidate: Candidate, shapes: Shapes, head: Head | None, *, pooled: bool) -> Adapted:
    """The candidate with the head, the first convolution and the input channels that the shapes of a file have.

    `pooled` says whether a pooling stays behind a first convolution of 3x3. Raises what the building raises.
    """
    with torch.device("meta"):
        module = candidate.build()
        name, first = next((each for each in module.named_modules() if isinstance(each[1], nn.Conv2d)), ("", None))
        given = shapes.get(f"{name}.weight", ())
        changes: list[Change] = [lambda module: _set_part(module, head.path, head.build())] if head else []
        settings, assumed = dict(candidate.settings), list[str]()
        if head:
            classes = [*head.linear.values()][-1][0] if head.linear else head.shapes["weight"][0]
            settings |= {"classes": classes, "head": _head_in_words(head)}
            assumed += ["ReLU between the linear layers of the head"] * (len(head.linear) > 1)
        small = first is not None and len(given) == 4 and given[2:] == (3, 3) != first.kernel_size
        small = small and isinstance(getattr(module, "maxpool", None), nn.Module)
        if first and len(given) == 4 and (small or given[1] != first.in_channels) and first.groups == 1:
            changes.append(lambda module: _change_first(module, name, given, small=small, pooled=pooled))
            settings |= {"channels": given[1]} if given[1] != CHANNELS else {}
            settings |= {"stem kernel": 3} if small else {}
            pooling = "a" if pooled else "no"
            if small:
                assumed.append(f"a first convolution of 3x3 that halves nothing, and {pooling} pooling behind it")
        for change in changes:
            change(module)

    def build() -> nn.Module:
        network = candidate.build()
        for change in changes:
            change(network)
        return network

    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    return Adapted(Candidate(settings, build, tuple(assumed)), own, small)


def _set_part(module: nn.Module, path: str, part: nn.Module) -> None:
    holder, _, last = path.rpartition(".")
    setattr(module.get_submodule(holder), last, part)


def _head_in_words(head: Head) -> str:
    layers = [f"{place} ({shape[1]} to {shape[0]})" for place, shape in head.linear.items()]
    return f"{head.path} of linear layers {', '.join(layers)}" if layers else f"{head.path} without biases"


def _change_first(module: nn.Module, name: str, shape: tuple[int, ...], *, small: bool, pooled: bool) -> None:
    """In place, so that a kind of convolution of its own stays what it is."""
    first = module.get_submodule(name)
    assert isinstance(first, nn.Conv2d)
    first.in_channels, first.weight = shape[1], nn.Parameter(torch.empty(shape))
    if small:
        first.kernel_size, first.stride, first.padding = (3, 3), (1, 1), (1, 1)
        if not pooled:
            module.maxpool = nn.Identity()


POOLED = ", a pooling behind its first convolution of 3x3"
KNOWN = (
    *published.PUBLISHED,
    *layouts.TORCHVISION,
    *layouts.TIMM,
    *layouts.PYTORCHCV,
    published.CONVERTED,
    *(
        replace(family, name=family.name + POOLED, pooled=True)
        for family in (*published.RESIDUAL, *layouts.TORCHVISION_RESIDUAL)
    ),
)
"""All families, in the order in which they are tried: the first whose network has exactly the keys is taken."""
FAMILIES = tuple(family.name for family in KNOWN)
"""The names of all families, for whoever knows better than the keys."""
COUNTER = "num_batches_tracked"
MOST = 8
"""Parts of a prefix; a stranger's keys may have half a million."""
SPARE = {"loss", "losses", "loss_fn", "loss_func", "criterion", "metric", "metrics"}
SPARE |= {"n_averaged", "total_ops", "total_params"}  # of torch's AveragedModel, and of profilers
UNBUILDABLE = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What the reading of shapes of another network raises, and what libraries do with settings that make no sense."""

Attempt = tuple[Family, Candidate, Differences]
WORDS = {
    "reduction": "reduction {}",
    "spatial kernel": "spatial kernel {0}x{0}",
    "groups": "3 × 3 convolutions in {} groups",
    "size": "size {}",
    "head": "a changed head, {}",
    "channels": "input channels: {}",
    "width": "width {}",
}
UNSAID = {"groups": 1, "width": 1.0, "spatial kernel": None}
"""Settings of what is no feature of a network."""


@needing_libraries()
def recognise(state: Mapping[str, Tensor], family: str | None = None, notes: Sequence[str] = ()) -> Architecture:
    """The network that a state dict belongs to, by its keys and shapes; of `family`, where one of FAMILIES is given.

    Raises RecognitionError where there is none, and says what the keys look like, and the `notes` on them. A family
    that was asked for is taken at its word: whether each key fits is said by `load`.
    """
    if family is not None and family not in FAMILIES:
        raise RecognitionError(f"There is no family {family!r}; there are {'; '.join(FAMILIES)}.")
    shapes = shapes_of(state)
    families = [known for known in KNOWN if (known.name == family if family else known is not published.CONVERTED)]
    attempts = [attempt for known in families for attempt in _attempts(known, shapes)]
    if all(differences for *_, differences in attempts):  # then perhaps with another head
        heads = list(usual_heads(shapes))
        attempts += [each for known in families for usual in heads for each in _attempts(known, shapes, *usual)]
    if not attempts:
        places = list(usual_places(shapes))
        attempts = [each for known in families for usual in places for each in _attempts(known, shapes, usual)]
    fitting = [attempt for attempt in attempts if not attempt[2]]
    nearest = min(attempts, key=lambda attempt: len(attempt[2]), default=None)
    if nearest is None or (nearest[2] and family is None):
        raise RecognitionError(_refusal(shapes, nearest, family, notes), nearest and nearest[2])
    chosen, candidate, differences = nearest
    others = tuple(dict.fromkeys(known.name for known, *_ in fitting if known is not chosen))
    return Architecture(
        chosen.name,
        _evidence(shapes, chosen, candidate, differences, others),
        candidate.settings,
        others,
        candidate.build,
        candidate.assumed,
        differences,
    )


class Fit(NamedTuple):
    """A network, and the tensors of a file that are its own."""

    architecture: Architecture
    state: dict[str, Tensor]
    notes: tuple[str, ...]
    """What was taken off the keys and what was left aside, a phrase each."""


def fit(state: Mapping[str, Tensor], family: str | None = None) -> Fit:
    """The network that a state dict belongs to, perhaps but for a prefix and for keys that are no network's.

    Where none fits so, a family that was asked for is taken at its word. Raises RecognitionError as `recognise` does,
    with the differences that are fewest.
    """
    nearest: Fit | None = None
    refused: RecognitionError | None = None
    for variant, notes in variants(state):
        try:
            fitted = Fit(recognise(variant, family, notes), variant, notes)
        except RecognitionError as error:
            if refused is None or 0 < len(error.differences) < (len(refused.differences) or len(state) + 1):
                refused = error
            continue
        if not fitted.architecture.differences:
            return fitted
        if nearest is None or len(fitted.architecture.differences) < len(nearest.architecture.differences):
            nearest = fitted
    if nearest is None:
        assert refused is not None
        raise refused
    return nearest


def variants(state: Mapping[str, Tensor]) -> Iterator[tuple[dict[str, Tensor], tuple[str, ...]]]:
    """The tensors as they are, then those under each prefix that most have, and both without what is no network's."""
    prefixed = [(dict(state), ())] + [_under_prefix(state, prefix) for prefix in common_prefixes(state)]
    for inside, notes in prefixed:
        yield inside, notes
        if spare := [name for name in inside if _is_spare(name)]:
            rest = {name: value for name, value in inside.items() if name not in spare}
            yield rest, (*notes, f"left aside, since they are no weights of a network: {_count_and_names(spare)}")


def common_prefixes(keys: Collection[str]) -> list[str]:
    """What at least half of the keys begin with, up to a full stop each, the longest first."""
    counts = Counter(prefix for key in keys for prefix in accumulate(f"{part}." for part in key.split(".", MOST)[:-1]))
    most = [prefix for prefix, count in counts.items() if 2 * count >= len(keys)]
    return sorted(most, key=len, reverse=True)


def _under_prefix(state: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    aside = [name for name in state if not name.startswith(prefix)]
    notes = (f"{prefix!r} taken off {amount(len(inside), 'key') if aside else 'every key'}",)
    return inside, (*notes, f"left aside, since they are not under it: {_count_and_names(aside)}") if aside else notes


def _is_spare(name: str) -> bool:
    """Whether a key is no network's by its name: of a loss, of a metric, of a counter."""
    first_part, *_, last_part = f"{name}.{name}".split(".")
    return first_part in SPARE or last_part in SPARE


def _count_and_names(names: Sequence[str]) -> str:
    return f"{len(names):,} of them, {first(names)}" if len(names) > 1 else first(names)


def load(state: Mapping[str, Tensor], architecture: Architecture) -> nn.Module:
    """The network with these weights, in eval mode, its floats in its own precision; tensors that fit are shared.

    Raises RecognitionError where a key is missing, left over or of another shape, or holds whole numbers in place of
    floats. `num_batches_tracked`, which files of before torch 0.4.1 lack, is the one thing that may be missing: it
    counts training steps.
    """
    with torch.device("meta"):
        module = architecture.build()
    own = module.state_dict()
    if differences := differences_between(shapes_of(own), shapes_of(state)):
        raise RecognitionError(f"The weights do not fit {architecture.family}: {differences}.", differences)
    if mistyped := [name for name in state if state[name].is_floating_point() != own[name].is_floating_point()]:
        given = f"{len(mistyped)} of another kind of number ({first(mistyped)})"
        raise RecognitionError(f"The weights do not fit {architecture.family}: {given}; floats are allowed for floats.")
    counters = {name: torch.tensor(0) for name in own if name.endswith(COUNTER) and name not in state}
    weights = {name: value.to(own[name].dtype).contiguous() for name, value in state.items()}
    module.load_state_dict(weights | counters, assign=True)
    if any(buffer.is_meta for buffer in module.buffers()):  # constants that no file has: only a real network knows them
        _fill_constants(module, architecture.build())
    return module.eval()


def _fill_constants(module: nn.Module, source: nn.Module) -> None:
    """Give a network the buffers of another that are in no state dict."""
    for name, buffer in source.named_buffers():
        holder, _, last = name.rpartition(".")
        if module.get_buffer(name).is_meta:
            module.get_submodule(holder).register_buffer(last, buffer, persistent=False)


def _attempts(family: Family, shapes: Shapes, usual: Shapes | None = None, head: Head | None = None) -> list[Attempt]:
    """The candidates of a family up to one that fits; none where the keys are not the family's. They are read off the
    `usual` shapes, where a head stands in the place of the last layer."""
    attempts: list[Attempt] = []
    for candidate in _candidates(family, usual or shapes):
        try:
            adapted = adapt(candidate, shapes, head, pooled=family.pooled)
        except UNBUILDABLE:
            continue
        if adapted.small or not family.pooled:
            attempts.append((family, adapted.candidate, differences_between(adapted.shapes, shapes)))
            if not attempts[-1][2]:
                break
    return attempts


def _candidates(family: Family, shapes: Shapes) -> list[Candidate]:
    if not all(clue in shapes for clue in family.clues):
        return []
    try:
        return list(family.candidates(shapes))
    except UNBUILDABLE:
        return []


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(value.shape) for name, value in state.items()}


def differences_between(network: Shapes, shapes: Shapes) -> Differences:
    """The counters of training steps may be missing from a file, and nothing else."""
    return Differences(
        missing=tuple(key for key in network if key not in shapes and not key.endswith(COUNTER)),
        left_over=tuple(key for key in shapes if key not in network),
        misshapen=tuple(
            f"{key} {list(shapes[key])} instead of {list(network[key])}"
            for key in network
            if key in shapes and shapes[key] != network[key]
        ),
    )


def _evidence(
    shapes: Shapes, family: Family, candidate: Candidate, differences: Differences, others: tuple[str, ...]
) -> tuple[str, ...]:
    """A phrase for each clue, for the settings read off the shapes, and for how the keys compare."""
    clues = (f"{key} {list(shapes[key])}: {meaning}" for key, meaning in family.clues.items() if key in shapes)
    return (*clues, *_setting_notes(candidate.settings), *_key_notes(shapes, differences, others))


def _refusal(shapes: Shapes, nearest: Attempt | None, family: str | None, notes: Sequence[str]) -> str:
    """The sentence for weights that no network, or none of the family, has."""
    command = "python -m attention serve --model package.module:factory --weights FILE"
    way = f"choose a family, or serve it from its code: {command}"
    given = f"The {amount(len(shapes), 'key')} ({'; '.join([first(shapes), *notes])})"
    if family is not None:
        return f"{given} are not those of {family}; choose another family."
    if nearest is None:
        return f"{given} are those of no network that is known here; {way}."
    return f"{given} come closest to {nearest[0].name}, but do not fit it: {nearest[2]}; {way}."


def _setting_notes(settings: Mapping[str, object]) -> Iterator[str]:
    stages = settings.get("stages")
    if isinstance(stages, tuple):
        layers = f": {settings['depth']} layers" if "depth" in settings else ""
        kind = f"{settings['block']} " if "block" in settings else ""
        yield f"{sum(stages)} {kind}blocks in stages of {', '.join(map(str, stages))}{layers}"
    for name, words in WORDS.items():
        if name in settings and UNSAID.get(name, ...) != settings[name]:
            yield words.format(settings[name])
    yield f"{settings['classes']:,} class{'es' * (settings['classes'] != 1)}"


def _key_notes(shapes: Shapes, differences: Differences, others: tuple[str, ...]) -> Iterator[str]:
    if differences:
        yield f"chosen by hand, and the keys differ: {differences}"
        return
    alike = f", and of {len(others)} others: the keys cannot tell which it is" if others else ""
    yield f"all {amount(len(shapes), 'key')} and shapes are those of this network{alike}"
    if not any(key.endswith(COUNTER) for key in shapes):
        yield f"{COUNTER}, which counts training steps, is missing, as in files of before torch 0.4.1"
