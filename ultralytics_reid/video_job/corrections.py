"""Ids as they were decided in the end, for the boxes that were shown before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools
from ..events import Event, Linked, Revival, RevivalReverted
from .tracked import FRAME, ID


def corrected_rows(rows: Doubles, times: Doubles, events: Sequence[Event], tracklets: Ints) -> Doubles:
    """Give boxes the ids that later events say they should have had.

    A return that was recognized late, or linked late by the gallery, has its id from its first box on. Where a revival
    was reverted, its boxes get the id under which their tracklet went on, if it did.

    Args:
        rows: `(R, 8)` float64, as shown; see `TrackedVideo`.
        times: `(F,)` seconds of each frame.
        events: What the tracker reported, in order.
        tracklets: `(R,)` the tracklet of each box; 0 where it isn't known.

    Returns:
        `(R, 8)` float64: the same boxes, no id twice in a frame.
    """
    rows = rows.copy()
    seconds = times[rows[:, FRAME].astype(np.int64) - 1]
    for event in events:
        before = rows[:, FRAME] < event.frame
        if isinstance(event, RevivalReverted):
            wrong = before & (seconds >= event.since) & (rows[:, ID] == event.previous_id)
            went_on = rows[~before & np.isin(tracklets, tracklets[wrong]) & (tracklets > 0), ID]
            if len(went_on):
                _rename(rows, wrong, event.previous_id, int(went_on[0]))
        elif isinstance(event, Revival | Linked) and _was_shown_late(event) and event.previous_id is not None:
            _rename(rows, before, event.previous_id, event.identity_id)
    return rows


def _was_shown_late(event: Revival | Linked) -> bool:
    """Whether all boxes of the previous id are the identity's; a corrected switch says nothing of when it began."""
    return isinstance(event, Linked) or not event.corrected


def _rename(rows: Doubles, where: Bools, old: int, new: int) -> None:
    """Rename an id in place, unless both were in one frame: then they weren't the same individual all along."""
    renamed = as_bools(where & (rows[:, ID] == old))
    if not np.isin(rows[renamed, FRAME], rows[rows[:, ID] == new, FRAME]).any():
        rows[renamed, ID] = new
