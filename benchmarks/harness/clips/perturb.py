"""Perturbed copies of a sequence and its detections: what helps only one clip helps few of its copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ultralytics_reid._typing import Floats

from ..data.sequences import Detections, Sequence

Pair = tuple[Sequence, list[Detections]]

_MISSED = 0.12
_JITTER = 0.015
# Noise of 0.4 of an embedding's norm: two crops of one person at cosine 0.83 fall to 0.72.
_NOISE = 0.4


def reverse(sequence: Sequence, cache: list[Detections]) -> Pair:
    """Reverse time: exits become entries."""
    return _choose(sequence, cache, slice(None, None, -1))


def start_late(sequence: Sequence, cache: list[Detections]) -> Pair:
    """The first third is missing."""
    return _choose(sequence, cache, slice(len(cache) // 3, None))


def halve_rate(sequence: Sequence, cache: list[Detections]) -> Pair:
    """Every second frame, at half the frame rate."""
    half, kept = _choose(sequence, cache, slice(None, None, 2))
    return replace(half, fps=sequence.fps / 2), kept


def _choose(sequence: Sequence, cache: list[Detections], frames: slice) -> Pair:
    return replace(sequence, frames=sequence.frames[frames], video=None), cache[frames]


def weaken_detector(sequence: Sequence, cache: list[Detections], seed: int = 0) -> Pair:
    """12 % of the detections are missing; corners of the others are off by 1.5 % of the box's width and height.

    Args:
        sequence: The ground truth, which stays.
        cache: Detections by frame.
        seed: What is missing, and by how much the rest is off.
    """
    rng = np.random.default_rng(seed)
    return sequence, [_weaken(d, rng) for d in cache]


def _weaken(detections: Detections, rng: np.random.Generator) -> Detections:
    kept = rng.random(len(detections.xyxy)) >= _MISSED
    xyxy = detections.xyxy[kept]
    size = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    moved = (xyxy + rng.normal(0, _JITTER, xyxy.shape) * size).astype(np.float32)
    feats = None if detections.feats is None else detections.feats[kept]
    return Detections(moved, detections.conf[kept], detections.cls[kept], feats)


def blur_embeddings(sequence: Sequence, cache: list[Detections], seed: int = 0) -> Pair:
    """Embeddings are noisier; their norms stay.

    Args:
        sequence: The ground truth, which stays.
        cache: Detections by frame; those without embeddings stay.
        seed: The noise.
    """
    rng = np.random.default_rng(seed)
    return sequence, [d if d.feats is None else replace(d, feats=_blur(d.feats, rng)) for d in cache]


def _blur(feats: Floats, rng: np.random.Generator) -> Floats:
    norm = _norms(feats)
    noisy = feats + _NOISE * norm * rng.normal(0, max(1, feats.shape[1]) ** -0.5, feats.shape)
    return np.asarray(noisy * norm / np.maximum(_norms(noisy), 1e-12), dtype=np.float32)


def _norms(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(np.linalg.norm(rows, axis=1, keepdims=True))


PERTURBATIONS: dict[str, Callable[[Sequence, list[Detections]], Pair]] = {
    "time reversed": reverse,
    "a third in": start_late,
    "weaker detector": weaken_detector,
    "half the frame rate": halve_rate,
    "noisier embeddings": blur_embeddings,
}
