"""Constant channels folded into the weights, from the command line."""

from pathlib import Path

from attention import files, images, survey
from attention.cli.naming import Own, is_code, load
from attention.interventions import folding
from attention.models.code import FORM
from attention.observe import guarded
from attention.records import GatescopeError


def fold(result: Path, model: str | None, out: Path, own: Own | None = None) -> str:
    """Write the folded weights of the network that a survey's result is of; what was done. Raises GatescopeError."""
    loaded = survey.LoadedSurvey(survey.read(result))
    name = str(loaded.result.provenance["network"]["name"]) if model is None else model
    if model is None and is_code(name):  # a stranger may have written the result, and what it says is not run
        raise GatescopeError(f"The survey is of code of somebody's own, {name[:80]!r}; --model {FORM} names it.")
    network = load(name, random=loaded.random, own=own)
    loaded.check_network(network.module, network.card.name)
    pictures = [network.transform(images.read(each.path.read_bytes()))[None] for each in images.samples()]
    with guarded(network.card):
        folded, done = folding.fold(network.module, pictures[0], loaded.constant_channels())
        checked = folding.check(network.module, folded, pictures)
    files.write(out, folding.as_file(folded))
    return f"{folding.in_words(done, checked)}\nThe weights are in {out}."
