"""Make labeled crops out of a gallery: its visits' crops, with what people merged and split as labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from .._typing import Bools, Ints
from ..datasets.crop_set import CropSet
from ..datasets.writer import LabeledCrop, in_order, write_crops
from ..errors import DatasetError
from ..gallery.image_io import decode_image
from ..gallery.records import Filter, Visit
from ..gallery.relinking.decisions import Constraints, constraints_of
from ..gallery.relinking.visit_set import together
from ..gallery.store import Store, open_store
from .stored_embeddings import write_embeddings

# Probability of a link of the gallery's own from which on it is believed.
MIN_PROBABILITY = 0.95


def dataset_of_gallery(uri: str | Path, out: Path, *, form: str) -> CropSet:
    """Write the crops of a gallery's visits.

    Visits show one individual where a person merged them, or where the gallery linked them with a probability of 0.95
    or more. They show two where a person split them, where they were on one camera at the same time, and where both
    have names. Of all other pairs nothing is known. The gallery's embeddings, a mean a visit, are written beside the
    crops.

    Args:
        uri: The gallery; its cameras need `store_crops: True`.
        out: Folder to make.
        form: A form of `write_crops`.

    Raises:
        GalleryError: If there is no gallery.
        DatasetError: If it has no crops, or the folder can't be written.
    """
    with closing(open_store(uri)) as store:
        visits = [v for v in store.visits() if v.crop]
        if not visits:
            raise DatasetError(f"{store.uri} holds no crops: set 'store_crops: True' in its cameras' tracker YAML")
        decided = constraints_of(store, [v.id for v in visits])
        labels = _labels(visits, decided)
        cameras = {name: n for n, name in enumerate(sorted({v.camera for v in visits}), 1)}
        crops = _crops(visits, labels, cameras)
        pairs = [(str(a), str(b)) for a, b in _pairs(decided.cannot | together(visits) | _named(store, visits), labels)]
        found = write_crops(out, crops, different=pairs, form=form)
        _write_means(store, visits, found, out)
        return found


def _labels(visits: Sequence[Visit], decided: Constraints) -> Ints:
    """`(V,)` labels: the first of the visits that are surely one individual's, by number."""
    labels = np.arange(len(visits))
    first: dict[int, int] = {}
    for n, visit in enumerate(visits):
        if visit.probability >= MIN_PROBABILITY:
            labels[n] = labels[first.setdefault(visit.identity, n)]
    for a, b in decided.links():
        labels[labels == labels[b]] = labels[a]
    return labels.astype(np.int64)


def _pairs(cannot: Bools, labels: Ints) -> set[tuple[int, int]]:
    """Labels of visits that show two individuals, the lower one first."""
    a, b = np.nonzero(np.triu(cannot, 1))
    pairs = {(min(x, y), max(x, y)) for x, y in zip(labels[a].tolist(), labels[b].tolist(), strict=True)}
    return {(x, y) for x, y in pairs if x != y}


def _named(store: Store, visits: Sequence[Visit]) -> Bools:
    """`(V, V)`, whether visits are of identities of two names."""
    names = store.names()
    named = np.array([names.get(v.identity, "") for v in visits])
    return np.asarray((named[:, None] != named) & (named[:, None] != "") & (named != ""))


def _crops(visits: Sequence[Visit], labels: Ints, cameras: dict[str, int]) -> Iterator[LabeledCrop]:
    for number, (visit, label) in enumerate(zip(visits, labels.tolist(), strict=True), 1):
        image = decode_image(visit.crop)
        if image is None:
            raise DatasetError(f"the crop of visit {visit.id} can't be read")
        yield LabeledCrop(image, str(label), cameras[visit.camera], visit.first, number)


def _write_means(store: Store, visits: Sequence[Visit], found: CropSet, out: Path) -> None:
    means = []
    for visit in visits:
        parts = [r.embeddings for r in store.scan(Filter(visits=frozenset({visit.id})))]
        if not parts:
            return
        means.append(np.concatenate(parts).mean(axis=0))
    write_embeddings(out, in_order(found), np.array(means, np.float32), store.fingerprint)
