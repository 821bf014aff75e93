"""Links between open visits of two cameras with a common view, and links that feet contradict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..._typing import Bools, Doubles, Floats, as_doubles, as_floats
from ...appearance.embedding import unit
from ...association.assignment import hungarian
from ...tuning import MAX_LOOKS_NATS, MIN_FEET_NATS, REVOKE_FEET_NATS
from ..scorer import Scorer
from .open_visits import OpenVisit
from .session import CameraSession
from .shared_views import SharedViews

# Seconds without a box within which a visit counts as visible.
VISIBLE_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class Side:
    """One camera's part of a comparison.

    Attributes:
        session: Its session.
        visits: Its visible visits.
    """

    session: CameraSession
    visits: list[OpenVisit]


@dataclass(frozen=True, eq=False)
class OverlapLink:
    """Two visible visits that show one individual.

    Attributes:
        one: A visit.
        other: The visit on the other camera.
        similarity: Cosine of their looks under the common metric; 0 where one has none.
        probability: That they look like one individual, in [0, 1], by that alone.
    """

    one: OpenVisit
    other: OpenVisit
    similarity: float
    probability: float


def sides(sessions: Sequence[CameraSession], views: SharedViews) -> Iterator[tuple[Side, Side]]:
    """Yield the visible visits of each two cameras that are known to see the same places."""
    running = {s.camera: s for s in sessions if not s.ended}
    for pair in views.pairs(running):
        last = max((v.last for name in pair for v in running[name].visits), default=0.0)
        one, other = (Side(running[name], running[name].visible(last - VISIBLE_SECONDS)) for name in pair)
        if one.visits and other.visits:
            yield one, other


def contradicted(one: Side, other: Side, views: SharedViews) -> list[tuple[OpenVisit, OpenVisit]]:
    """Find visits that have one identity, and feet on different spots."""
    same = ((a, b) for a in one.visits for b in other.visits if a.identity == b.identity)
    return [(a, b) for a, b in same if views.nats(a, b) <= REVOKE_FEET_NATS]


def overlap_links(
    one: Side,
    other: Side,
    views: SharedViews,
    scorer: Scorer,
    *,
    rate: float,
    may_link: Callable[[int, int], bool],
) -> list[OverlapLink]:
    """Assign the visible visits of two cameras that have no link to each other: Hungarian, feet and looks.

    Args:
        one: One camera's.
        other: The other's.
        views: Knows what feet say.
        scorer: Compares looks.
        rate: At most this share of links is wrong.
        may_link: Whether two identities can be one: times and places of all their visits allow it.
    """
    theirs, ours = {v.identity for v in other.visits}, {v.identity for v in one.visits}
    rows = [v for v in one.visits if v.identity not in theirs]
    columns = [v for v in other.visits if v.identity not in ours]
    if not rows or not columns:
        return []
    feet = as_doubles([[views.nats(a, b) for b in columns] for a in rows])
    looks, cosine = _looks(rows, columns, scorer)
    total = feet + looks
    margin = -float(np.log(rate))
    sure = total - np.log(max(total.shape) + 1) - margin
    gate = (feet > MIN_FEET_NATS) & _unrivaled(total, margin)
    found = hungarian(sure, gate)
    one_sighting = np.ones(1, np.int64)
    return [
        OverlapLink(
            rows[r],
            columns[c],
            float(cosine[r, c]),
            float(np.nan_to_num(scorer.same_individual(as_floats([cosine[r, c]]), one_sighting, one_sighting)[0])),
        )
        for r, c in found
        if may_link(rows[r].identity, columns[c].identity)
    ]


def looks_nats(scorer: Scorer, one: OpenVisit, other: OpenVisit) -> float:
    """Compute what looks say about two visits: log-likelihood ratio, bounded; 0 where one has none."""
    return float(_looks([one], [other], scorer)[0][0, 0])


def _looks(rows: Sequence[OpenVisit], columns: Sequence[OpenVisit], scorer: Scorer) -> tuple[Doubles, Doubles]:
    """`(R, C)` nats of looks, bounded, and their cosines; both 0 where one of two visits has no looks."""
    nats, cosines = (np.zeros((len(rows), len(columns))) for _ in range(2))
    known = np.array([[a.embedding is not None and b.embedding is not None for b in columns] for a in rows], bool)
    if known.any():
        (ours, of), (theirs, at) = _embeddings(rows), _embeddings(columns)
        cosine = scorer.project(ours, of) @ scorer.project(theirs, at).T
        cosines[known] = np.clip(cosine, -1, 1).ravel()
        llr = scorer.model.cautious_llr(as_floats(cosines[known]))
        nats[known] = np.clip(llr, -MAX_LOOKS_NATS, MAX_LOOKS_NATS)
    return nats, cosines


def _embeddings(visits: Sequence[OpenVisit]) -> tuple[Floats, tuple[str, ...]]:
    """Embeddings of the visits that have one, `(N, D)` unit vectors, and their cameras."""
    known = [(v.embedding, v.camera) for v in visits if v.embedding is not None]
    return unit(as_floats([embedding for embedding, _ in known])), tuple(camera for _, camera in known)


def _unrivaled(total: Doubles, margin: float) -> Bools:
    """`(R, C)`, where a pair is better than all others of its row and of its column by a margin."""
    out = np.zeros(total.shape, bool)
    for r, c in np.ndindex(total.shape):
        rivals = np.concatenate([np.delete(total[r], c), np.delete(total[:, c], r), [0.0]])
        out[r, c] = total[r, c] >= rivals.max() + margin
    return out


def feet_allow(
    identities: Sequence[int], visit: OpenVisit | None, sessions: Sequence[CameraSession], views: SharedViews
) -> Bools:
    """Gate by feet: an identity that is visible in a shared view now must stand where the visit stands.

    Args:
        identities: Candidates, `I` of them.
        visit: The open visit in question; None for none.
        sessions: All cameras'.
        views: Knows what feet say.

    Returns:
        `(I,)`, True allows.
    """
    out = np.ones(len(identities), bool)
    if visit is None:
        return out
    for session in sessions:
        if session.ended or not views.calibrated(visit.camera, session.camera):
            continue
        beside = {v.identity: v for v in session.visible(visit.last - VISIBLE_SECONDS)}
        for n, identity in enumerate(identities):
            if identity in beside:
                out[n] &= views.nats(visit, beside[identity]) > MIN_FEET_NATS
    return out
