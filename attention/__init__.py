"""Gatescope: what attention gates do inside convolutional networks.

Data flows one way, and the rooms of the house stand in that order:

    bytes -> images -> network -> capture (one forward pass) -> Trace -> analysis -> charts -> page

kinds          the kinds of gates: axes, words, how each is drawn and edited
foreign        texts that strangers wrote -> plain text of markdown, of a figure, of a cell
terms          the words of the field, each in one line
records        what passes between the rooms, and the package's errors
numbers        numbers as a person reads them
process        the threads that torch computes on, and filters of warnings, set for a while
limits         every bound on what strangers may ask for
files          what a file is by its first bytes; read without waiting for a pipe, written whole or not at all
bands          what an input channel reads of a picture; TIFF files of many bands; 16 bits a colour
images         a stranger's bytes -> an upright picture -> the crop the network sees
devices        the device that a person names, checked against what the machine has
layers         squeeze-and-excitation, CBAM, channel shuffle, as their papers state them
networks       the residual networks that the project trains itself
labels         a file of a person's own -> the names of the classes
cost           what a network computes and stores
analysis       numbers out of arrays
capture        one forward pass of any module -> Trace
inventory      the layers of a network, its known attention blocks against the gates found
models         networks: cards, `zoo.load(name)`, weight files, a person's own code
attribution    heatmaps of a class; the only captum
grouped        grouped convolution: cost, partition, measured time
store          what costs time, kept by content for all who ask
observe        a network on a picture: everything that is asked of it
interventions  gates edited by hand: edits, what they change, and what chance does
jobs           work in a thread of its own, followed and stopped
survey         every gate over a folder of pictures
changes        small changes of a picture
figure_files   what makes a figure a file in a browser: plotly.js, a script, a font
comparison     several networks on one picture
many           what holds over many pictures: one number of each
charts         records -> figures and overlays
serving        the dashboard started on a person's own network
views          saved views of the pages, as a file
report         what a person takes away: one HTML file
ui             what all pages share
training       how the project's own weights were made
distillation   how CBAM-B0 was made
evaluation     what the cards claim, measured
cli            the commands
__main__       the command line: every error is one sentence

Importing the package imports none of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def serve(module: "nn.Module", *, port: int | None = None, **settings: Any) -> str:
    """Opens the dashboard on a copy of any eager module, and returns its address: `attention.serve(model)`.

    In a script it returns when the dashboard is stopped (Ctrl-C); in a notebook at once, and another call there shows
    the new module at the same address. `port` is 8501 by default, or the next free one. What the module does not say
    of itself can be said in `settings`: `labels` (a list, or the path of a file), `image_size` in pixels, `mean` and
    `std`, three numbers each, which pictures of 0 to 1 are normalised with, and `outputs`, "logits", "probabilities",
    "scores" or "values". Raises GatescopeError.
    """
    from attention import serving

    return serving.serve(module, port=port, **settings)
