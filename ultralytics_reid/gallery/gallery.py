"""The gallery as people use it: enrol, search, list, rename, merge, split, delete, look back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

import numpy as np

from .._typing import Floats, ImageArray
from ..appearance.embedding import unit
from ..embedders import family_of
from ..errors import GalleryError, GalleryMissing
from .export.tabular import save_sightings, save_visits
from .image_embedder import ImageEmbedder, image_embedder
from .image_io import as_picture
from .journeys import JOIN_SECONDS, Journey, journeys
from .linking.linker import RECIPE
from .linking.open_visits import as_jpeg
from .linking.shared_evidence import SharedEvidence
from .records import ANY, ENROLLED, Filter, Records, Visit, check_name, checked_embeddings, new_ids
from .retention import forget_evidence, forget_names, merged_key, prune, purge
from .scorer import Scorer
from .store import Deleted, Health, Store, open_store

Likeness = Literal["learned", "cosine", "euclidean"]

# Sightings that are looked at closely for each that is asked for, and at least; identities have several each.
_WIDER, _LEAST = 16, 256
_MAX_LOOKED_AT = 10_000
_MAX_FOUND = 1000
# Pictures in memory at a time while somebody is enrolled.
_AT_ONCE = 16


@dataclass(frozen=True)
class Match:
    """Somebody who was seen, as a search found them.

    Attributes:
        identity_id: Who.
        name: Empty if they have none.
        camera_id: Where they were seen; empty for somebody enrolled from pictures.
        time: When, seconds since 1970 (UTC).
        cls: Class index.
        quality: How much the crops can be trusted, in [0, 1].
        similarity: Cosine, in [-1, 1]: under the metric that the cameras have learned, or a plain one if so asked.
        distance: 1 - `similarity`; for Euclidean searches the distance of unit vectors, in [0, 2].
        probability: That this identity is whom the query shows, in [0, 1]; NaN as long as that can't be judged.
        visit: Id of the visit that the sighting belongs to.
        sighting: Id of the sighting.
    """

    identity_id: int
    name: str
    camera_id: str
    time: float
    cls: int
    quality: float
    similarity: float
    distance: float
    probability: float
    visit: int
    sighting: int


@dataclass(frozen=True)
class Individual:
    """What is known of an identity, in short.

    Attributes:
        identity_id: The id.
        name: Empty if it has none.
        cls: Class index that it had in most visits.
        cameras: Where it was seen, sorted.
        first: When it was first seen, seconds since 1970 (UTC).
        last: When it was last seen.
        visits: How many visits, pictures it was enrolled from not counted.
        enrolled: Whether it was enrolled from pictures.
    """

    identity_id: int
    name: str
    cls: int
    cameras: tuple[str, ...]
    first: float
    last: float
    visits: int
    enrolled: bool


@dataclass(frozen=True)
class Stats:
    """What is in a gallery.

    Attributes:
        health: The engine, how many rows and bytes.
        identities: How many individuals.
        named: How many of them have a name.
        cameras: Visits by camera.
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


class Gallery:
    """Everybody whom some cameras have seen, or who was enrolled.

    Args:
        uri: A path (SQLite), `postgresql://…` or `milvus://…`; see `open_store`.
        model: What makes embeddings of pictures, as `model` of a tracker YAML; empty for what the gallery's own cameras
            use, or where no pictures are asked about.
        weights: As `weights` of a tracker YAML.
        detector: YOLO model, for `model: auto`; for other models, what finds whom a larger picture shows. Empty for
            that of the gallery's own cameras, or where pictures are crops.
        embedder: An embedder of pictures, in place of all that.

    Raises:
        GalleryError: If there is a gallery, and it can't be used.
        GalleryMissing: If there is none, and it isn't said what would make its embeddings.
        GalleryUnavailable: If it can't be reached.

    Example:
        ```python
        with Gallery("site.db") as gallery:
            for match in gallery.search("person.jpg", k=5):
                print(match.identity_id, match.camera_id, match.probability)
        ```
    """

    def __init__(
        self,
        uri: str | Path,
        *,
        model: str = "",
        weights: str = "",
        detector: str = "",
        embedder: ImageEmbedder | None = None,
    ) -> None:
        self._uri = uri
        given = {"model": model, "weights": weights, "detector": detector, "find": "yes" if detector else ""}
        self._recipe = {key: value for key, value in given.items() if value}
        self._embedder = embedder
        self._opened: Store | None = None
        self._learning: SharedEvidence | None = None
        self._missing = ""
        try:
            self._opened = open_store(uri)
        except GalleryMissing as error:
            if embedder is None and not model:
                raise
            # In the store's words, which show no password.
            self._missing = str(error)
        self._check_embedder()

    def _check_embedder(self) -> None:
        """Refuse another embedder's pictures at once where it is known, not at the first search."""
        if self._opened is not None and self._embedder is not None:
            open_store(self._uri, None, self._embedder.fingerprint).close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._opened is not None:
            self._opened.close()

    @property
    def store(self) -> Store:
        """The rows.

        Raises:
            GalleryMissing: If there is no gallery yet: nobody was enrolled.
        """
        if self._opened is None:
            raise GalleryMissing(f"{self._missing} yet: enrol somebody, or track with it")
        return self._opened

    # Who

    def enrol(
        self, name: str, images: Iterable[str | Path | ImageArray], *, cls: int = 0, store_crops: bool = False
    ) -> int:
        """Put a named individual in the gallery, or add pictures of one who is in it.

        Args:
            name: Not empty; whoever has it already is meant.
            images: Pictures or paths of pictures, each of a crop, or, with `model: auto`, of a scene with one person.
            cls: Class index, of COCO unless the detector has others; 0 is a person.
            store_crops: Whether to keep the first picture too; the gallery holds numbers only otherwise.

        Returns:
            The `identity_id`.

        Raises:
            GalleryError: If the name is empty or two have it, there are no pictures, one can't be read, or shows
                nothing.
        """
        check_name("individual", name)
        first, vectors = self._looked_at(images)
        if not name or first is None:
            raise GalleryError(
                f"to enrol somebody takes a name and a picture, got {name!r} and {len(vectors)} pictures"
            )
        store = self._made(vectors.shape[1])
        identity = self.find(name) or store.reserve(1)
        now, n = time.time(), len(vectors)
        crop = as_jpeg(first) if store_crops else b""
        visit = Visit(int(new_ids(1)[0]), identity, ENROLLED, cls, now, now, crop=crop)
        ids, of = new_ids(n), np.full(n, identity, np.int64)
        visits, classes = np.full(n, visit.id, np.int64), np.full(n, cls, np.int64)
        cameras = (ENROLLED,) * n
        # First the name: if this ends in between, trying again finds it, and nobody is there twice.
        store.name(identity, name)
        store.upsert(
            Records(ids, vectors, of, visits, cameras, np.full(n, now), classes, np.ones(n, np.float32)), [visit]
        )
        return identity

    def find(self, name: str) -> int | None:
        """The identity of a name; None if nobody has it.

        Raises:
            GalleryError: If several have it.
        """
        found = [identity for identity, called in (self._names()).items() if called == name]
        if len(found) > 1:
            raise GalleryError(f"{len(found)} identities are called {name!r}: {', '.join(map(str, found))}")
        return found[0] if found else None

    def individuals(self, where: Filter = ANY) -> list[Individual]:
        """Everybody, or those who have visits that match, as far as these go; the lowest id first."""
        names, visits = self._names(), list(self.store.visits(where, details=False))
        visits.sort(key=lambda v: v.identity)
        grouped = groupby(visits, key=lambda v: v.identity)
        return [_individual(identity, names.get(identity, ""), list(theirs)) for identity, theirs in grouped]

    def rename(self, identity: int, name: str) -> None:
        """Name an identity; an empty name takes it away.

        Raises:
            GalleryError: If there is no such identity, or the name is another's.
        """
        self._check_known(identity)
        check_name("individual", name)
        if name and self.find(name) not in (None, identity):
            raise GalleryError(f"identity {self.find(name)} is called {name!r} already; merge them if they are one")
        self.store.name(identity, name)

    def merge(self, kept: int, *gone: int, force: bool = False) -> None:
        """Several identities are one individual; trackers that run follow within half a minute.

        Args:
            kept: Whose id all have from now on, and whose name, if it has one.
            gone: The others, whose ids are no more.
            force: Whether to do it even if they were on one camera at the same time.

        Raises:
            GalleryError: If one isn't there, or two were visible on one camera at once; nothing is changed then.
        """
        everybody = {kept, *gone}
        for identity in everybody:
            self._check_known(identity)
        if not force:
            self._check_never_together(everybody)
        names = self._names()
        for other in sorted(everybody - {kept}):
            self.store.put_blob(merged_key(other, kept, time.time_ns()), b"by hand")
            self.store.relabel(Filter(identities=frozenset({other})), kept)
            if not names.get(kept) and names.get(other):
                self.store.name(kept, names[other])
                names[kept] = names[other]
            self.store.name(other, "")

    def split(self, identity: int, visits: Iterable[int]) -> int:
        """Some visits of an identity were somebody else's.

        Args:
            identity: The identity.
            visits: Ids of its visits; some, but not all.

        Returns:
            The new identity that has them.

        Raises:
            GalleryError: If one isn't a visit of it, or they are none or all.
        """
        own = {v.id for v in self.store.visits(Filter(identities=frozenset({identity})), details=False)}
        chosen = frozenset(visits)
        if not chosen or not chosen < own:
            raise GalleryError(
                f"identity {identity} has {len(own)} visits; choose some of them, but not all: {sorted(chosen)}"
            )
        new = self.store.reserve(1)
        self.store.relabel(Filter(visits=chosen), new)
        return new

    # What was seen

    def search(
        self,
        query: str | Path | ImageArray | Floats | int,
        k: int = 10,
        where: Filter = ANY,
        *,
        by: Likeness = "learned",
        camera: str = "",
    ) -> list[Match]:
        """Who and what is most alike to a picture, an embedding or an identity; one sighting a visit.

        Args:
            query: Path of a picture, `(H, W, 3)` uint8 BGR, an embedding `(D,)` of floats, or an `identity_id`, whose
                own visits are left out, and whoever was visible beside them.
            k: Most visits, 1 to 1,000.
            where: Only among these.
            by: What is compared: "learned" is the cosine under the metric that the cameras have learned, and what the
                tracker goes by; "cosine" and "euclidean" take the plain vectors.
            camera: Where the query was seen, if that is known: its light is allowed for then.

        Returns:
            The most alike first.

        Raises:
            GalleryError: If the query or `k` is out of range, or the identity isn't there.
        """
        if not 1 <= k <= _MAX_FOUND:
            raise GalleryError(f"k must be in [1, {_MAX_FOUND}], got {k!r}")
        if isinstance(query, int | np.integer):
            self._check_known(int(query))
            return self._search_identity(int(query), k, where, by)
        return self._ranked(self._query(query)[None], k, where, by, (camera,))

    def _search_identity(self, identity: int, k: int, where: Filter, by: Likeness) -> list[Match]:
        own = next(self.store.scan(Filter(identities=frozenset({identity})), batch=64))
        others = replace(where, excluding=where.excluding | {identity} | self.beside(identity))
        return self._ranked(own.embeddings, k, others, by, own.cameras)

    def beside(self, identity: int) -> frozenset[int]:
        """Ids of those who were on a camera at the same time as somebody, and so are somebody else."""
        found: set[int] = set()
        for own in self.store.visits(Filter(identities=frozenset({identity})), details=False):
            if own.camera != ENROLLED:
                there = Filter(cameras=frozenset({own.camera}), since=own.first, until=own.last)
                others = self.store.visits(there, details=False)
                found |= {v.identity for v in others if min(v.last, own.last) > max(v.first, own.first)}
        return frozenset(found)

    def _ranked(self, queries: Floats, k: int, where: Filter, by: Likeness, cameras: tuple[str, ...]) -> list[Match]:
        scorer = self.scorer() if by == "learned" else Scorer(self.store.dim, "", {})
        asked = np.array([scorer.query(q, c) for q, c in zip(queries, cameras, strict=True)], np.float32)
        wide = min(max(_LEAST, _WIDER * k), _MAX_LOOKED_AT)
        parts = [hits.records for hits in self.store.search(asked, wide, where)]
        found = Records.joined(parts, self.store.dim)
        found = found.take(np.unique(found.ids, return_index=True)[1])
        if not len(found):
            return []
        neutral = scorer.neutral(found.embeddings, found.cameras)
        each = [scorer.compare(q, c, neutral) for q, c in zip(queries, cameras, strict=True)]
        scores = np.max(each, axis=0)
        return self._matches(found, scores, scorer, k, by)

    def _matches(self, found: Records, scores: Floats, scorer: Scorer, k: int, by: Likeness) -> list[Match]:
        order = np.lexsort((found.ids, -scores))
        _, first = np.unique(found.visits[order], return_index=True)
        best = order[np.sort(first)][:k]
        everybody, index = np.unique(found.identities, return_inverse=True)
        highest = np.full(len(everybody), -1, np.float32)
        np.maximum.at(highest, index, scores)
        odds = scorer.probabilities(highest, self.store.population())
        names = self._names()
        return [
            Match(
                int(found.identities[n]),
                names.get(int(found.identities[n]), ""),
                found.cameras[n],
                float(found.times[n]),
                int(found.classes[n]),
                float(found.qualities[n]),
                float(scores[n]),
                _distance(float(scores[n]), by),
                float(odds[index[n]]),
                int(found.visits[n]),
                int(found.ids[n]),
            )
            for n in best
        ]

    def scorer(self) -> Scorer:
        """Judges likeness by what all cameras have learned so far."""
        if self._learning is None:
            self._learning = SharedEvidence(self.store, family_of(self.recipe.get("model", "auto")))
        self._learning.reread()
        return self._learning.scorer

    def visits(self, where: Filter = ANY, *, details: bool = True) -> Iterator[Visit]:
        """Visits that match, by ascending id; without `details` their paths and crops are left empty."""
        return self.store.visits(where, details=details)

    def journeys(self, where: Filter = ANY, join: float = JOIN_SECONDS) -> list[Journey]:
        """Where everybody was, from first to last; see `journeys.journeys`."""
        return journeys(self.store.visits(where), join, self._names())

    def crop(self, visit: int) -> bytes:
        """The picture of a visit, a JPEG; empty where none is stored."""
        return next((v.crop for v in self.store.visits(Filter(visits=frozenset({visit})))), b"")

    # Keeping and deleting

    def delete(self, where: Filter) -> Deleted:
        """Delete what matches: individuals, cameras, stretches of time, or what lies in all of these.

        Of visits that reach beyond a stretch of time, the part outside is left. What the cameras concerned have learned
        holds vectors of those they saw, and goes too; they learn it anew.

        Raises:
            GalleryError: If the filter has no condition: to delete all, delete the file or the database.
        """
        if where == ANY:
            raise GalleryError("what is to be deleted must be said: identities, cameras, a time, classes")
        cameras = frozenset(v.camera for v in self.store.visits(where, details=False))
        deleted = purge(self.store, where)
        forget_evidence(self.store, cameras)
        forget_names(self.store)
        return deleted

    def prune(self, keep_days: float) -> Deleted:
        """Delete what was seen more than so many days ago, as `keep_days` in the tracker YAML does.

        Raises:
            GalleryError: If it isn't above 0.
        """
        if not keep_days > 0:
            raise GalleryError(f"keep_days must be above 0, got {keep_days!r}")
        return prune(self.store, keep_days, time.time())

    def stats(self) -> Stats:
        """What is in it."""
        visits = list(self.store.visits(details=False))
        seen = [v for v in visits if v.camera != ENROLLED]
        cameras = {c: sum(v.camera == c for v in seen) for c in sorted({v.camera for v in seen})}
        since, until = min((v.first for v in seen), default=None), max((v.last for v in seen), default=None)
        everybody, named, store = {v.identity for v in visits}, len(self._names()), self.store
        return Stats(store.health(), len(everybody), named, cameras, since, until, store.fingerprint, store.dim)

    def backup(self, path: str | Path) -> None:
        """Write all of it into a new file; see `Store.backup`."""
        self.store.backup(Path(path))

    def export(
        self, path: str | Path, where: Filter = ANY, *, embeddings: bool = False, overwrite: bool = False
    ) -> int:
        """Write visits to a `.parquet` or `.csv` file, or sightings with their embeddings to a `.parquet` one.

        Returns:
            How many rows.
        """
        if embeddings:
            return save_sightings(path, self.store.scan(where), self.store.dim, self._names(), overwrite=overwrite)
        return save_visits(path, self.store.visits(where), self._names(), overwrite=overwrite)

    @property
    def recipe(self) -> dict[str, str]:
        """How its embeddings are made, as far as that is known."""
        kept = None if self._opened is None else self._opened.blob(RECIPE)
        return (json.loads(kept) if kept else {}) | self._recipe

    def _names(self) -> dict[int, str]:
        return {} if self._opened is None else self._opened.names()

    def _check_known(self, identity: int) -> None:
        if not self.store.count(Filter(identities=frozenset({identity}))):
            raise GalleryError(f"there is no identity {identity} in the gallery")

    def _check_never_together(self, identities: set[int]) -> None:
        visits = [
            v
            for v in self.store.visits(Filter(identities=frozenset(identities)), details=False)
            if v.camera != ENROLLED
        ]
        visits.sort(key=lambda v: (v.camera, v.first))
        latest: dict[str, Visit] = {}
        for visit in visits:
            before = latest.get(visit.camera)
            if before is not None and before.last > visit.first and before.identity != visit.identity:
                both = f"{before.identity} and {visit.identity}"
                raise GalleryError(
                    f"identities {both} were on {visit.camera!r} at the same time; force it if they are one"
                )
            if before is None or visit.last > before.last:
                latest[visit.camera] = visit

    def _query(self, query: str | Path | ImageArray | Floats) -> Floats:
        if isinstance(query, np.ndarray) and query.ndim == 1:
            return np.asarray(checked_embeddings(query[None], self.store.dim)[0])
        return np.asarray(self._embed([as_picture(query)])[0], np.float32)  # type: ignore[arg-type]

    def _looked_at(self, images: Iterable[str | Path | ImageArray]) -> tuple[ImageArray | None, Floats]:
        """The first of some pictures, and embeddings of all; a few are in memory at a time."""
        rest, first, vectors = iter(images), None, [np.zeros((0, 0), np.float32)]
        while some := [as_picture(image) for image in islice(rest, _AT_ONCE)]:
            first = some[0] if first is None else first
            vectors.append(unit(self._embed(some, _AT_ONCE * (len(vectors) - 1))))
        return first, np.concatenate(vectors[1:] or vectors)

    def _embed(self, pictures: Sequence[ImageArray], before: int = 0) -> Floats:
        """Embeddings of pictures, so many of which came before."""
        if self._embedder is None:
            self._embedder = image_embedder(self.recipe)
        if self._opened is not None and self._embedder.fingerprint != self._opened.fingerprint:
            open_store(self._uri, None, self._embedder.fingerprint).close()
        vectors = self._embedder(pictures)
        if not vectors.any(axis=1).all():
            number = before + int(np.flatnonzero(~vectors.any(axis=1))[0]) + 1
            raise GalleryError(f"picture {number} shows nothing to go by")
        return vectors

    def _made(self, dim: int) -> Store:
        if self._opened is None:
            assert self._embedder is not None
            self._opened = open_store(self._uri, dim, self._embedder.fingerprint)
        if self._recipe and self._opened.blob(RECIPE) is None:
            self._opened.put_blob(RECIPE, json.dumps(self._recipe).encode())
        return self._opened


def _individual(identity: int, name: str, visits: Sequence[Visit]) -> Individual:
    seen = [v for v in visits if v.camera != ENROLLED]
    classes = [v.cls for v in visits]
    return Individual(
        identity,
        name,
        max(sorted(set(classes)), key=classes.count),
        tuple(sorted({v.camera for v in seen})),
        min(v.first for v in visits),
        max(v.last for v in visits),
        len(seen),
        len(seen) < len(visits),
    )


def _distance(similarity: float, by: Likeness) -> float:
    return float(np.sqrt(max(0.0, 2 - 2 * similarity))) if by == "euclidean" else 1 - similarity
