"""Networks of the zoos with seeded random weights, as the pages see them: a card, a module, a picture."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from attention import zoo
from attention.ui import cache as shared
from attention.ui.view import View

ROOT = Path(__file__).parents[1]


def _torchvision(name: str) -> nn.Module:
    return getattr(pytest.importorskip("torchvision.models"), name)()


def _timm(name: str, **settings: object) -> nn.Module:
    return pytest.importorskip("timm").create_model(name, **settings)


def _pytorchcv(name: str) -> nn.Module:
    return pytest.importorskip("pytorchcv.model_provider").get_model(name, pretrained=False)


MAKERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "mobilenet_v3_small": (lambda: _torchvision("mobilenet_v3_small"), 64),
    "regnet_y_400mf": (lambda: _torchvision("regnet_y_400mf"), 64),
    "ecaresnet26t": (lambda: _timm("ecaresnet26t"), 64),
    "resnest14d": (lambda: _timm("resnest14d"), 64),
    "skresnet18": (lambda: _timm("skresnet18"), 64),
    "gcresnext26ts": (lambda: _timm("gcresnext26ts"), 64),
    "bat_resnext26ts": (lambda: _timm("bat_resnext26ts"), 256),
    "coatnet_nano_rw_224": (lambda: _timm("coatnet_nano_rw_224"), 224),
    "coordinate": (lambda: _timm("resnet18", block_args={"attn_layer": "coord"}), 64),
    "bam_resnet18": (lambda: _pytorchcv("bam_resnet18"), 224),
    "cbam_resnet18": (lambda: _pytorchcv("cbam_resnet18"), 224),
    "seresnet50": (lambda: _timm("seresnet50"), 64),
    "efficientnet_b4": (lambda: _timm("efficientnet_b4"), 64),
}
"""How a network is made, and the side of the picture that it is shown."""


@cache
def network(name: str) -> zoo.Network:
    """The network with weights of its own seed, in eval mode."""
    make, side = MAKERS[name]
    torch.manual_seed(0)
    module = make().eval()
    size = sum(parameter.numel() for parameter in module.parameters())
    own = zoo.card("cbam")
    card = replace(own, name=name, title=name, sha256=name, parameters=size, input_size=side, gate_health=())
    return zoo.Network(card, module, zoo.preprocessing(card))


def view(name: str) -> View:
    """The network on a sample picture. Needs `shown`."""
    return View(network(name).card, shared.sample(next(iter(shared.samples()))))


def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pages load these networks beside the zoo's own."""
    own = shared.network
    monkeypatch.setattr(shared, "network", lambda name: network(name) if name in MAKERS else own(name))


def page(name: str) -> Callable[[str], AppTest]:
    """`page("models")("seresnet50")` is that page's body with that network, without the frame around it."""

    def opened(of: str, **parameters: str) -> AppTest:
        app = AppTest.from_function(_run, default_timeout=300, args=(name, of))
        for key, value in parameters.items():
            app.query_params[key] = value
        return app.run()

    return opened


def _run(page: str, name: str) -> None:
    import streamlit as st

    from attention import ui
    from tests import zoo_views

    pages = [st.Page(zoo_views.ROOT / "pages" / f"{each}.py", default=each == page) for each in ui.PAGES]
    chosen = zoo_views.view(name)
    opened, ui.open_page = ui.open_page, lambda: chosen
    try:
        st.navigation(pages).run()
    finally:
        ui.open_page = opened
