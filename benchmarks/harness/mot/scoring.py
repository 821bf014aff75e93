"""MOTChallenge's own rules, through TrackEval: what matches a distractor is dropped, then what counts is compared."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..sequences import Frame
from .cache import Arrays
from .errors import MotError
from .reading import Truth

# By metric, then by field; the fields that TrackEval's own combination of sequences needs are all there.
Score = dict[str, dict[str, Any]]

CLASS = "pedestrian"
MOT15, MOT17, MOT20 = "MOT15", "MOT17", "MOT20"
_SILENT = ("PRINT_CONFIG", "PRINT_RESULTS", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES")


def benchmark_of(name: str, truth: Truth) -> str:
    """Which of TrackEval's rules are a sequence's.

    MOT15 has no classes, so there is nothing to drop. MOT20 has one distractor more than MOT16 and MOT17. DanceTrack's
    and SportsMOT's rows are all of class 1, and come out the same by MOT17's rule.
    """
    if not truth.classes:
        return MOT15
    return MOT20 if name.startswith(MOT20) else MOT17


def score(truth: Truth, frames: Sequence[Frame], benchmark: str) -> Score:
    """Compare a tracker's output with the ground truth of one sequence.

    Args:
        truth: All rows, distractors too.
        frames: The tracker's boxes by frame.
        benchmark: Whose rules.

    Raises:
        MotError: If TrackEval refuses the output, as where an id is in a frame twice.
    """
    import trackeval

    with tempfile.TemporaryDirectory() as folder:
        _write_truth(Path(folder) / "truth" / "it" / "gt" / "gt.txt", truth)
        write_result(Path(folder) / "results" / "ours" / "data" / "it.txt", frames)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return _evaluate(Path(folder), len(frames), benchmark)
        except trackeval.utils.TrackEvalException as error:
            raise MotError(f"TrackEval refuses it: {error}") from error


def _write_truth(path: Path, truth: Truth) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for row in truth.rows.tolist():
            n, i, left, top, width, height, flag, kind, seen = row
            file.write(f"{n:.0f},{i:.0f},{left!r},{top!r},{width!r},{height!r},{flag:.0f},{kind:.0f},{seen!r}\n")


def write_result(path: Path, frames: Sequence[Frame]) -> None:
    """Write a tracker's output in MOTChallenge's format: `frame, id, left, top, width, height, 1, -1, -1, -1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for n, frame in enumerate(frames, start=1):
            for i, box in zip(frame.ids, frame.xyxy.astype(np.float64).tolist(), strict=True):
                left, top, right, bottom = box
                file.write(f"{n},{i},{left},{top},{right - left},{bottom - top},1,-1,-1,-1\n")


def _evaluate(folder: Path, length: int, benchmark: str) -> Score:
    import trackeval

    where = {"GT_FOLDER": str(folder / "truth"), "TRACKERS_FOLDER": str(folder / "results"), "SKIP_SPLIT_FOL": True}
    what = {"TRACKERS_TO_EVAL": ["ours"], "SEQ_INFO": {"it": length}, "BENCHMARK": benchmark, "PRINT_CONFIG": False}
    dataset = trackeval.datasets.MotChallenge2DBox({**where, **what})
    evaluator = trackeval.Evaluator({**dict.fromkeys(_SILENT, False), "LOG_ON_ERROR": None})
    scores, _ = evaluator.evaluate([dataset], list(_metrics().values()))
    found: Score = scores["MotChallenge2DBox"]["ours"]["it"][CLASS]
    return found


def _metrics() -> dict[str, Any]:
    import trackeval

    kinds = (trackeval.metrics.HOTA, trackeval.metrics.CLEAR, trackeval.metrics.Identity)
    return {kind.get_name(): kind({"PRINT_CONFIG": False}) for kind in kinds}


def combine(scores: Mapping[str, Score]) -> Score:
    """All sequences' scores as one, as TrackEval combines them."""
    import trackeval

    metrics = {**_metrics(), "Count": trackeval.metrics.Count()}
    return {
        name: metric.combine_sequences({sequence: s[name] for sequence, s in scores.items()})
        for name, metric in metrics.items()
    }


def figures(score: Score) -> dict[str, float]:
    """What tables show: HOTA, AssA, DetA, IDF1, MOTA (percent), IDSW, Frag and ids."""
    percent = {k: 100 * float(np.mean(score["HOTA"][k])) for k in ("HOTA", "AssA", "DetA")}
    percent |= {"IDF1": 100 * float(score["Identity"]["IDF1"]), "MOTA": 100 * float(score["CLEAR"]["MOTA"])}
    counts = {"IDSW": score["CLEAR"]["IDSW"], "Frag": score["CLEAR"]["Frag"], "ids": score["Count"]["IDs"]}
    return percent | {k: float(v) for k, v in counts.items()}


def thresholds() -> npt.NDArray[np.float64]:
    """The localization thresholds of HOTA."""
    return np.asarray(_metrics()["HOTA"].array_labels, np.float64)


def as_arrays(score: Score) -> Arrays:
    """A score as arrays to keep."""
    return {f"{name}/{field}": np.asarray(v) for name, fields in score.items() for field, v in fields.items()}


def of_arrays(arrays: Arrays) -> Score:
    """A score that was kept."""
    found: Score = {}
    for name, value in arrays.items():
        metric, _, field = name.partition("/")
        found.setdefault(metric, {})[field] = value if value.ndim else value[()]
    return found


def mean_figures(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure."""
    told = list(rows)
    return {k: sum(row[k] for row in told) / len(told) for k in told[0]}
