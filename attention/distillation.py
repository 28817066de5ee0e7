"""How CBAM-B0 was made: EfficientNet-B0 with a spatial gate behind each channel gate, taught to answer as B0 does.

The answers of B0 on augmented pictures are the target (arXiv 1503.02531), so no label is used. CBAM's channel gates
start from B0's SE gates, each fitted to them alone; then all gates are trained together, with the layer behind each.
Besides the answers the loss asks of the spatial gates that they vary over the places, not in one way for all pictures,
and that the later ones open where B0's evidence for its answer lies (its class activation map, arXiv 1512.04150).
"""

from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention import networks, training
from attention.cost import count_parameters, measure
from attention.images import sides
from attention.models import own
from attention.networks import EfficientNetB0, MobileBlock, MobileCBAM, SqueezeExcite
from attention.records import GatescopeError, ModelCard
from attention.training import Pictures, Schedule

NAME, TEACHER = "cbam-b0", "efficientnet-b0"


@dataclass(frozen=True)
class DistillationRecipe(Schedule):
    """What a run is made of."""

    seed: int = 20261128
    phases: tuple[tuple[int, int], ...] = ((128, 3), (192, 4), (224, 2))
    batch_size: int = 32
    peak_rate: float = 2e-3  # AdamW's, of the spatial gates
    others: float = 0.1  # the rate of what is trained besides, as a share of that
    warmup: float = 0.05
    weight_decay: float = 1e-4
    smallest_crop: float = 0.35
    mixup: float = 0.0
    interpolation: str = "bicubic"
    answers: float = 4.0  # weight of the divergence from the teacher's answers
    evidence: float = 0.3  # weight of 1 - correlation with the teacher's evidence, of the gates from `seeing` on
    seeing: int = 8
    openness: float = 0.05  # weight of the mean of all maps
    spread: float = 5.0  # weight of what a map's deviation over the places lacks of `least`
    least: float = 0.108
    habit: float = 0.5  # weight of the variance that the maps of a batch share, over the one within a picture
    resting: tuple[int, ...] = (0, 1, 3, 5)  # gates whose spread is left alone: B0's own hardly vary there
    fitted: int = 600  # steps in which the channel gates are fitted to SE's


class Parts(NamedTuple):
    """What is trained."""

    spatial: list[nn.Parameter]
    others: list[nn.Parameter]


def train(
    pictures: Pictures,
    checkpoint: Path,
    recipe: DistillationRecipe = DistillationRecipe(),
    *,
    device: torch.device | None = None,
) -> nn.Module:
    """Train the network, from its checkpoint if there is one, and leave the checkpoint behind.

    Raises GatescopeError where the checkpoint is of another run.
    """
    torch.manual_seed(recipe.seed)
    teacher = cast(EfficientNetB0, own.load(TEACHER).module.requires_grad_(False).to(device))
    student = cast(EfficientNetB0, initial_student(teacher).to(device))
    parts = trainable(student)
    groups = [{"params": parts.spatial, "share": 1.0}, {"params": parts.others, "share": recipe.others}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.peak_rate, weight_decay=recipe.weight_decay)
    run = training.Run(NAME, recipe, [], student, optimizer)
    if checkpoint.exists():
        run.resume(checkpoint)
    else:
        fit_channel_gates(teacher, student, pictures, recipe)
    steps = len(pictures.pixels) // recipe.batch_size
    for epoch in range(run.epochs, len(recipe.sizes)):
        batches = (batch for batch, _ in training.batches(pictures, recipe, epoch))
        with click.progressbar(batches, length=steps, label=f"{NAME} epoch {epoch + 1}/{len(recipe.sizes)}") as bar:
            losses = [
                _step(
                    teacher,
                    student,
                    optimizer,
                    batch.to(device),
                    recipe,
                    (epoch * steps + number, steps * len(recipe.sizes)),
                )
                for number, batch in enumerate(bar)
            ]
        run.epochs += 1
        run.save(checkpoint)
        click.echo(f"{NAME} epoch {epoch + 1}/{len(recipe.sizes)}: loss {np.mean(losses):.3f}")
    return student


def initial_student(teacher: EfficientNetB0) -> EfficientNetB0:
    """CBAM-B0 in eval mode with the teacher's weights, the spatial gates nearly open and nearly flat."""
    student = cast(EfficientNetB0, networks.build(NAME, teacher.classifier.out_features)).eval()
    weights = {key.replace(".se.", ".se.channel."): value for key, value in teacher.state_dict().items()}
    student.load_state_dict(weights, strict=False)
    for gates in attention_of(student):
        nn.init.normal_(gates.spatial.gate.conv.weight, std=0.02)
        nn.init.constant_(gates.spatial.gate.norm.weight, 0.7)
        nn.init.constant_(gates.spatial.gate.norm.bias, 2.0)
    return student


def trainable(student: EfficientNetB0) -> Parts:
    """The gates, and the 1x1 convolution and normalisation behind each; the rest is frozen."""
    student.requires_grad_(False)
    parts = Parts([], [])
    for block in (module for module in student.modules() if isinstance(module, MobileBlock)):
        behind = list(block.children())[-2:]
        gates = cast(MobileCBAM, block.se)
        parts.spatial.extend(gates.spatial.parameters())
        parts.others.extend(p for module in (gates.channel, *behind) for p in module.parameters())
    for parameter in (*parts.spatial, *parts.others):
        parameter.requires_grad_(True)
    return parts


def fit_channel_gates(
    teacher: EfficientNetB0, student: EfficientNetB0, pictures: Pictures, recipe: DistillationRecipe
) -> None:
    """Each of CBAM's channel gates alone to the values of SE's, from what the teacher pools on random pictures."""
    pairs = list(zip(attention_of(teacher), attention_of(student), strict=True))
    pooled: list[list[tuple[Tensor, Tensor]]] = [[] for _ in pairs]
    with ExitStack() as hooks, torch.no_grad():
        for (gate, _), kept in zip(pairs, pooled, strict=True):
            hook = gate.register_forward_pre_hook(lambda _, given, kept=kept: kept.append(_pools(given[0])))
            hooks.enter_context(hook)
        for batch, _ in training.batches(pictures, recipe, 0):
            teacher(batch.to(teacher.classifier.weight.device))
    for (se, cbam), kept in zip(pairs, pooled, strict=True):
        average, largest = map(torch.cat, zip(*kept, strict=True))
        _fit(se, cbam.channel, average, largest, recipe.fitted)


def loss_of(recipe: DistillationRecipe, given: Tensor, wanted: Tensor, maps: list[Tensor], evidence: Tensor) -> Tensor:
    """The loss of logits (N, classes) against the teacher's, of spatial gates (N, H, W), and of evidence (N, h, w)."""
    divergence = F.kl_div(given.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean")
    open_ = torch.stack([each.mean() for each in maps]).mean()
    lacking = [F.relu(recipe.least - each.flatten(1).std(1)).mean() for each in maps]
    spread = torch.stack([each for number, each in enumerate(lacking) if number not in recipe.resting]).mean()
    habit = torch.stack([each.mean(0).var() / (each.flatten(1).var(1).mean() + 1e-4) for each in maps]).mean()
    unlike = torch.stack([(1 - correlation(each, evidence)).mean() for each in maps[recipe.seeing :]]).mean()
    return (
        recipe.answers * divergence
        + recipe.openness * open_
        + recipe.spread * spread
        + recipe.habit * habit
        + recipe.evidence * unlike
    )


def evidence_of(teacher: EfficientNetB0, batch: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's logits (N, classes), and what each place adds to the logits that it answers with (N, h, w).

    The class activation map, arXiv 1512.04150, eq. 2, of all classes weighed by their probabilities.
    """
    features = teacher.bn2(teacher.conv_head(teacher.blocks(teacher.bn1(teacher.conv_stem(batch)))))
    logits, weight = teacher.classifier(teacher.global_pool(features)), teacher.classifier.weight
    return logits, torch.einsum("nc,nchw->nhw", logits.softmax(1) @ weight - weight.mean(0), features)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's over the places of each pair of maps (N, H, W), the second brought to the grid of the first: (N,)."""
    if one.shape != other.shape:
        other = F.interpolate(other[:, None], one.shape[1:], mode="bicubic")[:, 0]
    first, second = (each.flatten(1) - each.flatten(1).mean(1, keepdim=True) for each in (one, other))
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1) + 1e-4)


def attention_of(network: nn.Module) -> list[Any]:
    """The attention of each block, in order."""
    return [module.se for module in network.modules() if isinstance(module, MobileBlock)]


def export(checkpoint: Path, data: str) -> tuple[ModelCard, bytes]:
    """The card and the weight file of a finished run. Raises GatescopeError where the run is not finished."""
    state = training.read(checkpoint)
    recipe = DistillationRecipe(**state["recipe"])
    if state["epochs"] < len(recipe.sizes):
        raise GatescopeError(f"{checkpoint} holds {NAME} after {state['epochs']} of {len(recipe.sizes)} epochs")
    how = {"data": data, "by": "distillation from EfficientNet-B0", "seed": recipe.seed, "recipe": asdict(recipe)}
    weights = own.pack(state["module"])
    origin = own.card(TEACHER)
    network = networks.build(NAME, len(origin.classes)).eval()
    parameters, count = count_parameters(network), len(attention_of(network))
    card = replace(
        origin,
        name=NAME,
        title="CBAM-B0",
        description="EfficientNet-B0 with a spatial gate behind each channel gate, 1,000 classes of ImageNet",
        parameters=parameters,
        gates={"channel": count, "spatial": count},
        sha256=own.digest(weights),
        training=how,
        notes=(own.memory_note(parameters, measure(network, (1, 3, *sides(origin.input_size)))),),
        gate_health=(),
        gate_health_over="",
    )
    return card, weights


def _pools(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)


def _fit(se: SqueezeExcite, cbam: SqueezeExcite, average: Tensor, largest: Tensor, steps: int) -> None:
    with torch.no_grad():
        wanted = torch.sigmoid(se.mlp(average))
        cbam.conv_expand.weight *= 0.5  # of two summands
        cast(Tensor, cbam.conv_expand.bias).mul_(0.5)
    optimizer = torch.optim.Adam(cbam.parameters(), 2e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
        rows = torch.randint(len(average), (256,))
        loss = F.mse_loss(torch.sigmoid(cbam.mlp(average[rows]) + cbam.mlp(largest[rows])), wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _step(
    teacher: EfficientNetB0,
    student: EfficientNetB0,
    optimizer: torch.optim.Optimizer,
    batch: Tensor,
    recipe: DistillationRecipe,
    at: tuple[int, int],
) -> float:
    """One step, the first number of so many; its loss."""
    rate = training.learning_rate(*at, recipe)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    with torch.no_grad():
        wanted, evidence = evidence_of(teacher, batch)
    maps: list[Tensor] = []
    gates = [each.spatial.gate for each in attention_of(student)]
    with ExitStack() as hooks:
        for gate in gates:
            hooks.enter_context(gate.register_forward_hook(lambda _, __, made: maps.append(made[:, 0])))
        given = student(batch)
    loss = loss_of(recipe, given, wanted, maps, evidence)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 5.0)
    optimizer.step()
    return loss.item()
