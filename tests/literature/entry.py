"""How a module is entered with its gates."""

from collections.abc import Callable

from torch import nn

C, H, W = 16, 8, 6
Gates = list[tuple[str, str]]
"""Kind and activation."""
MADE: dict[str, tuple[Callable[[], nn.Module], Gates]] = {}


def published(name: str, *gates: str) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Enters a module with its gates, each `"channel sigmoid"`."""

    def enter(module: type[nn.Module]) -> type[nn.Module]:
        MADE[name] = (module, [(kind, activation) for kind, activation in (gate.split() for gate in gates)])
        return module

    return enter


def conv(into: int = C, out: int = C, kernel: int = 1, groups: int = 1, dilation: int = 1) -> nn.Module:
    return nn.Conv2d(into, out, kernel, padding=dilation * (kernel // 2), groups=groups, dilation=dilation)
