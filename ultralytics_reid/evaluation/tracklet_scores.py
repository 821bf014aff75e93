"""Tracklets against tracklets: what several crops a side bring, and how often an open gallery is missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Floats, Ints, as_floats
from ..appearance.embedding import unit
from .embedding_scores import RATE
from .protocol import SearchProtocol
from .retrieval import fnir_at_fpir, rank_queries, summarize_ranks, tar_at_far

CROPS = (1, 2, 5, 10)
# Enrolled identities of an open gallery, where there are as many strangers at least.
GALLERY_SIZES = (10, 100, 1000)
GALLERIES, SEED = 5, 0
# Draws of crops: fewer of large sets, where the choice matters less and a draw takes longer.
MIN_DRAWS, MAX_DRAWS = 2, 10
_PAIRS_OF_ALL_DRAWS = 4 * 10**7


@dataclass(frozen=True)
class TrackletScores:
    """Figures of tracklets of so many crops, means over random draws of them; each in [0, 1] or NaN.

    Attributes:
        crops: Number of crops a side.
        identities: Number of identities with as many crops on both sides.
        rank_1: Share of tracklets whose most similar one, on other cameras, is of their identity.
        mean_ap: Mean average precision.
        tar: TAR at a FAR of `RATE`.
        missed: Open set: FNIR at an FPIR of `RATE` by number of enrolled identities, one tracklet each of one place,
            searched for from other places; all other identities are strangers.
    """

    crops: int
    identities: int
    rank_1: float
    mean_ap: float
    tar: float
    missed: dict[int, float]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Tracklets drawn for one figure: unit embeddings `(T, D)`, identities and places `(T,)`."""

    rows: Floats
    identities: Ints
    places: Ints

    def take(self, rows: Ints) -> _Drawn:
        return _Drawn(self.rows[rows], self.identities[rows], self.places[rows])


def score_tracklets(protocol: SearchProtocol, rows: Floats, crops: tuple[int, ...] = CROPS) -> list[TrackletScores]:
    """Score mean embeddings of several crops a side.

    Where matches are of another camera than the query, a side is what one camera has of an identity, and is compared
    with those of other cameras only: with two cameras and one crop a side this is the single-shot protocol. Else an
    identity's images are halved in the order they are given in, such as that of time, and the first halves are compared
    with the second.

    Args:
        protocol: Identities and cameras; its queries and gallery are not used.
        rows: `(N, D)` embeddings of any norm.
        crops: Numbers of crops a side; those that fewer than two identities have are left out.
    """
    known = np.flatnonzero(protocol.identities >= 0)
    places = protocol.cameras if protocol.is_across_cameras else _halves(protocol.identities)
    sides = _sides(protocol.identities, places, known)
    found = []
    for number in crops:
        large = {key: side for key, side in sides.items() if len(side) >= number}
        ids = [identity for identity, _ in large]
        both = _on_both(ids)
        kept = {key: side for key, side in large.items() if key[0] in both}
        if len(both) > 1:
            found.append(_score(kept, unit(rows), number, protocol.different))
    return found


def _on_both(ids: list[int]) -> set[int]:
    values, counts = np.unique(ids, return_counts=True)
    return set(values[counts > 1].tolist())


def _halves(identities: Ints) -> Ints:
    """For each image, whether it is in the first or in the second half of its identity's."""
    halves = np.zeros(len(identities), np.int64)
    for identity in np.unique(identities):
        own = np.flatnonzero(identities == identity)
        halves[own[len(own) // 2 :]] = 1
    return halves


def _sides(identities: Ints, places: Ints, known: Ints) -> dict[tuple[int, int], Ints]:
    """Images of each identity in each place."""
    sides: dict[tuple[int, int], list[int]] = {}
    for n in known.tolist():
        sides.setdefault((int(identities[n]), int(places[n])), []).append(n)
    return {key: np.array(side, np.int64) for key, side in sides.items()}


def _score(sides: dict[tuple[int, int], Ints], rows: Floats, number: int, different: Bools | None) -> TrackletScores:
    rng = np.random.default_rng(SEED)
    figures, missed = [], dict[int, list[float]]()
    identities = len({identity for identity, _ in sides})
    for _ in range(int(np.clip(_PAIRS_OF_ALL_DRAWS // len(sides) ** 2, MIN_DRAWS, MAX_DRAWS))):
        drawn = _draw(sides, rows, number, rng)
        figures.append(_closed(drawn, different))
        if different is None:
            for size, value in _open_set(drawn, rng):
                missed.setdefault(size, []).append(value)
    rank_1, mean_ap, tar = np.mean(figures, axis=0).tolist()
    return TrackletScores(
        number, identities, rank_1, mean_ap, tar, {size: float(np.mean(v)) for size, v in missed.items()}
    )


def _draw(sides: dict[tuple[int, int], Ints], rows: Floats, number: int, rng: np.random.Generator) -> _Drawn:
    picked = np.stack([rng.choice(side, number, replace=False) for side in sides.values()])
    identities, places = np.array(list(sides), np.int64).T
    return _Drawn(unit(as_floats(rows[picked].mean(axis=1))), identities, places)


def _closed(drawn: _Drawn, different: Bools | None) -> tuple[float, float, float]:
    """Rank-1, mAP and TAR of tracklets against those of other places."""
    same = drawn.identities[:, None] == drawn.identities[None]
    usable = drawn.places[:, None] != drawn.places[None]
    if different is not None:
        usable &= same | different[np.ix_(drawn.identities, drawn.identities)]
    scores = drawn.rows @ drawn.rows.T
    found = summarize_ranks(rank_queries(scores, same, usable), 1)
    return float(found.cmc[0]), found.mean_ap, tar_at_far(scores[same & usable], scores[~same & usable], RATE)


def _open_set(drawn: _Drawn, rng: np.random.Generator) -> list[tuple[int, float]]:
    """FNIR by number of enrolled identities, over random galleries: one place's, searched for from the others."""
    place = rng.choice(np.unique(drawn.places))
    order = rng.permutation(len(drawn.identities))
    shuffled = drawn.take(order)
    queries, gallery = (
        shuffled.take(np.flatnonzero(at)) for at in (shuffled.places != place, shuffled.places == place)
    )
    # One tracklet an identity; an enrolled one has a query too.
    ids, first = np.unique(queries.identities, return_index=True)
    queries, gallery = queries.take(first), gallery.take(np.flatnonzero(np.isin(gallery.identities, ids)))
    scores: Doubles = np.asarray(queries.rows @ gallery.rows.T, np.float64)
    enrolled = len(gallery.identities)
    columns = [
        (size, rng.choice(enrolled, size, replace=False))
        for size in GALLERY_SIZES
        for _ in range(GALLERIES)
        if size <= enrolled and 2 * size <= len(ids)
    ]
    return [(size, fnir_at_fpir(scores[:, c], ids, gallery.identities[c], RATE)) for size, c in columns]
