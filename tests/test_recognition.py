"""Weights made at random in each layout are written, read, recognised, loaded, and give the source's logits."""

from functools import partial

import pytest
import torch
from safetensors.torch import save as save_safetensors

from attention import networks
from attention.cost import measure_unallocated, unallocated
from attention.models import checkpoints, recognise
from tests import attacks, published

ONE = (1, 1, 1, 1)


def torchvision(name, **options):
    from torchvision import models

    return models.get_model(name, num_classes=7, **options)


def torchvision_resnet(block, **options):
    from torchvision.models import resnet

    return resnet.ResNet(getattr(resnet, block), list(ONE), num_classes=7, **options)


def timm(name, **options):
    import timm

    return timm.create_model(name, num_classes=7, **options)


def timm_resnet(block, *, attention="", **options):
    from timm.models import resnet

    more = {"block_args": {"attn_layer": attention}} if attention else {}
    return resnet.ResNet(getattr(resnet, block), ONE, num_classes=7, **options, **more)


def timm_cbam(**options):
    from timm.layers.cbam import CbamModule

    return timm_resnet("BasicBlock", attention=partial(CbamModule, **options))


def timm_se(**options):
    from timm.layers import SEModule

    return timm_resnet("BasicBlock", attention=partial(SEModule, **options))


def timm_senet(block, **options):
    from timm.models import senet

    return senet.SENet(getattr(senet, block), ONE, reduction=16, num_classes=7, **options)


def pytorchcv(module, name, *, wide=False, **options):
    from importlib import import_module

    network = getattr(import_module(f"pytorchcv.models.{module}"), name)
    channels = [[(256 if wide else 64) * 2**stage] for stage in range(4)]
    return network(channels=channels, init_block_channels=64, num_classes=7, **options)


def with_head(network, *layers, path="fc"):
    """Another head in the place of a network's last layer; a number makes a linear layer with so many outputs."""
    holder, _, last = path.rpartition(".")
    inputs, parts = network.get_submodule(path).in_features, []
    for layer in layers:
        parts.append(torch.nn.Linear(inputs, layer) if isinstance(layer, int) else layer)
        inputs = layer if isinstance(layer, int) else inputs
    setattr(network.get_submodule(holder), last, torch.nn.Sequential(*parts))
    return network


def with_channels(network, channels):
    """A first convolution that reads so many channels."""
    name, first = next(each for each in network.named_modules() if isinstance(each[1], torch.nn.Conv2d))
    holder, _, last = name.rpartition(".")
    sizes = first.out_channels, first.kernel_size, first.stride, first.padding
    setattr(network.get_submodule(holder), last, torch.nn.Conv2d(channels, *sizes, bias=first.bias is not None))
    return network


def without_biases(network):
    network.fc = torch.nn.Linear(network.fc.in_features, network.fc.out_features, bias=False)
    return network


def wrapped_head(network):
    """A network whose head is one layer, under the name that its sequence has."""
    network.classifier = network.classifier[-1]
    return network


def dropped():
    return torch.nn.Dropout(0.5)


PUBLISHED, TORCHVISION = "the published code's layout", "torchvision's layout"
TIMM, PYTORCHCV = "timm's layout", "pytorchcv's layout"
GROUPED = {"cardinality": 8, "bottleneck_width": 4}
LAYOUTS = {
    **{
        f"own {variant}": (partial(networks.build, variant, 7), f"{title}, this project's layout", {"classes": 7})
        for variant, (title, _) in networks.DESCRIPTIONS.items()
    },
    "published SE": (published.se_resnet, f"SE-ResNet, {PUBLISHED}", {"depth": 14, "reduction": 16}),
    "published SE, basic": (
        partial(published.se_resnet, (2, 1, 1, 1), bottleneck=False),
        f"SE-ResNet, {PUBLISHED}",
        {"depth": 12, "stages": (2, 1, 1, 1), "block": "basic"},
    ),
    "published CBAM": (
        published.cbam_resnet,
        f"CBAM-ResNet, {PUBLISHED}",
        {"depth": 14, "reduction": 16, "spatial kernel": 7, "classes": 7},
    ),
    "published CBAM, basic, CIFAR": (
        lambda: published.for_cifar(published.cbam_resnet(bottleneck=False)),
        f"CBAM-ResNet, {PUBLISHED}",
        {"depth": 10, "stem kernel": 3},
    ),
    "published CBAM, ca and sa": (
        published.ca_sa_resnet,
        f"CBAM-ResNet, {PUBLISHED} with ca and sa",
        {"depth": 14, "reduction": 16, "spatial kernel": 7},
    ),
    "published CBAM, ca and sa, sequential, basic": (
        partial(published.ca_sa_resnet, bottleneck=False, sequential=True, kernel=3, reduction=8),
        f"CBAM-ResNet, {PUBLISHED} with ca and sa",
        {"block": "basic", "reduction": 8, "spatial kernel": 3},
    ),
    "published CBAM, ca and sa, for small pictures": (
        lambda: published.for_cifar(published.ca_sa_resnet(bottleneck=False)),
        f"CBAM-ResNet, {PUBLISHED} with ca and sa",
        {"stem kernel": 3},
    ),
    "ResNet for small pictures": (
        lambda: published.for_cifar(published.plain_resnet()),
        f"ResNet, {TORCHVISION}",
        {"depth": 14, "stem kernel": 3},
    ),
    "published BAM": (published.bam_resnet, f"BAM-ResNet, {PUBLISHED}", {"depth": 14, "reduction": 16}),
    "torchvision ResNet": (
        partial(torchvision_resnet, "BasicBlock"),
        f"ResNet, {TORCHVISION}",
        {"depth": 10, "widths": (64, 128, 256, 512), "groups": 1},
    ),
    "torchvision wide ResNet": (
        partial(torchvision_resnet, "Bottleneck", width_per_group=128),
        f"ResNet, {TORCHVISION}",
        {"inner widths": (128, 256, 512, 1024)},
    ),
    "torchvision ResNeXt": (
        partial(torchvision_resnet, "Bottleneck", groups=8, width_per_group=4),
        f"ResNeXt, {TORCHVISION}",
        {"groups": 8, "depth": 14},
    ),
    "torchvision MobileNetV3": (
        partial(torchvision, "mobilenet_v3_small", width_mult=0.5),
        f"MobileNetV3, {TORCHVISION}",
        {"size": "small", "width": 0.5},
    ),
    "torchvision EfficientNet": (
        partial(torchvision, "efficientnet_b0"),
        f"EfficientNet, {TORCHVISION}",
        {"size": "B0"},
    ),
    "torchvision RegNetY": (
        partial(torchvision, "regnet_y_400mf"),
        f"RegNet, {TORCHVISION}",
        {"stages": (1, 3, 6, 6), "widths": (48, 104, 208, 440), "group widths": (8, 8, 8, 8), "reduction": 4},
    ),
    "torchvision RegNetX": (partial(torchvision, "regnet_x_400mf"), f"RegNet, {TORCHVISION}", {"classes": 7}),
    "timm SE-ResNet": (
        partial(timm_resnet, "Bottleneck", attention="se"),
        f"SE-ResNet, {TIMM}",
        {"depth": 14, "reduction": 16},
    ),
    "timm SE-ResNet, rounded": (partial(timm_se), f"SE-ResNet, {TIMM}", {"block": "basic", "reduction": 16}),
    "timm SE-ResNet, reduction 5": (
        partial(timm_se, rd_ratio=0.2, rd_divisor=1),
        f"SE-ResNet, {TIMM}",
        {"reduction": 5},
    ),
    "timm SE-ResNeXt-d": (
        partial(
            timm_resnet,
            "Bottleneck",
            attention="se",
            cardinality=8,
            base_width=4,
            stem_width=32,
            stem_type="deep",
            avg_down=True,
        ),
        f"SE-ResNeXt, {TIMM}",
        {"groups": 8},
    ),
    "timm narrow ResNet-t": (
        partial(timm_resnet, "BasicBlock", channels=(16, 24, 32, 40), stem_width=32, stem_type="deep_tiered"),
        f"ResNet, {TIMM}",
        {"widths": (16, 24, 32, 40)},
    ),
    "timm ResNeXt-d": (
        partial(timm_resnet, "Bottleneck", cardinality=8, base_width=4, stem_width=32, stem_type="deep"),
        f"ResNeXt, {TIMM}",
        {"groups": 8},
    ),
    "timm ECA-ResNet": (partial(timm_resnet, "BasicBlock", attention="eca"), f"ECA-ResNet, {TIMM}", {"depth": 10}),
    "timm CBAM": (timm_cbam, f"CBAM-ResNet, {TIMM}", {"reduction": 16, "spatial kernel": 7}),
    "timm CBAM, other settings": (
        partial(timm_cbam, rd_ratio=1 / 4, spatial_kernel_size=3, mlp_bias=True),
        f"CBAM-ResNet, {TIMM}",
        {"reduction": 4, "spatial kernel": 3},
    ),
    "timm legacy SE-ResNet, basic": (
        partial(timm_senet, "SEResNetBlock", groups=1),
        "SE-ResNet, timm's legacy layout",
        {"depth": 10},
    ),
    "timm legacy SE-ResNet": (
        partial(timm_senet, "SEResNetBottleneck", groups=1),
        "SE-ResNet, timm's legacy layout",
        {"depth": 14},
    ),
    "timm legacy SE-ResNeXt": (
        partial(timm_senet, "SEResNeXtBottleneck", groups=32),
        "SE-ResNeXt, timm's legacy layout",
        {"groups": 32},
    ),
    "timm legacy SENet": (
        partial(
            timm_senet,
            "SEBottleneck",
            groups=64,
            inplanes=128,
            input_3x3=True,
            downsample_kernel_size=3,
            downsample_padding=1,
        ),
        "SE-ResNeXt, timm's legacy layout",
        {"groups": 64},
    ),
    "timm MobileNetV3": (
        partial(timm, "mobilenetv3_small_050"),
        f"MobileNetV3, {TIMM}",
        {"size": "small", "width": 0.5},
    ),
    "timm EfficientNet": (partial(timm, "efficientnet_b0"), f"EfficientNet, {TIMM}", {"size": "B0", "classes": 7}),
    "timm RegNetY": (partial(timm, "regnety_002"), f"RegNet, {TIMM}", {"size": "regnety_002"}),
    "pytorchcv ResNet": (
        partial(pytorchcv, "resnet", "ResNet", bottleneck=False, conv1_stride=True),
        f"ResNet, {PYTORCHCV}",
        {"depth": 10},
    ),
    "pytorchcv ResNeXt": (
        partial(pytorchcv, "resnext", "ResNeXt", wide=True, **GROUPED),
        f"ResNeXt, {PYTORCHCV}",
        {"groups": 8},
    ),
    "pytorchcv SE-ResNet": (
        partial(pytorchcv, "seresnet", "SEResNet", wide=True, bottleneck=True, conv1_stride=True),
        f"SE-ResNet, {PYTORCHCV}",
        {"depth": 14, "reduction": 16},
    ),
    "pytorchcv SE-ResNeXt": (
        partial(pytorchcv, "seresnext", "SEResNeXt", wide=True, **GROUPED),
        f"SE-ResNeXt, {PYTORCHCV}",
        {"groups": 8, "reduction": 16},
    ),
    "pytorchcv CBAM": (
        partial(pytorchcv, "cbamresnet", "CbamResNet", bottleneck=False),
        f"CBAM-ResNet, {PYTORCHCV}",
        {"reduction": 16, "spatial kernel": 7},
    ),
    "torchvision ResNet, a dropout before the last layer": (
        lambda: with_head(published.plain_resnet(), dropped(), 5),
        f"ResNet, {TORCHVISION}",
        {"classes": 5},
    ),
    "torchvision ResNet, a head of two layers": (
        lambda: with_head(published.plain_resnet(), 32, torch.nn.ReLU(), dropped(), 5),
        f"ResNet, {TORCHVISION}",
        {"classes": 5, "head": "fc of linear layers 0 (2048 to 32), 3 (32 to 5)"},
    ),
    "torchvision RegNet, a head of two layers without a dropout": (
        lambda: with_head(torchvision("regnet_x_400mf"), dropped(), 32, torch.nn.ReLU(), 5),
        f"RegNet, {TORCHVISION}",
        {"classes": 5},
    ),
    "published CBAM, a normalised head": (
        lambda: with_head(published.cbam_resnet(), 32, torch.nn.BatchNorm1d(32), torch.nn.ReLU(), dropped(), 5),
        f"CBAM-ResNet, {PUBLISHED}",
        {"classes": 5, "reduction": 16},
    ),
    "published SE, a last layer without biases": (
        lambda: without_biases(published.se_resnet()),
        f"SE-ResNet, {PUBLISHED}",
        {"classes": 7, "head": "fc without biases"},
    ),
    "torchvision EfficientNet, a head of two layers": (
        lambda: with_head(
            wrapped_head(torchvision("efficientnet_b0")),
            dropped(),
            32,
            torch.nn.ReLU(),
            dropped(),
            5,
            path="classifier",
        ),
        f"EfficientNet, {TORCHVISION}",
        {"classes": 5},
    ),
    "torchvision MobileNetV3, a dropout in its last layer": (
        lambda: with_head(torchvision("mobilenet_v3_small"), dropped(), 5, path="classifier.3"),
        f"MobileNetV3, {TORCHVISION}",
        {"classes": 5},
    ),
    "timm EfficientNet, grey pictures": (
        partial(timm, "efficientnet_b0", in_chans=1),
        f"EfficientNet, {TIMM}",
        {"channels": 1},
    ),
    "torchvision ResNet, four channels": (
        lambda: with_channels(published.plain_resnet(), 4),
        f"ResNet, {TORCHVISION}",
        {"channels": 4},
    ),
    "published SE, two channels": (
        lambda: with_channels(published.se_resnet(), 2),
        f"SE-ResNet, {PUBLISHED}",
        {"channels": 2},
    ),
    "pytorchcv CBAM, six channels": (
        lambda: with_channels(pytorchcv("cbamresnet", "CbamResNet", bottleneck=False), 6),
        f"CBAM-ResNet, {PYTORCHCV}",
        {"channels": 6},
    ),
    "own SE, grey pictures": (
        lambda: with_channels(networks.build("se", 7), 1),
        "SE-ResNet, this project's layout",
        {"channels": 1},
    ),
    "timm SE-ResNet, for small pictures": (
        lambda: published.for_cifar(timm_se()),
        f"SE-ResNet, {TIMM}",
        {"stem kernel": 3},
    ),
    "published SE, for small grey pictures, another head": (
        lambda: with_head(with_channels(published.for_cifar(published.se_resnet()), 1), dropped(), 5),
        f"SE-ResNet, {PUBLISHED}",
        {"stem kernel": 3, "channels": 1, "classes": 5},
    ),
    "pytorchcv BAM": (
        partial(pytorchcv, "bamresnet", "BamResNet", bottleneck=False),
        f"BAM-ResNet, {PYTORCHCV}",
        {"depth": 10, "reduction": 16},
    ),
}


def random_weights(module):
    """Every weight and statistic at random, so that one that was not loaded is seen in the logits."""
    generator = torch.Generator().manual_seed(5)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            scale = 0.1 if value.ndim < 2 else (2 / value[0].numel()) ** 0.5
            middle = (
                1.0 if name.endswith(("running_var", "bn.weight")) or (value.ndim == 1 and "weight" in name) else 0.0
            )
            value.copy_(middle + scale * torch.randn(value.shape, generator=generator).clamp(-3, 3))
    return module.eval()


def multiply_accumulates(module, picture):
    """Each result of a convolution or a linear layer is a sum over one row of its weights."""
    taken, kinds = [], (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
    layers = [part for part in module.modules() if isinstance(part, kinds)]

    def count(layer, _, result):
        taken.append(result.numel() * layer.weight[0].numel())

    handles = [layer.register_forward_hook(count) for layer in layers]
    module(picture)
    for handle in handles:
        handle.remove()
    return sum(taken)


@pytest.mark.parametrize("name", LAYOUTS)
def test_weights_are_written_read_recognised_and_give_the_same_logits(name):
    make, family, settings = LAYOUTS[name]
    with torch.inference_mode():
        source = random_weights(make())
        side = 224 if name.startswith("pytorchcv") else 64
        shape = (1, settings.get("channels", 3), side, side)
        picture = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        state = source.state_dict()
        if len(name) % 2:
            data = attacks.saved({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 1})
        else:
            data = save_safetensors(state)
        read = checkpoints.read(data)
        architecture = recognise.recognise(read)
        assert architecture.family == family and family in recognise.FAMILIES
        assert settings.items() <= architecture.settings.items()
        loaded = recognise.load(read, architecture)
        assert not loaded.training
        assert torch.allclose(loaded(picture), source(picture), rtol=1e-4, atol=1e-5)
        assert loaded(picture).std() > 1e-3
        counted = measure_unallocated(unallocated(architecture.build), shape)
        assert counted.total_macs == multiply_accumulates(loaded, picture)
