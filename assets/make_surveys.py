"""Make assets/surveys from results of `python -m attention survey`, named after their networks.

    for model in se cbam se-resnext; do
        python -m attention survey imagenette/val --model $model --out $model.parquet
    done
    python -m assets.make_surveys "Imagenette's validation pictures" *.parquet
    for model in efficientnet-b0 cbam-b0; do
        python -m attention survey assets/samples --model $model --out $model.parquet
    done
    python -m assets.make_surveys "the sample pictures" efficientnet-b0.parquet cbam-b0.parquet

The name takes the place of the path at which the pictures lay. Beside the samples lie their licences, which are no
pictures that somebody could miss: they are not counted as left out.
"""

import sys
from dataclasses import replace
from pathlib import Path

from attention import survey

SURVEYS = Path(__file__).parent / "surveys"
SAMPLES = "the sample pictures"


def shipped(result: survey.Result, name: str) -> survey.Result:
    """The result as it goes with the project, over pictures of this name."""
    named = survey.with_root(result, name)
    if name != SAMPLES:
        return named
    pictures = named.provenance["pictures"] | {"left_out": 0}
    return replace(named, provenance=named.provenance | {"pictures": pictures})


def main(name: str, *files: str) -> None:
    for file in map(Path, files):
        survey.write(shipped(survey.read(file), name), SURVEYS / file.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
