"""Networks that nobody registered, as a person's own code has them: named to the dashboard as `tests.factories:...`."""

import sys
from dataclasses import dataclass

import torch
from torch import nn

CLASSES = 5


class Gated(nn.Module):
    """A convolution, a channel gate of SE's form in its own module and a spatial gate in the forward pass."""

    def __init__(self, channels: int = 8, classes: int = CLASSES, seen: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(seen, channels, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(channels, channels, 3, padding=1, groups=4)
        self.channel = Channel(channels)
        self.spatial = nn.Conv2d(channels, 1, 1)
        self.last = nn.Linear(channels, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.channel(self.grouped(self.first(x).relu()))
        return x * self.spatial(x).sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.features(x).mean((2, 3)))


class Channel(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, channels // 4), nn.Linear(channels // 4, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.up(self.down(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]


class Segmenting(Gated):
    """Returns a score for each class and place, in a dict."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.last(self.features(x).movedim(1, -1)).movedim(-1, 1)}


class Twofold(Gated):
    """Returns a list."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.features(x), self.last(self.features(x).mean((2, 3)))]


class Picky(Gated):
    """Fails on pictures that are not noise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.std() < 0.9 or x.std() > 1.1:
            raise LookupError("no noise")
        return super().forward(x)


class Wrapped(nn.Module):
    """Every key of its weights begins with `model.`."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Gated()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def classifier() -> Gated:
    return Gated()


class Lazy(nn.Module):
    """Learns its shapes from the first picture."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.LazyConv2d(8, 3), nn.LazyLinear(CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).mean((2, 3)))


class Paired(Gated):
    """Takes two batches."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return super().forward(x + y)


class WithChannelGates(Gated):
    """Has no spatial gate."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.channel(self.grouped(self.first(x))).mean((2, 3)))


def with_channel_gates() -> WithChannelGates:
    return WithChannelGates()


def imagenet() -> Gated:
    return Gated(classes=1000)


def grey() -> Gated:
    return Gated(seen=1)


def six() -> Gated:
    return Gated(seen=6)


def with_nan() -> Gated:
    """Its channel gate has a NaN, and so all that comes after it."""
    network = Gated()
    with torch.no_grad():
        network.channel.up.weight[1] = torch.nan
    return network


def clips() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3))


def failing() -> Gated:
    raise KeyError("no such data")


def of_some_classes(classes: int) -> Gated:
    return Gated()


def ending() -> Gated:
    sys.exit("usage: train.py --data FOLDER")


class Ending(Gated):
    """Ends the program in its pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sys.exit(3)


def returning_nothing() -> None:
    return


ready = Gated()
number = 3


class Softmaxed(Gated):
    """Returns probabilities."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(1)


def probabilities() -> Gated:
    return Softmaxed()


def twice(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `Paired` takes."""
    return batch / 2, batch / 2


class Named(Gated):
    """Takes its picture by name, and returns what transformers' models do: an object with fields."""

    def forward(self, *, pixel_values: torch.Tensor, scale: float = 1.0) -> "Answer":
        features = self.features(pixel_values)
        return Answer(self.last(features.mean((2, 3))) * scale, (features,))


@dataclass
class Answer:
    """Logits beside what else there is."""

    logits: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]


def by_name(batch: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `Named` takes."""
    return {"pixel_values": batch}


class Half(Gated):
    """Makes its pictures 16 bits by its own code."""

    def __init__(self) -> None:
        super().__init__()
        self.to(torch.bfloat16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.to(torch.bfloat16))
