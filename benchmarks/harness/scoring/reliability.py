"""Reliability of the probabilities that a gallery shows: predicted against observed, weighted to the stated prior."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ultralytics_reid._typing import Bools, Doubles, Ints
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import matches
from ultralytics_reid.gallery.records import Records, Visit
from ultralytics_reid.gallery.scorer import Scorer
from ultralytics_reid.gallery.visit_pairs import Asked, closest_pairs
from ultralytics_reid.tuning import PRIOR_SAME

from ..cameras import CameraRun

# Bins of the predicted probability.
EDGES = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)
# Least share of a visit's path that must lie on one person for the visit to count as theirs.
MIN_PURITY = 0.8


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows with their shown probability and the truth, `N` of them.

    Attributes:
        probability: `(N,)` as shown, in [0, 1].
        same: `(N,)`, whether both sides are one person in truth.
    """

    probability: Doubles
    same: Bools

    @staticmethod
    def joined(parts: Iterable[Judged]) -> Judged:
        """Concatenate rows."""
        parts = [Judged(np.zeros(0), np.zeros(0, bool)), *parts]
        return Judged(np.concatenate([p.probability for p in parts]), np.concatenate([p.same for p in parts]))

    @property
    def weight(self) -> Doubles:
        """As how much each row counts, `(N,)`, for `PRIOR_SAME` of all to be genuine; they add up to 1."""
        genuine, impostor = max(1, int(self.same.sum())), max(1, int((~self.same).sum()))
        return np.where(self.same, PRIOR_SAME / genuine, (1 - PRIOR_SAME) / impostor)


@dataclass(frozen=True)
class Bin:
    """Rows of a range of predicted probabilities.

    Attributes:
        predicted: Mean of the predicted probabilities; NaN without rows.
        observed: Share of genuine rows; NaN without rows.
        genuine: Number of genuine rows.
        rows: Number of rows.
    """

    predicted: float
    observed: float
    genuine: int
    rows: int


def reliability(judged: Judged) -> list[Bin]:
    """Compare predicted and observed by bin of `EDGES`, at the stated prior."""
    place, weight = _bins(judged.probability), judged.weight
    return [_bin(judged, weight, place == n) for n in range(len(EDGES) - 1)]


def _bins(probability: Doubles) -> Ints:
    return np.asarray(np.digitize(probability, EDGES[1:-1]))


def _bin(judged: Judged, weight: Doubles, member: Bools) -> Bin:
    total = weight[member].sum()
    sums = weight[member] @ judged.probability[member], weight[member] @ judged.same[member]
    predicted, observed = (s / total if total else np.nan for s in sums)
    return Bin(float(predicted), float(observed), int(judged.same[member].sum()), int(member.sum()))


def calibration_error(judged: Judged) -> float:
    """Expected calibration error: mean difference of predicted and observed over the bins, at the stated prior."""
    weight, place = judged.weight, _bins(judged.probability)
    gap = weight * (judged.probability - judged.same)
    return float(np.abs(np.bincount(place, gap, len(EDGES) - 1)).sum())


def log_loss(judged: Judged) -> float:
    """Mean negative log-likelihood of the truth, nats, at the stated prior."""
    likely = np.where(judged.same, judged.probability, 1 - judged.probability)
    return float(-judged.weight @ np.log(np.maximum(likely, 1e-12)))


def owners(visits: Iterable[Visit], runs: Sequence[CameraRun], start: float) -> dict[int, int]:
    """Find the person that each visit shows, by its path; visits of no or several people are left out.

    Args:
        visits: With their paths.
        runs: Of all cameras.
        start: When the first began, seconds since 1970.
    """
    by_camera = {run.film.camera: run for run in runs}
    votes = {v.id: Counter(_people(v, by_camera[v.camera], start)) for v in visits}
    best = {visit: (*found.most_common(1)[0], found.total()) for visit, found in votes.items() if found}
    return {v: person for v, (person, count, all_) in best.items() if person is not None and count >= MIN_PURITY * all_}


def _people(visit: Visit, run: CameraRun, start: float) -> Iterator[int | None]:
    height, width = run.film.shape
    for seconds, *box in visit.path.astype(np.float64):
        frame = round((visit.first - start - run.film.start + seconds) * run.film.fps) - 1
        if 0 <= frame < len(run.truth):
            xyxy = np.array([box], np.float32) * np.array([width, height] * 2, np.float32)
            found = [person for person, _ in matches(run.truth[frame], FrameBoxes(np.zeros(1, np.int64), xyxy))]
            yield found[0] if found else None


def judge_visits(held: Records, visits: Mapping[int, Visit], owner: Mapping[int, int], scorer: Scorer) -> Judged:
    """Judge all pairs of visits that were not visible at the same time on one camera, as a search shows them.

    Args:
        held: All sightings.
        visits: All visits, by id.
        owner: The person of each visit, see `owners`.
        scorer: The gallery's.
    """
    known = [v for v in sorted(owner) if (held.visits == v).any()]
    rows = {v: held.take(np.flatnonzero(held.visits == v)) for v in known}
    shown, same = [], []
    for n, a in enumerate(known):
        asked = Asked(rows[a].embeddings, rows[a].cameras, rows[a].visits)
        for b in (b for b in known[n + 1 :] if not _together(visits[a], visits[b])):
            shown.append(float(closest_pairs(asked, rows[b], scorer).probability[0]))
            same.append(owner[a] == owner[b])
    return Judged(np.array(shown, np.float64), np.array(same, bool))


def _together(a: Visit, b: Visit) -> bool:
    return a.camera == b.camera and min(a.last, b.last) > max(a.first, b.first)


def edges_text() -> list[str]:
    """Heads of the bins' columns."""
    return [f"{100 * low:.0f} … {100 * high:.0f} %" for low, high in pairwise(EDGES)]
