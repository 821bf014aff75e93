"""Generated scenes without images: simulated detections and embeddings, for any length.

All of it is simulated; embeddings have the statistics of `simulate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np

from ultralytics_reid._typing import Doubles, Floats, Ints
from ultralytics_reid.demo.ground_truth import GroundTruthView
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.revivals import VISIBLE

from ..data.sequences import Detections
from .simulate import DIM, Simulation, covers, draw_common, draw_identity

# Of people in full view, what share of boxes is missing; half of them are where so much of the body is visible.
MISSED, HALF, SLOPE = 0.02, 0.3, 0.07
# Corners are off by so much of the box's width and height; confidences by so much.
JITTER, CONF_JITTER = 0.02, 0.05
CLEAR_CONF, COVERED_CONF = 0.88, 0.25
# False detections a second.
GHOSTS = 0.3
# Of what is a look-alike's own, what is another's too: their mean embeddings have a cosine of some 0.85, the most alike
# of several pairs 0.9, as on PETS09-S2L1.
ALIKE = 0.5
# What a camera adds to all appearances, as a share of an embedding's squared norm.
CAMERA = 0.03
_KEPT = 4096


def stream(
    views: Iterable[GroundTruthView],
    *,
    fps: float,
    size: tuple[int, int],
    seed: int,
    camera: int = 0,
    group_of: Callable[[int], int] = int,
) -> Iterator[tuple[FrameBoxes, Detections]]:
    """Yield, frame by frame, the visible people, and detections with embeddings; nothing of past frames is kept.

    Args:
        views: The ground truth, in order.
        fps: Frames a second.
        size: Width and height of the images, pixels.
        seed: The same for all cameras of a scene: people look alike on all of them, but for what the camera adds.
        camera: Which one.
        group_of: People of one group wear look-alike clothes; by default each person is a group.
    """
    rng = np.random.default_rng((seed, 0, camera))
    common = draw_common(np.random.default_rng((seed, 1)))
    common = common + np.sqrt(CAMERA) * draw_identity(np.random.default_rng((seed, 1, camera)))
    simulation = Simulation(fps, int(rng.integers(2**63)), identity=identities(seed, group_of), common=common)
    for view in views:
        found, rows, hidden = detect(view, size, GHOSTS / fps, rng)
        of = [(int(view.ids[p]), i) for i, p in enumerate(rows)]
        all_people = FrameBoxes(view.ids, view.xyxy)
        feats = simulation.embed(all_people, found.xyxy, of, hidden)
        clear = view.visible >= VISIBLE
        yield FrameBoxes(view.ids[clear], view.xyxy[clear]), Detections(found.xyxy, found.conf, found.cls, feats)


def identities(seed: int, group_of: Callable[[int], int]) -> Callable[[int], Doubles]:
    """Make identity vectors `(512,)` by person number, always the same, so that none needs to be kept."""

    def own(*key: int) -> Doubles:
        return draw_identity(np.random.default_rng((seed, *key)))

    @lru_cache(_KEPT)
    def identity(person: int) -> Doubles:
        alike, alone = own(2, group_of(person)), own(3, person)
        return np.asarray(ALIKE**0.5 * alike + (1 - ALIKE) ** 0.5 * alone).reshape(DIM)

    return identity


def detect(
    view: GroundTruthView, size: tuple[int, int], ghosts: float, rng: np.random.Generator
) -> tuple[Detections, Ints, Doubles]:
    """Simulate a detector on a frame.

    Args:
        view: The frame's ground truth.
        size: Width and height of the image, pixels.
        ghosts: False detections, in the mean.
        rng: Chooses what is missed, and by how much the rest is off.

    Returns:
        N detections without embeddings, false ones last; `(P,)` the row in the view of each true one; `(N,)` the share
        of each box that shows neither its person nor others in front.
    """
    chance = (1 - MISSED) / (1 + np.exp((HALF - view.visible.astype(np.float64)) / SLOPE))
    rows = np.flatnonzero(rng.random(len(view.ids)) < chance)
    boxes = _jittered(view.xyxy[rows], JITTER, rng)
    conf = COVERED_CONF + (CLEAR_CONF - COVERED_CONF) * view.visible[rows] + rng.normal(0, CONF_JITTER, len(rows))
    extra = _ghosts(int(rng.poisson(ghosts)), size, rng)
    xyxy = _inside(np.concatenate([boxes, extra]), size)
    conf = np.clip(np.concatenate([conf, rng.uniform(0.1, 0.5, len(extra))]), 0.05, 0.98)
    hidden = np.concatenate([_hidden(view, size)[rows], np.zeros(len(extra))])
    whole = Detections(xyxy, conf.astype(np.float32), np.zeros(len(xyxy), np.float32), None)
    return whole, rows, hidden


def _jittered(xyxy: Floats, share: float, rng: np.random.Generator) -> Floats:
    extent = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    return np.asarray(xyxy + rng.normal(0, share, xyxy.shape) * extent, np.float32)


def _ghosts(count: int, size: tuple[int, int], rng: np.random.Generator) -> Floats:
    center, height = rng.random((count, 2)) * size, rng.uniform(0.1, 0.4, (count, 1)) * size[1]
    half = np.concatenate([0.2 * height, 0.5 * height], axis=1)
    return np.asarray(np.concatenate([center - half, center + half], axis=1), np.float32).reshape(-1, 4)


def _inside(xyxy: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(np.clip(xyxy, 0, np.tile(size, 2)), np.float32)


def _hidden(view: GroundTruthView, size: tuple[int, int]) -> Doubles:
    """`(N,)` share of the part inside the image that is covered by something other than people."""
    inside = _area(_inside(view.xyxy, size)) / np.maximum(_area(view.xyxy), 1e-9)
    shown = view.visible / np.maximum(inside, 1e-9)
    return np.asarray(np.clip(1 - shown - covers(view.xyxy).sum(axis=1), 0, 1), np.float64)


def _area(xyxy: Floats) -> Doubles:
    return np.asarray(np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1, dtype=np.float64))
