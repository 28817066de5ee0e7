"""Which of the tensors in what was saved are a network's: wrappers taken off, whole modules read, averages first."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from attention.foreign import quote
from attention.models.limits import CheckpointError, Claim
from attention.models.pickles import OTHERS, Name, Standin, TensorClaim

AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
WRAPPERS = (*AVERAGES, "state_dict", "model_state_dict", "model", "module")
"""Under which training scripts keep the state dict; the average over training, which is what they evaluate, first."""
DEEPEST = 5
"""Mappings in one another that are looked into."""
MOST = 20_000
"""Modules and tensors of one network that are looked at: a pickle may put a module into others again and again."""
LONGEST = 1_000
"""Characters of a tensor's name."""
DOMINANCE = 10
"""How many times more tensors than all others together the one has that is taken without asking."""
FEWEST = 10
"""Tensors of a network that stands beside others under a prefix of its own: fewer are a stem."""
COLOURS = 3
"""Channels of the pictures that such a network reads."""
MODULE = {"_parameters", "_buffers", "_modules"}
OUTSIDE = "(outside)"
"""The part that is not under any key."""
PROGRAM = "__torch__."
"""How the classes of a TorchScript program begin."""

Claims = dict[str, Any]
"""What is claimed of each tensor, a TensorClaim or a Claim, by its name."""
Keys = tuple[str, ...]
"""The keys on the way to a network."""
Choose = Callable[[Any], tuple[Claims, tuple[str, ...]]]
"""What `choose_state` does, once it is known which part is wanted."""


class SeveralNetworksError(CheckpointError):
    """A file with the weights of several networks: a person has to choose one of `parts`."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        super().__init__(f"The file holds the weights of several networks; choose one of {', '.join(parts)[:200]}.")
        self.parts = parts


class State(NamedTuple):
    """Tensors by name, as a file claims them."""

    claims: Claims
    left_aside: tuple[str, ...] = ()
    """Names beside them of what is no tensor."""
    of: str = ""
    """The class, where they were taken out of a whole module."""


def choose_state(content: Any, part: str | None = None, *, apart: bool = True) -> tuple[Claims, tuple[str, ...]]:
    """The tensors of the network in what was saved, and what was taken out of what, a phrase each.

    `part`, the keys on the way joined by full stops, says which where there are several. Those whose tensors stand side
    by side in one mapping, as `student.` and `teacher.` do, are several too, unless they are not to be set `apart`.
    Raises SeveralNetworksError where it is left open which and none has by far the most tensors, and CheckpointError
    where there are none.
    """
    found = ((path, state) for path, state in _states(_by_number(content)) if state.claims)
    states = {path: state for each in found for path, state in (_separate(*each) if apart else [each])}
    if not states:
        raise CheckpointError(_no_tensor_message(content))
    if part is not None:
        named = [_part(path) for path in states]
        states = {path: state for path, state in states.items() if _part(path) == part}
        if not states:
            several = f"choose one of {', '.join(named)[:200]}"
            way = several if len(named) > 1 else "it holds one, and no name is needed"
            raise CheckpointError(f"The file holds no network {quote(part)}; {way}.")
    notes: tuple[str, ...] = ()
    path: Keys = ()
    while wrappers := _wrapper_keys(states, path):
        besides = f", not those under {', '.join(map(quote, wrappers[1:]))}" if wrappers[1:] else ""
        notes = (*notes, f"the weights under {wrappers[0]!r}{besides}")
        path = (*path, wrappers[0])
    inside = {each: state for each, state in states.items() if each[: len(path)] == path}
    last = _clearest(inside)
    notes += tuple(f"the weights under {quote(key)}" for key in last[len(path) :])
    if inside[last].of:
        notes += (f"the tensors of a whole {quote(inside[last].of)}, whose code was not read",)
    if aside := inside[last].left_aside:
        notes += (f"left aside, since they are no tensors: {_first_names(aside)}",)
    return inside[last].claims, notes


def _wrapper_keys(states: Mapping[Keys, State], path: Keys) -> list[str]:
    """The wrappers at this place, the one to take first, and then whatever else there is a network's; none where there
    is no wrapper."""
    here = {each[len(path)]: state for each, state in states.items() if each[: len(path)] == path != each}
    wrappers = [key for key in WRAPPERS if key in here]
    return wrappers and [*wrappers, *(key for key in here if key not in wrappers and _is_network(here[key].claims))]


def _separate(path: Keys, state: State) -> Iterator[tuple[Keys, State]]:
    """The networks whose tensors stand side by side, each under a prefix; or all in one, where they are not several."""
    inside, below = state.claims, path
    while len(groups := _groups(inside)) == 1 and len(below) - len(path) < DEEPEST:
        below, inside = (*below, *groups), next(iter(groups.values()))
    networks = [((*below, name), State(claims, of=state.of)) for name, claims in groups.items() if _is_network(claims)]
    yield from networks if len(networks) > 1 else [(path, state)]


def _groups(claims: Claims) -> dict[str, Claims]:
    """The tensors by what stands before the first full stop of their names, under what stands behind it."""
    groups: dict[str, Claims] = {}
    for name, claim in claims.items():
        before, _, behind = name.partition(".")
        groups.setdefault(before, {})[behind] = claim
    return groups


def _is_network(claims: Claims) -> bool:
    """Whether these tensors alone are a network's: many, in modules, with a convolution that reads a picture."""
    convolutions = [each.shape for each in claims.values() if len(each.shape) == 4 and max(each.shape[2:]) > 1]
    reads = any(channels == COLOURS for _, channels, *_ in convolutions)
    return len(claims) >= FEWEST and reads and any("." in name for name in claims)


def _by_number(content: Any) -> Any:
    """A list or tuple of mappings, as `torch.save((model.state_dict(), epoch), file)` leaves it, by their places."""
    if not isinstance(content, list | tuple):
        return content
    return {str(place): each for place, each in enumerate(content) if isinstance(each, dict | Standin)}


def _part(path: Keys) -> str:
    return ".".join(path) or OUTSIDE


def _clearest(states: Mapping[Keys, State]) -> Keys:
    """The path of the one that is meant. Raises SeveralNetworksError where that cannot be told."""
    trained = {path: state for path, state in states.items() if not any("optim" in key for key in path)} or states
    largest = max(trained, key=lambda path: len(trained[path].claims))
    others = sum(len(state.claims) for path, state in trained.items() if path != largest)
    if DOMINANCE * others > len(trained[largest].claims):
        raise SeveralNetworksError(tuple(map(_part, trained)))
    return largest


def _states(content: Any) -> Iterator[tuple[Keys, State]]:
    """Every mapping with tensors by name and every module, with the keys on the way to it."""
    waiting: list[tuple[Keys, Any]] = [((), content)]
    seen: set[int] = set()
    while waiting:
        path, value = waiting.pop(0)
        if id(value) in seen:  # a pickle may put one mapping into another again and again
            continue
        seen.add(id(value))
        mapping = _mapping(value)
        if isinstance(value, Standin) and _is_module(value):
            yield path, _module_state(value)
        elif mapping is not None:
            claims = {key: each for key, each in mapping.items() if isinstance(each, TensorClaim | Claim)}
            aside = tuple(key for key in mapping if key not in claims and key != OTHERS)
            yield path, State(claims, aside)
            if len(path) < DEEPEST:
                deeper = (Standin, dict)
                waiting += [((*path, key), each) for key, each in mapping.items() if isinstance(each, deeper)]


def _mapping(value: Any) -> dict[str, Any] | None:
    """What a value holds by name: a dictionary, or what was put into an object of another class, or its attributes."""
    if isinstance(value, Standin):
        return next((each for each in (value.items, value.state) if isinstance(each, dict)), None)
    return value if isinstance(value, dict) else None


def _is_module(value: Standin) -> bool:
    return isinstance(value.state, dict) and (value.state.keys() >= MODULE or value.path.startswith(PROGRAM))


def _module_state(module: Standin) -> State:
    """The tensors of a module and of the modules in it, under the names that its state dict would give them."""
    claims: Claims = {}
    waiting: list[tuple[str, Standin]] = [("", module)]
    looked_at = 0
    while waiting:
        prefix, each = waiting.pop(0)
        own, inner = _parts(each)
        looked_at += 1 + len(own) + len(inner)
        if looked_at > MOST or any(len(prefix) + len(name) > LONGEST for name in (*own, *inner)):
            raise CheckpointError(f"The file holds a module with more than {MOST:,} parts, or one in itself.")
        claims |= {prefix + name: claim for name, claim in own.items()}
        waiting += [(f"{prefix}{name}.", part) for name, part in inner.items()]
    return State(claims, of=module.path.removeprefix(PROGRAM))


def _parts(module: Standin) -> tuple[Claims, dict[str, Standin]]:
    """The tensors that a module holds itself, without buffers that are not saved, and the modules in it."""
    if module.path.startswith(PROGRAM):
        held: dict[str, Any] = module.state
        inner = held
    else:
        passing = _names(module.state.get("_non_persistent_buffers_set"))
        buffers = {name: each for name, each in _dict(module.state["_buffers"]).items() if name not in passing}
        held, inner = _dict(module.state["_parameters"]) | buffers, _dict(module.state["_modules"])
    claims = {name: each for name, each in held.items() if isinstance(each, TensorClaim)}
    modules = {name: each for name, each in inner.items() if isinstance(each, Standin) and _is_module(each)}
    return claims, modules


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> set[str]:
    """The names in a set: what is put into it, or what it is called with."""
    if isinstance(value, Standin):
        value = value.arguments[0] if isinstance(value.arguments, tuple) and value.arguments else ()
    return {each for each in value if isinstance(each, str)} if isinstance(value, list | tuple) else set()


def _no_tensor_message(content: Any) -> str:
    """The sentence for a file without a tensor by name."""
    kind = _kind(content)
    mapping = _mapping(content)
    if mapping is None:
        return f"The file holds something of the type {kind}; a state dict is allowed: names and tensors."
    others = [f"{quote(key)} in it is of the type {_kind(value)}" for key, value in mapping.items() if key != OTHERS]
    return "; ".join(["The file holds no tensor by name", *others[:2], "a state dict with weights is allowed"]) + "."


def _kind(value: Any) -> str:
    """What a value is, in a word; a stranger's names are cut short."""
    if isinstance(value, Standin | Name):
        return value.path if len(value.path) <= 80 and value.path.isprintable() else quote(value.path)
    return "tensor" if isinstance(value, TensorClaim) else type(value).__name__


def _first_names(names: tuple[str, ...]) -> str:
    return ", ".join(map(quote, names[:3])) + " ..." * (len(names) > 3)
