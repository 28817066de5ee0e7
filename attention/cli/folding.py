"""Constant channels folded into the weights, from the command line."""

from pathlib import Path

from attention import files, images, survey
from attention.cli.naming import load
from attention.interventions import folding


def fold(result: Path, model: str | None, out: Path) -> str:
    """Write the folded weights of the network that a survey's result is of; what was done. Raises GatescopeError."""
    loaded = survey.LoadedSurvey(survey.read(result))
    name = str(loaded.result.provenance["network"]["name"]) if model is None else model
    network = load(name, random=loaded.random)
    loaded.check_network(network.module, network.card.name)
    pictures = [network.transform(images.read(each.path.read_bytes()))[None] for each in images.samples()]
    folded, done = folding.fold(network.module, pictures[0], loaded.constant_channels())
    files.write(out, folding.as_file(folded))
    return f"{folding.in_words(done, folding.check(network.module, folded, pictures))}\nThe weights are in {out}."
