"""Cut pieces where their looks change as between strangers: ids that went over from one individual to another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .._typing import Bools, Doubles, Ints
from ..tuning import RefineTuning
from .encounters import ENCOUNTER_IOS
from .overlaps import Pairs
from .pieces import Pieces, by_first_row
from .scores import Appearance

_WINDOW = 40


def cut_at_changes(pieces: Pieces, pairs: Pairs, appearance: Appearance, tuning: RefineTuning) -> Pieces:
    """Cut every piece where what it looked like before and after differs as strangers do.

    Args:
        pieces: Of the whole video.
        pairs: Boxes of one frame; where they overlap, individuals met.
        appearance: Says how strangers differ.
        tuning: Says how sure a cut must be.
    """
    if not appearance.is_discriminative:
        return pieces
    met = _met(pieces, pairs)
    labels, count = pieces.labels.copy(), len(pieces)
    for piece in np.flatnonzero(pieces.crops >= 2 * tuning.cut_crops).tolist():
        rows = pieces.rows[piece]
        for start in _cuts(pieces, rows, met, appearance, tuning):
            labels[rows[start:]] = count
            count += 1
    return Pieces(pieces.tracks, by_first_row(labels))


def _met(pieces: Pieces, pairs: Pairs) -> Bools:
    """`(R,)`, whether a box overlaps another in its frame."""
    met = np.zeros(len(pieces.tracks), bool)
    close = pairs.ios >= ENCOUNTER_IOS
    met[pairs.a[close]] = met[pairs.b[close]] = True
    return met


def _cuts(pieces: Pieces, rows: Ints, met: Bools, appearance: Appearance, tuning: RefineTuning) -> list[int]:
    """Positions in `rows` at which new pieces begin, ascending."""
    clean = np.flatnonzero(pieces.tracks.clean[rows])
    crops = appearance.metric.linear(pieces.tracks.crops_of(rows[clean]))
    sums = np.concatenate([np.zeros((1, crops.shape[1])), np.cumsum(crops, axis=0, dtype=np.float64)])
    # Whether the individual met another between a clean crop and the one before it, or near it.
    near = np.convolve(met[rows], np.ones(2 * round(pieces.tracks.fps / 4) + 1), "same") > 0
    met_at = np.array([bool(near[a : b + 1].any()) for a, b in pairwise(clean.tolist())] or [False])
    found: list[int] = []
    spans = [(0, len(crops))]
    while spans:
        low, high = span = spans.pop()
        at = _best_cut(sums, span, met_at, appearance, tuning)
        if at is None:
            continue
        spans += [(low, at), (at, high)]
        found.append(_between(rows, clean, at, met))
    return sorted(found)


def _best_cut(
    sums: Doubles, span: tuple[int, int], met_at: Bools, appearance: Appearance, tuning: RefineTuning
) -> int | None:
    """The clean crop before which a span is best cut; None to leave it whole."""
    (low, high), least = span, tuning.cut_crops
    at = np.arange(low + least, high - least + 1)
    if not len(at):
        return None
    left, right = np.maximum(low, at - _WINDOW), np.minimum(high, at + _WINDOW)
    before = (sums[at] - sums[left]) / (at - left)[:, None]
    after = (sums[right] - sums[at]) / (right - at)[:, None]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    scores = np.einsum("nd,nd->n", before, after) / np.maximum(norms, 1e-12)
    llr = appearance.llr(scores, np.minimum(at - left, right - at).astype(np.float64))
    excess = llr - np.where(met_at[at - 1], tuning.cut_log_odds, tuning.cut_anywhere_log_odds)
    sure = np.flatnonzero(excess < 0)
    # Where looks differ most: ratios are bounded, and say no more than that it is sure.
    return int(at[sure[scores[sure].argmin()]]) if len(sure) else None


def _between(rows: Ints, clean: Ints, at: int, met: Bools) -> int:
    """The row of a cut: in the middle of the crops that aren't clean, where an individual met another if it did."""
    low, high = int(clean[at - 1]) + 1, int(clean[at])
    inside = np.flatnonzero(met[rows[low : high + 1]])
    return low + int(inside[len(inside) // 2]) if len(inside) else (low + high) // 2 if high > low else high
