"""Global linking of visits: average-linkage clustering under constraints, calibrated on the gallery itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..._typing import Bools, Ints, as_bools, as_doubles
from ...refinement.clustering import Allowed, Evidence, Link, cluster
from ...refinement.scores import Appearance, calibrate
from ...tuning import FEW_IDENTITIES, RELINK, RefineTuning
from ..linking.topology import SLACK, Topology
from ..records import ENROLLED
from .decisions import Constraints
from .visit_set import VisitSet


@dataclass(frozen=True, eq=False)
class Solution:
    """Who is who.

    Attributes:
        of: The visits.
        clusters: `(V,)` a number for each individual.
        links: What was linked, in order.
        apart: `(V, V)`, which visits can't be one individual's; see `VisitSet.apart`.
        appearance: The calibration.
        new_log_odds: Log-odds, before any evidence, that visits of two identities show two individuals.
    """

    of: VisitSet
    clusters: Ints
    links: list[Link]
    apart: Bools
    appearance: Appearance
    new_log_odds: float


def solve(visits: VisitSet, topology: Topology, constraints: Constraints) -> Solution:
    """Decide which visits show one individual.

    Args:
        visits: Of all cameras.
        topology: Travel times between cameras, and which share a view.
        constraints: Which visits must, and which can't, show one individual.
    """
    appearance = learn_appearance(visits)
    apart = visits.apart(topology)
    tuning = replace(RELINK, new_log_odds=max(0.0, float(np.log(len(set(visits.identities)) / FEW_IDENTITIES))))
    evidence = _collect(visits, apart | constraints.cannot, tuning)
    clusters, links = cluster(evidence, appearance, tuning, constraints.links(), _within_travel_times(visits, topology))
    return Solution(visits, clusters, links, apart, appearance, tuning.new_log_odds)


def learn_appearance(visits: VisitSet) -> Appearance:
    """Calibrate cosines of visits.

    Genuine scores are those of halves of visits, and of visits in a row that the gallery took for one individual;
    impostor scores those of visits at the same time on one camera.
    """
    enough = visits.sightings >= 2 * RELINK.min_crops
    pairs = np.argwhere(_in_a_row(visits) & np.outer(enough, enough))
    a, b = pairs[pairs[:, 0] < pairs[:, 1]].T
    resumed = as_doubles(np.einsum("nd,nd->n", visits.means[a], visits.means[b]))
    genuine = np.concatenate([visits.halves(RELINK.min_crops), resumed])
    a, b = np.nonzero(np.triu(visits.together() & np.outer(enough, enough), 1))
    impostor = as_doubles(np.einsum("nd,nd->n", visits.means[a], visits.means[b]))
    return calibrate(visits.scorer.metric, genuine, impostor, RELINK)


def _collect(visits: VisitSet, excluded: Bools, tuning: RefineTuning) -> Evidence:
    seen, sightings = visits.means.astype(np.float64), visits.sightings.astype(np.float64)
    weight = np.outer(sightings, sightings)
    same = _in_a_row(visits)
    one = visits.identities[:, None] == visits.identities
    gated = excluded | ((visits.classes[:, None] != visits.classes) & ~one)
    np.fill_diagonal(gated, True)
    nothing, none = np.zeros(weight.shape), np.zeros(weight.shape, np.int64)
    return Evidence(
        seen @ seen.T * weight,
        weight,
        sightings,
        nothing,
        np.full(weight.shape, np.inf),
        np.where(same, tuning.same_id_log_odds, -tuning.new_log_odds),
        same,
        none,
        none.copy(),
        as_bools(gated),
    )


def _in_a_row(visits: VisitSet) -> Bools:
    """`(V, V)`, which visits follow each other under one identity."""
    same = np.zeros((len(visits), len(visits)), bool)
    order = np.lexsort((visits.spans[:, 0], visits.identities))
    one = visits.identities[order[:-1]] == visits.identities[order[1:]]
    same[order[:-1][one], order[1:][one]] = True
    return as_bools(same | same.T)


def _within_travel_times(visits: VisitSet, topology: Topology) -> Allowed | None:
    """Gate by longest travel times, which hold between visits in a row; None where there are none."""
    most = {cameras: way.max_seconds for cameras, way in topology.ways.items() if way.max_seconds < float("inf")}
    if not most:
        return None

    def allowed(together: Ints) -> bool:
        latest = None
        for n in together.tolist():
            visit = visits.visits[n]
            if visit.camera == ENROLLED:
                continue
            if latest is not None:
                limit = most.get((latest.camera, visit.camera), np.inf)
                if visit.first - latest.last > limit + SLACK:
                    return False
            latest = visit if latest is None or visit.last >= latest.last else latest
        return True

    return allowed
