"""Which architectures are asked, and how one of them is built with random weights."""

import fnmatch
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

# A pattern of `*`, `?` and `[]` stands for every name of the zoo that matches. `+cbam` puts that attention of timm's
# into each residual block, `@96` asks for 96-pixel pictures, and `@train` leaves the network in training mode, where
# drop path and dropout multiply by random numbers.
FAMILIES = {
    "squeeze-and-excitation": """
        timm/seresnet18 timm/seresnet50 timm/seresnext26d_32x4d timm/seresnext50_32x4d timm/senet154
        timm/legacy_seresnet18 timm/legacy_seresnext26_32x4d timm/resnetrs50 timm/test_byobnet timm/test_nfnet
        timm/nf_seresnet26 timm/nfnet_l0 timm/dm_nfnet_f0 timm/test_efficientnet timm/efficientnet_b0
        timm/efficientnet_cc_b0_4e timm/efficientnet_b0_g16_evos timm/efficientnetv2_rw_t timm/tf_efficientnetv2_b0
        timm/tinynet_e timm/mixnet_s timm/semnasnet_050 timm/mnasnet_small timm/mobilenetv3_small_050
        timm/mobilenetv3_large_100 timm/fbnetv3_b timm/hardcorenas_a timm/lcnet_050 timm/lcnetv2_small
        timm/ghostnet_050 timm/repghostnet_050 timm/repvit_m0_9 timm/rexnet_100 timm/rexnetr_100 timm/tresnet_m
        timm/regnety_002 timm/regnety_016 timm/regnetz_005 timm/regnetz_b16 timm/regnetz_b16_evos timm/regnetv_040
        timm/nf_regnet_b0 timm/repvgg_d2se timm/sedarknet21 timm/cs3sedarknet_l timm/cs3se_edgenet_x
        timm/sehalonet33ts timm/sebotnet33ts_256 timm/haloregnetz_b timm/test_maxvit timm/test_coatnet
        timm/maxvit_pico_rw_256 timm/gcvit_xxtiny timm/efficientvit_m0 timm/efficientvim_m1 timm/fastvit_t8
        timm/fastvit_ma36 timm/shvit_s1
        timm/mobilenetv4_conv_small_035 timm/mobilenet_edgetpu_v2_xs timm/efficientnet_b0@train
        timm/mobilenetv3_small_050@train timm/resnet18+se
        torchvision/mobilenet_v3_small torchvision/mobilenet_v3_large torchvision/efficientnet_b0
        torchvision/efficientnet_v2_s torchvision/regnet_y_400mf torchvision/regnet_y_1_6gf torchvision/maxvit_t@224
        torchvision/lraspp_mobilenet_v3_large torchvision/deeplabv3_mobilenet_v3_large
        torchvision/ssdlite320_mobilenet_v3_large torchvision/fasterrcnn_mobilenet_v3_large_320_fpn
        pytorchcv/seresnet20_cifar10 pytorchcv/sepreresnet20_cifar10 pytorchcv/seresnet10 pytorchcv/seresnet50
        pytorchcv/sepreresnet10 pytorchcv/seresnext50_32x4d pytorchcv/senet16 pytorchcv/fastseresnet101b
        pytorchcv/efficientnet_b0 pytorchcv/efficientnet_b0b pytorchcv/mobilenetv3_small_w7d20 pytorchcv/mixnet_s
        pytorchcv/mnasnet_a1 pytorchcv/regnety002 pytorchcv/tresnet_m pytorchcv/ghostnet pytorchcv/dicenet_wd5
        pytorchcv/fishnet99 pytorchcv/diaresnet10 pytorchcv/diapreresnet10 pytorchcv/diaresnet20_cifar10
        pytorchcv/cgnet_cityscapes@256 pytorchcv/sinet_cityscapes@256
        pytorchcv/ibppose_coco@128 pytorchcv/simplepose_mobile_mobilenetv3_small_w1_coco
        pytorchcv/alphapose_fastseresnet101b_coco""",
    "effective squeeze-and-excitation": """
        timm/ese_vovnet19b_slim timm/ese_vovnet19b_dw timm/ese_vovnet39b_evos timm/rdnet_tiny timm/cspnext_tiny
        timm/hgnet_tiny timm/resnet18+ese""",
    "efficient channel attention": """
        timm/ecaresnet26t timm/ecaresnet50d timm/ecaresnext26t_32x4d timm/eca_resnet33ts timm/eca_vovnet39b
        timm/eca_nfnet_l0 timm/nf_ecaresnet26 timm/eca_botnext26ts_256 timm/eca_halonext26ts timm/resnet18+eca
        timm/resnet18+ecam timm/resnet18+ceca""",
    "gather-excite and global context": """
        timm/gc_efficientnetv2_rw_t timm/gcresnet33ts timm/gcresnet50t timm/gcresnext26ts timm/resnet18+ge0
        timm/resnet18+ge2@128 timm/resnet18+gc timm/resnet18+gca""",
    "selective kernels and split attention": """
        timm/skresnet18 timm/skresnet50 timm/skresnext50_32x4d timm/resnest14d timm/resnest50d
        timm/resnest50d_4s2x40d pytorchcv/sknet50 pytorchcv/resnestabc14 pytorchcv/resnesta18""",
    "channels and places": """
        timm/resnet18+cbam timm/resnet26+cbam timm/resnet18+lcbam timm/resnet18+coord timm/resnet18+scoord
        timm/resnet18+ela timm/resnet18+strip pytorchcv/cbam_resnet18 pytorchcv/cbam_resnet50 pytorchcv/bam_resnet18
        pytorchcv/bam_resnet50""",
    "other gates": """
        timm/ghostnetv2_100@128 timm/ghostnetv3_050@128 timm/iformer_t timm/mobilevitv2_050 timm/csatv2
        timm/focalnet_tiny_srf timm/focalnet_tiny_lrf pytorchcv/scnet50 pytorchcv/scneta50 pytorchcv/resattnet56
        pytorchcv/airnet50_1x64d_r16 pytorchcv/airnext50_32x4d_r2 pytorchcv/menet108_8x1_g3
        pytorchcv/fpenet_cityscapes@256 pytorchcv/lednet_cityscapes@256""",
    "without gates: convolutions": """
        timm/resnet18 timm/resnet18@train timm/resnetv2_50d_evos timm/resnetv2_50d_frn timm/densenet121 timm/dla34
        timm/dpn48b timm/hrnet_w18_small timm/res2net50_14w_8s timm/regnetx_002 timm/gernet_s timm/mobileone_s0
        timm/repvgg_a0 timm/selecsls42 timm/vgg11 timm/xception41 timm/legacy_xception timm/inception_v3@128
        timm/inception_next_atto timm/convmixer_768_32 timm/convnext_atto timm/convnext_atto@train
        timm/convnextv2_atto timm/convnextv2_atto@train timm/cspresnet50 timm/darknet17 timm/hgnetv2_b0
        timm/fasternet_t0 timm/starnet_s050 timm/mobilenetv2_035 timm/mobilenetv4_hybrid_medium_075
        timm/efficientnet_lite0 timm/mambaout_femto timm/bat_resnext26ts timm/nf_resnet26 timm/nasnetalarge@128
        torchvision/resnet18 torchvision/resnext50_32x4d torchvision/wide_resnet50_2 torchvision/densenet121
        torchvision/convnext_tiny torchvision/convnext_tiny@train torchvision/shufflenet_v2_x0_5
        torchvision/mobilenet_v2 torchvision/mnasnet0_5 torchvision/googlenet torchvision/inception_v3@128
        torchvision/squeezenet1_1 torchvision/alexnet torchvision/vgg11 torchvision/regnet_x_400mf
        torchvision/fcn_resnet50 torchvision/deeplabv3_resnet50
        pytorchcv/resnet10 pytorchcv/preresnet10 pytorchcv/resnext14_16x4d pytorchcv/shufflenet_g8_w1
        pytorchcv/shufflenetv2_wd2 pytorchcv/densenet40_k12_cifar10 pytorchcv/condensenet74_c8_g8 pytorchcv/peleenet
        pytorchcv/darknet_tiny pytorchcv/diracnet18v2 pytorchcv/fbnet_cb pytorchcv/hardnet39ds pytorchcv/igcv3_wd4
        pytorchcv/mobilenet_wd4 pytorchcv/mobilenetv2_wd4 pytorchcv/efficientnet_edge_small_b pytorchcv/octresnet10_ad2
        pytorchcv/isqrtcovresnet18 pytorchcv/revnet38 pytorchcv/sharesnet18 pytorchcv/squeezenet_v1_1
        pytorchcv/vovnet27s pytorchcv/xdensenet40_2_k24_bc_cifar10 pytorchcv/msdnet22_cifar10
        pytorchcv/shakeshakeresnet20_2x16d_cifar10@train pytorchcv/shakedropresnet20_cifar10@train
        pytorchcv/espnetv2_wd2 pytorchcv/unet_cityscapes@64 pytorchcv/centernet_resnet18_coco@128
        pytorchcv/simplepose_resnet18_coco pytorchcv/danet_resnetd50b_cityscapes@96""",
    "without gates: attention and mixing": """
        timm/test_vit timm/test_vit3 timm/vit_tiny_patch16_224 timm/vit_tiny_patch16_224@train
        timm/deit_tiny_patch16_224 timm/eva02_tiny_patch14_224 timm/cait_xxs24_224 timm/swin_tiny_patch4_window7_224
        timm/swin_tiny_patch4_window7_224@train timm/swinv2_tiny_window8_256 timm/swinv2_cr_tiny_224 timm/pit_ti_224
        timm/coat_lite_tiny timm/convit_tiny timm/crossvit_9_240 timm/davit_tiny timm/edgenext_xx_small
        timm/efficientformer_l1 timm/efficientformerv2_s0 timm/efficientvit_b0 timm/hiera_tiny_224
        timm/levit_128s timm/lowformer_b0 timm/mobilevit_xxs timm/mvitv2_tiny timm/nest_tiny timm/nextvit_small
        timm/poolformerv2_s12 timm/caformer_s18 timm/pvt_v2_b0 timm/swiftformer_xs
        timm/tiny_vit_5m_224 timm/tnt_s_patch16_224 timm/twins_svt_small timm/visformer_tiny timm/volo_d1_224
        timm/xcit_nano_12_p16_224 timm/cpubone_nano timm/botnet26t_256 timm/halonet26t timm/lambda_resnet26t
        timm/mixer_s32_224 timm/resmlp_12_224 timm/gmixer_12_224 timm/gmlp_ti16_224 timm/gmlp_ti16_224@train
        timm/sequencer2d_s timm/vitamin_small_224 torchvision/vit_b_16 torchvision/swin_t torchvision/swin_v2_t""",
    "relatives of those with gates": """
        torchvision/efficientnet_b* torchvision/efficientnet_v2_m torchvision/regnet_y_???mf torchvision/regnet_y_?_?gf
        pytorchcv/cbam_* pytorchcv/bam_* pytorchcv/sknet101 pytorchcv/resnestabc* pytorchcv/resnesta50 pytorchcv/scne*
        pytorchcv/resattnet92 pytorchcv/airne* pytorchcv/dicenet_* pytorchcv/menet* pytorchcv/fishnet*
        pytorchcv/senet?? pytorchcv/efficientnet_b[1-4] pytorchcv/mixnet_* pytorchcv/mnasnet_*
        pytorchcv/mobilenetv3_* pytorchcv/regnety0[01]* pytorchcv/seresnet?? pytorchcv/seresnetbc* pytorchcv/seresnext*
        pytorchcv/sepreresnet?? pytorchcv/diaresnet?? pytorchcv/diapreresnet?? pytorchcv/*seresnet56_cifar10
        timm/test_* timm/seresnet?? timm/seresnet1* timm/seresnext26* timm/seresnext50* timm/seresnext101*_32x4d
        timm/legacy_seresne* timm/ecaresnet[5l]* timm/ecaresnet101d timm/ecaresnext* timm/eca_* timm/gcresne*
        timm/skresne* timm/resnest??d* timm/ese_vovnet* timm/resnetrs1* timm/nf_* timm/nfnet_f0 timm/eca_nfnet_l1
        timm/efficientnet_b* timm/efficientnet_cc_* timm/efficientnetv2_rw_* timm/efficientnetv2_s
        timm/tf_efficientnet_b[0-4] timm/tf_efficientnetv2_b* timm/*mobilenetv3_* timm/fbnet* timm/hardcorenas_*
        timm/*mixnet_[sml] timm/tinynet_* timm/*mnasnet_* timm/semnasnet_* timm/lcnet* timm/mobilenet_edgetpu_*
        timm/mobilenetv4_conv_* timm/regnety_00* timm/regnety_0[3468]* timm/regnetz_* timm/regnetv_*
        timm/ghostnet_* timm/ghostnetv*@128 timm/repghostnet_* timm/repvit_* timm/rexnet* timm/tresnet_* timm/cs3se*
        timm/cspnext_* timm/rdnet_small timm/hgnet_* timm/hgnetv2_b[0-4] timm/efficientvit_m* timm/efficientvim_m?
        timm/fastvit_* timm/gcvit_x* timm/coatnet_*nano* timm/coatnet_*pico* timm/maxvit_*pico* timm/maxxvit*nano*
        timm/focalnet_small* timm/iformer_? timm/mobilevitv2_* timm/csatv2*""",
}

Built = tuple[nn.Module, tuple[int, int]]
"""A network, and the height and width of its pictures."""


def listed(family: str = "") -> list[str]:
    """The names of the families whose titles start so, each once."""
    words = [word for title, names in FAMILIES.items() if title.startswith(family) for word in names.split()]
    return list(dict.fromkeys(name for word in words for name in _matching(word)))


def _matching(word: str) -> list[str]:
    if not set("*?[") & set(word):
        return [word]
    zoo, _, rest = word.partition("/")
    pattern, at, wish = rest.partition("@")
    return [f"{zoo}/{name}{at}{wish}" for name in sorted(NAMES[zoo]()) if fnmatch.fnmatch(name, pattern)]


def _timm_names() -> Iterable[str]:
    import timm

    return timm.list_models()


def _torchvision_names() -> Iterable[str]:
    from torchvision import models

    return models.list_models()


def _pytorchcv_names() -> Iterable[str]:
    from pytorchcv import model_provider

    return model_provider._models


NAMES = {"timm": _timm_names, "torchvision": _torchvision_names, "pytorchcv": _pytorchcv_names}


def build(name: str) -> tuple[nn.Module, Tensor]:
    """`"timm/seresnet50"` -> the network, with weights from a fixed seed, and two pictures of noise.

    The pictures have the size that the network is bound to, else 64 pixels.
    """
    zoo, _, rest = name.partition("/")
    model, _, wish = rest.partition("@")
    torch.manual_seed(0)
    module, size = ZOOS[zoo](model)
    module.train(wish == "train")
    height, width = (int(wish), int(wish)) if wish.isdigit() else size
    return module, torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def _timm(name: str) -> Built:
    import timm

    model, _, attention = name.partition("+")
    options: dict[str, Any] = {"block_args": {"attn_layer": _attention(attention)}} if attention else {}
    module = timm.create_model(model, **options)
    config = module.default_cfg
    side = config["input_size"][-1] if config.get("fixed_input_size") else (config.get("min_input_size") or (64,))[-1]
    return module, (side, side)


def _attention(name: str) -> Any:
    """`ge2` is gather-excite of extent 2, without the MLP, with which timm 1.0.31 cannot build it."""
    from timm.layers.gather_excite import GatherExcite

    return partial(GatherExcite, extent=int(name[2:]), use_mlp=False) if name[:2] == "ge" else name


def _torchvision(name: str) -> Built:
    from torchvision import models

    backbone = {} if hasattr(models, name) else {"weights_backbone": None}
    module = models.get_model(name, weights=None, **backbone)
    side = getattr(module, "image_size", 64)
    return module, (side, side)


def _pytorchcv(name: str) -> Built:
    from pytorchcv.model_provider import get_model

    module = get_model(name)
    height, width = module.in_size
    return module, (height, width)


ZOOS = {"timm": _timm, "torchvision": _torchvision, "pytorchcv": _pytorchcv}
