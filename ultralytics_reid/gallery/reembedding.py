"""Carry a gallery over to the embeddings of a head: a linear map needs no crops."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._typing import Floats, as_floats
from ..appearance.embedding import unit
from ..appearance.evidence import LearnedStatistics
from ..embedders.head import LinearHead
from ..errors import GalleryError
from .edits import forget_edits
from .file_names import EVIDENCE_PREFIX, TRASH
from .ledger.rows import pages
from .ledger.sqlite_file import beside
from .recipe import RECIPE
from .records import nothing
from .store import Store, open_store

_BATCH = 1000


def reembed(uri: str | Path, head: LinearHead, out: str | Path, *, name: str = "") -> tuple[int, int]:
    """Write a copy of a gallery with the embeddings that its embedder with a head gives.

    Stored embeddings are means of a few crops; the map of a mean is the mean of the maps, but for the crops' norms.
    Identities, visits, names and decisions stay; what cameras learned of embeddings is carried over too. What was
    deleted and could be taken back is left out.

    Args:
        uri: The gallery, which stays as it is; see `open_store`.
        head: Learned on embeddings by the gallery's embedder.
        out: The new gallery, which must not be there.
        name: Of the head's file, which the new gallery records; nothing is loaded by it.

    Returns:
        The numbers of sightings and visits.

    Raises:
        ConfigError: If the head was learned on another embedder's.
        GalleryError: If there is no gallery, the new one is there or can't be written; what was written of it is left
            behind then only on a server.
    """
    with closing(open_store(uri)) as old:
        head.check_base(old.fingerprint or "an unknown embedder")
        _check_new(out)
        with closing(open_store(out, head.matrix.shape[1], head.over(old.fingerprint))) as new:
            if new.count() or any(True for _ in new.visits(details=False)):
                raise GalleryError(f"the gallery {new.uri} is there already: name a new one")
            try:
                return _copy(old, new, head, name)
            except BaseException:
                _remove(out)
                raise


def _check_new(out: str | Path) -> None:
    if "://" not in str(out) and Path(out).exists():
        raise GalleryError(f"{out} already exists: choose another name for the new gallery")


def _remove(out: str | Path) -> None:
    if "://" not in str(out):
        for file in (Path(out), *beside(Path(out))):
            file.unlink(missing_ok=True)


def _copy(old: Store, new: Store, head: LinearHead, name: str) -> tuple[int, int]:
    sightings = visits = 0
    for records in old.scan(batch=_BATCH):
        mapped = replace(records, embeddings=head(records.embeddings))
        kept = mapped.embeddings.any(axis=1)
        # One that lies at the head's center has no embedding.
        new.upsert(mapped if kept.all() else mapped.take(np.flatnonzero(kept)))
        sightings += int(kept.sum())
    for some in pages(old.visits(), _BATCH):
        new.upsert(nothing(new.dim), some)
        visits += len(some)
    for identity, called in old.names().items():
        new.name(identity, called)
    _copy_files(old, new, head, name)
    new.count_on(old)
    new.flush()
    # As where the trash is emptied: the names of who is gone go too.
    forget_edits(new, new.visit_columns())
    return sightings, visits


def _copy_files(old: Store, new: Store, head: LinearHead, name: str) -> None:
    for key in old.blobs(""):
        data = old.blob(key)
        # What was deleted isn't carried over.
        if data is None or key.startswith(TRASH):
            continue
        if key.startswith(EVIDENCE_PREFIX):
            data = mapped_evidence(LearnedStatistics.load(data, old.dim), head).dump()
        elif key == RECIPE and name:
            data = json.dumps({**json.loads(data), "head": name}).encode()
        new.put_blob(key, data)


def mapped_evidence(evidence: LearnedStatistics, head: LinearHead) -> LearnedStatistics:
    """What a camera has learned, seen through a head.

    The scatter's map is exact before vectors are scaled to norm 1; it is divided by their mean squared norm.
    """
    norms = _squared_norms(evidence, head)
    scatter = head.matrix.T @ evidence.scatter @ head.matrix / np.float32(norms)
    both = (evidence.genuine, evidence.impostor)
    genuine, impostor = (head(p.reshape(-1, p.shape[2])).reshape(len(p), 2, -1) for p in both)
    return LearnedStatistics(as_floats(scatter), evidence.crops, genuine, impostor, head(evidence.means))


def _squared_norms(evidence: LearnedStatistics, head: LinearHead) -> float:
    known: list[Floats] = [a.reshape(-1, len(head.center)) for a in (evidence.genuine, evidence.means) if len(a)]
    if not known:
        return float((head.matrix**2).sum() / len(head.center))
    rows = np.concatenate(known)
    return max(float((((unit(rows) - head.center) @ head.matrix) ** 2).sum(axis=1).mean()), 1e-9)
