"""Scores of a tracker's output: TrackEval's metrics, and what happened to those who came back."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .sequences import Frame, Sequence

MATCH_IOU = 0.5


def iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Intersection over union of `(N, 4)` and `(M, 4)` xyxy boxes, as `(N, M)`."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2, dtype=np.float64)
    area_a, area_b = (np.prod(x[:, 2:] - x[:, :2], axis=1, dtype=np.float64) for x in (a, b))
    return np.asarray(inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9))


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


@dataclass(frozen=True)
class Returns:
    """What happened to the people who came back.

    Attributes:
        total: Returns in the ground truth.
        recognised: Returns whose ground-truth track mostly carries an id that mostly was the same person's before.
        false: Times that an id, absent for a second or more, came back on another person.
    """

    total: int
    recognised: int
    false: int


def returns(sequence: Sequence, output: Rows[Frame]) -> Returns:
    """Count recognised returns and false revivals.

    A return is a ground-truth track whose person has an earlier track. It is recognised if the id that covers most
    of it is the id that covers most of one of that person's earlier tracks. An id that was not put on anybody for a
    second and then shows up on another person than the one it was last put on is a false revival, for any tracker.

    Args:
        sequence: The ground truth, with `person` known.
        output: The tracker's boxes by frame.
    """
    seen = list(_sightings(sequence.frames, output))
    main = _main_ids(seen)
    earlier: dict[int, set[int]] = {}
    total = recognised = 0
    for track in sorted(_first_frames(sequence), key=_first_frames(sequence).__getitem__):
        person = sequence.person.get(track, track)
        if person in earlier:
            total += 1
            recognised += main.get(track) in earlier[person]
        if track in main:
            earlier.setdefault(person, set()).add(main[track])
    return Returns(total, recognised, _false_revivals(sequence, seen))


def _sightings(truth: Rows[Frame], output: Rows[Frame]) -> Iterator[tuple[int, int, int]]:
    """`(frame, ground-truth track, predicted id)` for each box matched at IoU 0.5, one to one."""
    for n, (t, o) in enumerate(zip(truth, output, strict=True)):
        overlap = iou(t.xyxy, o.xyxy)
        for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[i, j] >= MATCH_IOU:
                yield n, int(t.ids[i]), int(o.ids[j])


def _main_ids(seen: list[tuple[int, int, int]]) -> dict[int, int]:
    votes: dict[int, Counter[int]] = {}
    for _, track, predicted in seen:
        votes.setdefault(track, Counter())[predicted] += 1
    return {track: count.most_common(1)[0][0] for track, count in votes.items()}


def _first_frames(sequence: Sequence) -> dict[int, int]:
    first: dict[int, int] = {}
    for n, frame in enumerate(sequence.frames):
        for track in frame.ids:
            first.setdefault(int(track), n)
    return first


def _false_revivals(sequence: Sequence, seen: list[tuple[int, int, int]]) -> int:
    last: dict[int, tuple[int, int]] = {}
    wrong = 0
    for n, track, predicted in seen:
        person = sequence.person.get(track, track)
        before, who = last.get(predicted, (n, person))
        wrong += n - before >= sequence.fps and who != person
        last[predicted] = (n, person)
    return wrong
