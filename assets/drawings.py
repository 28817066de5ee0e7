"""Pictures that no package carries, drawn: a golf ball and a parachute. Each is the same on every machine."""

from itertools import pairwise
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 640, 480
CANOPY = ("#d62828", "#f77f00", "#fcbf49", "#003049")


def golf_ball() -> Image.Image:
    """A dimpled white sphere, lit from the upper left, on grass."""
    centre, radius = (320, 235), 135
    ground = _grass()
    shadow = Image.new("L", ground.size)
    ImageDraw.Draw(shadow).ellipse((230, 330, 500, 400), fill=150)
    ground.paste("#10240c", mask=shadow.filter(ImageFilter.GaussianBlur(14)))
    y, x = np.mgrid[-1 : 1 : 2j * radius, -1 : 1 : 2j * radius]
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    normals = _dimpled(np.stack([x, y, z], -1))
    light = np.array([-0.45, -0.65, 0.61])
    lit = np.clip(normals @ light, 0, 1)
    grey = np.clip(0.28 + 0.68 * lit + 0.5 * lit**24, 0, 1)[..., None] * [250, 252, 248]
    ball = Image.fromarray(grey.astype(np.uint8))
    mask = Image.fromarray(np.uint8(255 * np.clip((1 - np.hypot(x, y)) * radius, 0, 1)))
    ground.paste(ball, (centre[0] - radius, centre[1] - radius), mask)
    return ground


def _dimpled(sphere: np.ndarray) -> np.ndarray:
    """Unit vectors (H, W, 3) of a sphere, bent as 340 round dimples bend them."""
    index = np.arange(340) + 0.5
    polar, turn = np.arccos(1 - 2 * index / 340), pi * (1 + 5**0.5) * index
    dimples = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], -1)
    nearest = dimples[np.argmax(sphere @ dimples.T, -1)]
    towards = nearest - sphere
    distance = np.linalg.norm(towards, axis=-1, keepdims=True)
    bent = sphere + np.where(distance < 0.085, 6.5 * towards, 0)
    return bent / np.linalg.norm(bent, axis=-1, keepdims=True)


def _grass() -> Image.Image:
    random = np.random.default_rng(7)
    picture = Image.new("RGB", (WIDTH, HEIGHT), "#2f5d1e")
    draw = ImageDraw.Draw(picture)
    for x, y, lean, length, shade in random.uniform(0, 1, (16000, 5)):
        root = x * WIDTH, y * (HEIGHT + 30)
        tip = root[0] + 14 * (lean - 0.5), root[1] - 8 - 16 * length
        draw.line([root, tip], fill=(int(40 + 70 * shade), int(85 + 90 * shade), int(22 + 30 * shade)), width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def parachute() -> Image.Image:
    """A round canopy of coloured gores with a person below it, in a blue sky with clouds."""
    scale = 3
    picture = _sky().resize((WIDTH * scale, HEIGHT * scale))
    draw = ImageDraw.Draw(picture)
    middle, rim, top, half = 320 * scale, 210 * scale, 60 * scale, 170 * scale
    person = middle + 12 * scale, 400 * scale
    edges = [middle - half * cos(pi * k / 10) for k in range(11)]
    for number, (left, right) in enumerate(pairwise(edges)):
        draw.line([(left, rim), person], fill="#444444", width=scale)
        gore = [(_meridian(edge, middle, t), rim - (rim - top) * sin(t)) for edge, t in _outline(left, right)]
        draw.polygon(gore, fill=CANOPY[number % 4])
        draw.pieslice((left, rim - 10 * scale, right, rim + 10 * scale), 180, 360, fill="#274060")
    draw.line([(edges[-1], rim), person], fill="#444444", width=scale)
    _figure(draw, person, scale)
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _outline(left: float, right: float) -> list[tuple[float, float]]:
    """Up one edge of a gore and down the other: (the edge's place on the rim, angle above the rim)."""
    up = [(left, pi / 2 * k / 30) for k in range(31)]
    return up + [(right, angle) for _, angle in reversed(up)]


def _meridian(edge: float, middle: float, angle: float) -> float:
    return middle + (edge - middle) * cos(angle)


def _figure(draw: ImageDraw.ImageDraw, person: tuple[float, float], scale: int) -> None:
    x, y = person
    draw.ellipse((x - 7 * scale, y - 8 * scale, x + 7 * scale, y + 6 * scale), fill="#2b2b2b")
    draw.line([(x, y), (x, y + 26 * scale)], fill="#3a3a3a", width=13 * scale)
    for side in (-1, 1):
        draw.line([(x, y + 22 * scale), (x + 8 * side * scale, y + 46 * scale)], fill="#3a3a3a", width=6 * scale)
        draw.line([(x, y + 6 * scale), (x + 13 * side * scale, y - 12 * scale)], fill="#3a3a3a", width=5 * scale)


def _sky() -> Image.Image:
    """Blue that pales towards the horizon, with clouds: noise of five sizes."""
    random = np.random.default_rng(3)
    noise = np.zeros((HEIGHT, WIDTH))
    for cells in (3, 6, 12, 24, 48):
        patch = Image.fromarray(random.uniform(0, 255, (cells, 2 * cells)).astype(np.uint8))
        noise += np.asarray(patch.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) / 255 * 3 / cells
    cloud = np.clip((noise - np.median(noise)) / np.ptp(noise) * 2.2, 0, 1)[..., None]
    height = np.linspace(0, 1, HEIGHT)[:, None, None]
    blue = (1 - height) * [72, 128, 200] + height * [176, 206, 232]
    return Image.fromarray((blue * (1 - cloud) + cloud * [246, 248, 250]).astype(np.uint8))
