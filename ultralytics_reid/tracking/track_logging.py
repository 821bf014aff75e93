"""What a frame leaves in the track log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..refinement.log_format import Header, LoggedFrame
from ..refinement.track_log import TrackLog
from .frame import Frame
from .track import ReIDTrack


def log_frame(log: TrackLog, tracks: Sequence[ReIDTrack], frame: Frame, header: Header) -> None:
    """Append a frame's boxes, those that are held back too, with the embeddings of clean crops.

    Args:
        log: The log.
        tracks: Confirmed tracks with a box in this frame.
        frame: The frame.
        header: What is known of the video; its dimensions are set here.

    Raises:
        TrackLogError: If the embedder has changed, or the file can't be written.
    """
    crops = [t.embedding if t.clean else None for t in tracks]
    embeddings = [c for c in crops if c is not None]
    dim = len(embeddings[0]) if embeddings else 0
    boxes = LoggedFrame(
        frame.index,
        frame.time,
        np.array([t.track_id for t in tracks], np.int64),
        np.array([t.xyxy for t in tracks], np.float32).reshape(-1, 4),
        np.array([t.score for t in tracks], np.float32),
        np.array([t.cls for t in tracks], np.float64).astype(np.int64),
        np.array([c is not None for c in crops], bool),
        np.array(embeddings, np.float32).reshape(-1, max(1, dim)),
    )
    log.append(boxes, replace(header, dim=dim))
