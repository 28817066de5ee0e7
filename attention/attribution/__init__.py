"""Heatmaps of a class: what its logit depended on, place by place; the only captum.

heatmaps `Attributor`: one network's heatmaps for as many threads as like, on copies that share its weights
layers   which blocks put out a map, and what the network computes besides
methods  the methods: what each costs, where it is valid, and how it is run
"""

from attention.attribution.heatmaps import Attributor, shuffled_copies
from attention.attribution.layers import AttributionError, Layers
from attention.attribution.methods import (
    METHODS,
    GradCam,
    GuidedGradCam,
    IntegratedGradients,
    Method,
    Occlusion,
    make_method,
    reads_block,
)
