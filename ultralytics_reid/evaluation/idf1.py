"""IDF1: how far the ids of a tracker and of the ground truth agree, over a whole video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from .._typing import Doubles
from .frames import FrameBoxes, Truth, iou
from .returns import MATCH_IOU


def idf1(truth: Sequence[FrameBoxes], output: Sequence[FrameBoxes]) -> float:
    """Compute IDF1 (Ristani et al., 2016), as TrackEval does.

    Each true id is assigned one predicted id, for the whole video, so that most boxes overlap (Hungarian, IoU 0.5 or
    more). For several cameras, give the frames of one after those of another: a person is one id on all of them.

    Args:
        truth: Ground truth by frame.
        output: The tracker's boxes by frame, as many frames.

    Returns:
        `2 IDTP / (boxes of the truth + boxes of the output)`, in [0, 1]; 0 where there are no boxes.
    """
    boxes = sum(len(frame.ids) for frame in (*truth, *output))
    return 2 * _agreeing_boxes(truth, output) / boxes if boxes else 0.0


def by_person(truth: Truth) -> list[FrameBoxes]:
    """Ground truth with all tracks of a person under that person's id, by frame."""
    return [FrameBoxes(np.array([truth.person_of(int(t)) for t in f.ids], np.int64), f.xyxy) for f in truth.frames]


def _agreeing_boxes(truth: Sequence[FrameBoxes], output: Sequence[FrameBoxes]) -> int:
    """IDTP: overlapping boxes of the true and the predicted ids that are assigned to each other."""
    overlaps = _overlap_counts(truth, output)
    return int(overlaps[linear_sum_assignment(overlaps, maximize=True)].sum())


def _overlap_counts(truth: Sequence[FrameBoxes], output: Sequence[FrameBoxes]) -> Doubles:
    """Number of frames in which a true and a predicted id overlap, `(true ids, predicted ids)` float64."""
    counts = Counter[tuple[int, int]]()
    for true, found in zip(truth, output, strict=True):
        rows, columns = np.nonzero(iou(true.xyxy, found.xyxy) >= MATCH_IOU)
        counts.update(zip(true.ids[rows].tolist(), found.ids[columns].tolist(), strict=True))
    row_of, column_of = ({i: n for n, i in enumerate(sorted({pair[side] for pair in counts}))} for side in (0, 1))
    table = np.zeros((len(row_of), len(column_of)))
    for (true_id, found_id), count in counts.items():
        table[row_of[true_id], column_of[found_id]] = count
    return table
