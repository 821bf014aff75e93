"""Work on a clip with an embedder's embeddings, and what trackers are given of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ultralytics_reid._typing import Doubles

from ..data.features import embedded
from ..data.motion import kept_camera_motion
from ..data.sequences import Detections, Sequence, load_clip


@dataclass(frozen=True)
class ClipInputs:
    """What trackers are given of a clip.

    Attributes:
        sequence: Ground truth of its frames, at their frame rate.
        detections: By frame.
        warps: `(F, 2, 3)` camera motion between frames, pixels.
    """

    sequence: Sequence
    detections: list[Detections]
    warps: Doubles


@dataclass(frozen=True)
class ClipJob:
    """Work on a clip with an embedder's embeddings.

    Attributes:
        shared: The folder of videos, cached detections and models.
        features: Keeps embeddings and camera motion.
        clip: A key of `CLIP_TITLES`.
        embedder: One of `EMBEDDERS`.
    """

    shared: Path
    features: Path
    clip: str
    embedder: str

    def inputs(self, stride: int = 1) -> ClipInputs:
        """Load every `stride`-th frame of the clip, from the first on."""
        whole = load_clip(self.shared, self.clip)
        sequence = replace(whole, fps=whole.fps / stride, frames=whole.frames[::stride])
        warps = kept_camera_motion(self.clip, whole, self.features, stride)
        detections = embedded(self.clip, self.embedder, self.shared, self.features)[::stride]
        return ClipInputs(sequence, detections, warps)
