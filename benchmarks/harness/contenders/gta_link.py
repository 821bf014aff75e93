"""BoxMOT's offline linking of tracklets, where that package is installed: its GTA-Link with its own defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from ultralytics_reid import Tracks
from ultralytics_reid._typing import Doubles, Floats, Ints, as_floats

from ..packages import has

INSTALL = "BoxMOT isn't installed, whose GTA-Link is compared: pip install 'boxmot>=25' scikit-learn"
# The paper's thresholds (Sun et al. 2024, section 4), which BoxMOT's `merge_tracklets` has no defaults for: cosine
# distance below which tracklets are linked, and the share of the image that one moves at most.
_MERGE_DISTANCE, _SPATIAL_FACTOR = 0.4, 1.0


def is_available() -> bool:
    """Return whether BoxMOT's GTA-Link can be imported."""
    return has("boxmot") and has("sklearn")


def gta_link(tracks: Tracks) -> Doubles:
    """Split and link a tracker's ids by BoxMOT's GTA-Link.

    It needs an embedding for each box: those without a clean crop have that of the id's nearest one in time. Ids
    without any stay as they are.

    Args:
        tracks: A tracker's, frames from 0; boxes that it held back are left out.

    Returns:
        `(R, 6)` float64: frame, id, x1, y1, x2, y2.
    """
    from boxmot.postprocessing.gta import get_spatial_constraints, merge_tracklets, split_tracklets

    tracklets = {}
    kept = []
    for i in np.unique(tracks.ids[tracks.ids > 0]).tolist():
        rows = np.flatnonzero(tracks.ids == i)
        if tracks.clean[rows].any():
            tracklets[i] = _tracklet(tracks, i, rows)
        else:
            kept.append(np.column_stack([tracks.frame[rows], tracks.ids[rows], tracks.xyxy[rows]]))
    if tracklets:
        ranges = get_spatial_constraints(tracklets, _SPATIAL_FACTOR)
        tracklets = merge_tracklets(split_tracklets(tracklets), _MERGE_DISTANCE, *ranges)
    # What it splits has ids above all others, of the tracklets that it was given.
    free = int(tracks.ids.max(initial=0)) + 1
    linked = [_rows(t, n + free) for n, t in enumerate(tracklets.values())]
    return np.concatenate([np.zeros((0, 6)), *kept, *linked]).astype(np.float64)


def _tracklet(tracks: Tracks, identity: int, rows: Ints) -> Any:
    from boxmot.postprocessing.gta import Tracklet

    boxes = tracks.xyxy[rows].astype(np.float64)
    sizes = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    return Tracklet(
        identity,
        tracks.frame[rows].tolist(),
        tracks.confidence[rows].tolist(),
        sizes.tolist(),
        feats=list(_filled(tracks, rows)),
        classes=tracks.cls[rows].tolist(),
    )


def _filled(tracks: Tracks, rows: Ints) -> Floats:
    """`(N, D)` an embedding for each row, that of the nearest clean one."""
    clean = rows[tracks.clean[rows]]
    nearest = np.abs(tracks.frame[rows][:, None] - tracks.frame[clean]).argmin(axis=1)
    return as_floats(tracks.crops_of(clean)[nearest])


def _rows(tracklet: Any, identity: int) -> Doubles:
    boxes = np.array(tracklet.bboxes, np.float64)
    corners = np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    return np.column_stack([tracklet.times, np.full(len(boxes), identity), corners])
