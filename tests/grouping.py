"""Random grouped convolutions, and the same in torch, for the tests of grouped convolution."""

import torch
from hypothesis import strategies as st
from torch import nn

from attention.grouped import Convolution

GOOD = Convolution(12, 18, (3, 3), 6, 8, 8, True)
SIZES = st.integers(1, 12)


@st.composite
def settings_of_a_convolution(draw, most=12):
    groups = draw(st.integers(1, most))
    return Convolution(
        in_channels=groups * draw(st.integers(1, most)),
        out_channels=groups * draw(st.integers(1, most)),
        kernel=(draw(st.integers(1, 7)), draw(st.integers(1, 7))),
        groups=groups,
        height=draw(SIZES),
        width=draw(SIZES),
        bias=draw(st.booleans()),
    )


def module_of(convolution, device="meta"):
    c = convolution
    return nn.Conv2d(c.in_channels, c.out_channels, c.kernel, groups=c.groups, bias=c.bias, device=device)


def picture_for(convolution):
    """Its convolution without padding has the wanted height and width."""
    h1, w1 = convolution.kernel
    size = convolution.height + h1 - 1, convolution.width + w1 - 1
    return torch.empty(1, convolution.in_channels, *size, device="meta")


def group_of(channel, channels, groups):
    return channel // (channels // groups)
