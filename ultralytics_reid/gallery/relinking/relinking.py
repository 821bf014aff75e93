"""Relink a gallery: find who is who over all its visits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from ..._typing import Ints
from ...errors import GalleryError
from ...tuning import MAX_RELINKED_VISITS
from ..ledger import Move
from ..linking.topology import Topology
from ..records import ANY, ENROLLED, Filter, Records
from ..scorer import Scorer
from ..store import Store
from .decisions import constraints_of
from .proposals import MERGE, Proposal, identities_of, links_of, moves_of, proposals_of
from .solver import solve
from .visit_set import VisitSet


@dataclass(frozen=True)
class Relinking:
    """What relinking changes in a gallery.

    Attributes:
        proposals: Merges and splits, the surest first.
        visits: Number of visits that were compared.
        discriminative: Whether looks tell individuals apart by now; where not, nothing but contradictions is changed.
        applied: Whether it was written.
        moves: Each visit's change; new identities are -1, -2 and so on until they are reserved.
    """

    proposals: tuple[Proposal, ...]
    visits: int
    discriminative: bool
    applied: bool = False
    moves: tuple[Move, ...] = ()
    _weigh_links: Callable[[], Mapping[int, float]] = field(default=dict, repr=False, compare=False)

    @cached_property
    def links(self) -> Mapping[int, float]:
        """The probability that a visit shows the individual of the visits that keep its identity too, in [0, 1].

        By its id, of visits that keep their identity, where looks tell individuals apart; computed when first read.
        """
        return self._weigh_links()

    @property
    def ended(self) -> tuple[int, ...]:
        """Identities that end, as each becomes part of another."""
        return tuple(sorted(p.identity_id for p in self.proposals if p.kind == MERGE))

    def numbered(self, moves: Sequence[Move]) -> Relinking:
        """The same once it is written, with the identities that new ones got.

        Args:
            moves: Those that were written.
        """
        now = {m.visit: m.identity for m in moves}
        proposals = tuple(replace(p, to=now[p.visits[0]]) for p in self.proposals)
        return replace(self, proposals=proposals, applied=True, moves=tuple(moves))


def relinking_of(store: Store, scorer: Scorer, topology: Topology, where: Filter = ANY) -> Relinking:
    """Solve who is who.

    Visits that don't match keep their identities; those of the same identities as ones that match are compared too.

    Args:
        store: Of the gallery; it is only read.
        scorer: Compares sightings.
        topology: Travel times between cameras, and which share a view.
        where: Visits that may get another identity.

    Raises:
        GalleryError: If there are too many visits.
    """
    matching = {v.id for v in store.visits(where, details=False)}
    of = frozenset(v.identity for v in store.visits(where, details=False))
    visits = list(store.visits(Filter(identities=of), details=False)) if of else []
    if len(visits) > MAX_RELINKED_VISITS:
        raise GalleryError(
            f"{len(visits):,} visits are to be compared, {MAX_RELINKED_VISITS:,} at most: choose cameras or a time"
        )
    if not visits:
        return Relinking((), 0, discriminative=False)
    held = Records.joined(list(store.scan(Filter(visits=frozenset(v.id for v in visits)))), store.dim)
    found = VisitSet.of(visits, held, scorer)
    pins = _pins(found, matching, frozenset(store.names()))
    constraints = constraints_of(store, [v.id for v in found.visits]).pinned(pins)
    solution = solve(found, topology, constraints)
    identities = identities_of(solution, pins)
    return Relinking(
        tuple(proposals_of(solution, constraints, identities)),
        len(visits),
        solution.appearance.is_discriminative,
        moves=tuple(moves_of(solution, identities)),
        _weigh_links=partial(links_of, solution, constraints, identities),
    )


def _pins(visits: VisitSet, matching: set[int], named: frozenset[int]) -> Ints:
    """`(V,)` the identities that visits keep, 0 for those that may get another.

    Those that don't match a filter, enrolled images, and of each other identity with a name the visit that shows most
    of it.
    """
    fixed = np.array([v.id not in matching or v.camera == ENROLLED for v in visits.visits], bool)
    for identity in sorted(named):
        own = np.flatnonzero(visits.identities == identity)
        if len(own) and not fixed[own].any():
            fixed[own[np.argmax(visits.sightings[own])]] = True
    return np.where(fixed, visits.identities, 0).astype(np.int64)
