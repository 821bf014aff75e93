"""A clip at a lower frame rate: every so many-th frame of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ultralytics_reid._typing import Doubles, ImageArray

from ..data.cache import Cache, of_file
from ..data.features import embedded
from ..data.motion import camera_motion
from ..data.recipe import MOTION
from ..data.sequences import Detections, Sequence, load_clip, read_video
from ..packages import versions


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
    warps = _camera_motion(clip, whole, stride, features)
    return Thinned(sequence, embedded(clip, embedder, shared, features)[::stride], warps)


def _camera_motion(clip: str, whole: Sequence, stride: int, folder: Path) -> Doubles:
    """What the host makes of the images that are left: it sees no others."""
    assert whole.video is not None
    key = {"video": of_file(whole.video), "method": MOTION, "stride": stride, "code": of_file(Path(__file__))}
    key |= versions("ultralytics", "opencv-python")
    kept = Cache(folder).arrays(clip, "motion", key, lambda: {"warps": camera_motion(_images(whole, stride))[1]})
    return kept["warps"]


def _images(whole: Sequence, stride: int) -> Iterator[ImageArray]:
    return islice(read_video(whole), 0, None, stride)
