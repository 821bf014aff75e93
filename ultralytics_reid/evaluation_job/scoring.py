"""Score the embeddings of a set: plain, with mirrored crops, re-ranked; and by tracklets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._typing import Bools, Floats, as_bools
from ..datasets.crop_set import CropSet
from ..datasets.reader import read_crops
from ..errors import DatasetError
from ..evaluation.embedding_scores import EmbeddingScores, cosine, given, score_search
from ..evaluation.protocol import KEEP, SearchProtocol, protocol_of
from ..evaluation.rerank import rerank
from ..evaluation.tracklet_scores import TrackletScores, score_tracklets
from .embeddings import Embedded
from .options import EvaluationOptions

FLIP, RERANKED = "flip", "re-ranked"


@dataclass(frozen=True, eq=False)
class LabeledSet:
    """A set of crops, and how it is searched.

    Attributes:
        name: What tables call it.
        crops: The crops.
        protocol: The search.
    """

    name: str
    crops: CropSet
    protocol: SearchProtocol


@dataclass(frozen=True, eq=False)
class Line:
    """Figures of a model on a set.

    Attributes:
        model: What tables call the model.
        variant: What was done beyond embedding each crop, such as "flip"; empty for nothing.
        milliseconds: Time of a crop; see `Embedded`. With mirrored crops twice as many; NaN for re-ranking, whose time
            is not a crop's.
        unusable: Number of images without an embedding.
        scores: Retrieval and verification of single crops.
        tracklets: Tracklets against tracklets, by crops a side; none for variants.
        rows: `(N, D)` the embeddings.
    """

    model: str
    variant: str
    milliseconds: float
    unusable: int
    scores: EmbeddingScores
    tracklets: tuple[TrackletScores, ...]
    rows: Floats


def load_set(name: str, folder: Path, options: EvaluationOptions) -> LabeledSet:
    """Read which crops a folder has, and decide how they are searched.

    Raises:
        DatasetError: If the folder can't be read, has one identity only, or lacks a camera that is searched for.
    """
    crops = read_crops(folder, options.form, distractors=True)
    if len(crops.names) < 2:  # noqa: PLR2004
        only = ", ".join(crops.names) or "none"
        raise DatasetError(f"{folder} must show two identities or more, got {len(crops.names)} ({only})")
    queries = crops.queries if not options.query_cameras else _of_cameras(folder, crops, options.query_cameras)
    protocol = protocol_of(
        crops.identities,
        crops.cameras,
        has_cameras=crops.has_cameras,
        # Queries and gallery are of different cameras then.
        same_camera=KEEP if options.query_cameras else options.same_camera,
        queries=queries,
        different=None if crops.different is None else crops.known_different(),
    )
    return LabeledSet(name, replace(crops, queries=queries), protocol)


def _of_cameras(folder: Path, crops: CropSet, cameras: tuple[int, ...]) -> Bools:
    """Images of some cameras; at least one image of each, and of another camera."""
    there = set(crops.cameras.tolist()) if crops.has_cameras else set()
    if missing := sorted(set(cameras) - there):
        shown = ", ".join(map(str, sorted(there))) or "none"
        raise DatasetError(f"--query-cameras: {folder} has the cameras {shown}, got {missing[0]}")
    if not there - set(cameras):
        raise DatasetError(f"--query-cameras: {folder} has no other camera than {', '.join(map(str, cameras))}")
    return as_bools(np.isin(crops.cameras, cameras))


def score_plain(labeled: LabeledSet, model: str, embedded: Embedded) -> Line:
    """Score embeddings as they are, by crop and by tracklet."""
    scores = score_search(labeled.protocol, cosine(labeled.protocol, embedded.rows))
    rows, order = embedded.rows, _in_time(labeled.crops)
    by_time = replace(
        labeled.protocol,
        identities=labeled.protocol.identities[order],
        cameras=labeled.protocol.cameras[order],
    )
    tracklets = tuple(score_tracklets(by_time, rows[order]))
    return Line(model, "", embedded.milliseconds, embedded.unusable, scores, tracklets, rows)


def score_variants(labeled: LabeledSet, plain: Line, flipped: Floats | None, *, reranked: bool) -> Iterator[Line]:
    """Score what may be done with a model's embeddings.

    Args:
        labeled: The set.
        plain: The line without variants.
        flipped: `(N, D)`, means of the crops' embeddings and their mirror images'; None to leave them out.
        reranked: Whether to re-rank.
    """
    protocol, known = labeled.protocol, {"": plain.rows}
    if flipped is not None:
        known[FLIP] = flipped
        scores = score_search(protocol, cosine(protocol, known[FLIP]))
        yield replace(
            plain,
            variant=FLIP,
            milliseconds=2 * plain.milliseconds,
            scores=scores,
            tracklets=(),
            rows=known[FLIP],
        )
    for variant, rows in known.items() if reranked else ():
        similarity = given(rerank(rows, protocol.queries, protocol.gallery))
        scores = score_search(protocol, similarity, verify=False)
        name = f"{variant}, {RERANKED}" if variant else RERANKED
        yield replace(plain, variant=name, milliseconds=np.nan, scores=scores, tracklets=(), rows=rows)


def _in_time(crops: CropSet) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Order of the images by time, where it is known; else as they are named."""
    return np.arange(len(crops)) if crops.times is None else np.argsort(crops.times, kind="stable")
