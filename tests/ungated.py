"""What multiplies features and is no gate: activations, linear units, masks, normalisation, attention."""

import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.blocks import CHANNELS, HEIGHT, WIDTH, Block, Function, square


def swish_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def swish_of_a_sum(m: nn.Module, x: Tensor) -> Tensor:
    y = x + m.mix(x)
    return y * torch.sigmoid(y)


def hardswish_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.relu6(x + 3) / 6


def hardswish_other_order(m: nn.Module, x: Tensor) -> Tensor:
    return x * (F.relu6(x + 3) / 6)


def gelu_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(0.797885 * (x + 0.044715 * x * x * x)))


def glu(m: nn.Module, x: Tensor) -> Tensor:
    a, b = m.mix(x).chunk(2, dim=1)
    return a * torch.sigmoid(b)


def geglu(m: nn.Module, x: Tensor) -> Tensor:
    a, b = m.mix(x)[:, :4], m.mix(x)[:, 4:]
    return a * F.gelu(b)


def swiglu(m: nn.Module, x: Tensor) -> Tensor:
    return F.silu(m.mix(x)) * m.other(x)


def two_projections(m: nn.Module, x: Tensor) -> Tensor:
    return m.mix(x) * torch.sigmoid(m.other(x))


def two_projections_of_a_sum(m: nn.Module, x: Tensor) -> Tensor:
    y = x + m.mix(x)
    return torch.sigmoid(m.mix(y)) * m.other(y)


def two_normalised_projections(m: nn.Module, x: Tensor) -> Tensor:
    return m.norm(m.mix(x)) * torch.sigmoid(m.norm(m.other(x)))


def two_projections_of_tokens(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2).transpose(1, 2)
    return (m.up(y) * torch.sigmoid(m.down(y))).transpose(1, 2).reshape(x.shape)


def sums_of_projections(m: nn.Module, x: Tensor) -> Tensor:
    return (m.mix(x) + m.other(x)) * torch.sigmoid(m.mix(x) - m.other(x))


def gated_convolution(m: nn.Module, x: Tensor) -> Tensor:
    """As inpainting has it: an activation on one side, a sigmoid on the other."""
    return F.elu(m.mix(x)) * torch.sigmoid(m.other(x))


def gated_tanh_unit(m: nn.Module, x: Tensor) -> Tensor:
    """WaveNet's: both sides are bounded."""
    return torch.tanh(m.mix(x)) * torch.sigmoid(m.other(x))


def tanh_of_a_projection(m: nn.Module, x: Tensor) -> Tensor:
    return m.mix(x) * torch.tanh(m.other(x))


def highway(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(m.mix(x)) * torch.sigmoid(m.other(x)) + x


def parts_of_a_projection(m: nn.Module, x: Tensor) -> Tensor:
    """The gate's half comes out of another layer than the value."""
    gate, rest = m.wide(x).chunk(2, dim=1)
    return m.mix(x) * torch.sigmoid(gate) + rest


def normalised_halves(m: nn.Module, x: Tensor) -> Tensor:
    value, gate = m.wide(x).chunk(2, dim=1)
    return m.norm(value) * torch.sigmoid(gate)


def spatial_gating_unit(m: nn.Module, x: Tensor) -> Tensor:
    """gMLP's: one half times a projection of the other over the places, without a bound."""
    value, gate = m.wide(x).flatten(2).chunk(2, dim=1)
    return (value * m.places(F.layer_norm(gate, gate.shape[1:]))).view(x.shape)


def drop_path(m: nn.Module, x: Tensor) -> Tensor:
    keep = x.new_empty((x.size(0), 1, 1, 1)).bernoulli_(0.5)
    return x + m.mix(x) * keep.div_(0.5)


def drop_path_by_floor(m: nn.Module, x: Tensor) -> Tensor:
    keep = 0.5 + torch.rand((x.size(0), 1, 1, 1), dtype=x.dtype)
    return x + m.mix(x).div(0.5) * keep.floor_()


def attention(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2).transpose(1, 2)
    weights = (y @ y.transpose(1, 2) / CHANNELS**0.5).softmax(-1)
    return (weights @ y).transpose(1, 2).reshape(x.shape)


def norm_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return (x - x.mean(1, keepdim=True)) * torch.rsqrt(x.var(1, keepdim=True) + 1e-6)


def response_norm(m: nn.Module, x: Tensor) -> Tensor:
    """Global response normalisation of ConvNeXt V2."""
    energy = x.norm(p=2, dim=(2, 3), keepdim=True)
    return x + x * (energy / (energy.mean(1, keepdim=True) + 1e-6))


def masked(m: nn.Module, x: Tensor) -> Tensor:
    mask = (torch.arange(WIDTH) < 3).to(x.dtype)
    return m.mix(x * mask) * torch.ones_like(x) * (x > 0).to(x.dtype)


def learned_constant(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.norm.weight).view(1, -1, 1, 1) * m.norm.running_var.view(-1, 1, 1)


def star(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu6(m.mix(x)) * m.other(x)


def query_times_keys(m: nn.Module, x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return (m.up(tokens[:, :1]) * m.down(tokens)).sum(-1)


def local_attention(m: nn.Module, x: Tensor) -> Tensor:
    """The softmax over the neighbours of each place weighs them."""
    n, c, h, w = x.shape
    around = F.unfold(m.mix(x), 3, padding=1).view(n, c, 9, h * w)
    scores = (m.other(x).view(n, c, 1, h * w) * around).sum(1, keepdim=True)
    return (scores.softmax(2) * around).sum(2).view(x.shape)


def local_attention_by_windows(m: nn.Module, x: Tensor) -> Tensor:
    around = F.pad(m.mix(x), (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    weights = torch.softmax(m.nine(x).flatten(2).transpose(1, 2).view(x.size(0), 1, HEIGHT, WIDTH, 9), -1)
    return (around * weights).sum(-1)


def local_attention_in_rows(m: nn.Module, x: Tensor) -> Tensor:
    """With the places folded into the first axis."""
    n, c, h, w = x.shape
    around = F.unfold(m.mix(x), 3, padding=1).view(n, c, 9, h * w).permute(0, 3, 2, 1).reshape(n * h * w, 9, c)
    scores = (around * m.other(x).flatten(2).transpose(1, 2).reshape(n * h * w, 1, c)).sum(-1, keepdim=True)
    return (around * scores.softmax(1)).sum(1).view(n, h * w, c).transpose(1, 2).reshape(x.shape)


def involution(m: nn.Module, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    kernel = m.nine(x).view(n, 1, 9, h, w)
    return (F.unfold(x, 3, padding=1).view(n, c, 9, h, w) * kernel).sum(2)


def two_branches(m: nn.Module, x: Tensor) -> Tensor:
    """Neither is bounded, and neither is made of the other."""
    return m.mix(x) * m.other(F.relu(m.wide(x))[:, :CHANNELS])


def simple_halves(m: nn.Module, x: Tensor) -> Tensor:
    a, b = m.wide(x).chunk(2, dim=1)
    return a * b


def squared(m: nn.Module, x: Tensor) -> Tensor:
    return m.mix(x * x)


def own_mask(m: nn.Module, x: Tensor) -> Tensor:
    """A leaky relu by hand."""
    return x * (x > 0).to(x.dtype) + 0.1 * x * (x <= 0)


def linear_attention(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return ((y @ y.transpose(1, 2)) @ y).view(x.shape)


def fused_attention(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2).transpose(1, 2)[:, None]
    return F.scaled_dot_product_attention(y, y, y)[:, 0].transpose(1, 2).reshape(x.shape)


def blend(m: nn.Module, x: Tensor) -> Tensor:
    return torch.lerp(x, m.mix(x), torch.sigmoid(m.other(x)))


def quotient(m: nn.Module, x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-m.mix(x)))


def choice(m: nn.Module, x: Tensor) -> Tensor:
    return torch.where(torch.sigmoid(m.mix(x)) > 0.5, x, torch.zeros((), dtype=x.dtype))


def diagonal(m: nn.Module, x: Tensor) -> Tensor:
    weights = torch.diag_embed(torch.sigmoid(m.up(x.mean((2, 3)))))
    return (weights @ x.flatten(2)).view(x.shape)


def kernel_of_the_picture(m: nn.Module, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    weight = torch.sigmoid(m.up(x.mean((2, 3)))).view(n * c, 1, 1, 1)
    return F.conv2d(x.reshape(1, n * c, h, w), weight, groups=n * c).view(x.shape)


def by_the_mean(m: nn.Module, x: Tensor) -> Tensor:
    return x / x.std((2, 3), keepdim=True)


def scripted_gate(x: Tensor) -> Tensor:
    return torch.sigmoid(x.mean((2, 3), keepdim=True))


def scripted_block(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch has deprecated scripts, and many modules have them
    scripted_gate = torch.jit.script(scripted_gate)
    scripted_block = torch.jit.script(scripted_block)


def by_scripted_gate(m: nn.Module, x: Tensor) -> Tensor:
    return m.mix(x) * scripted_gate(x)


def by_scripted_block(m: nn.Module, x: Tensor) -> Tensor:
    return m.mix(scripted_block(x))


def through_numpy(m: nn.Module, x: Tensor) -> Tensor:
    array = 1 / (1 + np.exp(-m.mix(x).detach().mean((2, 3), keepdim=True).numpy()))
    return x * torch.from_numpy(array)


def through_a_copy_of_an_array(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.as_tensor(np.tanh(m.mix(x).detach().numpy()))


def share_of_anothers_sum(m: nn.Module, x: Tensor) -> Tensor:
    return x * (m.score(x).exp() / m.wide(x).exp().sum((1, 2, 3), keepdim=True))


def share_of_a_signed_sum(m: nn.Module, x: Tensor) -> Tensor:
    s = m.score(x)
    return x * (s / s.sum((2, 3), keepdim=True))


def pooled_relu6(m: nn.Module, x: Tensor) -> Tensor:
    y = F.relu6(x)
    return y * F.adaptive_avg_pool2d(y, 1)


def halves_of_one_layer_run_twice(m: nn.Module, x: Tensor) -> Tensor:
    return m.wide(x)[:, :CHANNELS] * torch.sigmoid(m.wide(x)[:, CHANNELS:])


def soft_assignment(m: nn.Module, x: Tensor) -> Tensor:
    """The tokens are summed for each of a few clusters, by how much they belong to it."""
    tokens = x.flatten(2).transpose(1, 2)
    return (m.down(tokens).softmax(-1).unsqueeze(-1) * tokens.unsqueeze(2)).sum(1)


def stacked_product(m: nn.Module, x: Tensor) -> Tensor:
    gate = torch.sigmoid(x.mean((2, 3), keepdim=True)).expand_as(x)
    return torch.stack([x, gate]).prod(0)


def contracted_by_tensordot(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return torch.tensordot(y[0], y[1].T, dims=1)


def recurrent(m: nn.Module, x: Tensor) -> Tensor:
    return m.cell(x.flatten(2).transpose(1, 2))[0].transpose(1, 2).reshape(x.shape)


def detached_constant(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.full((1, CHANNELS, 1, 1), 0.5, dtype=x.dtype)


def _double() -> nn.Module:
    return nn.Conv2d(CHANNELS, 2 * CHANNELS, 1)


def _named(**parts: nn.Module) -> Callable[[Block], Callable[[], nn.Module]]:
    return lambda block: lambda: Function(block, **parts)


def summed_by_einsum(m: nn.Module, x: Tensor) -> Tensor:
    """Without an arrow, all that is named twice is summed."""
    return x + torch.einsum("nchw,nc", x, torch.sigmoid(x.mean((2, 3)))).mean()


def excited_strips(m: nn.Module, x: Tensor) -> Tensor:
    strips = x.mean(3, keepdim=True)
    return x + strips * m.up(F.relu(m.down(strips.mean(2, keepdim=True))))


def opened_activation(m: nn.Module, x: Tensor) -> Tensor:
    squashed = torch.sigmoid(x)
    squashed[:, 0] = 1
    return x * squashed


UNGATED: dict[str, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "gated linear unit": lambda: nn.GLU(1),
    "mish by hand": lambda: Function(lambda m, x: x * torch.tanh(F.softplus(x))),
    "swish by hand": lambda: Function(swish_by_hand),
    "swish of a sum": _named(mix=square())(swish_of_a_sum),
    "hardswish by hand": lambda: Function(hardswish_by_hand),
    "hardswish in another order": lambda: Function(hardswish_other_order),
    "gelu by hand": lambda: Function(gelu_by_hand),
    "halves of one tensor": _named(mix=square())(glu),
    "halves through gelu": _named(mix=square())(geglu),
    "two projections through silu": _named(mix=square(), other=square())(swiglu),
    "two projections": _named(mix=square(), other=square())(two_projections),
    "two projections of a sum": _named(mix=square(), other=square())(two_projections_of_a_sum),
    "two normalised projections": _named(mix=square(), other=square(), norm=nn.BatchNorm2d(CHANNELS))(
        two_normalised_projections
    ),
    "two projections of tokens": _named(up=nn.Linear(CHANNELS, CHANNELS), down=nn.Linear(CHANNELS, CHANNELS))(
        two_projections_of_tokens
    ),
    "sums of projections": _named(mix=square(), other=square())(sums_of_projections),
    "gated convolution": _named(mix=square(), other=square())(gated_convolution),
    "gated tanh unit": _named(mix=square(), other=square())(gated_tanh_unit),
    "tanh of a projection": _named(mix=square(), other=square())(tanh_of_a_projection),
    "highway": _named(mix=square(), other=square())(highway),
    "parts of a projection": _named(mix=square(), wide=_double())(parts_of_a_projection),
    "normalised halves": _named(wide=_double(), norm=nn.BatchNorm2d(CHANNELS))(normalised_halves),
    "spatial gating unit": _named(wide=_double(), places=nn.Linear(HEIGHT * WIDTH, HEIGHT * WIDTH))(
        spatial_gating_unit
    ),
    "query times keys": _named(up=nn.Linear(CHANNELS, CHANNELS), down=nn.Linear(CHANNELS, CHANNELS))(query_times_keys),
    "matrix of weights": _named(mix=square())(lambda m, x: (m.mix.weight.flatten(1) @ x.flatten(2)).view_as(x)),
    "layer scale": lambda: Function(lambda m, x: x + m.norm.weight.view(-1, 1, 1) * x, norm=nn.BatchNorm2d(CHANNELS)),
    "drop path": _named(mix=square())(drop_path),
    "drop path by floor": _named(mix=square())(drop_path_by_floor),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5)),
    "attention": lambda: Function(attention),
    "normalisation by hand": lambda: Function(norm_by_hand),
    "global response normalisation": lambda: Function(response_norm),
    "masks": _named(mix=square())(masked),
    "learned constant": lambda: Function(learned_constant, norm=nn.BatchNorm2d(CHANNELS)),
    "star": _named(mix=square(), other=square())(star),
    "constant": lambda: Function(detached_constant),
    "local attention": _named(mix=square(), other=square())(local_attention),
    "local attention by windows": _named(mix=square(), nine=nn.Conv2d(CHANNELS, 9, 1))(local_attention_by_windows),
    "local attention in rows": _named(mix=square(), other=square())(local_attention_in_rows),
    "involution": _named(nine=nn.Conv2d(CHANNELS, 9, 1))(involution),
    "two branches": _named(mix=square(), other=square(), wide=_double())(two_branches),
    "simple halves": _named(wide=_double())(simple_halves),
    "squared": _named(mix=square())(squared),
    "own mask": _named()(own_mask),
    "linear attention": _named()(linear_attention),
    "fused attention": _named()(fused_attention),
    "blend": _named(mix=square(), other=square())(blend),
    "quotient": _named(mix=square())(quotient),
    "choice": _named(mix=square())(choice),
    "diagonal": _named(up=nn.Linear(CHANNELS, CHANNELS))(diagonal),
    "kernel of the picture": _named(up=nn.Linear(CHANNELS, CHANNELS))(kernel_of_the_picture),
    "by its deviation": _named()(by_the_mean),
    "by a scripted gate": _named(mix=square())(by_scripted_gate),
    "by a scripted block": _named(mix=square())(by_scripted_block),
    "through numpy": _named(mix=square())(through_numpy),
    "through a copy of an array": _named(mix=square())(through_a_copy_of_an_array),
    "share of another's sum": _named(score=nn.Conv2d(CHANNELS, 1, 1), wide=_double())(share_of_anothers_sum),
    "share of a signed sum": _named(score=nn.Conv2d(CHANNELS, 1, 1))(share_of_a_signed_sum),
    "pooled relu6": _named()(pooled_relu6),
    "halves of one layer run twice": _named(wide=_double())(halves_of_one_layer_run_twice),
    "soft assignment": _named(down=nn.Linear(CHANNELS, 4))(soft_assignment),
    "stacked product": _named()(stacked_product),
    "summed by einsum": _named()(summed_by_einsum),
    "strips and their excitation": _named(down=nn.Conv2d(CHANNELS, 4, 1), up=nn.Conv2d(4, CHANNELS, 1))(excited_strips),
    "an activation, opened by hand": _named()(opened_activation),
    "contracted by tensordot": _named()(contracted_by_tensordot),
    "recurrent": _named(cell=nn.LSTM(CHANNELS, CHANNELS, batch_first=True))(recurrent),
    "layer normalisation": lambda: nn.LayerNorm([CHANNELS, HEIGHT, WIDTH]),
}
"""What multiplies features and is no gate."""
