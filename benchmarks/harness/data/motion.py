"""Camera motion of videos, estimated by the host once and kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Doubles, ImageArray
from ultralytics_reid.errors import DatasetError

from ..packages import versions
from .cache import Cache, of_file
from .recipe import MOTION
from .sequences import Sequence, read_video


def camera_motion(video: Iterator[ImageArray]) -> tuple[tuple[int, int], Doubles]:
    """The images' height and width, and what the host's `MOTION` says of the camera, `(F, 2, 3)`."""
    from ultralytics.trackers.utils.gmc import GMC
    from ultralytics.utils import LOGGER

    gmc, warps, shape = GMC(MOTION), [], (0, 0)
    level = LOGGER.level
    LOGGER.setLevel("ERROR")  # of black images it says that there is nothing to match, frame by frame
    try:
        for image in video:
            warps.append(np.array(gmc.apply(image), np.float64))
            shape = image.shape[:2]
    finally:
        LOGGER.setLevel(level)
    return shape, np.array(warps).reshape(-1, 2, 3)


def kept_camera_motion(name: str, sequence: Sequence, folder: Path, stride: int = 1) -> Doubles:
    """Camera motion of a sequence's video, `(F, 2, 3)`, from the frame before to each frame, pixels.

    With a stride it is what the host makes of every so many-th image: it sees no others.

    Args:
        name: What it is kept under.
        sequence: Has the video.
        folder: Keeps it.
        stride: Frames of the video from one that is looked at to the next.

    Raises:
        DatasetError: If there is no video, or one of another length.
    """
    if sequence.video is None:
        raise DatasetError(f"{sequence.name} has no video, which camera motion is estimated from")
    key = {"video": of_file(sequence.video), "method": MOTION, "stride": stride, "code": of_file(Path(__file__))}
    key |= versions("ultralytics", "opencv-python")

    def estimate() -> dict[str, Doubles]:
        return {"warps": camera_motion(islice(read_video(sequence), 0, None, stride))[1]}

    warps = Cache(folder).arrays(name, "motion", key, estimate)["warps"]
    expected = len(sequence.frames[::stride])
    if len(warps) != expected:
        raise DatasetError(f"{sequence.video} has {len(warps)} frames, but seqinfo.ini says {expected}")
    return warps
