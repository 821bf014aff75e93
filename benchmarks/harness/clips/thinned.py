"""A clip at a lower frame rate: every so many-th frame of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ultralytics_reid._typing import Doubles

from ..data.features import embedded
from ..data.motion import kept_camera_motion
from ..data.sequences import Detections, Sequence, load_clip


@dataclass(frozen=True)
class Thinned:
    """Every so many-th frame of a clip.

    Attributes:
        sequence: Ground truth of these frames, at their frame rate.
        detections: By frame.
        warps: `(F, 2, 3)` camera motion between them, pixels.
    """

    sequence: Sequence
    detections: list[Detections]
    warps: Doubles


def thinned(clip: str, embedder: str, stride: int, shared: Path, features: Path) -> Thinned:
    """Load every `stride`-th frame of a clip, from the first on.

    Args:
        clip: Its name, as `clip_folder` takes it.
        embedder: One of `EMBEDDERS`.
        stride: From 1 on.
        shared: The folder of videos, cached detections and models.
        features: Keeps embeddings and camera motion.
    """
    whole = load_clip(shared, clip)
    sequence = replace(whole, fps=whole.fps / stride, frames=whole.frames[::stride])
    warps = kept_camera_motion(clip, whole, features, stride)
    return Thinned(sequence, embedded(clip, embedder, shared, features)[::stride], warps)
