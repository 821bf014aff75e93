"""Candidates of a query: gates, appearance scores and log-odds; the Hungarian assignment of several queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from ..._typing import Bools, Doubles, Floats, Ints, as_bools, as_floats
from ...appearance.embedding import unit
from ...association.assignment import hungarian
from ...tuning import COHORT_PRIOR, MIN_COHORT, PRIOR_SAME, STRETCH_CROPS
from ..records import ENROLLED, Records, Visit
from ..scorer import Scorer
from .topology import Topology

# Identities whose visits are looked up for a query, at most.
_MAX_CANDIDATES = 32


@dataclass(frozen=True, eq=False)
class GalleryCandidates:
    """Gallery identities that a query may be, `I` of them.

    Attributes:
        identities: `(I,)` ids, ascending.
        cosine: `(I,)` float32 similarities under the common metric, in [-1, 1].
        log_odds: `(I,)` nats, each identity against any other; -inf where gated out.
        sightings: Those that were found of them, any order.
    """

    identities: list[int]
    cosine: Floats
    log_odds: Doubles
    sightings: Records

    def cosine_of(self, identity: int) -> float:
        """Return an identity's similarity."""
        return float(self.cosine[self.identities.index(identity)])

    def sightings_of(self, identity: int) -> Records:
        """Return an identity's sightings."""
        return self.sightings.take(np.flatnonzero(self.sightings.identities == identity))

    def probability(self, identity: int, scorer: Scorer, crops: int) -> float:
        """Return the probability, in [0, 1], that the query shows this identity, by their similarity alone.

        Args:
            identity: One of them.
            scorer: Compares embeddings.
            crops: Number of clean crops of the query.
        """
        held = len(self.sightings_of(identity))
        cosine = np.array([self.cosine_of(identity)], np.float32)
        return float(scorer.same_individual(cosine, np.array([max(1, crops // STRETCH_CROPS)]), np.array([held]))[0])


def presence_gate(
    topology: Topology, visits: Iterable[Sequence[Visit]], camera: str, spans: Sequence[tuple[float, float]]
) -> Bools:
    """Gate by presence and travel time: no identity is in two places at once, or travels faster than it can.

    Args:
        topology: Travel times between cameras.
        visits: Each candidate's visits, `I` of them.
        camera: Camera of the query.
        spans: When the queried identity was visible there, seconds since 1970 (UTC), first and last.

    Returns:
        `(I,)`, True allows.
    """
    return np.array([all(_fits(topology, v, camera, *span) for span in spans) for v in visits], bool)


def _fits(topology: Topology, visits: Sequence[Visit], camera: str, first: float, last: float) -> bool:
    latest = latest_visit(visits, first)
    return all(topology.allows(v, camera, first, last, latest=v is latest) for v in visits)


def latest_visit(visits: Iterable[Visit], before: float) -> Visit | None:
    """Return the visit that ended last of those that began by a time, seconds since 1970; not of enrolled images."""
    began = (v for v in visits if v.first <= before and v.camera != ENROLLED)
    return max(began, key=lambda v: v.last, default=None)


@dataclass(frozen=True, eq=False)
class AppearanceScores:
    """Similarities of a query to `I` identities, of which `N` sightings were found.

    Attributes:
        identities: `(I,)` ids, ascending.
        cosine: `(I,)` float32 under the common metric, in [-1, 1].
        means: `(I, d)` float32 unit vectors, each identity's sightings under the common metric.
        apart: `(I, I)`, True for two who were seen on one camera at the same time: certainly two individuals.
    """

    identities: list[int]
    cosine: Floats
    means: Floats
    apart: Bools


def appearance_scores(embedding: Floats, camera: str, found: Records, scorer: Scorer) -> AppearanceScores:
    """Score each identity by its closest sighting, or by the mean of them if that is closer.

    Args:
        embedding: `(D,)` of the query.
        camera: Its camera.
        found: `N` sightings.
        scorer: Compares embeddings.
    """
    query = scorer.project(unit(embedding)[None], (camera,))[0]
    neutral = scorer.neutral(found.embeddings, found.cameras)
    identities, of = np.unique(found.identities, return_inverse=True)
    linear = scorer.metric.linear(neutral)
    seen = unit(linear)
    cosine = unit(_group_means(linear, of)) @ query
    np.maximum.at(cosine, of, seen @ query)
    means = unit(_group_means(seen, of))
    return AppearanceScores(identities.tolist(), as_floats(np.clip(cosine, -1, 1)), means, _apart(found, of))


def _group_means(values: Floats, of: Ints) -> Floats:
    """Mean of the rows of each group, `(I, D)`; `of` names each row's group, 0 to I - 1, none of them empty."""
    order = np.argsort(of, kind="stable")
    starts = np.flatnonzero(np.diff(of[order], prepend=-1))
    if not len(starts):
        return values
    return as_floats(np.add.reduceat(values[order], starts) / np.diff(starts, append=len(of))[:, None])


def _apart(found: Records, of: Ints) -> Bools:
    """Which identities had visits to one camera at the same time, `(I, I)`; `of`, `(N,)`, names each sighting's."""
    apart = np.zeros((of.max(initial=-1) + 1,) * 2, bool)
    _, first_row, visit = np.unique(found.visits, return_index=True, return_inverse=True)
    first = np.full(len(first_row), np.inf)
    last = -first
    np.minimum.at(first, visit, found.times)
    np.maximum.at(last, visit, found.times)
    cameras = np.array(found.cameras, str)[first_row]
    began = first[:, None] <= last
    a, b = np.nonzero(began & began.T & (cameras[:, None] == cameras) & (cameras != ENROLLED))
    apart[of[first_row[a]], of[first_row[b]]] = True
    np.fill_diagonal(apart, False)
    return as_bools(apart)


def cohort_normalized(scores: AppearanceScores, scorer: Scorer) -> Floats:
    """Put similarities on the scale of impostor scores by what else the two sides resemble.

    Some individuals resemble many others, under any metric: they are hubs. Each similarity is measured against those of
    the query to all other candidates, and those of the candidate to them (symmetric score normalization: Reynolds et
    al. 2000, Matejka et al. 2017). Mean and deviation of a cohort are blended with those of all impostors.

    A cohort is of others. Two identities that were visible at once are; any other counts by the probability that it is:
    the gallery may know one individual under two ids, and they would rule each other out.

    Args:
        scores: Of all candidates.
        scorer: Compared them.

    Returns:
        `(I,)` float32.
    """
    cosine, count = scores.cosine, len(scores.identities)
    if count < MIN_COHORT or not scorer.is_discriminative:
        return cosine
    _, usual = scorer.model.population()
    theirs = scores.means @ scores.means.T
    weight = np.where(scores.apart, 1.0, expit(-scorer.model.llr(theirs) - logit(PRIOR_SAME)))
    np.fill_diagonal(weight, 0)
    members = weight.sum(axis=1) + COHORT_PRIOR
    total = np.zeros(count)
    for cohort in (cosine[None], theirs):
        mean = ((weight * cohort).sum(axis=1) + COHORT_PRIOR * usual.mean) / members
        off = cohort - mean[:, None]
        variance = ((weight * off**2).sum(axis=1) + COHORT_PRIOR * usual.std**2) / members
        total += (cosine - mean) / np.sqrt(variance)
    return np.asarray(usual.mean + usual.std * total / 2, np.float32)


def credible_candidates(cosine: Floats, scorer: Scorer, rate: float, population: int) -> Ints:
    """Choose whose visits are worth looking up: nobody's unless a candidate exceeds the impostor bound.

    Args:
        cosine: `(I,)` similarities.
        scorer: Calibrates them.
        rate: At most this share of new people is matched to a known identity (FPIR).
        population: Number of identities in the gallery.

    Returns:
        `(K,)` places, ascending: of the most similar ones, which may explain the query better where the best one can't
        have been there. Those that are left out explain it less than any of these.
    """
    if not scorer.exceeds_impostors(cosine, rate, population).any():
        return np.zeros(0, np.int64)
    return np.sort(np.argsort(-cosine, kind="stable")[:_MAX_CANDIDATES])


def rank_log_odds(cosine: Floats, gate: Bools, scorer: Scorer, rate: float, population: int) -> Doubles:
    """Rank candidates by calibrated cosine log-likelihood ratio; open set, so that none may be credible.

    Args:
        cosine: `(I,)` similarities.
        gate: `(I,)`, True allows.
        scorer: Calibrates them.
        rate: At most this share of new people is matched to a known identity (FPIR).
        population: Number of identities in the gallery.

    Returns:
        `(I,)` nats; -inf where gated out, below the impostor bound or the least log-odds, or below a better candidate.
    """
    log_odds = scorer.log_odds(cosine, gate, population)
    best = cosine >= cosine[gate].max(initial=-1)
    credible = scorer.exceeds_impostors(cosine, rate, population) & (log_odds > scorer.min_log_odds(rate))
    return np.where(gate & best & credible, log_odds, -np.inf)


def assign_identities(candidates: Sequence[GalleryCandidates]) -> tuple[dict[int, int], set[int]]:
    """Assign queries to identities: Hungarian, maximum total log-odds.

    Args:
        candidates: Of each of `T` queries.

    Returns:
        Known identities by the query's place in `candidates`, and the places of queries that have to wait, since
        another query was assigned the identity they might be.
    """
    columns = sorted({i for c in candidates for i in c.identities})
    log_odds = np.full((len(candidates), len(columns)), -np.inf)
    for row, c in zip(log_odds, candidates, strict=True):
        row[np.searchsorted(columns, c.identities)] = c.log_odds
    gate = np.isfinite(log_odds)
    assigned = {row: columns[column] for row, column in hungarian(np.where(gate, log_odds, -1.0), gate)}
    return assigned, set(np.flatnonzero(gate.any(axis=1)).tolist()) - set(assigned)
