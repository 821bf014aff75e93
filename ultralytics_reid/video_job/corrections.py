"""Ids as they were decided in the end, for the boxes that were shown before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import Bools, Doubles, as_bools
from ..events import Event, Linked, Revival, RevivalReverted
from .tracked import FRAME, ID


def corrected_rows(rows: Doubles, times: Doubles, events: Sequence[Event]) -> Doubles:
    """Give boxes the ids that later events say they should have had.

    A return that was recognized late, or linked late by the gallery, has its id from its first box on. Where a revival
    was reverted, its boxes get the id under which they went on.

    Args:
        rows: `(R, 8)` float64, as shown; see `TrackedVideo`.
        times: `(F,)` seconds of each frame.
        events: What the tracker reported, in order.

    Returns:
        `(R, 8)` float64: the same boxes, no id twice in a frame.
    """
    rows = rows.copy()
    seconds = times[rows[:, FRAME].astype(np.int64) - 1]
    for event in events:
        before = rows[:, FRAME] < event.frame
        if isinstance(event, RevivalReverted):
            if event.identity_id is not None:
                _rename(rows, before & (seconds >= event.since), event.previous_id, event.identity_id)
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
