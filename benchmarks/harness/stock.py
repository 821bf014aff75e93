"""The host's own trackers, as comparisons configure them."""

from __future__ import annotations

from .runs import Contender

_REID = {"with_reid": True}
_LONG = {**_REID, "proximity_thresh": 0.0, "track_buffer": 3000, "appearance_thresh": 0.85}

BYTETRACK = Contender("bytetrack", "bytetrack.yaml")
BOTSORT = Contender("botsort", "botsort.yaml")
BOTSORT_REID = Contender("botsort, with_reid", "botsort.yaml", _REID)
# What comes closest to a memory in stock: looks alone bring back a track that was lost minutes ago.
BOTSORT_LONG = Contender("botsort, with_reid, proximity 0, buffer 3000, appearance 0.85", "botsort.yaml", _LONG)
TRACKTRACK_REID = Contender("tracktrack, with_reid", "tracktrack.yaml", _REID)
DEEPOCSORT_REID = Contender("deepocsort, with_reid", "deepocsort.yaml", _REID)
