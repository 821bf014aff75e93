"""Open a gallery and read it: list, search, compare, export."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._typing import Floats, ImageArray
from ..appearance.embedding import unit
from ..embedders import CropOptions
from ..embedders.crops import NOTHING_ELSE
from ..errors import GalleryError, GalleryMissing
from ..refinement.solver import Refinement, refine
from ..refinement.track_log import TrackLog
from ..refinement.tracks import Tracks
from .edits import Edit, edits
from .embedded_images import embed_boxes, finds_individuals, image_name, logged_box
from .export.tabular import save_sightings, save_visits
from .identities import check_known, identity_named, visible_beside
from .image_embedder import ImageEmbedder, ImageRegion, checked_box, image_embedder, whole_image
from .image_io import as_image
from .journeys import JOIN_SECONDS, Journey, journeys
from .ledger.checks import check_same
from .linking.learned_topology import LearnedWay, learn_ways
from .linking.shared_evidence import SharedEvidence
from .recipe import (
    CLASS_NAMES,
    RECIPE,
    crop_recipe,
    family_of_recipe,
    recorded_recipe,
    trusted_recipe,
    unpack_class_names,
)
from .records import ANY, Filter, Visit, checked_embeddings
from .relinking.decisions import Decision, decisions
from .relinking.log_visits import with_identities
from .scorer import Scorer
from .search import Likeness, VisitSearch, agreements, check_hits
from .store import Store, open_store
from .views import Individual, Match, Stats
from .visit_columns import VisitColumns
from .visit_pairs import Agreement, Asked

if TYPE_CHECKING:
    from typing_extensions import Self


class GalleryReader:
    """What a gallery holds; nothing of it is changed.

    `Gallery` describes the arguments, and what they raise.
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
        try:
            self._check_embedder()
        except GalleryError:
            self.close()
            raise

    def _check_embedder(self) -> None:
        """Refuse images of another embedder, as soon as it is known."""
        store, embedder = self._opened, self._embedder
        if store is not None and embedder is not None:
            check_same(store.uri, (store.dim, store.fingerprint), (None, embedder.fingerprint))

    def __enter__(self) -> Self:
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

    def find(self, name: str) -> int | None:
        """The identity of a name; None if there is none.

        Raises:
            GalleryError: If several have it.
        """
        return identity_named(self._names(), name)

    def individuals(self, where: Filter = ANY) -> list[Individual]:
        """Summaries of all identities, or of those with visits that match, over these visits; the lowest id first."""
        names, visits = self._names(), list(self.store.visits(where, details=False))
        visits.sort(key=lambda v: v.identity)
        grouped = groupby(visits, key=lambda v: v.identity)
        return [Individual.of(identity, names.get(identity, ""), list(own)) for identity, own in grouped]

    def decisions(self) -> list[Decision]:
        """All decisions by hand about visits, merges and splits among them, the earliest first."""
        return decisions(self.store)

    def edits(self, limit: int = 200) -> list[Edit]:
        """The last changes by hand, the latest first: renames, merges, splits, decisions, and undoable deletions."""
        return edits(self.store, limit)

    def beside(self, identity: int) -> frozenset[int]:
        """Identities that were on a camera at the same time as this one, and so are different."""
        return visible_beside(self.store, identity)

    def agreements(self, identities: Iterable[int]) -> dict[int, Agreement]:
        """Compare the visits of each identity with each other, whatever a list shows of them.

        Args:
            identities: The identities; those without sightings are left out.
        """
        return agreements(self.store, self.scorer(), identities)

    # Visits

    def visits(self, where: Filter = ANY, *, details: bool = True) -> Iterator[Visit]:
        """Visits that match, by ascending id; without `details` their paths and crops are left empty."""
        return self.store.visits(where, details=details)

    def visit_columns(self, where: Filter = ANY) -> VisitColumns:
        """Visits that match, in columns: fast, for lists and counts of many."""
        return self.store.visit_columns(where)

    def crop(self, visit: int) -> bytes:
        """The image of a visit, a JPEG; empty where none is stored."""
        return next((v.crop for v in self.store.visits(Filter(visits=frozenset({visit})))), b"")

    def journeys(self, where: Filter = ANY, join: float = JOIN_SECONDS) -> list[Journey]:
        """Journeys of all identities over the cameras; see `journeys.journeys`."""
        return journeys(self.store.visits(where), join, self._names())

    def learn_ways(self, where: Filter = ANY) -> list[LearnedWay]:
        """Learn travel times between cameras, and which of them share a view.

        Two cameras share a view if one homography of the ground explains where people stand on both at the same time.

        Args:
            where: Visits to learn from.

        Returns:
            A way for each two cameras of which something is known, then those of which nothing was learned; see `Way`
            and the topology file.
        """
        return learn_ways(self.store.visits(where))

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

    # Search

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
        check_hits(k)
        if isinstance(query, int | np.integer):
            check_known(self.store, [int(query)])
            return self._search(by).by_identity(int(query), k, where)
        vector = unit(self._query(query, where, box))[None]
        return self._search(by).by_sightings(Asked(vector, (camera,), np.zeros(1, np.int64)), k, where)

    def search_visit(self, visit: int, k: int = 10, where: Filter = ANY, *, by: Likeness = "learned") -> list[Match]:
        """Find the visits most similar to a visit, which is left out; arguments, result and errors as in `search`.

        Raises:
            GalleryError: If `k` is out of range, or the visit has no sightings.
        """
        check_hits(k)
        return self._search(by).by_visit(visit, k, where)

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
        if not finds_individuals(embedder):
            return ImageRegion(whole_image(pixels))
        held = set(self.store.visit_columns().classes.tolist())
        return embedder.locate(pixels, held if where.classes is None else held & where.classes)

    def scorer(self) -> Scorer:
        """Scores under the metric and calibration that all cameras have learned so far."""
        with self._scoring:
            if self._learning is None:
                self._learning = SharedEvidence(self.store, family_of_recipe(self._recipe, self._recorded()))
            self._learning.reread()
            return self._learning.scorer

    def _search(self, by: Likeness) -> VisitSearch:
        learned = self.scorer() if by == "learned" else None
        return VisitSearch(self.store, learned, euclidean=by == "euclidean")

    def _query(self, query: str | Path | ImageArray | Floats, where: Filter, box: Sequence[float] | None) -> Floats:
        if isinstance(query, np.ndarray) and query.ndim == 1:
            return np.asarray(checked_embeddings(query[None], self.store.dim)[0])
        image = as_image(query)  # type: ignore[arg-type]
        name = image_name(query)
        xyxy = checked_box(box, image) if box is not None else logged_box(self.locate(image, where), name)
        return np.asarray(embed_boxes(self._image_embedder(), [image], [xyxy], [name])[0], np.float32)

    # Contents

    def stats(self) -> Stats:
        """Count its contents."""
        return Stats.of(self.store)

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

    def _names(self) -> dict[int, str]:
        return {} if self._opened is None else self._opened.names()

    def _image_embedder(self) -> ImageEmbedder:
        if self._embedder is None:
            self._embedder = image_embedder(trusted_recipe(self._recipe, self._recorded()))
        self._check_embedder()
        return self._embedder
