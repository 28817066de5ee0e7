"""How the project's own weights were made: one recipe and one seed for every variant.

SGD with Nesterov momentum, label smoothing, random crops, flips and mixtures of two pictures, and pictures that grow
while the learning rate falls. A run leaves a checkpoint after each epoch and goes on from it, to the same result.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from attention import files, images, networks
from attention.cost import count_parameters
from attention.images import IMAGENET_MEAN, IMAGENET_STD
from attention.models import own
from attention.records import GatescopeError, ModelCard


@dataclass(frozen=True)
class Schedule:
    """What any run is made of: its pictures, and how fast it learns."""

    seed: int = 20261124
    phases: tuple[tuple[int, int], ...] = ((64, 24), (96, 28), (128, 14))  # (pixels, epochs), one after another
    batch_size: int = 64
    peak_rate: float = 0.1
    warmup: float = 0.1  # share of all steps in which the rate rises to its peak; then it falls to 0 linearly
    weight_decay: float = 5e-4  # of convolutions and linear layers; none on biases and normalisation
    smallest_crop: float = 0.25  # share of the picture's area
    jitter: float = 0.2  # brightness and contrast, each uniform in 1 +- this
    mixup: float = 0.2  # both parameters of the Beta distribution of a batch's mixture, arXiv 1710.09412; 0 for none
    interpolation: str = "bilinear"  # of the crops

    @property
    def sizes(self) -> list[int]:
        """The picture size of each epoch, in pixels."""
        return [size for size, epochs in self.phases for _ in range(epochs)]


@dataclass(frozen=True)
class Recipe(Schedule):
    """What one training run is made of; the same for all variants."""

    momentum: float = 0.9
    label_smoothing: float = 0.1


class Pictures(NamedTuple):
    """Decoded pictures: uint8 (N, 3, S, S), their class numbers int64 (N,), and the class folders' names."""

    pixels: Tensor
    classes: Tensor
    names: list[str]


def load_pictures(folder: Path, size: int = 176) -> Pictures:
    """Every picture of an ImageFolder-style directory, its central square scaled to `size` pixels, in memory.

    Raises GatescopeError where the directory has no class folders with pictures.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [(path, index) for index, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    if not found:
        raise GatescopeError(f"{folder} has no class folders with pictures in them")
    pixels = np.empty((len(found), size, size, 3), np.uint8)
    with click.progressbar(found, label=f"reading {folder}") as bar:
        for row, (path, _) in enumerate(bar):
            picture = images.read(files.read(path))
            pixels[row] = np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC))
    return Pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.tensor([index for _, index in found]), names)


def train(
    variant: str, pictures: Pictures, checkpoint: Path, recipe: Recipe = Recipe(), *, device: torch.device | None = None
) -> nn.Module:
    """Train a variant, from its checkpoint if there is one, and leave the checkpoint behind; on the CPU unless said.

    Raises GatescopeError where there is no such variant, or the checkpoint is of another run.
    """
    if variant not in networks.VARIANTS:
        raise GatescopeError(f"There is no recipe for {variant!r}; there is one for {', '.join(networks.VARIANTS)}.")
    torch.manual_seed(recipe.seed)
    module = networks.build(variant, len(pictures.names)).to(memory_format=torch.channels_last).to(device)
    run = _TrainingRun(variant, recipe, pictures.names, module, _optimizer(module, recipe))
    if checkpoint.exists():
        run.resume(checkpoint)
    for epoch in range(run.epochs, len(recipe.sizes)):
        figures = run.train_epoch(batches(pictures, recipe, epoch), len(pictures.pixels) // recipe.batch_size)
        run.save(checkpoint)
        click.echo(f"{variant} epoch {epoch + 1}/{len(recipe.sizes)}: {figures}")
    return module.eval()


def export(variant: str, checkpoint: Path, data: str, input_size: int) -> tuple[ModelCard, bytes]:
    """The card of a finished run, still without what evaluation measures, and its weight file.

    Raises GatescopeError where the run is not finished.
    """
    state = read(checkpoint)
    recipe, epochs = Recipe(**state["recipe"]), state["epochs"]
    if state["variant"] != variant or epochs < len(recipe.sizes):
        raise GatescopeError(f"{checkpoint} holds {state['variant']} after {epochs} of {len(recipe.sizes)} epochs")
    module = networks.build(variant, len(state["classes"]))
    weights = own.pack(state["module"])
    title, description = networks.DESCRIPTIONS[variant]
    card = ModelCard(
        name=variant,
        title=title,
        description=description,
        source="own",
        licence="MIT",
        parameters=count_parameters(module),
        input_size=input_size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        interpolation="bilinear",  # as the crops of the training were resized
        classes=tuple(state["classes"]),
        labels=tuple(state["classes"]),
        sha256=own.digest(weights),
        training={"data": data, "seed": recipe.seed, "epochs": epochs, "recipe": asdict(recipe)},
    )
    return card, weights


def learning_rate(step: int, steps: int, recipe: Schedule) -> float:
    """The rate of step 0..steps-1: up to the peak in a straight line, and down to 0 in another."""
    rise = recipe.warmup * steps
    return recipe.peak_rate * min((step + 1) / rise, (steps - step) / (steps - rise))


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> float32 with the mean and standard deviation of ImageNet's channels."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(eq=False)
class Run:
    """A run between two epochs: what is trained, how, and how far it is."""

    variant: str
    recipe: Schedule
    classes: list[str]
    module: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int = 0

    def save(self, path: Path) -> None:
        """Replace the checkpoint by one of this epoch, in one step, so that a kill leaves the last one whole."""
        state = {
            "variant": self.variant,
            "recipe": asdict(self.recipe),
            "epochs": self.epochs,
            "classes": self.classes,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        packed = BytesIO()
        torch.save(state, packed)
        files.write(path, packed.getvalue())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same variant and recipe."""
        state = read(path)
        before = state.get("variant", self.variant)  # earlier distillations did not say it
        if before != self.variant or state["recipe"] != asdict(self.recipe):
            raise GatescopeError(f"{path} holds another run, of {before}; name another checkpoint")
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs = state["epochs"]


class _TrainingRun(Run):
    """A run of a variant on labelled pictures."""

    recipe: Recipe

    def train_epoch(self, batches: Iterator[tuple[Tensor, Tensor]], steps: int) -> str:
        """One epoch of so many steps; its loss and accuracy in words."""
        self.module.train()
        seen, loss_sum, right = 0, 0.0, 0

        def figures(_: object = None) -> str:
            return f"loss {loss_sum / max(seen, 1):.3f}, accuracy {right / max(seen, 1):.1%}"

        label = f"{self.variant} epoch {self.epochs + 1}/{len(self.recipe.sizes)}"
        with click.progressbar(batches, length=steps, label=label, item_show_func=figures) as bar:
            for step, (batch, shares) in enumerate(bar, start=self.epochs * steps):
                rate = learning_rate(step, steps * len(self.recipe.sizes), self.recipe)
                logits, loss = self._step(batch, shares, rate)
                seen += len(batch)
                loss_sum += loss * len(batch)
                right += int((logits.argmax(1) == shares.argmax(1)).sum())
        self.epochs += 1
        return figures()

    def _step(self, batch: Tensor, shares: Tensor, rate: float) -> tuple[Tensor, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        device = next(self.module.parameters()).device
        logits, shares = self.module(batch.to(device)), shares.to(device)
        loss = nn.functional.cross_entropy(logits, shares, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return logits.detach().cpu(), loss.item()


def read(path: Path) -> dict[str, Any]:
    """A checkpoint. Raises FileError where there is none, and GatescopeError where it is another file."""
    data = BytesIO(files.read(path))
    try:
        state = torch.load(data, map_location="cpu", weights_only=True)
        if {"recipe", "epochs", "module"} <= state.keys():
            return state
    except (RuntimeError, UnpicklingError, EOFError, AttributeError, ValueError, KeyError):
        pass  # torch raises these on files of other kinds
    raise GatescopeError(f"{path} is no checkpoint of a training; one that `train` left behind is allowed.")


def batches(pictures: Pictures, recipe: Schedule, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The epoch's batches and the share of each class in each picture, the same whenever the epoch is run again.

    An incomplete last batch is left out.
    """
    random = np.random.default_rng((recipe.seed, epoch))
    order = random.permutation(len(pictures.pixels))
    for start in range(0, len(order) - recipe.batch_size + 1, recipe.batch_size):
        rows = order[start : start + recipe.batch_size]
        crops = [_random_crop(pictures.pixels[row], recipe.sizes[epoch], recipe, random) for row in rows]
        batch = normalise(torch.cat(crops))
        contrast, brightness = 1 + recipe.jitter * random.uniform(-1, 1, (2, len(rows), 1, 1, 1)).astype(np.float32)
        batch = batch * torch.from_numpy(contrast) + torch.from_numpy(brightness - 1)
        shares = nn.functional.one_hot(pictures.classes[rows], len(pictures.names)).float()
        yield _mixed(batch, shares, recipe, random)


def _mixed(batch: Tensor, shares: Tensor, recipe: Schedule, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each picture, and its classes, with at most half of the picture before it in the batch."""
    if not recipe.mixup:
        return batch, shares
    kept = random.beta(recipe.mixup, recipe.mixup)
    kept = max(kept, 1 - kept)
    return kept * batch + (1 - kept) * batch.roll(1, 0), kept * shares + (1 - kept) * shares.roll(1, 0)


def _random_crop(picture: Tensor, size: int, recipe: Schedule, random: np.random.Generator) -> Tensor:
    """A crop of random area, shape and place, perhaps mirrored: (3, S, S) -> (1, 3, size, size)."""
    side = picture.shape[-1]
    area, ratio = random.uniform(recipe.smallest_crop, 1), np.exp(random.uniform(-1, 1) * np.log(4 / 3))
    height, width = (min(side, round(side * float(np.sqrt(area * r)))) for r in (1 / ratio, ratio))
    top, left = random.integers(side - height + 1), random.integers(side - width + 1)
    crop = picture[None, :, top : top + height, left : left + width]
    crop = nn.functional.interpolate(crop, (size, size), mode=recipe.interpolation, antialias=True)
    crop = crop.clamp(0, 255)  # bicubic interpolation reaches beyond
    return crop.flip(-1) if random.random() < 0.5 else crop


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=recipe.momentum, nesterov=True)
