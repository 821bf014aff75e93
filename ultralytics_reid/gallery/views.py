"""Read models of a gallery: what its queries return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .ledger import Health
from .records import ENROLLED, Visit
from .store import Store


@dataclass(frozen=True)
class Match:
    """A visit that a search found, by its sighting most similar to the query.

    Attributes:
        identity_id: Its identity.
        name: Of the identity; empty if it has none.
        camera_id: Where it was seen; empty for an image it was enrolled from.
        time: Local time with its offset from UTC; `time.timestamp()` is seconds since 1970.
        cls: Class index.
        quality: How much the crops can be trusted, in [0, 1].
        similarity: Cosine, in [-1, 1]: under the metric learned from the cameras, or a plain one if so asked.
        distance: 1 - `similarity`; for Euclidean searches the distance of unit vectors, in [0, 2].
        probability: Does this visit show the same individual as the query? In [0, 1], from the similarity of this row
            and the number of sightings behind it alone; other rows, of its identity too, change nothing. A search in
            the other direction gives the same. The prior is 0.1: of ten such rows, one shows the query's individual.
            NaN as long as there is too little evidence.
        visit: Id of the visit that the sighting belongs to.
        sighting: Id of the sighting.
        mixed: Whether visits of this identity look unlike each other, so that it may be several individuals.
    """

    identity_id: int
    name: str
    camera_id: str
    time: datetime
    cls: int
    quality: float
    similarity: float
    distance: float
    probability: float
    visit: int
    sighting: int
    mixed: bool = False


@dataclass(frozen=True)
class Individual:
    """Summary of an identity.

    Attributes:
        identity_id: The id.
        name: Empty if it has none.
        cls: Class index of most of its visits.
        cameras: Where it was seen, sorted.
        first: When it was first seen, seconds since 1970 (UTC).
        last: When it was last seen.
        visits: Number of visits; images it was enrolled from don't count.
        enrolled: Whether it was enrolled from images.
    """

    identity_id: int
    name: str
    cls: int
    cameras: tuple[str, ...]
    first: float
    last: float
    visits: int
    enrolled: bool

    @classmethod
    def of(cls, identity: int, name: str, visits: Sequence[Visit]) -> Individual:
        """Summarize the visits of an identity, of which there is at least one."""
        seen = [v for v in visits if v.camera != ENROLLED]
        classes = [v.cls for v in visits]
        return cls(
            identity,
            name,
            max(sorted(set(classes)), key=classes.count),
            tuple(sorted({v.camera for v in seen})),
            min(v.first for v in visits),
            max(v.last for v in visits),
            len(seen),
            len(seen) < len(visits),
        )


@dataclass(frozen=True)
class Stats:
    """Contents of a gallery.

    Attributes:
        health: The engine, number of rows and bytes.
        identities: Number of identities.
        named: Number of identities that have a name.
        cameras: Number of visits by camera.
        since: When the first visit began, seconds since 1970 (UTC); None if there is none.
        until: When the last one ended.
        fingerprint: Of the embedder.
        dim: Of the embeddings.
    """

    health: Health
    identities: int
    named: int
    cameras: Mapping[str, int]
    since: float | None
    until: float | None
    fingerprint: str
    dim: int

    @classmethod
    def of(cls, store: Store) -> Stats:
        """Count what a store holds."""
        visits = list(store.visits(details=False))
        seen = [v for v in visits if v.camera != ENROLLED]
        return cls(
            store.health(),
            len({v.identity for v in visits}),
            len(store.names()),
            {c: sum(v.camera == c for v in seen) for c in sorted({v.camera for v in seen})},
            min((v.first for v in seen), default=None),
            max((v.last for v in seen), default=None),
            store.fingerprint,
            store.dim,
        )
