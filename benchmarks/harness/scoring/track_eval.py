"""Scores by TrackEval: by person, or by MOTChallenge's rule, which drops what matches a distractor."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles, Ints
from ultralytics_reid.evaluation.frames import FrameBoxes, iou
from ultralytics_reid.evaluation.mot_files import Truth

from ..data.cache import Arrays
from ..errors import BenchmarkError

# By metric, then by field; the fields that TrackEval's own combination of sequences needs are all there.
Score = dict[str, dict[str, Any]]

CLASS = "pedestrian"
COMBINED = "COMBINED"
PERCENT = ("HOTA", "AssA", "DetA", "IDF1", "MOTA")
MOT15, MOT17, MOT20 = "MOT15", "MOT17", "MOT20"
_QUIET = {"PRINT_CONFIG": False}


def track_eval(truth: Sequence[FrameBoxes], output: Sequence[FrameBoxes]) -> dict[str, float]:
    """Compute the figures of a tracker's output, every box of the ground truth counting.

    Args:
        truth: Ground truth by frame.
        output: The tracker's boxes by frame, as many frames.

    Returns:
        What `figures` gives.
    """
    truth_ids, truth_count = _relabeled(truth)
    ids, count = _relabeled(output)
    data = {
        "num_timesteps": len(truth),
        "gt_ids": truth_ids,
        "tracker_ids": ids,
        "num_gt_ids": truth_count,
        "num_tracker_ids": count,
        "num_gt_dets": sum(map(len, truth_ids)),
        "num_tracker_dets": sum(map(len, ids)),
        "similarity_scores": [iou(t.xyxy, o.xyxy) for t, o in zip(truth, output, strict=True)],
    }
    return figures(_evaluated(data))


def _relabeled(frames: Sequence[FrameBoxes]) -> tuple[list[Ints], int]:
    """Ids as 0 … n-1, which TrackEval indexes with."""
    known = np.unique(np.concatenate([f.ids for f in frames] or [np.empty(0, np.int64)]))
    return [np.searchsorted(known, f.ids) for f in frames], len(known)


def benchmark_of(name: str, truth: Truth) -> str:
    """Choose the rules of TrackEval for a sequence.

    MOT15 has no classes, so there is nothing to drop. MOT20 has one distractor more than MOT16 and MOT17. DanceTrack's
    and SportsMOT's rows are all of class 1, and come out the same by MOT17's rule.
    """
    if not truth.classes:
        return MOT15
    return MOT20 if name.startswith(MOT20) else MOT17


def score(truth: Truth, frames: Sequence[FrameBoxes], benchmark: str) -> Score:
    """Compare a tracker's output with the ground truth of one sequence by MOTChallenge's rule.

    Boxes that match distractors (persons on vehicles, static persons, reflections) are dropped; then pedestrians
    with a flag count.

    Args:
        truth: All rows, distractors too.
        frames: The tracker's boxes by frame.
        benchmark: The rules, as `benchmark_of` gives them.

    Raises:
        BenchmarkError: If TrackEval refuses the output, as where an id is in a frame twice.
    """
    import trackeval

    with tempfile.TemporaryDirectory() as folder:
        _write_truth(Path(folder) / "truth" / "it" / "gt" / "gt.txt", truth)
        write_result(Path(folder) / "results" / "ours" / "data" / "it.txt", frames)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                data = _preprocessed(Path(folder), len(frames), benchmark)
        except trackeval.utils.TrackEvalException as error:
            raise BenchmarkError(f"TrackEval refuses it: {error}") from error
    return _evaluated(data)


def _write_truth(path: Path, truth: Truth) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for row in truth.rows.tolist():
            n, i, left, top, width, height, flag, kind, seen = row
            file.write(f"{n:.0f},{i:.0f},{left!r},{top!r},{width!r},{height!r},{flag:.0f},{kind:.0f},{seen!r}\n")


def write_result(path: Path, frames: Sequence[FrameBoxes]) -> None:
    """Write a tracker's output in MOTChallenge's format: `frame, id, left, top, width, height, 1, -1, -1, -1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for n, frame in enumerate(frames, start=1):
            for i, box in zip(frame.ids, frame.xyxy.astype(np.float64).tolist(), strict=True):
                left, top, right, bottom = box
                file.write(f"{n},{i},{left},{top},{right - left},{bottom - top},1,-1,-1,-1\n")


def _preprocessed(folder: Path, length: int, benchmark: str) -> dict[str, Any]:
    """Read files as TrackEval does, and drop what matches a distractor."""
    import trackeval

    where = {"GT_FOLDER": str(folder / "truth"), "TRACKERS_FOLDER": str(folder / "results"), "SKIP_SPLIT_FOL": True}
    what = {"TRACKERS_TO_EVAL": ["ours"], "SEQ_INFO": {"it": length}, "BENCHMARK": benchmark, **_QUIET}
    dataset = trackeval.datasets.MotChallenge2DBox({**where, **what})
    data: dict[str, Any] = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("ours", "it"), CLASS)
    return data


def _metrics() -> dict[str, Any]:
    import trackeval

    kinds = (trackeval.metrics.HOTA, trackeval.metrics.CLEAR, trackeval.metrics.Identity)
    return {kind.get_name(): kind(_QUIET) for kind in kinds} | {"Count": trackeval.metrics.Count()}


def _evaluated(data: dict[str, Any]) -> Score:
    with contextlib.redirect_stdout(io.StringIO()):
        return {name: metric.eval_sequence(data) for name, metric in _metrics().items()}


def combine(scores: Mapping[str, Score]) -> Score:
    """Combine all sequences' scores into one, as TrackEval does."""
    return {
        name: metric.combine_sequences({sequence: s[name] for sequence, s in scores.items()})
        for name, metric in _metrics().items()
    }


def figures(score: Score) -> dict[str, float]:
    """Compute what tables show: HOTA, AssA, DetA, IDF1, MOTA (percent), IDSW, Frag and ids."""
    percent = {k: 100 * float(np.mean(score["HOTA"][k])) for k in ("HOTA", "AssA", "DetA")}
    percent |= {"IDF1": 100 * float(score["Identity"]["IDF1"]), "MOTA": 100 * float(score["CLEAR"]["MOTA"])}
    counts = {"IDSW": score["CLEAR"]["IDSW"], "Frag": score["CLEAR"]["Frag"], "ids": score["Count"]["IDs"]}
    return percent | {k: float(v) for k, v in counts.items()}


def thresholds() -> Doubles:
    """Return the localization thresholds of HOTA."""
    return np.asarray(_metrics()["HOTA"].array_labels, np.float64)


def as_arrays(score: Score) -> Arrays:
    """Convert a score to arrays to keep."""
    return {f"{name}/{field}": np.asarray(v) for name, fields in score.items() for field, v in fields.items()}


def of_arrays(arrays: Arrays) -> Score:
    """Convert arrays that were kept to a score."""
    found: Score = {}
    for name, value in arrays.items():
        metric, _, field = name.partition("/")
        found.setdefault(metric, {})[field] = value if value.ndim else value[()]
    return found


def mean_figures(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average each figure."""
    found = list(rows)
    return {k: sum(row[k] for row in found) / len(found) for k in found[0]}
