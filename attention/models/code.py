"""A person's own code -> a network for the pages, after one pass that shows that it works.

The code that is run is the one that whoever starts the server names, `package.module:factory`, or a module in memory.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import numpy as np

from attention import files, labels
from attention.analysis import predictions
from attention.bands import parse_bands
from attention.images import RGB, Preprocessing, parse_size, size_in_words
from attention.models.network import (
    DRAWING,
    SEED,
    Adapter,
    Network,
    Output,
    ZooError,
    adapt,
    card_of,
    check_numbers,
    check_pass,
    gate_counts,
    noise_for,
    output_shapes,
    parse_region,
    preprocessing,
    shared_copy,
)
from attention.models.weight_files import IMAGENET, USUAL, assumptions, usual_bands, usual_labels
from attention.numbers import amount
from attention.records import WHOLE, Band, Box, GatescopeError, ModelCard, Outputs, Size, Trace, within

if TYPE_CHECKING:  # options are read without torch
    from torch import Tensor, nn

FORM = "package.module:factory"
PACKAGE = Path(__file__).parents[1]
PICTURES = 5
"""Pictures of noise over which a module's outputs are recognised."""

LOUDER = (-100, -10, 10, 100)
"""Further pictures are so many times as loud, dark and bright ones: logits that lie from 0 to 1 by chance leave it."""

MOST_CHANNELS = 16
"""From here on, the first convolution that a module lists is taken for one inside it, and not the one that sees the
picture."""
Colours = tuple[float, float, float]


OWN_CODE_ERRORS = (Exception, SystemExit)
"""What a person's own code may raise; a script that reads its arguments when it is imported ends the program."""


class CodeError(GatescopeError):
    """A network of a person's own that cannot be shown as it was given."""


@dataclass(frozen=True)
class ModelOptions:
    """What a module does not say of itself; None where it is left to be assumed, as `weight_files.USUAL` has it.

    The size, the bands and the region may be words too, as the command line takes them: `"256x128"`, `"nir,4,3"`,
    `"whole"`.
    """

    labels: Sequence[str] | Path | None = None
    """What a person calls the classes, in the order of the outputs, or the path of a file as `labels.read` takes."""
    image_size: Size | None = None
    """The picture that the network sees."""
    mean: Colours | None = None
    """Taken off the picture's values of 0 to 1: red, green, blue."""
    std: Colours | None = None
    """What the rest is divided by."""
    outputs: Outputs | None = None
    """What the numbers are that the module returns; recognised where nobody says."""
    bands: tuple[Band, ...] | None = None
    """What each input channel reads; the first convolution says how many there are."""
    adapter: Adapter | str | None = None
    """A batch of pictures -> what the module takes, or `package.module:function` that does it."""
    output: Output | None = None
    """Which of several outputs is its answer."""
    region: Box | None = None
    """Over which part of a map the scores of a class are averaged."""

    def __post_init__(self) -> None:
        if isinstance(words := getattr(self, "bands"), str):  # noqa: B009 - to mypy they are no words
            object.__setattr__(self, "bands", parse_bands(words))
        for name, between, read in (("image_size", "x", parse_size), ("region", ",", parse_region)):
            given = getattr(self, name)
            if given is not None:
                parts = given if isinstance(given, tuple | list) else (given,)
                object.__setattr__(self, name, read(between.join(map(str, parts))))
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and not _three(values):
                raise CodeError(f"The {name} is {str(values)[:40]!r}; three numbers are allowed: red, green, blue.")
        if self.outputs not in (None, *predictions.OUTPUTS):
            raise CodeError(f"The outputs are {self.outputs!r}; {', '.join(predictions.OUTPUTS)} are allowed.")

    def seen(self, channels: int = len(RGB)) -> Preprocessing:
        """How pictures are prepared, for so many input channels unless the bands are given. Raises GatescopeError
        where that makes no sense."""
        size, mean, std = self.image_size or USUAL.size, self.mean or USUAL.mean, self.std or USUAL.std
        return replace(USUAL, size=size, mean=mean, std=std, bands=tuple(self.bands or usual_bands(channels)))

    def assumed(self, seen: Preprocessing) -> Iterator[str]:
        """A phrase for each thing that nobody said."""
        parts = {"size": self.image_size, "mean": self.mean, "std": self.std, "bands": self.bands}
        return assumptions(seen, [name for name, value in parts.items() if value is not None])


def _three(values: Any) -> bool:
    """Whether these are three numbers."""
    try:
        return not isinstance(values, str) and len([float(each) for each in values]) == 3
    except (TypeError, ValueError):
        return False


def network(module: "nn.Module", name: str, settings: ModelOptions) -> Network:
    """A module with its card, after one pass over a picture of noise; `name` is what it is called.

    The module goes to float32 and to eval mode, and stays on its device. Raises CodeError where it does not run or the
    labels are not its, and what the trace and the reading of labels raise.
    """
    from attention.capture import Tracer
    from attention.cost import count_parameters

    Tracer(module)  # says of what cannot be traced why, before anything is done to it
    seen = settings.seen(_channels(module) if settings.bands is None else len(RGB))
    card = card_of(
        seen,
        name=name,
        title=type(module).__name__,
        description="a network of your own",
        source="code",
        licence="your own",
        parameters=0,
        assumed=tuple(settings.assumed(seen)),
    )
    adapter = _function(settings.adapter) if isinstance(settings.adapter, str) else settings.adapter
    adapt(module, adapter=adapter, output=settings.output, region=settings.region)
    check_numbers(name, module)
    largest = _check_pass(name, module, seen)
    trace, again, returned = _try_pass(module, card, 1 if settings.outputs else PICTURES)
    card = replace(card, outputs=settings.outputs) if settings.outputs else _recognised(card, returned)
    assumed = (*card.assumed, *_region_notes(settings.region), *_repeat_notes(trace, again))
    card = replace(card, answers=dict(output_shapes(trace.output)), assumed=assumed)
    parameters = count_parameters(module)  # a lazy module has them from now on
    names = _labels(trace, card, settings)
    if settings.labels is None and len(names) == 1000:
        card = replace(card, assumed=(*card.assumed, IMAGENET))
    return Network(replace(card, parameters=parameters, gates=gate_counts(trace), labels=names), module, largest)


def _check_pass(name: str, module: "nn.Module", seen: Preprocessing) -> int:
    """Bytes of the largest tensor of a pass; 0 where that cannot be told without computing. Raises ZooError where the
    pass would be too large."""
    from attention.cost import meta_copy

    try:
        return check_pass(name, meta_copy(module), seen)
    except ZooError:
        raise
    except OWN_CODE_ERRORS:  # whatever it is, the pass itself will say so
        return 0


def _try_pass(module: "nn.Module", card: ModelCard, pictures: int) -> tuple[Trace, Trace, list[Any]]:
    """The traced pass over a picture of noise, twice, and what the module answers to so many, that one among them; to
    more than one also what it answers to some whose noise is louder."""
    import torch

    seen = preprocessing(card)
    try:
        tensors = (*module.named_parameters(), *module.named_buffers())
        own = {name: each.data for name, each in tensors if each.is_floating_point() and each.dtype != torch.float32}
        module.to(torch.float32).eval()
        network = Network(card, module)
        try:
            return _run_noise(network, pictures)
        except RuntimeError:
            if not own:
                raise
            _restore(module, own)  # it computes in 16 or 64 bits by its own code, perhaps in parts
            return _run_noise(network, pictures)
    except GatescopeError:
        raise
    except OWN_CODE_ERRORS as error:
        channels = len(seen.bands)
        picture = f"a picture of {amount(channels, 'channel')} and {size_in_words(seen.size)} pixels"
        hint = _hint(module, error, channels)
        raise CodeError(f"{card.name} does not run on {picture}: {failure(error)}; {hint}.") from error


def _restore(module: "nn.Module", values: "Mapping[str, Tensor]") -> None:
    """Give parameters and buffers these values, in their own precision."""
    for name, value in values.items():
        holder, _, last = name.rpartition(".")
        getattr(module.get_submodule(holder), last).data = value


def _run_noise(network: Network, pictures: int) -> tuple[Trace, Trace, list[Any]]:
    import torch

    from attention import capture

    module, seen = network.module, preprocessing(network.card)
    noise, *others = (network.batch(noise_for(seen, number)) for number in range(pictures))
    louder = [(noise + 1) * factor for factor in LOUDER if pictures > 1]
    if any(map(torch.nn.parameter.is_lazy, module.parameters())):
        with torch.no_grad():
            module(noise)  # learns its shapes
    with torch.inference_mode():
        trace, again = (capture.trace(module, noise) for _ in range(2))
        returned = [trace.output, *map(module, others)]
        for picture in louder:
            with contextlib.suppress(*OWN_CODE_ERRORS):  # a person's own code may refuse such a picture
                returned.append(module(picture))
    return trace, again, returned


def _repeat_notes(trace: Trace, again: Trace) -> Iterator[str]:
    """What is assumed of a network whose second pass over a picture gives other numbers, in a phrase."""
    first, second = map(_numbers, (trace, again))
    alike = [
        one.shape == two.shape and np.allclose(one, two, 1e-3, 1e-5, equal_nan=True)
        for one, two in zip(first, second, strict=False)
    ]
    if len(first) != len(second) or not all(alike):
        yield (
            "that one pass may stand for others, though the same picture gives other numbers in each: part of what is "
            "said of a picture or an edit is chance"
        )


def _numbers(trace: Trace) -> list[np.ndarray]:
    """What can differ from pass to pass: the gates, and the answer of a classifier."""
    gates = [gate.values for gate in trace.gates]
    try:
        return [*gates, predictions.score_table(trace.output)]
    except predictions.PredictionError:
        return gates


def _region_notes(region: Box | None) -> Iterator[str]:
    """What is assumed of a map of scores, in a phrase."""
    if region is not None:
        part = "the map" if region == WHOLE else f"the part of the map from {region[:2]} to {region[2:]}, in shares"
        yield f"that the score of a class is its mean over {part}"


def _function(spec: str) -> Adapter:
    """The function of this name. Raises CodeError."""
    named = _import_object(spec)
    if not callable(named):
        raise CodeError(f"{spec} is of the type {type(named).__name__}; a function of a batch of pictures is allowed.")
    return named


def varied(served: Network, output: str, region: Box | None) -> Network:
    """The same network with another of its outputs for its answer; it shares the weights.

    Raises CodeError where that output is none, and AdaptError where it has no map for the region.
    """
    seen = preprocessing(served.card)
    known = ModelOptions(None, seen.size, seen.mean, seen.std, None, seen.bands, None, output, region)
    return network(shared_copy(served.module), served.card.name, known)


def _recognised(card: ModelCard, returned: Sequence[Any]) -> ModelCard:
    """The card with what these answers are, which is an assumption."""
    try:
        table = np.concatenate([predictions.score_table(answer) for answer in returned])
        table = table[np.isfinite(table).all(1)]
    except predictions.PredictionError:  # it is no classifier, which is said where its answer is asked for
        return card
    if not len(table):  # none of its numbers says anything
        return card
    outputs = predictions.recognise_outputs(table)
    meaning = predictions.in_words(outputs, table.shape[1])
    return replace(card, outputs=outputs, assumed=(*card.assumed, f"that its outputs are {meaning}"))


def _channels(module: "nn.Module") -> int:
    """How many the first convolution reads, where it may be the one that sees the picture; else those of a colour."""
    from torch import nn

    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first is not None and 0 < first.in_channels < MOST_CHANNELS else len(RGB)


def _hint(module: "nn.Module", error: BaseException, channels: int) -> str:
    from torch import nn

    if isinstance(error, TypeError | IndexError | KeyError | AttributeError):
        return "it has to run on a batch of pictures and nothing else, or needs an adapter that makes what it takes"
    if any(isinstance(part, nn.Conv1d | nn.Conv3d) for part in module.modules()):
        return "it convolves along one axis or three, and pictures have two: an adapter makes of them what it takes"
    if (first := _channels(module)) != channels:
        return f"the channels that its first convolution reads are {first}, and those of a picture are {channels}"
    return "another image size may be the right one"


def _labels(trace: Trace, card: ModelCard, settings: ModelOptions) -> tuple[str, ...]:
    """A name for each class; none where the network does not give a score for each."""
    try:
        classes = predictions.logits(trace.output, card.outputs).shape[1]
    except predictions.PredictionError as error:
        if settings.labels is None:
            return ()
        raise CodeError(f"Labels were given, and there is nothing to label: {error}") from error
    if settings.labels is None:
        return usual_labels(classes)
    if isinstance(settings.labels, str | Path):
        return labels.read(files.read(Path(settings.labels)), Path(settings.labels).name, classes)
    if len(settings.labels) != classes:
        given = f"{amount(len(settings.labels), 'label was', 'labels were')} given"
        raise CodeError(f"{given} and the network has {amount(classes, 'class', 'classes')}; one each is allowed.")
    return tuple(map(str, settings.labels))


def make_module(spec: str) -> "nn.Module":
    """The module of this name, or what the function or class of this name gives when it is called without arguments.

    The working directory is looked in first, as by `python -m`. Random weights are those of a fixed seed.
    Raises CodeError where there is no such thing, where it fails, or where it is no torch module.
    """
    import torch
    from torch import nn

    named = _import_object(spec)
    if isinstance(named, nn.Module):
        return named
    if not callable(named):
        raise CodeError(f"{spec} is of the type {type(named).__name__}; a torch module, or what makes one, is allowed.")
    with DRAWING, torch.random.fork_rng(devices=[]):  # it may draw in its own way, and seed itself
        torch.manual_seed(SEED)
        return _call_factory(spec, named).eval()


def failure(error: BaseException) -> str:
    """What a person's own code raised, and where in it, on one line."""
    others = {"site-packages", str(PACKAGE), str(Path(os.__file__).parent)}
    # "<frozen importlib._bootstrap>" and "<string>" are no files that a person could open.
    own = [frame for frame in extract_tb(error.__traceback__) if frame.filename[0] != "<"]
    own = [frame for frame in own if not others & {*_folders(frame.filename)}]
    message = " ".join(f"{type(error).__name__}: {error}".split())
    ends = "it ends the program, " if isinstance(error, SystemExit) else ""
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{ends}{message[:300]}{place}"


def _folders(file: str) -> Iterator[str]:
    """The names of the folders above a file, and their whole paths."""
    for folder in Path(file).parents:
        yield from (folder.name, str(folder))


def _import_object(spec: str) -> Any:
    path, _, name = spec.partition(":")
    if not path or not all(part.isidentifier() for part in [*path.split("."), *name.split(".")]):
        example = ".".join(Path(path).with_suffix("").parts) if path.endswith(".py") else "nets"
        raise CodeError(f"The model {spec!r} names nothing; {FORM} is allowed, such as {example}:{name or 'small'}.")
    named = _import_module(path)
    for part in name.split("."):
        if not hasattr(named, part):
            raise CodeError(f"There is no {name} in {path}; {_callables_in_words(named)}.")
        named = getattr(named, part)
    return named


def _import_module(path: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()  # the module may have been written since its folder was looked through
    try:
        return importlib.import_module(path)
    except OWN_CODE_ERRORS as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and within(path, missing):
            where = "in the working directory or among what is installed"
            raise CodeError(f"There is no module {missing!r} {where}.") from error
        raise CodeError(f"{path} cannot be imported: {failure(error)}.") from error


def _call_factory(spec: str, factory: Any) -> "nn.Module":
    from torch import nn

    try:
        module = factory()
    except OWN_CODE_ERRORS as error:
        at_the_call = error.__traceback__ is not None and error.__traceback__.tb_next is None
        how = "; it is called without arguments" if at_the_call and isinstance(error, TypeError) else ""
        raise CodeError(f"{spec} failed: {failure(error)}{how}.") from error
    if not isinstance(module, nn.Module):
        raise CodeError(f"{spec} returned something of the type {type(module).__name__}; a torch module is allowed.")
    return module


def _callables_in_words(module: Any) -> str:
    """What could have been meant."""
    own = [
        name
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and value.__module__ == getattr(module, "__name__", None)
    ]
    if not own:
        return "nothing is defined there that could be called"
    return f"there is {', '.join(own[:6])}{' and others' * (len(own) > 6)}"


def load_weights(module: "nn.Module", model: str, weights: Path) -> None:
    """Every weight of a module out of a file; what is left over may be no network's by its name, or without the prefix
    that the others have, and of several networks the first that fits is taken. Raises CodeError where they do not fit,
    and what the reading of the file raises."""
    from attention.models import checkpoints
    from attention.models.recognise import differences_between, shapes_of, variants

    own = module.state_dict()
    try:
        states = [checkpoints.read(weights)]
    except checkpoints.SeveralNetworksError as error:
        states = [checkpoints.contents(weights, part=part).state for part in error.parts]
    prefix = f"{next(iter(own), '').partition('.')[0]}."  # `model.`, say, which the reading took off
    read = [variant for state in states for variant, _ in variants(state)]
    read += [{f"{prefix}{key}": value for key, value in state.items()} for state in states]
    differences = [differences_between(shapes_of(own), shapes_of(each)) for each in read]
    nearest = min(range(len(read)), key=lambda number: len(differences[number]))
    if differences[nearest]:
        raise CodeError(f"The weights in {weights.name} do not fit {model}: {differences[0]}.")
    module.load_state_dict(read[nearest], strict=False)  # what may be missing are counters of training steps
