"""One frame's state, handed on as an argument: what the tracker's hooks and the host's callbacks know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._typing import Bools, Floats, Ints
from ..appearance.crop_quality import clean_crops
from ..config import Config
from ..embedders import Regions
from .results import Shown

# Pixels from an image's corner, and number of a class, beyond which a detection is none: nothing after it overflows.
MAX_PIXELS, MAX_CLASS = 1e7, 2**31 - 1


def sound_detections(results: Any) -> Bools:
    """Which detections can be tracked: box, score and class are finite and in range.

    Args:
        results: The host's `Boxes` or `OBB` as NumPy, `N` of them.

    Returns:
        `(N,)`.
    """
    turned = getattr(results, "xywhr", None)
    boxes = np.asarray(results.xyxy if turned is None else turned, np.float64)
    conf, cls = np.asarray(results.conf, np.float64), np.asarray(results.cls, np.float64)
    # Comparisons with NaN are False.
    sound = (np.abs(boxes) <= MAX_PIXELS).all(axis=1) & (np.abs(cls) <= MAX_CLASS) & np.isfinite(conf)
    return np.asarray(sound)


@dataclass(frozen=True)
class Frame:
    """One frame, from `update` to its end.

    Attributes:
        index: Its number, from 1.
        time: Seconds of the tracker's clock.
        image: `(H, W, 3)` uint8 BGR, or what the host gave in its place; None without one.
        shape: Height and width, pixels; None where they are unknown.
        regions: Where its `N` detections are.
        conf: `(N,)` detection scores.
        clean: `(N,)`, whether a detection's crop may update memory.
    """

    index: int
    time: float
    image: Any
    shape: tuple[int, int] | None
    regions: Regions
    conf: Floats
    clean: Bools

    @property
    def area(self) -> float | None:
        """Square pixels of the image; None where its shape is unknown."""
        return None if self.shape is None else float(self.shape[0] * self.shape[1])

    def __len__(self) -> int:
        return len(self.regions.xyxy)


@dataclass
class Batch:
    """What the host's predictor knows of the frames that a tracker is given next, and what it showed in them.

    Attributes:
        features_by: Fingerprint of what gives their embeddings; empty where it isn't known.
        masks: Outlines of each frame's detections, or None; empty where they aren't asked for.
        goes_on: Whether the host's reset before a frame is of an image in the same folder, which goes on.
        shown: Identities and embeddings, one entry for each frame tracked so far.
    """

    features_by: str = ""
    masks: Sequence[Sequence[Floats] | None] = ()
    goes_on: bool = False
    shown: list[Shown] = field(default_factory=list)

    @property
    def outlines(self) -> Sequence[Floats] | None:
        """Outlines of the next frame's detections."""
        return self.masks[len(self.shown)] if self.masks else None

    def keep(self, rows: Ints) -> None:
        """Keep the outlines of some of the next frame's detections only."""
        outlines = self.outlines
        if outlines is not None:
            masks = list(self.masks)
            masks[len(self.shown)] = [outlines[n] for n in rows]
            self.masks = masks


def make_frame(
    results: Any,
    image: Any,
    *,
    index: int,
    time: float,
    outlines: Sequence[Floats] | None,
    config: Config,
    min_conf: float,
) -> Frame:
    """Collect one frame's state.

    Args:
        results: The host's `Boxes` or `OBB` as NumPy.
        image: The image; None without one.
        index: The frame's number, from 1.
        time: Seconds.
        outlines: Of segmentation masks, pixels; None without them.
        config: Says which crops are clean.
        min_conf: Least score of a clean crop.
    """
    xyxy, conf = np.asarray(results.xyxy, np.float32), np.asarray(results.conf)
    turned = getattr(results, "xywhr", None)
    regions = Regions(xyxy, None if turned is None else np.asarray(turned, np.float32), outlines)
    shape = getattr(results, "orig_shape", None) if image is None else image.shape[:2]
    clean = np.ones(len(xyxy), bool)
    if config.tuning.clean_crops:
        clean = clean_crops(
            xyxy,
            conf,
            min_conf=min_conf,
            min_height=config.min_crop_height,
            max_covered=config.tuning.max_covered,
            shape=shape,
        )
    return Frame(index, time, image, shape, regions, conf, clean)
