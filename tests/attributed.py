"""Small classifiers whose heatmaps can be worked out slowly."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHAPE = (1, 3, 12, 10)


class Small(nn.Module):
    """Two convolutional blocks and a head that is not linear in them, so that no gradient is constant."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), activation())
        self.second = nn.Sequential(nn.Conv2d(4, 5, 3, 2, 1), activation())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(5 * 6 * 5, 6), nn.Tanh(), nn.Linear(6, 4))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.second(self.first(pictures)))


class Shared(nn.Module):
    """One in-place ReLU for both convolutions, as torchvision's residual blocks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(5, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.relu(self.second(self.relu(self.first(pictures)))).mean((2, 3)))


class Functional(nn.Module):
    """Its ReLU is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.other(F.relu(self.conv(pictures)).mean((2, 3))))


def seeded(kind, *arguments):
    torch.manual_seed(0)
    return kind(*arguments).eval()


def picture(seed=1):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
