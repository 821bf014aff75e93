"""Bootstrap intervals of the difference between two trackers, over sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultralytics_reid._typing import Doubles, Ints

from .track_eval import Score

METRICS = ("HOTA", "IDF1", "MOTA", "AssA")
FEWEST = 3
_SUMMED = {
    "HOTA": ("HOTA_TP", "HOTA_FN", "HOTA_FP"),
    "CLEAR": ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW"),
    "Identity": ("IDTP", "IDFN", "IDFP"),
}


@dataclass(frozen=True)
class Difference:
    """A tracker's difference to the baseline.

    Attributes:
        value: Points of the metric, over all sequences.
        low: Below it lie 2.5 % of the differences over drawn sequences.
        high: Above it lie 2.5 % of them.
    """

    value: float
    low: float
    high: float


def draws(sequences: int, count: int, seed: int = 0) -> Ints:
    """Draw sequences with repetition; returns counts `(count, sequences)`, whose rows sum to `sequences`."""
    return np.random.default_rng(seed).multinomial(sequences, np.full(sequences, 1 / sequences), size=count)


def totals(scores: Sequence[Score], counts: npt.NDArray[np.integer]) -> dict[str, Doubles]:
    """Compute combined figures of drawn sequences, exactly as TrackEval combines those sequences.

    Args:
        scores: One tracker's, by sequence.
        counts: `(R, S)`, how often each sequence is in each draw.

    Returns:
        `(R,)` percent by metric.
    """
    weights = np.asarray(counts, np.float64)

    def summed(rows: list[Doubles]) -> Doubles:
        return np.asarray(weights @ np.array(rows, np.float64).reshape(len(rows), -1))

    sums = {f: summed([s[m][f] for s in scores]) for m, fields in _SUMMED.items() for f in fields}
    found = {f: v[:, 0] for f, v in sums.items() if not f.startswith("HOTA")}
    associated = summed([s["HOTA"]["AssA"] * s["HOTA"]["HOTA_TP"] for s in scores])
    ass = associated / np.maximum(1, sums["HOTA_TP"])
    det = sums["HOTA_TP"] / np.maximum(1, sums["HOTA_TP"] + sums["HOTA_FN"] + sums["HOTA_FP"])
    idf1 = found["IDTP"] / np.maximum(1, found["IDTP"] + 0.5 * (found["IDFP"] + found["IDFN"]))
    mota = (found["CLR_TP"] - found["CLR_FP"] - found["IDSW"]) / np.maximum(1, found["CLR_TP"] + found["CLR_FN"])
    shares = {"HOTA": np.sqrt(det * ass).mean(axis=1), "IDF1": idf1, "MOTA": mota, "AssA": ass.mean(axis=1)}
    return {metric: 100 * shares[metric] for metric in METRICS}


def differences(
    runs: Sequence[Sequence[Score]],
    baseline: Sequence[Sequence[Score]],
    count: int = 5000,
    seed: int = 0,
    scenes: Sequence[str] | None = None,
) -> dict[str, Difference]:
    """Compare a tracker with a baseline on the same sequences.

    Args:
        runs: The tracker's scores by run (a seed of simulated embeddings) and by sequence; runs are averaged.
        baseline: The baseline's.
        count: Draws; all of them serve both trackers.
        seed: Of the draws.
        scenes: What each sequence shows; those that show the same are drawn together. None: each something else.
    """
    names = list(range(len(runs[0]))) if scenes is None else list(scenes)
    known, scene = np.unique(names, return_inverse=True)
    drawn = np.concatenate([np.ones((1, len(known)), np.int64), draws(len(known), count, seed)])
    counts = drawn[:, scene]
    ours, theirs = (_mean([totals(scores, counts) for scores in several]) for several in (runs, baseline))
    return {metric: _difference(ours[metric] - theirs[metric]) for metric in METRICS}


def _mean(runs: list[dict[str, Doubles]]) -> dict[str, Doubles]:
    return {metric: np.mean([run[metric] for run in runs], axis=0) for metric in METRICS}


def _difference(values: Doubles) -> Difference:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Difference(float(values[0]), float(low), float(high))
