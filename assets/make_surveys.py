"""Make assets/surveys from results of `python -m attention survey`, named after their networks.

    for model in se cbam se-resnext; do
        python -m attention survey imagenette/val --model $model --out $model.parquet
    done
    python -m assets.make_surveys "Imagenette's validation pictures" *.parquet
    python -m attention survey assets/samples --model efficientnet-b0 --out efficientnet-b0.parquet
    python -m assets.make_surveys "the sample pictures" efficientnet-b0.parquet

The name takes the place of the path at which the pictures lay.
"""

import sys
from pathlib import Path

from attention import survey

SURVEYS = Path(__file__).parent / "surveys"


def main(name: str, *files: str) -> None:
    for file in map(Path, files):
        survey.write(survey.with_root(survey.read(file), name), SURVEYS / file.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
