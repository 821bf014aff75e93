"""The gallery's public interface: what its reader has, and enrol, rename, merge, split, relink, delete."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .._typing import ImageArray
from ..errors import GalleryError
from . import corrections
from .edits import Edit, undo
from .embedded_images import embed_images
from .enrolment import add_images
from .image_io import as_jpeg
from .linking.topology import Topology
from .moves import apply as apply_moves
from .moves import numbered
from .moves import undo as undo_moves
from .reader import GalleryReader
from .recipe import RECIPE
from .records import ANY, LAST_CLASS, Filter, check_name
from .relinking.relinking import Relinking, relinking_of
from .retention import delete, forget_names, prune
from .store import Deleted, Store, open_store
from .trash import empty

# Seconds for which a deletion waits for programs that read.
_ERASE_SECONDS = 5.0


class Gallery(GalleryReader):
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
                the class or a box is out of range, or a box is missing.
        """
        check_name("individual", name)
        if not 0 <= cls <= LAST_CLASS:
            raise GalleryError(f"cls must be in [0, {LAST_CLASS}], got {cls!r}")
        first, vectors = embed_images(self._image_embedder, images, cls, boxes)
        if not name or first is None:
            raise GalleryError(f"enrolling requires a name and an image, got {name!r} and {len(vectors)} images")
        return add_images(self._made(vectors.shape[1]), name, vectors, cls, as_jpeg(first) if store_crops else b"")

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
        return corrections.rename(self.store, identity, name, keep_names=keep_names)

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
        return corrections.merge(self.store, kept, gone, force=force, keep_names=keep_names)

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
        return corrections.split(self.store, identity, visits)

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
        return corrections.decide(self.store, kind, groups)

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
        return delete(self.store, where, _ERASE_SECONDS)

    def discard(self, *identities: int) -> Edit:
        """Delete identities with all that was seen of them, so that it can be undone until `empty_trash`.

        Their rows are moved to the gallery's trash, where no search and no tracker finds them. Otherwise as `delete`.

        Returns:
            The change, for `undo`.

        Raises:
            GalleryError: If one isn't there; nothing is changed then.
        """
        return corrections.discard(self.store, identities, _ERASE_SECONDS)

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

    def _made(self, dim: int) -> Store:
        if self._opened is None:
            assert self._embedder is not None
            self._opened = open_store(self._uri, dim, self._embedder.fingerprint, self._index)
        if self._recipe and self._opened.blob(RECIPE) is None:
            self._opened.put_blob(RECIPE, json.dumps(self._recipe).encode())
        return self._opened
