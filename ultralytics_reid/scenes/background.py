"""Static background: textured pavement, a facade, and pillars."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .._typing import Bools, ImageArray
from .cameras import Camera, Pillar

_Gray = npt.NDArray[np.floating]

_PAVEMENTS = ((150, 155, 160), (120, 125, 128), (140, 160, 175), (105, 105, 108), (165, 165, 160))
_FACADES = ((165, 180, 195), (110, 125, 165), (190, 190, 185), (130, 150, 140), (95, 110, 130), (175, 160, 140))
_PILLARS = ((175, 178, 180), (95, 100, 110), (130, 150, 170), (70, 75, 80))
_STOREY, _WINDOW = 3.1, 2.4  # meters


@dataclass(frozen=True)
class Background:
    """Background image of a camera.

    Attributes:
        image: `(H, W, 3)` uint8 BGR in neutral light, without the pillars.
        pillars: Image of each of the camera's `pillars`, clipped at the image's edges.
    """

    image: ImageArray
    pillars: tuple[ImageArray, ...]


def make_background(camera: Camera, seed: int) -> Background:
    """Render the background of a camera.

    Args:
        camera: The camera.
        seed: Random seed of the scene.
    """
    rng = np.random.default_rng((seed, camera.number, 77))
    edge = max(0, min(camera.height, round(camera.foot(camera.wall))))
    image = np.empty((camera.height, camera.width, 3), np.float32)
    image[edge:] = _pavement(camera, rng, edge)
    image[:edge] = _facade(camera, rng, edge)
    _shade(camera, image, edge)
    pillars = tuple(_pillar(camera, rng, pillar) for pillar in camera.pillars)
    return Background(np.clip(image, 0, 255).astype(np.uint8), pillars)


def _noise(rng: np.random.Generator, height: int, width: int, finest_size: int) -> _Gray:
    """Multi-octave noise of mean 0 and standard deviation about 1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(4):
        size = finest_size * 3**octave
        rows, columns = height // size + 2, width // size + 2
        total += cv2.resize(rng.standard_normal((rows, columns)).astype(np.float32), (width, height))
    return np.asarray(total / 2)


def _random_color(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> _Gray:
    return np.array(palette[int(rng.integers(len(palette)))], np.float64) * rng.uniform(0.85, 1.1)


def _pavement(camera: Camera, rng: np.random.Generator, top: int) -> _Gray:
    """Paving stones in perspective."""
    rows = np.arange(top, camera.height, dtype=np.float64) + 0.5
    depth = camera.focal * camera.stands / np.maximum(rows - camera.horizon, 1)
    columns = np.arange(camera.width, dtype=np.float64) + 0.5
    x = (columns[None] - camera.width / 2) * depth[:, None] / camera.focal
    stone, long = rng.uniform(0.5, 1.1), rng.uniform(1, 2)
    across, along = np.floor(x / (stone * long)), np.floor(depth / stone)[:, None]
    shades = rng.normal(0, 5, (64, 64))
    shade = shades[across.astype(int) % 64, along.astype(int) % 64]
    # Joints are 2 cm wide, but no thinner than a pixel.
    wide = np.maximum(0.02, 0.7 * depth / camera.focal)[:, None]
    joint = (np.abs(x / (stone * long) - across - 0.5) > 0.5 - wide / stone) | (
        np.abs(depth[:, None] / stone - along - 0.5) > 0.5 - 2 * wide / stone
    )
    gray = shade - 22 * joint + 6 * _noise(rng, len(rows), camera.width, 2)
    return np.asarray(_random_color(rng, _PAVEMENTS) + gray[..., None])


def _facade(camera: Camera, rng: np.random.Generator, bottom: int) -> _Gray:
    """Facade of bricks or plaster with windows, doors and posters."""
    scale = camera.focal / camera.wall
    up = (bottom - np.arange(bottom) - 0.5) / scale
    along = (np.arange(camera.width) + 0.5 - camera.width / 2) / scale + rng.uniform(0, 9)
    wall = np.broadcast_to(_random_color(rng, _FACADES), (bottom, camera.width, 3)).copy()
    wall += (5 * _noise(rng, bottom, camera.width, 3))[..., None]
    if rng.random() < 0.5:  # noqa: PLR2004
        course = np.floor(up / 0.16)
        brick = np.floor(along[None] / 0.42 + 0.5 * (course[:, None] % 2))
        wall += rng.normal(0, 7, (97, 31))[brick.astype(int) % 97, course.astype(int)[:, None] % 31][..., None]
    _openings(rng, wall, up, along)
    return np.asarray(wall)


def _openings(rng: np.random.Generator, wall: _Gray, up: _Gray, along: _Gray) -> None:
    """Draw rows of windows, some replaced by doors or posters."""
    first = int(np.floor(along[0] / _WINDOW))
    for column in range(first, int(along[-1] / _WINDOW) + 1):
        for storey in range(int(up[0] / _STOREY) + 1 if len(up) else 0):
            kind, offset = rng.random(), rng.uniform(-0.15, 0.15)
            low, high = (0.0, 2.2) if storey == 0 and kind < 0.25 else (0.9, 2.4)  # noqa: PLR2004
            rows = (up > storey * _STOREY + low) & (up < storey * _STOREY + high)
            columns = np.abs(along - (column + 0.5 + offset) * _WINDOW) < rng.uniform(0.4, 0.75)
            color = rng.uniform(30, 90) * np.array([1.15, 1.05, 0.95])
            if kind > 0.8:  # noqa: PLR2004
                color = rng.uniform(60, 215, 3)
            _pane(wall, rows, columns, color, rng)


def _pane(wall: _Gray, rows: Bools, columns: Bools, color: _Gray, rng: np.random.Generator) -> None:
    """Draw a pane with a frame and reflections."""
    r, c = np.flatnonzero(rows), np.flatnonzero(columns)
    if len(r) < 8 or len(c) < 8:  # noqa: PLR2004
        return
    block = wall[r[0] : r[-1] + 1, c[0] : c[-1] + 1]
    block[:] = rng.uniform(60, 220)
    edge = max(1, len(c) // 16)
    inner = block[edge:-edge, edge:-edge]
    inner[:] = color
    slant = np.add.outer(np.arange(inner.shape[0]), np.arange(inner.shape[1])) / len(c) * rng.uniform(2, 4)
    inner += (14 * (np.sin(slant * 3) > rng.uniform(0, 0.8)))[..., None]


def _shade(camera: Camera, image: _Gray, edge: int) -> None:
    """Darken the pavement along the facade, and the image's corners (vignetting)."""
    reach = max(1, round(0.05 * camera.height))
    fade = 1 - 0.25 * np.exp(-np.arange(camera.height - edge) / reach)
    image[edge:] *= fade[:, None, None]
    y, x = np.mgrid[-1 : 1 : camera.height * 1j, -1 : 1 : camera.width * 1j]
    image *= (1 - 0.1 * (x**2 + y**2))[..., None]


def _pillar(camera: Camera, rng: np.random.Generator, pillar: Pillar) -> ImageArray:
    """Render a round pillar, lit from one side."""
    width, height = max(1, pillar.right - pillar.left), min(pillar.foot, camera.height)
    bend = np.linspace(-1, 1, width)
    light = 0.55 + 0.5 * np.sqrt(np.maximum(1 - ((bend + 0.35) / 1.4) ** 2, 0))
    image = _random_color(rng, _PILLARS) * light[None, :, None] + (5 * _noise(rng, height, width, 2))[..., None]
    band = max(2, height // 40)
    image[-band:] *= 0.75
    left, right = max(0, -pillar.left), width - max(0, pillar.right - camera.width)
    return np.clip(image[:, left:right], 0, 255).astype(np.uint8)
