"""A network with its gates edited, as a module: whatever asks a module something can ask the edits."""

from collections.abc import Mapping

from torch import Tensor, nn

from attention.capture import trace
from attention.interventions.applying import Function


class Edited(nn.Module):
    """Its output is that of the network with the edits; `edits` are by gate, for a batch of any size."""

    def __init__(self, network: nn.Module, edits: Mapping[str, Function]) -> None:
        super().__init__()
        self.network = network
        self.edits = edits

    def forward(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        return trace(self.network, batch, edits=self.edits).output
