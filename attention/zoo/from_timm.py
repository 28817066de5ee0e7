"""timm's classifiers: an architecture with its first set of weights, or one named after a full stop."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attention.records import Card
from attention.zoo.downloads import OnServer, Weights
from attention.zoo.from_torchvision import digest_in
from attention.zoo.hub import OnHub
from attention.zoo.library import square
from attention.zoo.network import ZooError

if TYPE_CHECKING:
    from torch import nn

SHAPES = {
    "squash": "the picture's shape: timm squeezes the whole picture into a square, here its central square is cut out",
    "border": "the picture's shape: timm fits the whole picture in with borders, here its central square is cut out",
}


def names() -> list[str]:
    import timm

    return sorted({*timm.list_models(), *timm.list_pretrained()})


def describe(name: str) -> Card:
    from timm.data import resolve_data_config

    config = _config(name)
    if not config.num_classes:
        raise ZooError(f"timm's {name} gives features and no classes; only classifiers are allowed.")
    seen = resolve_data_config(pretrained_cfg=config.to_dict())
    side = square(name, seen["input_size"])
    return Card(
        name=f"timm/{name}",
        title=name.partition(".")[0],
        description=f"timm's {f'weights {config.tag}' if config.has_weights else 'network'}, "
        f"{config.num_classes:,} classes",
        source="timm",
        licence=config.license or "weights: not stated",
        parameters=0,
        input_size=side,
        mean=seen["mean"],
        std=seen["std"],
        crop=side / int(side / seen["crop_pct"]),  # as timm's own transform rounds it
        interpolation=seen["interpolation"],
        assumed=(SHAPES[seen["crop_mode"]],) if seen["crop_mode"] in SHAPES else (),
    )


def weights(name: str) -> Weights | None:
    """In timm's own order: from the hub where the weights are there, from a server otherwise."""
    config = _config(name)
    if config.hf_hub_id:
        return OnHub(config.hf_hub_id, config.hf_hub_filename or "")
    return OnServer(config.url, "timm", digest_in(config.url)) if config.url else None


def build(name: str) -> "nn.Module":
    import timm

    return timm.create_model(name)


def trained(name: str, file: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    """By timm's own loader, which reads nothing but tensors, renames those of old files, and is strict."""
    import timm

    # Networks that came from JAX read its arrays with code of their own, but not where they are converted already.
    source = {"file": str(file), "custom_load": file.suffix == ".npz"}
    return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source), ()


def labels(name: str) -> tuple[str, ...]:
    """ImageNet's words for its classes; numbers where timm does not know which classes they are."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    config = _config(name)
    subset = infer_imagenet_subset(config.to_dict())
    if subset is None:
        return tuple(f"class {index}" for index in range(config.num_classes))
    return tuple(cast(list[str], ImageNetInfo(subset).label_descriptions()))


def _config(name: str) -> Any:
    """What timm knows of a set of weights, or of an architecture that has none."""
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(name)
