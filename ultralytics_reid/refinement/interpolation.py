"""Fill short gaps of an id where its motion is certain."""

from __future__ import annotations

import numpy as np

from .._typing import Doubles

# Longest gap that is filled, seconds; and body heights that a box may have moved over it, and the share by which its
# height may have changed.
MAX_GAP_SECONDS = 0.5
_MAX_HEIGHTS = 1.0
_MAX_GROWTH = 0.25


def interpolated(rows: Doubles, fps: float) -> Doubles:
    """Boxes on straight lines over short gaps.

    Args:
        rows: `(R, 8)` frame, id, xyxy, confidence, class; an id is once in a frame.
        fps: Frames a second.

    Returns:
        `(F, 8)` the rows that are filled in; their confidence is the lower one of the gap's ends.
    """
    order = np.lexsort((rows[:, 0], rows[:, 1]))
    rows = rows[order]
    found = [np.zeros((0, 8))]
    gaps = np.diff(rows[:, 0])
    same = np.diff(rows[:, 1]) == 0
    for n in np.flatnonzero(same & (gaps > 1) & (gaps <= MAX_GAP_SECONDS * fps)).tolist():
        before, after = rows[n], rows[n + 1]
        if _is_certain(before, after):
            found.append(_between(before, after))
    return np.concatenate(found)


def _is_certain(before: Doubles, after: Doubles) -> bool:
    heights = [float(row[5] - row[3]) for row in (before, after)]
    way = np.linalg.norm((after[2:4] + after[4:6] - before[2:4] - before[4:6]) / 2)
    return bool(way <= _MAX_HEIGHTS * min(heights) and abs(np.log(heights[1] / heights[0])) <= _MAX_GROWTH)


def _between(before: Doubles, after: Doubles) -> Doubles:
    frames = np.arange(before[0] + 1, after[0])
    share = ((frames - before[0]) / (after[0] - before[0]))[:, None]
    filled = before + share * (after - before)
    filled[:, 0], filled[:, 6], filled[:, 7] = frames, min(before[6], after[6]), before[7]
    return np.asarray(filled)
