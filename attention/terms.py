"""The words of the field that a page uses, each in one line, for whoever meets it for the first time."""

import re

TERMS = {
    r"spatial gates?": "a gate with a number for each place, the same for all channels",
    r"channel gates?": "a gate with a number for each channel, the same at all places",
    r"gates?": "a number that multiplies features, from 0, which shuts them off, to 1, which passes them unchanged",
    r"channels?": "one of the maps that a layer makes: where in the picture it found one kind of pattern",
    r"blocks?": "a part of a network, of a few layers, that is repeated",
    r"usual(?:ly)?": "the mean of the same gate over other pictures",
    r"grey card": "a picture of one grey, in which there is nothing to see",
    r"root mean square": "the size of many numbers in one: the root of the mean of their squares",
    r"hidden units?": "a number between the two layers of a gate, from all channels at once",
    r"sigmoid": "a curve that brings any number between 0 and 1",
    r"ReLU": "what is below 0 becomes 0",
    r"SiLU": "a number times its sigmoid: far below 0 it becomes 0, far above it stays",
    r"MLP": "a small network: layers in a row, each reading all numbers of the one before",
    r"biases": "learned numbers that are added to a sum",
    r"kernels?": "the weights by which a convolution makes one channel out of those that it reads",
    r"groups?": "parts of the channels that a convolution treats apart",
    r"parameters": "the numbers in a network that are learned",
    r"MACs": "multiply-accumulates, a product added to a sum: what a pass has to compute",
    r"forward pass(?:es)?": "the computing of a network's answer to one picture",
    r"logits?": "the score of a class before it becomes a probability, which depends on all scores",
    r"P": "the probability that the network gives a class",
    r"heatmaps?": "how much each place of the picture speaks for a class, by a method such as Grad-CAM",
    r"by chance": "by random draws of what would make no difference if nothing were to be found",
    r"p (?:=|≤|<)": "how often chance alone would do as much; at 0.05, once in 20 times",
    r"two-sided": "up counts as much as down",
    r"seed": "where random numbers begin: the same seed draws the same",
    r"top-1 error": "the share of pictures whose first guess is wrong",
    r"at inference": "while the network answers, after it was trained",
    r"variance": "how far numbers lie from their mean: the mean of the squares",
    r"standard deviations?": "how far numbers usually lie from their mean: the root of the variance",
    r"median": "the middle one of numbers in order",
    r"rank correlation": "whether two orders agree: 1 the same, 0 unrelated, −1 reversed",
    r"95 ?% interval": "where the true value lies for 95 of 100 such samples",
    r"validation pictures": "pictures that the network was not trained on",
    r"reduction ratio": "how many times fewer hidden units there are than channels",
    r"stages?": "the blocks of a network whose maps have the same size",
}
"""What each means, by how it is written: a small letter stands for a capital too."""
_PATTERNS = {
    pattern: re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", 0 if re.match("[A-Z]", pattern) else re.IGNORECASE)
    for pattern in TERMS
}

_NOT_WORDS = re.compile(r"`[^`]*`|\\([^\w\s])")
"""Code, and the stroke before a sign that is to be read as it is."""


def find(text: str) -> dict[str, str]:
    """The terms in a text of markdown but for its code, in its order: how each stands there, by its pattern."""
    text = _NOT_WORDS.sub(lambda found: found[1] or "", text)
    places = {pattern: found for pattern, each in _PATTERNS.items() if (found := each.search(text))}
    return {pattern: places[pattern].group() for pattern in sorted(places, key=lambda each: places[each].start())}
