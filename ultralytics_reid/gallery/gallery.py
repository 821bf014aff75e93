"""The gallery's public interface: enrol, search, list, rename, merge, split, delete, export."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Literal, cast

import numpy as np

from .._typing import Floats, ImageArray
from ..appearance.embedding import unit
from ..embedders import AUTO, CropOptions, family_by_name, family_of
from ..embedders.crops import NOTHING_ELSE
from ..errors import GalleryError, GalleryMissing
from ..refinement.solver import Refinement, refine
from ..refinement.track_log import TrackLog
from ..refinement.tracks import Tracks
from .edits import DECIDE, DELETE, MERGE, RENAME, SPLIT, Edit, edits, note, undo
from .export.tabular import save_sightings, save_visits
from .image_embedder import (
    ImageEmbedder,
    ImageRegion,
    SceneEmbedder,
    checked_box,
    cut_out,
    image_embedder,
    whole_image,
)
from .image_io import as_image, as_jpeg
from .journeys import JOIN_SECONDS, Journey, journeys
from .ledger import Move
from .ledger.checks import check_same
from .linking.learned_topology import LearnedWay, learn_ways
from .linking.shared_evidence import SharedEvidence
from .linking.topology import Topology
from .moves import SPLIT_BY_HAND, numbered
from .moves import apply as apply_moves
from .moves import undo as undo_moves
from .recipe import CLASS_NAMES, RECIPE, crop_recipe, recorded_recipe, trusted_recipe, unpack_class_names
from .records import ANY, ENROLLED, Filter, Records, Visit, check_name, checked_embeddings, new_ids, nothing
from .relinking.decisions import DIFFERENT, SAME, Decision, decision_key, decisions, record
from .relinking.log_visits import with_identities
from .relinking.relinking import Relinking, relinking_of
from .retention import forget_evidence, forget_names, merged_key, prune, purge, tell_deleted
from .scorer import Scorer
from .store import Deleted, Store, open_store
from .times import local_time
from .trash import empty, keep
from .views import Individual, Match, Stats
from .visit_columns import VisitColumns, together
from .visit_pairs import Agreement, Asked, agreement, closest_pairs

# The host's logger, by its name.
_LOGGER = logging.getLogger("ultralytics")

Likeness = Literal["learned", "cosine", "euclidean"]

# Sightings that are compared under the metric for each that is asked for; identities have several each.
_CANDIDATES_PER_HIT = 16
_MIN_CANDIDATES, _MAX_CANDIDATES = 256, 10_000
_MAX_HITS = 1000
# Sightings of an identity whose nearest neighbors are looked up; with the visits found, all of them are compared.
_MAX_QUERIES = 64
# Images in memory at a time while an identity is enrolled.
_BATCH = 16
# Seconds for which a deletion waits for programs that read.
_ERASE_SECONDS = 5.0


class Gallery:
    """All identities that some cameras have seen, or that were enrolled.

    Args:
        uri: A path (SQLite) or `postgresql://…`; see `open_store`.
        index: `milvus://…`, which holds its embeddings for search; empty for the gallery itself.
        model: Embedder of images, as `model` of a tracker YAML; empty where no image is asked about, or for "auto"
            where a detector is named. It must be the one that the gallery's cameras used: fingerprints are compared.
            What a gallery records of its model is never loaded, as the file may be someone else's.
        weights: As `weights` of a tracker YAML.
        head: As `head` of a tracker YAML.
        detector: YOLO model, for `model: auto`; for other models, it finds the object in a larger image. Empty where
            images are crops.
        crops: Crop options, as in the cameras' tracker YAML; those left to the model are as the gallery records them.
        embedder: An embedder of images, in place of all that.

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
        index: str = "",
        model: str = "",
        weights: str = "",
        detector: str = "",
        head: str = "",
        crops: CropOptions = NOTHING_ELSE,
        embedder: ImageEmbedder | None = None,
    ) -> None:
        self._uri, self._index = uri, index
        given = {
            "model": model,
            "weights": weights,
            "detector": detector,
            "head": head,
            "find": "yes" if detector else "",
        }
        self._recipe = {key: value for key, value in given.items() if value} | crop_recipe(crops)
        self._embedder = embedder
        self._opened: Store | None = None
        self._learning: SharedEvidence | None = None
        self._scoring = threading.Lock()
        self._missing = ""
        try:
            self._opened = open_store(uri, None, None, index)
        except GalleryMissing as error:
            if embedder is None and not model:
                raise
            # In the store's words, which show no password.
            self._missing = str(error)
        self._check_embedder()

    def _check_embedder(self) -> None:
        """Refuse images of another embedder, as soon as it is known."""
        store, embedder = self._opened, self._embedder
        if store is not None and embedder is not None:
            check_same(store.uri, (store.dim, store.fingerprint), (None, embedder.fingerprint))

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections; closing twice is harmless."""
        if self._opened is not None:
            self._opened.close()

    @property
    def store(self) -> Store:
        """The rows.

        Raises:
            GalleryMissing: If there is no gallery yet.
        """
        if self._opened is None:
            raise GalleryMissing(f"{self._missing} yet: enrol an identity, or track with it")
        return self._opened

    # Identities

    def enrol(
        self,
        name: str,
        images: Iterable[str | Path | ImageArray],
        *,
        cls: int = 0,
        boxes: Sequence[Sequence[float]] | None = None,
        store_crops: bool = False,
    ) -> int:
        """Add a named identity to the gallery, or images of one that is in it.

        Args:
            name: Not empty; if an identity has it already, the images are added to it.
            images: Images or their paths, each of a crop, or, with `model: auto`, of a scene with one person.
            cls: Class index, of COCO unless the detector has others; 0 is a person.
            boxes: Where each image shows the individual, xyxy in pixels; None to find it, see `locate`.
            store_crops: Whether to keep the first image too, of a box what lies in it; otherwise the gallery holds
                numbers only.

        Returns:
            The `identity_id`.

        Raises:
            GalleryError: If the name is empty or two have it, there are no images, one can't be read or shows nothing,
                or a box is out of range or missing.
        """
        check_name("individual", name)
        first, vectors = self._embedded(images, cls, boxes)
        if not name or first is None:
            raise GalleryError(f"enrolling requires a name and an image, got {name!r} and {len(vectors)} images")
        store = self._made(vectors.shape[1])
        identity = self.find(name) or store.reserve(1)
        now, n = time.time(), len(vectors)
        crop = as_jpeg(first) if store_crops else b""
        visit = Visit(int(new_ids(1)[0]), identity, ENROLLED, cls, now, now, crop=crop)
        ids, of = new_ids(n), np.full(n, identity, np.int64)
        visits, classes = np.full(n, visit.id, np.int64), np.full(n, cls, np.int64)
        cameras = (ENROLLED,) * n
        # First the name: if this ends in between, a repetition finds it, and no identity is there twice.
        store.name(identity, name)
        store.upsert(
            Records(ids, vectors, of, visits, cameras, np.full(n, now), classes, np.ones(n, np.float32)), [visit]
        )
        return identity

    def find(self, name: str) -> int | None:
        """The identity of a name; None if there is none.

        Raises:
            GalleryError: If several have it.
        """
        found = [identity for identity, called in self._names().items() if called == name]
        if len(found) > 1:
            raise GalleryError(f"{len(found)} identities are called {name!r}: {', '.join(map(str, found))}")
        return found[0] if found else None

    def individuals(self, where: Filter = ANY) -> list[Individual]:
        """Summaries of all identities, or of those with visits that match, over these visits; the lowest id first."""
        names, visits = self._names(), list(self.store.visits(where, details=False))
        visits.sort(key=lambda v: v.identity)
        grouped = groupby(visits, key=lambda v: v.identity)
        return [Individual.of(identity, names.get(identity, ""), list(own)) for identity, own in grouped]

    def rename(self, identity: int, name: str, *, keep_names: bool = False) -> Edit | None:
        """Name an identity; an empty name removes it.

        Args:
            identity: The identity.
            name: Its new name.
            keep_names: Whether the log of changes keeps the name before, so that `undo` brings it back. Otherwise it
                is overwritten on disk at once, and the change isn't logged.

        Returns:
            The change, for `undo`; None where it isn't logged.

        Raises:
            GalleryError: If there is no such identity, or the name is another's.
        """
        self._check_known(identity)
        check_name("individual", name)
        if name and self.find(name) not in (None, identity):
            raise GalleryError(f"identity {self.find(name)} is called {name!r} already; merge them if they are one")
        before, edit = self._names().get(identity, ""), None
        if keep_names:
            edit = note(self.store, RENAME, [identity], time.time_ns(), names={identity: (before, name)})
        self.store.name(identity, name)
        self.store.scrub()
        return edit

    def merge(self, kept: int, *gone: int, force: bool = False, keep_names: bool = False) -> Edit | None:
        """Merge identities that are one individual; running trackers follow within half a minute.

        Args:
            kept: The identity that remains, with its name, if it has one.
            gone: The others, whose ids end.
            force: Whether to merge even if they were on one camera at the same time.
            keep_names: Whether the log of changes keeps names that end, so that `undo` brings them back.

        Returns:
            The change, for `undo`; None where there is no other identity to merge.

        Raises:
            GalleryError: If one isn't there, or two were visible on one camera at once; nothing is changed then.
        """
        together = {kept, *gone}
        for identity in together:
            self._check_known(identity)
        if not force:
            self._check_never_together(together)
        others = sorted(together - {kept})
        if not others:
            return None
        now, visits, names = time.time_ns(), {i: self._visits_of(i) for i in sorted(together)}, self._names()
        called = next((names[i] for i in (kept, *others) if names.get(i)), "")
        renamed = {kept: (names.get(kept, ""), called), **{i: (names[i], "") for i in others if i in names}}
        moves = [Move(visit, i, kept) for i in others for visit in sorted(visits[i])]
        files = [merged_key(other, kept, now) for other in others]
        written = [decision_key(now), *files]
        logged = renamed if keep_names else {}
        edit = note(self.store, MERGE, [kept, *others], now, names=logged, moves=moves, files=written)
        record(self.store, SAME, list(visits.values()), now)
        for other, file in zip(others, files, strict=True):
            self.store.put_blob(file, b"by hand")
            self.store.relabel(Filter(identities=frozenset({other})), kept)
        for identity, (_, name) in renamed.items():
            self.store.name(identity, name)
        self.store.scrub()
        return edit

    def split(self, identity: int, visits: Iterable[int]) -> Edit:
        """Give some visits of an identity to a new one.

        Args:
            identity: The identity.
            visits: Ids of its visits; some, but not all.

        Returns:
            The change, for `undo`; its second identity is the new one.

        Raises:
            GalleryError: If one isn't a visit of it, or they are none or all.
        """
        own = self._visits_of(identity)
        chosen = frozenset(visits)
        if not chosen or not chosen < own:
            raise GalleryError(
                f"identity {identity} has {len(own)} visits; choose some of them, but not all: {sorted(chosen)}"
            )
        new, now = self.store.reserve(1), time.time_ns()
        moves = [Move(visit, identity, new) for visit in sorted(chosen)]
        edit = note(self.store, SPLIT, [identity, new], now, moves=moves, files=[decision_key(now)])
        record(self.store, DIFFERENT, [chosen, own - chosen], now)
        apply_moves(self.store, moves, (), by=SPLIT_BY_HAND)
        return edit

    def decide(self, kind: str, groups: Sequence[Iterable[int]]) -> Edit:
        """Record that visits show the same individual, or different ones, without changing an identity.

        Relinking keeps to it, and it is a label for training; see `decisions`.

        Args:
            kind: `same` or `different`.
            groups: Ids of visits, two groups or more, none of them empty.

        Returns:
            The change, for `undo`.

        Raises:
            GalleryError: If the kind is another, or there are too few groups.
        """
        chosen = [sorted({int(visit) for visit in group}) for group in groups]
        if kind not in (SAME, DIFFERENT) or len(chosen) < 2 or not all(chosen):  # noqa: PLR2004
            raise GalleryError(
                f"decide takes 'same' or 'different' and two groups of visits, got {kind!r} of {groups!r}"
            )
        now = time.time_ns()
        of = self.store.visit_columns(Filter(visits=frozenset(visit for group in chosen for visit in group)))
        edit = note(self.store, DECIDE, sorted(set(of.identities.tolist())), now, files=[decision_key(now)])
        record(self.store, kind, chosen, now)
        return edit

    def decisions(self) -> list[Decision]:
        """All decisions by hand about visits, merges and splits among them, the earliest first."""
        return decisions(self.store)

    def edits(self, limit: int = 200) -> list[Edit]:
        """The last changes by hand, the latest first: renames, merges, splits, decisions, and undoable deletions."""
        return edits(self.store, limit)

    def undo(self, key: str) -> Edit:
        """Undo a change by hand; running trackers follow within half a minute.

        Args:
            key: See `Edit.key`.

        Raises:
            GalleryError: If there is no such change, it was undone before, what was deleted is gone for good, or
                another identity has the name by now; nothing is changed then.
        """
        return undo(self.store, key)

    def relink(
        self, where: Filter = ANY, *, topology: Topology | str | Path | None = None, apply: bool = False
    ) -> Relinking:
        """Find the best identities of all visits to all cameras, now that all of them are known.

        What was merged by hand stays one identity, what was split stays two, and so do identities with different
        names. Visits at the same time are one individual's only on cameras that share a view.

        Args:
            where: Visits that may get another identity; others keep theirs.
            topology: Travel times between cameras and which of them share a view, or the file that says so; see
                `topology` in the tracker YAML. None: cameras see different places, any travel time apart.
            apply: Whether to write it, in one step that `undo_relink` takes back; running trackers follow within half
                a minute. Otherwise it is only proposed.

        Returns:
            Merges and splits, with probabilities.

        Raises:
            GalleryError: If more than 3,000 visits are to be compared.
            ConfigError: If the topology can't be read.
        """
        if not isinstance(topology, Topology):
            topology = Topology() if topology is None else Topology.load(topology)
        found = relinking_of(self.store, self.scorer(), topology, where)
        if not apply or not found.moves:
            return replace(found, applied=apply)
        moves = numbered(self.store, found.moves)
        apply_moves(self.store, moves, found.ended)
        return found.numbered(moves)

    def learn_ways(self, where: Filter = ANY) -> list[LearnedWay]:
        """Learn travel times between cameras, and which of them share a view.

        Two cameras share a view if one homography of the ground explains where people stand on both at the same time.

        Args:
            where: Visits to learn from.

        Returns:
            A way for each two cameras of which something is known; see `Way` and the topology file.
        """
        return learn_ways(self.store.visits(where))

    def undo_relink(self) -> int:
        """Take back the last relinking that was applied; visits that were moved since stay where they are.

        Returns:
            How many visits have their identity of before again.

        Raises:
            GalleryError: If there is none to take back.
        """
        undone = undo_moves(self.store)
        if undone is None:
            raise GalleryError("there is no relinking to undo in this gallery")
        return undone

    def identified(
        self, log: Tracks | TrackLog | str | Path, refined: Refinement | None = None, *, camera: str | None = None
    ) -> Refinement:
        """Give a camera's tracks, after the second pass over its video, the identities that this gallery has now.

        After `relink`, boxes of all cameras have one identity each so, those of tracks too short for a visit too.

        Args:
            log: The camera's track log, its path, or its tracks.
            refined: What `refine` made of it; None to refine it here.
            camera: Its name; None for the camera whose visits lie on most boxes.

        Returns:
            The same with identities as ids. Ids that no visit belongs to are no identity's.

        Raises:
            TrackLogError: If the log can't be used.
            GalleryError: If no visit lies on its boxes.
        """
        tracks = log if isinstance(log, Tracks) else (log if isinstance(log, TrackLog) else TrackLog(log)).read()
        where = ANY if camera is None else Filter(cameras=frozenset({camera}))
        return with_identities(refined or refine(tracks), tracks, list(self.store.visits(where)))

    def _visits_of(self, identity: int) -> frozenset[int]:
        where = Filter(identities=frozenset({identity}))
        return frozenset(v.id for v in self.store.visits(where, details=False))

    # Sightings

    def search(
        self,
        query: str | Path | ImageArray | Floats | int,
        k: int = 10,
        where: Filter = ANY,
        *,
        by: Likeness = "learned",
        camera: str = "",
        box: Sequence[float] | None = None,
    ) -> list[Match]:
        """Find the sightings most similar to an image, an embedding or an identity; one sighting a visit.

        Args:
            query: Path of an image, `(H, W, 3)` uint8 BGR, an embedding `(D,)` of floats, or an `identity_id`; its own
                visits are left out then, and identities that were visible at the same time.
            k: Most visits, 1 to 1,000.
            where: Only among these.
            by: Similarity: "learned" is the cosine under the metric learned from the cameras, which the tracker uses;
                "cosine" and "euclidean" compare the plain vectors.
            camera: Where the query was seen, if that is known, to correct for its light.
            box: Where a query image shows the individual, xyxy in pixels; None to find it, see `locate`.

        Returns:
            The most similar first.

        Raises:
            GalleryError: If the query, `k` or the box is out of range, or the identity isn't there.
        """
        _check_hits(k)
        if isinstance(query, int | np.integer):
            self._check_known(int(query))
            return self._search_identity(int(query), k, where, by)
        vector = unit(self._query(query, where, box))[None]
        return self._ranked(Asked(vector, (camera,), np.zeros(1, np.int64)), k, where, by)

    def locate(self, image: str | Path | ImageArray, where: Filter = ANY) -> ImageRegion:
        """Find what a search by an image would take as the query.

        Args:
            image: Path of an image, or `(H, W, 3)` uint8 BGR.
            where: The filter of the search, whose classes count.

        Returns:
            The largest confident detection of a class that the gallery holds; the whole image without one, or where
            images are crops.
        """
        pixels, embedder = as_image(image), self._image_embedder()
        if not hasattr(embedder, "locate"):
            return ImageRegion(whole_image(pixels))
        held = {v.cls for v in self.store.visits(details=False)}
        return cast(SceneEmbedder, embedder).locate(pixels, held if where.classes is None else held & where.classes)

    def _search_identity(self, identity: int, k: int, where: Filter, by: Likeness) -> list[Match]:
        own = self._sightings(Filter(identities=frozenset({identity})))
        others = replace(where, excluding=where.excluding | {identity} | self.beside(identity))
        return self._ranked(Asked(own.embeddings, own.cameras, own.visits), k, others, by)

    def beside(self, identity: int) -> frozenset[int]:
        """Identities that were on a camera at the same time as this one, and so are different."""
        found: set[int] = set()
        for own in self.store.visits(Filter(identities=frozenset({identity})), details=False):
            if own.camera != ENROLLED:
                there = Filter(cameras=frozenset({own.camera}), since=own.first, until=own.last)
                others = self.store.visits(there, details=False)
                found |= {v.identity for v in others if min(v.last, own.last) > max(v.first, own.first)}
        return frozenset(found - {identity})

    def agreements(self, identities: Iterable[int]) -> dict[int, Agreement]:
        """Compare the visits of each identity with each other, whatever a list shows of them.

        Args:
            identities: The identities; those without sightings are left out.
        """
        scorer, wanted = self.scorer(), sorted(set(identities))
        held = ((i, self._sightings(Filter(identities=frozenset({i})))) for i in wanted)
        return {i: agreement(i, sightings, scorer) for i, sightings in held if len(sightings)}

    def _sightings(self, where: Filter) -> Records:
        return Records.joined(list(self.store.scan(where)), self.store.dim)

    def _ranked(self, asked: Asked, k: int, where: Filter, by: Likeness) -> list[Match]:
        scorer = self.scorer() if by == "learned" else Scorer(self.store.dim, "", {})
        visits = self._shortlist(asked.take(_MAX_QUERIES), k, where, scorer)
        held = self._sightings(replace(where, visits=visits)) if visits else nothing(self.store.dim)
        if not len(held):
            return []
        pairs, names = closest_pairs(asked, held, scorer), self._names()
        found = held.take(pairs.rows)
        calibrated = bool(np.isfinite(pairs.probability).all())
        mixed = {i for i, a in self.agreements(found.identities.tolist()).items() if a.mixed} if calibrated else set()
        return [
            Match(
                identity,
                names.get(identity, ""),
                found.cameras[n],
                local_time(float(found.times[n])),
                int(found.classes[n]),
                float(found.qualities[n]),
                float(pairs.similarity[n]),
                _distance(float(pairs.similarity[n]), by),
                float(pairs.probability[n]),
                int(found.visits[n]),
                int(found.ids[n]),
                identity in mixed,
            )
            for n, identity in enumerate(found.identities.tolist())
        ]

    def _shortlist(self, asked: Asked, k: int, where: Filter, scorer: Scorer) -> frozenset[int]:
        """The `k` visits with the sightings most similar to the query's."""
        vectors = np.array(
            [scorer.query(q, c) for q, c in zip(asked.embeddings, asked.cameras, strict=True)], np.float32
        )
        wide = min(max(_MIN_CANDIDATES, _CANDIDATES_PER_HIT * k), _MAX_CANDIDATES)
        found = Records.joined([hits.records for hits in self.store.search(vectors, wide, where)], self.store.dim)
        if not len(found):
            return frozenset()
        found = found.take(np.unique(found.ids, return_index=True)[1])
        nearest = closest_pairs(asked, found, scorer).rows[:k]
        return frozenset(found.visits[nearest].tolist())

    def scorer(self) -> Scorer:
        """Scores under the metric and calibration that all cameras have learned so far."""
        with self._scoring:
            if self._learning is None:
                self._learning = SharedEvidence(self.store, self._family())
            self._learning.reread()
            return self._learning.scorer

    def search_visit(self, visit: int, k: int = 10, where: Filter = ANY, *, by: Likeness = "learned") -> list[Match]:
        """Find the visits most similar to a visit, which is left out; arguments, result and errors as in `search`.

        Raises:
            GalleryError: If `k` is out of range, or the visit has no sightings.
        """
        _check_hits(k)
        own = self._sightings(Filter(visits=frozenset({visit})))
        if not len(own):
            raise GalleryError(f"there is no visit {visit} with sightings in the gallery")
        asked = Asked(own.embeddings, own.cameras, own.visits)
        return [m for m in self._ranked(asked, k + 1, where, by) if m.visit != visit][:k]

    def visit_columns(self, where: Filter = ANY) -> VisitColumns:
        """Visits that match, in columns: fast, for lists and counts of many."""
        return self.store.visit_columns(where)

    def visits(self, where: Filter = ANY, *, details: bool = True) -> Iterator[Visit]:
        """Visits that match, by ascending id; without `details` their paths and crops are left empty."""
        return self.store.visits(where, details=details)

    def journeys(self, where: Filter = ANY, join: float = JOIN_SECONDS) -> list[Journey]:
        """Journeys of all identities over the cameras; see `journeys.journeys`."""
        return journeys(self.store.visits(where), join, self._names())

    def crop(self, visit: int) -> bytes:
        """The image of a visit, a JPEG; empty where none is stored."""
        return next((v.crop for v in self.store.visits(Filter(visits=frozenset({visit})))), b"")

    # Retention

    def delete(self, where: Filter) -> Deleted:
        """Delete what matches all conditions: identities, cameras, a time range, classes.

        Of visits that reach beyond the time range, the part outside is left. What the cameras concerned have learned
        holds vectors of these identities, and is deleted too; they learn it anew.
        Trackers that run forget these identities, within half a minute and before they write.

        Returns:
            How much. It is overwritten on disk, for which programs that read are waited for, 5 seconds; `remains` says
            if that was too short. It is tried again with each write then.

        Raises:
            GalleryError: If the filter has no condition: to delete all, delete the file or the database.
        """
        if where == ANY:
            raise GalleryError("deleting requires a condition: identities, cameras, a time, classes")
        cameras = frozenset(v.camera for v in self.store.visits(where, details=False))
        tell_deleted(self.store, where)
        deleted = purge(self.store, where)
        forget_evidence(self.store, cameras)
        forget_names(self.store)
        # Last: evidence and names hold what is to be erased too.
        return replace(deleted, remains=self.store.scrub(_ERASE_SECONDS))

    def discard(self, *identities: int) -> Edit:
        """Delete identities with all that was seen of them, so that it can be undone until `empty_trash`.

        Their rows are moved to the gallery's trash, where no search and no tracker finds them. Otherwise as `delete`.

        Returns:
            The change, for `undo`.

        Raises:
            GalleryError: If one isn't there; nothing is changed then.
        """
        for identity in identities:
            self._check_known(identity)
        where, now, names = Filter(identities=frozenset(identities)), time.time_ns(), self._names()
        renamed = {i: (names[i], "") for i in identities if i in names}
        edit = note(self.store, DELETE, identities, now, names=renamed, trash=keep(self.store, where, now))
        self.delete(where)
        return edit

    def empty_trash(self, seconds: float = 0) -> int:
        """Delete for good what was discarded some seconds ago or earlier, and overwrite it on disk.

        Returns:
            The number of files that were deleted; 0 if there was nothing.
        """
        emptied = empty(self.store, time.time() - seconds)
        if emptied:
            forget_names(self.store)
            self.store.scrub(_ERASE_SECONDS)
        return emptied

    def prune(self, keep_days: float) -> Deleted:
        """Delete what was seen more than `keep_days` days ago, as the key of the tracker YAML does.

        Raises:
            GalleryError: If it isn't above 0.
        """
        if not keep_days > 0:
            raise GalleryError(f"keep_days must be above 0, got {keep_days!r}")
        return prune(self.store, keep_days, time.time(), _ERASE_SECONDS)

    def stats(self) -> Stats:
        """Count its contents."""
        visits = list(self.store.visits(details=False))
        seen = [v for v in visits if v.camera != ENROLLED]
        cameras = {c: sum(v.camera == c for v in seen) for c in sorted({v.camera for v in seen})}
        since, until = min((v.first for v in seen), default=None), max((v.last for v in seen), default=None)
        identities, named, store = {v.identity for v in visits}, len(self._names()), self.store
        return Stats(store.health(), len(identities), named, cameras, since, until, store.fingerprint, store.dim)

    def backup(self, path: str | Path) -> None:
        """Write all of it into a new file; see `Ledger.backup`."""
        self.store.backup(Path(path))

    def export(
        self, path: str | Path, where: Filter = ANY, *, embeddings: bool = False, overwrite: bool = False
    ) -> int:
        """Write visits to a `.parquet` or `.csv` file, or sightings with their embeddings to a `.parquet` one.

        Returns:
            How many rows.
        """
        if embeddings:
            rows = self.store.scan(where)
            return save_sightings(path, rows, self.store.dim, self._names(), self.class_names, overwrite=overwrite)
        return save_visits(path, self.store.visits(where), self._names(), self.class_names, overwrite=overwrite)

    @property
    def recipe(self) -> dict[str, str]:
        """How its embeddings are made, as far as that is known."""
        recorded = {key: value for key, value in self._recorded().items() if key != CLASS_NAMES}
        return recorded | self._recipe

    @property
    def class_names(self) -> dict[int, str]:
        """Names by class index, as its first camera's detector has them; empty if it isn't known.

        Raises:
            GalleryError: If what the gallery records of them is damaged.
        """
        return unpack_class_names(self._recorded())

    def _recorded(self) -> dict[str, str]:
        return {} if self._opened is None else recorded_recipe(self._opened.blob(RECIPE))

    def _family(self) -> str:
        """Family of the embeddings; of a model that only the gallery names, without a look at the disk."""
        given = self._recipe.get("model")
        recorded = self._recorded()
        if head := self._recipe.get("head") or recorded.get("head", ""):
            return family_of(given or AUTO, head)
        return family_of(given) if given else family_by_name(recorded.get("model", AUTO))

    def _names(self) -> dict[int, str]:
        return {} if self._opened is None else self._opened.names()

    def _check_known(self, identity: int) -> None:
        if not self.store.count(Filter(identities=frozenset({identity}))):
            raise GalleryError(f"there is no identity {identity} in the gallery")

    def _check_never_together(self, identities: set[int]) -> None:
        met = together(self.visit_columns(Filter(identities=frozenset(identities))))
        if met:
            both = " and ".join(map(str, met[0].identities))
            raise GalleryError(
                f"identities {both} were on {met[0].camera!r} at the same time; force it if they are one"
            )

    def _query(self, query: str | Path | ImageArray | Floats, where: Filter, box: Sequence[float] | None) -> Floats:
        if isinstance(query, np.ndarray) and query.ndim == 1:
            return np.asarray(checked_embeddings(query[None], self.store.dim)[0])
        image = as_image(query)  # type: ignore[arg-type]
        xyxy = checked_box(box, image) if box is not None else self._noted(self.locate(image, where))
        return np.asarray(self._embed([image], [xyxy])[0], np.float32)

    def _noted(self, region: ImageRegion, number: int = 1) -> Floats:
        """The box of a region; a warning where it may be the wrong one."""
        if region.sought or region.candidates > 1:
            _LOGGER.warning(f"image {number}: {region}")
        return region.xyxy

    def _embedded(
        self, images: Iterable[str | Path | ImageArray], cls: int, boxes: Sequence[Sequence[float]] | None
    ) -> tuple[ImageArray | None, Floats]:
        """What the first of some images shows, and embeddings of all; a few images are in memory at a time."""
        if boxes is not None:
            images = list(images)
            if len(boxes) != len(images):
                raise GalleryError(f"each image requires one box, got {len(boxes)} boxes of {len(images)} images")
        rest, first, vectors = iter(images), None, [np.zeros((0, 0), np.float32)]
        while some := [as_image(image) for image in islice(rest, _BATCH)]:
            before = _BATCH * (len(vectors) - 1)
            if boxes is None:
                regions = self._boxes(some, cls, before)
            else:
                regions = [checked_box(box, image) for box, image in zip(boxes[before:], some, strict=False)]
            if first is None:
                first = some[0] if boxes is None else cut_out(some[0], regions[0])
            vectors.append(unit(self._embed(some, regions, before)))
        return first, np.concatenate(vectors[1:] or vectors)

    def _boxes(self, images: Sequence[ImageArray], cls: int, before: int) -> list[Floats]:
        """The box of the largest individual of a class in each image; the whole image without one."""
        embedder = self._image_embedder()
        if not hasattr(embedder, "locate"):
            return [whole_image(image) for image in images]
        regions = [cast(SceneEmbedder, embedder).locate(image, {cls}) for image in images]
        return [self._noted(region, before + n) for n, region in enumerate(regions, 1)]

    def _image_embedder(self) -> ImageEmbedder:
        if self._embedder is None:
            self._embedder = image_embedder(trusted_recipe(self._recipe, self._recorded()))
        self._check_embedder()
        return self._embedder

    def _embed(self, images: Sequence[ImageArray], boxes: Sequence[Floats], before: int = 0) -> Floats:
        """Embeddings of a box of each image; `before` images came earlier."""
        embedder = self._image_embedder()
        if hasattr(embedder, "locate"):
            vectors = cast(SceneEmbedder, embedder).embed(images, boxes)
        else:
            vectors = embedder([cut_out(image, box) for image, box in zip(images, boxes, strict=True)])
        if not vectors.any(axis=1).all():
            number = before + int(np.flatnonzero(~vectors.any(axis=1))[0]) + 1
            raise GalleryError(f"image {number} shows nothing to go by")
        return vectors

    def _made(self, dim: int) -> Store:
        if self._opened is None:
            assert self._embedder is not None
            self._opened = open_store(self._uri, dim, self._embedder.fingerprint, self._index)
        if self._recipe and self._opened.blob(RECIPE) is None:
            self._opened.put_blob(RECIPE, json.dumps(self._recipe).encode())
        return self._opened


def _check_hits(k: int) -> None:
    if not 1 <= k <= _MAX_HITS:
        raise GalleryError(f"k must be in [1, {_MAX_HITS}], got {k!r}")


def _distance(similarity: float, by: Likeness) -> float:
    return float(np.sqrt(max(0.0, 2 - 2 * similarity))) if by == "euclidean" else 1 - similarity
