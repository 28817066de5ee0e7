"""The project's own networks with random weights, and the gates that they apply."""

import torch

from attention import networks

BLOCKS = [f"layer{stage}.{block}.attention" for stage in range(1, 5) for block in range(2)]
NAMES = {
    "plain": [],
    "se": BLOCKS,
    "se-resnext": BLOCKS,
    "cbam": [f"{block}.{part}" for block in BLOCKS for part in ("channel", "spatial")],
}


def network(variant):
    """With the statistics of BatchNorm moved away from their start, so that eval mode is not the identity."""
    torch.manual_seed(0)
    module = networks.build(variant, 10)
    with torch.no_grad():
        module.train()(torch.randn(4, 3, 32, 32))
    return module.eval()


def pictures(seed=1, *, dtype=torch.float32):
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).to(dtype)
