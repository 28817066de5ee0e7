"""The zoos through the real path: a weight file in each one's format comes over HTTP, is checked and loaded."""

import hashlib
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from io import BytesIO
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from torch import nn

from attention.models import zoo
from attention.models.libraries import LIBRARIES
from tests import servers

NAMES = {
    "torchvision": "torchvision/squeezenet1_1",
    "timm": "timm/test_resnet",
    "timm on a server": "timm/test_efficientnet",
    "pytorchcv": "pytorchcv/shufflenet_g1_wd2",
}
EACH = pytest.mark.parametrize("kind", NAMES)


class Shop(NamedTuple):
    """A server that publishes weights as the libraries' own do, and where the libraries look for them."""

    server: servers.Server
    monkeypatch: pytest.MonkeyPatch

    def publish(self, kind: str, state: Any) -> None:
        """These weights, in the format, under the name and with the checksum that the library is used to."""
        short = NAMES[kind].partition("/")[2]
        {
            "torchvision": self._torchvision,
            "timm": self._hub,
            "timm on a server": self._timm,
            "pytorchcv": self._pytorchcv,
        }[kind](short, state)

    def _torchvision(self, name: str, state: Any) -> None:
        from torchvision import models

        best = models.get_model_weights(name).DEFAULT
        self.monkeypatch.setattr(best, "_value_", replace(best.value, url=self._named(name, saved(state))))

    def _hub(self, name: str, state: Any) -> None:
        from timm.models import get_pretrained_cfg

        repository = get_pretrained_cfg(name).hf_hub_id
        self.server.files[f"/{repository}/resolve/main/model.safetensors"] = safetensors.torch.save(state)

    def _timm(self, name: str, state: Any) -> None:
        from timm.models import _registry, get_pretrained_cfg

        config = replace(get_pretrained_cfg(name), hf_hub_id=None, url=self._named(name, saved(state)))
        for each in (name, f"{name}.{config.tag}"):
            self.monkeypatch.setitem(_registry._model_pretrained_cfgs, each, config)

    def _pytorchcv(self, name: str, state: Any) -> None:
        from pytorchcv.models.common import model_store

        data = saved(state)
        sha1 = hashlib.sha1(data).hexdigest()
        head, *rows = model_store.load_csv(model_store.get_model_metainfos_file_path())
        row = next(row for row in rows if row[0] == name)
        row[3] = sha1
        file = f"{name}-{row[2]}-{sha1[:8]}.pth"
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
            files.writestr(file, data)
        self.server.files[f"/releases/download/{row[4]}/{file}.zip"] = archive.getvalue()
        self.monkeypatch.setattr(model_store, "imgclsmob_repo_url", self.server.address)
        self.monkeypatch.setattr(model_store, "load_csv", lambda path: [head, *rows])

    def _named(self, name: str, data: bytes) -> str:
        path = f"/models/{name}-{hashlib.sha256(data).hexdigest()[:8]}.pth"
        self.server.files[path] = data
        return self.server.address + path


def saved(state: Any) -> bytes:
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture
def shop(home, monkeypatch):
    with servers.running() as server:
        home(server.address)
        yield Shop(server, monkeypatch)


def network(kind: str) -> nn.Module:
    """A network of other random weights than the zoo's own, so that weights which were not loaded would show."""
    source, _, short = NAMES[kind].partition("/")
    torch.manual_seed(17)
    return LIBRARIES[source].build(short).eval()


LIBRARY: dict[str, Callable[[str], nn.Module]] = {
    "torchvision": lambda name: __import__("torchvision").models.get_model(name, weights="DEFAULT"),
    "timm": lambda name: __import__("timm").create_model(name, pretrained=True),
    "pytorchcv": lambda name: __import__("pytorchcv.model_provider").model_provider.get_model(name, pretrained=True),
}


@EACH
def test_a_network_loads_the_weights_that_its_library_would_load(shop, kind):
    name, original = NAMES[kind], network(kind)
    shop.publish(kind, original.state_dict())
    reports: list[tuple[int, int | None]] = []
    loaded = zoo.load(name, progress=lambda done, total: reports.append((done, total)))
    source, _, short = name.partition("/")
    side = loaded.card.input_size
    picture = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits = loaded.module(picture)
        assert torch.equal(logits, original(picture))
        downloads = len(shop.server.gets())
        assert torch.equal(logits, LIBRARY[source](short).eval()(picture))  # from the file that lies there already
    assert len(shop.server.gets()) == downloads == 1
    done, total = reports[-1]
    assert done == total == len(next(iter(shop.server.files.values())))
    assert not loaded.module.training and loaded.card.source == source and not loaded.card.random
    assert len(loaded.labels) == logits.shape[1] and not any("checksum" in each for each in loaded.card.assumed)
    assert len(loaded.card.sha256) == 64
    assert asdict(zoo.load(name).card) == asdict(loaded.card)


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "mnasnet0_5"])
def test_torchvision_s_older_files_load_as_torchvision_loads_them(shop, name):
    """One with heads for training, one with names and counters of another age, one that asks for its version."""
    from torchvision import models

    torch.manual_seed(17)
    original = models.get_model(name, weights=None, **({"init_weights": True} if name == "googlenet" else {}))
    state = original.state_dict()
    if name == "densenet121":
        olden = {re.sub(r"(layer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value for key, value in state.items()}
        state = {key: value for key, value in olden.items() if not key.endswith("num_batches_tracked")}
        assert len(state.keys() - original.state_dict().keys()) > 500
    shop._torchvision(name, state)
    loaded = zoo.load(f"torchvision/{name}")
    theirs, picture = models.get_model(name, weights="DEFAULT").eval(), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.module(picture), theirs(picture))


def test_a_network_from_jax_whose_weights_are_converted_loads_as_timm_loads_it(shop):
    from timm.models import get_pretrained_cfg

    name = "vit_tiny_patch16_224"
    assert get_pretrained_cfg(name).hf_hub_id
    torch.manual_seed(17)
    original = LIBRARIES["timm"].build(name).eval()
    shop._hub(name, original.state_dict())
    loaded, picture = zoo.load(f"timm/{name}"), torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(loaded.module(picture), original(picture))


@EACH
def test_weights_of_another_network_are_refused(shop, kind):
    state = network(kind).state_dict()
    first = next(iter(state))
    for wrong in ({key: value for key, value in state.items() if key != first}, state | {first: torch.zeros(3)}):
        shop.publish(kind, wrong)
        with pytest.raises(zoo.ZooError, match=r"does not hold the weights of .*; delete it, and it is fetched anew"):
            zoo.load(NAMES[kind])
        shop.server.files.clear()
        source, _, short = NAMES[kind].partition("/")
        LIBRARIES[source].weights(short).here().unlink()


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "timm"])
def test_code_in_a_weight_file_is_refused_and_not_run(shop, kind, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "broken in"),)

    shop.publish(kind, network(kind).state_dict() | {"extra": Attack()})
    with pytest.raises(zoo.ZooError, match="or more than weights"):
        zoo.load(NAMES[kind])
    assert not (tmp_path / "broken in").exists()


def test_tensors_that_pytorchcv_leaves_out_are_counted_on_the_card(shop):
    shop.publish("pytorchcv", network("pytorchcv").state_dict() | {"extra": torch.zeros(1)})
    assert any(said.startswith("1 tensor of the weight file") for said in zoo.load(NAMES["pytorchcv"]).card.assumed)


def test_a_file_that_a_person_put_into_the_hub_s_cache_has_no_checksum_and_the_card_says_so(shop, home):
    original = network("timm")
    weights = LIBRARIES["timm"].weights("test_resnet")
    with pytest.raises(zoo.DownloadError) as caught:
        zoo.load("timm/test_resnet")
    place = str(caught.value).split(" put the file at ")[1].removesuffix(" by hand, or go on with random weights.")
    place = home.folder / place.replace("pytorch_model.bin", "model.safetensors")
    place.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(original.state_dict(), place)
    loaded = zoo.load("timm/test_resnet")
    assert weights.here() == place and zoo.here("timm/test_resnet")
    assert torch.equal(loaded.module.state_dict()["conv1.0.weight"], original.state_dict()["conv1.0.weight"])
    assert any("nobody states its checksum" in said for said in loaded.card.assumed)


@pytest.mark.parametrize(
    "name", ["se", "torchvision/shufflenet_v2_x0_5", "timm/skresnet50", "pytorchcv/shufflenet_g2_w1"]
)
def test_random_weights_are_the_same_each_time_and_leave_torch_s_generator_alone(name):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = (zoo.load(name, random=True) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    state = second.module.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in first.module.state_dict().items())
    card = first.card
    assert card.random and card.accuracy is None and card.download == 0 and card.sha256 == ""
    assert not card.gate_health and len(first.labels) in (10, 1000) and not first.module.training
    assert card.parameters == sum(parameter.numel() for parameter in first.module.parameters())


def test_weights_that_nobody_publishes_are_refused_with_the_other_way():
    with pytest.raises(zoo.DownloadError, match=r"timm publishes no weights for skresnet50; random weights"):
        zoo.load("timm/skresnet50")
