"""Scores of a tracker's output: TrackEval's metrics; what happened to those who came back is the package's own."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence as Rows
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics_reid.evaluation.frames import Frame, iou
from ultralytics_reid.evaluation.returns import (
    DEFINITIONS,
    MATCH_IOU,
    Return,
    Returns,
    Sighting,
    matches,
    returns,
    sightings,
)

__all__ = [
    "DEFINITIONS",
    "MATCH_IOU",
    "Return",
    "Returns",
    "Sighting",
    "iou",
    "matches",
    "returns",
    "sightings",
    "track_eval",
]


def track_eval(truth: Rows[Frame], output: Rows[Frame]) -> dict[str, float]:
    """HOTA, AssA, DetA, IDF1, MOTA (percent), IDSW and ids, by TrackEval.

    Args:
        truth: Ground truth by frame.
        output: The tracker's boxes by frame, as many frames.
    """
    data = _eval_data(truth, output)
    with contextlib.redirect_stdout(io.StringIO()):
        import trackeval

        quiet = {"PRINT_CONFIG": False}
        hota = trackeval.metrics.HOTA(quiet).eval_sequence(data)
        clear = trackeval.metrics.CLEAR(quiet).eval_sequence(data)
        identity = trackeval.metrics.Identity(quiet).eval_sequence(data)
    percent = {k: 100 * float(np.mean(hota[k])) for k in ("HOTA", "AssA", "DetA")}
    percent |= {"IDF1": 100 * float(identity["IDF1"]), "MOTA": 100 * float(clear["MOTA"])}
    return percent | {"IDSW": float(clear["IDSW"]), "ids": float(data["num_tracker_ids"])}


def _eval_data(truth: Rows[Frame], output: Rows[Frame]) -> dict[str, Any]:
    gt_ids, gt_n = _relabel(truth)
    tr_ids, tr_n = _relabel(output)
    return {
        "num_timesteps": len(truth),
        "gt_ids": gt_ids,
        "tracker_ids": tr_ids,
        "num_gt_ids": gt_n,
        "num_tracker_ids": tr_n,
        "num_gt_dets": sum(map(len, gt_ids)),
        "num_tracker_dets": sum(map(len, tr_ids)),
        "similarity_scores": [iou(t.xyxy, o.xyxy) for t, o in zip(truth, output, strict=True)],
    }


def _relabel(frames: Rows[Frame]) -> tuple[list[npt.NDArray[np.int64]], int]:
    """Ids as 0 … n-1, which TrackEval indexes with."""
    known = np.unique(np.concatenate([f.ids for f in frames] or [np.empty(0, np.int64)]))
    return [np.searchsorted(known, f.ids) for f in frames], len(known)
