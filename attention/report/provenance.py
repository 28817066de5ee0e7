"""What the numbers of a report rest on, as lines that a person reads."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from attention import images
from attention.observe import Observation
from attention.records import ModelCard
from attention.report.document import Table

Facts = dict[str, str]
RANDOM = "The weights are random ones: what follows shows how the network is built, not what it has learned."
VERSIONS = ("torch", "torchvision", "timm", "pytorchcv", "numpy", "pillow", "plotly")


def card_facts(card: ModelCard) -> Facts:
    """The card of a network, a line each; what nobody states says so."""
    accuracy = "not stated" if card.accuracy is None else f"{card.accuracy:.2%} top-1"
    if card.validation_pictures:
        accuracy += f" of {card.validation_pictures:,} pictures, measured by this project"
    return {
        "network": f"{card.name}: {card.title}",
        "what it is": card.description,
        "source": card.source,
        "licence": card.licence or "not stated",
        "parameters": f"{card.parameters:,}",
        "accuracy": accuracy,
        "weights": "random ones of a fixed seed, not trained" if card.random else "trained",
        "assumed": "; ".join(card.assumed) or "nothing",
        **({"what else is known": " ".join(card.notes)} if card.notes else {}),
        "SHA-256 of the weight file": card.sha256 or "none",
    }


def observation_facts(observation: Observation) -> Facts:
    """Weights as they are in memory, preprocessing, the SHA-256 of the picture's file, and versions."""
    from attention.survey.passes import weights_sha256

    network = observation.network
    prepared = asdict(network.transform)
    return {
        "SHA-256 of the weights in memory": weights_sha256(network.module),
        "SHA-256 of the picture": observation.picture.key,
        **({"picture": credit} if (credit := images.credits_by_key().get(observation.picture.key)) else {}),
        **{f"preprocessing: {name}": str(value) for name, value in prepared.items()},
        **versions(),
    }


def versions() -> Facts:
    """The versions of Python and of the libraries that the numbers depend on."""
    return {"version of python": platform.python_version()} | {f"version of {name}": version(name) for name in VERSIONS}


def flat(facts: dict[str, Any], before: str = "") -> Facts:
    """Nested facts as lines: `network: name`."""
    lines: Facts = {}
    for name, value in facts.items():
        path = f"{before}{name}".replace("_", " ")
        lines |= flat(value, f"{path}: ") if isinstance(value, dict) else {path: str(value)}
    return lines


def facts_table(facts: Facts) -> Table:
    """What the numbers rest on, open to everybody."""
    columns = {"what": list(facts), "value": list(facts.values())}
    return Table("provenance", "Network, weights, preprocessing, versions", columns, open=True)
