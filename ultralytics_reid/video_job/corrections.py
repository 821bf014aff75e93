"""Ids as they were decided in the end, for the boxes that were shown before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools
from ..events import Event, Linked, Revival, RevivalReverted
from .tracked import FRAME, ID


def with_held_back(rows: Doubles, tracklets: Ints) -> tuple[Doubles, Ints]:
    """Give boxes that were held back the id that their tracklet was first shown with.

    Those of a tracklet that was never shown are left out, and those whose id another box of their frame has.

    Args:
        rows: `(R, 8)` float64 by frame; boxes that were held back have the id 0.
        tracklets: `(R,)` the tracklet of each box; 0 where it isn't known.

    Returns:
        Rows `(S, 8)`, all with an id, no id twice in a frame, and the tracklet of each `(S,)`.
    """
    rows, shown = rows.copy(), rows[:, ID] > 0
    of, first = np.unique(tracklets[shown], return_index=True)
    ids = dict(zip(of.tolist(), rows[shown][first, ID].tolist(), strict=True))
    taken = set(map(tuple, rows[shown][:, [FRAME, ID]].tolist()))
    for n in np.flatnonzero(~shown & (tracklets > 0)).tolist():
        place = float(rows[n, FRAME]), ids.get(int(tracklets[n]), 0.0)
        if place not in taken:
            rows[n, ID] = place[1]
            taken.add(place)
    kept = rows[:, ID] > 0
    return rows[kept], tracklets[kept]


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
