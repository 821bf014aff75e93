"""Encounters after which only one went on, so that its place no longer says which of the two it is."""

from __future__ import annotations

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools
from .overlaps import Pairs
from .pieces import Pieces

# Intersection over the smaller box from which on two boxes met.
ENCOUNTER_IOS = 0.3
# Seconds from an encounter to the end of one piece, within which it ended there; and to the end of the other.
_ENDED_THERE, _SOON = 0.25, 1.0
# Seconds of boxes that make a piece an individual's, not a second box or a blip.
_SOMEBODY = 0.5


def ambiguous_links(pieces: Pieces, pairs: Pairs) -> Bools:
    """Which two pieces motion can't link, `(P, P)` and symmetric, as one of them met a third that went no further.

    Where two meet and one box goes on, the tracker may have kept either. What comes within a second after it, and
    motion says follows it, follows either as well. The same holds backward in time, where two come out of one.

    Args:
        pieces: Of the whole video.
        pairs: Boxes of one frame.
    """
    time, labels = pieces.tracks.time, pieces.labels
    somebody = (pieces.ids > 0) & (pieces.lengths >= _SOMEBODY * pieces.tracks.fps)
    met = (pairs.ios >= ENCOUNTER_IOS) & somebody[labels[pairs.a]] & somebody[labels[pairs.b]]
    sides = np.concatenate([pairs.a[met], pairs.b[met]]), np.concatenate([pairs.b[met], pairs.a[met]])
    one, other, when = labels[sides[0]], labels[sides[1]], time[sides[0]]
    ends, starts = time[pieces.last], time[pieces.first]
    left = _marked(len(pieces), one, (ends[one] - when, ends[other] - when))
    came = _marked(len(pieces), one, (when - starts[one], when - starts[other]))
    after = starts > ends[:, None]
    ambiguous = after & (left[:, None] | came)
    return as_bools(ambiguous | ambiguous.T)


def _marked(count: int, one: Ints, spans: tuple[Doubles, Doubles]) -> Bools:
    """`(P,)` pieces that went on from an encounter, though not for long, where the other one didn't."""
    own, others = spans
    found = np.zeros(count, bool)
    found[one[(others <= _ENDED_THERE) & (own > others) & (own <= _SOON)]] = True
    return found
