"""Make docs/cbam-b0-gates.webp: what the spatial gates of CBAM-B0 do to the first twenty samples, none left out.

    python -m assets.make_gate_sheet

Of each picture: what the network sees and says, and the maps of the gate that varies most from picture to picture and
of the last three, from shut (0, black) to open (1, white).
"""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attention import analysis, images
from attention.models import zoo
from attention.observe import Observation, observe, read_picture

NAME = "cbam-b0"
SHEET = Path(__file__).parent.parent / "docs" / f"{NAME}-gates.webp"
PICTURES, ACROSS, LAST = 20, 2, 3
SIDE = 1.15
"""Inches of a map."""


def main() -> None:
    network = zoo.load(NAME)
    samples = images.samples()[:PICTURES]
    columns = ACROSS * (LAST + 2)
    rows = -(-len(samples) // ACROSS)
    figure = Figure((columns * SIDE, rows * SIDE * 1.22), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns)
    for axis in axes.ravel():
        axis.axis("off")
    for number, sample in enumerate(samples):
        row, column = number // ACROSS, number % ACROSS * (LAST + 2)
        _draw(axes[row, column : column + LAST + 2], observe(network, read_picture(sample.path)), sample.title)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(SHEET, quality=80, method=6)


def _draw(axes: np.ndarray, observation: Observation, title: str) -> None:
    gates = {gate.name: gate for gate in observation.trace.gates if gate.kind == "spatial"}
    liveliest = analysis.most_varied(gates, observation.card.gate_health)
    guess, probability = analysis.top(observation.probabilities, observation.labels, 1)[0]
    axes[0].imshow(observation.image.crop(observation.box))
    axes[0].set_title(f"{title}\n{guess} {probability:.0%}", fontsize=6)
    for axis, name in zip(axes[1:], (liveliest, *list(gates)[-LAST:]), strict=True):
        values = gates[name].values[0]
        axis.imshow(values, cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{name.split('.se')[0]}\n{values.min():.2f} to {values.max():.2f}", fontsize=6)


if __name__ == "__main__":
    main()
