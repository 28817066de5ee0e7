"""The published SE, CBAM and BAM networks once more, on torchvision's residual network: what their weights must give.

Shares no code with `attention.models.published`. The parts bear the names of the published code.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class Squeeze(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        inward, outward = (nn.Linear(*sizes, bias=False) for sizes in _there_and_back(channels, reduction))
        self.fc = nn.ModuleDict({"0": inward, "2": outward})

    def forward(self, x):
        hidden = F.relu(torch.einsum("nchw,dc->nd", x, self.fc["0"].weight) / x[0, 0].numel())
        return torch.einsum("nchw,nc->nchw", x, torch.sigmoid(F.linear(hidden, self.fc["2"].weight)))


class Cbam(nn.Module):
    def __init__(self, channels, reduction=16, kernel=7):
        super().__init__()
        inward, outward = (nn.Linear(*sizes) for sizes in _there_and_back(channels, reduction))
        self.ChannelGate = nn.ModuleDict({"mlp": nn.ModuleDict({"1": inward, "3": outward})})
        parts = {"conv": nn.Conv2d(2, 1, kernel, padding="same", bias=False), "bn": nn.BatchNorm2d(1)}
        self.SpatialGate = nn.ModuleDict({"spatial": nn.ModuleDict(parts)})

    def forward(self, x):
        inward, outward = self.ChannelGate["mlp"].values()
        pooled = [F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)]
        gate = sum(outward(F.relu(inward(vector.flatten(1)))) for vector in pooled).sigmoid()
        x = x * gate.unflatten(1, (-1, 1, 1))
        maps = torch.stack([x.max(1).values, x.mean(1)], 1)
        return x * self.SpatialGate["spatial"]["bn"](self.SpatialGate["spatial"]["conv"](maps)).sigmoid()


class ChannelThenPlace(nn.Module):
    """CBAM as the code has it whose parts are called `ca` and `sa`."""

    def __init__(self, channels, reduction=16, kernel=7, *, sequential=False):
        super().__init__()
        pair = [nn.Conv2d(*sizes, 1, bias=False) for sizes in _there_and_back(channels, reduction)]
        if sequential:
            self.ca = nn.ModuleDict({"fc": nn.ModuleDict({"0": pair[0], "2": pair[1]})})
        else:
            self.ca = nn.ModuleDict({"fc1": pair[0], "fc2": pair[1]})
        self.sa = nn.ModuleDict({"conv1": nn.Conv2d(2, 1, kernel, padding="same", bias=False)})

    def forward(self, x):
        inward, outward = [layer for layer in self.ca.modules() if isinstance(layer, nn.Conv2d)]
        pooled = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        x = x * sum(outward(F.relu(inward(vector))) for vector in pooled).sigmoid()
        return x * self.sa["conv1"](torch.stack([x.mean(1), x.max(1).values], 1)).sigmoid()


class Bam(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        (_, hidden), _ = _there_and_back(channels, reduction)
        channel = {
            "gate_c_fc_0": nn.Linear(channels, hidden),
            "gate_c_bn_1": nn.BatchNorm1d(hidden),
            "gate_c_fc_final": nn.Linear(hidden, channels),
        }
        spatial = {"gate_s_conv_reduce0": nn.Conv2d(channels, hidden, 1), "gate_s_bn_reduce0": nn.BatchNorm2d(hidden)}
        for number in range(2):
            spatial[f"gate_s_conv_di_{number}"] = nn.Conv2d(hidden, hidden, 3, padding="same", dilation=4)
            spatial[f"gate_s_bn_di_{number}"] = nn.BatchNorm2d(hidden)
        spatial["gate_s_conv_final"] = nn.Conv2d(hidden, 1, 1)
        self.channel_att = nn.ModuleDict({"gate_c": nn.ModuleDict(channel)})
        self.spatial_att = nn.ModuleDict({"gate_s": nn.ModuleDict(spatial)})

    def forward(self, x):
        inward, norm, outward = self.channel_att["gate_c"].values()
        channel = outward(F.relu(norm(inward(F.adaptive_avg_pool2d(x, 1).flatten(1)))))
        *layers, last = self.spatial_att["gate_s"].values()
        place = x
        for convolution, normalisation in zip(layers[::2], layers[1::2], strict=True):
            place = F.relu(normalisation(convolution(place)))
        return x + x * (channel.unflatten(1, (-1, 1, 1)) * last(place)).sigmoid()


class _Attentive:
    """A block of torchvision's, with attention on its branch."""

    name, attention = "se", Squeeze

    def __init__(self, inplanes, planes, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        setattr(self, self.name, self.attention(planes * self.expansion))

    def forward(self, x):
        branch = F.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        if self.expansion == 4:
            branch = self.bn3(self.conv3(F.relu(branch)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(getattr(self, self.name)(branch) + shortcut)


class SEBasic(_Attentive, BasicBlock):
    pass


class SEBottleneck(_Attentive, Bottleneck):
    pass


class CbamBasic(_Attentive, BasicBlock):
    name, attention = "cbam", Cbam


class CbamBottleneck(_Attentive, Bottleneck):
    name, attention = "cbam", Cbam


def _with_ca_sa(kind, **options):
    """A block whose attention has its parts in the block itself."""

    class Block(_Attentive, kind):
        def __init__(self, inplanes, planes, *args, **kwargs):
            super().__init__(inplanes, planes, *args, **kwargs)
            del self.se
            object.__setattr__(self, "se", ChannelThenPlace(planes * self.expansion, **options))
            self.ca, self.sa = self.se.ca, self.se.sa

    return Block


class BamResNet(ResNet):
    def __init__(self, block, layers, **kwargs):
        super().__init__(block, layers, **kwargs)
        for stage in (1, 2, 3):
            setattr(self, f"bam{stage}", Bam(64 * 2 ** (stage - 1) * block.expansion))

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.bam1(self.layer1(x))
        x = self.bam2(self.layer2(x))
        x = self.bam3(self.layer3(x))
        return self.fc(self.layer4(x).mean((2, 3)))


def se_resnet(layers=(1, 1, 1, 1), *, bottleneck=True, classes=7):
    return ResNet(SEBottleneck if bottleneck else SEBasic, list(layers), num_classes=classes)


def cbam_resnet(layers=(1, 1, 1, 1), *, bottleneck=True, classes=7):
    return ResNet(CbamBottleneck if bottleneck else CbamBasic, list(layers), num_classes=classes)


def ca_sa_resnet(layers=(1, 1, 1, 1), *, bottleneck=True, classes=7, **options):
    return ResNet(_with_ca_sa(Bottleneck if bottleneck else BasicBlock, **options), list(layers), num_classes=classes)


def plain_resnet(layers=(1, 1, 1, 1), *, bottleneck=True, classes=7):
    return ResNet(Bottleneck if bottleneck else BasicBlock, list(layers), num_classes=classes)


def bam_resnet(layers=(1, 1, 1, 1), *, bottleneck=True, classes=7):
    return BamResNet(Bottleneck if bottleneck else BasicBlock, list(layers), num_classes=classes)


def for_cifar(network):
    """The variant for small pictures: a first convolution of 3x3, which halves nothing, and no pooling behind it."""
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return network


def _there_and_back(channels, reduction):
    return (channels, channels // reduction), (channels // reduction, channels)
