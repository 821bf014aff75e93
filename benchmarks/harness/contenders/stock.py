"""The host's own trackers, as comparisons configure them."""

from __future__ import annotations

from .host import OURS, HostContender

_REID = {"with_reid": True}
_LONG = {**_REID, "proximity_thresh": 0.0, "track_buffer": 3000, "appearance_thresh": 0.85}

BYTETRACK = HostContender("bytetrack", "bytetrack.yaml")
BOTSORT = HostContender("botsort", "botsort.yaml")
BOTSORT_REID = HostContender("botsort, with_reid", "botsort.yaml", _REID)
# What comes closest to a memory in stock: appearance alone re-activates a track that was lost minutes ago.
BOTSORT_LONG = HostContender("botsort, with_reid, proximity 0, buffer 3000, appearance 0.85", "botsort.yaml", _LONG)
TRACKTRACK = HostContender("tracktrack", "tracktrack.yaml")
TRACKTRACK_REID = HostContender("tracktrack, with_reid", "tracktrack.yaml", _REID)
DEEPOCSORT_REID = HostContender("deepocsort, with_reid", "deepocsort.yaml", _REID)
# Those that most tables compare.
STOCK_REID = (BOTSORT, BOTSORT_REID, BOTSORT_LONG, TRACKTRACK_REID, DEEPOCSORT_REID)
# This package's, as it is and without its long memory.
REID_BOTSORT = HostContender("**reid_botsort**", OURS)
MEMORYLESS = HostContender("reid_botsort, memory_seconds 0", OURS, {"memory_seconds": 0.0})
# The best of stock with embeddings, its default tracker, and ours: what runs take apart.
COMPARED_REID = (BOTSORT_REID, TRACKTRACK_REID, REID_BOTSORT)
