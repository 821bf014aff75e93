"""Names of a gallery's files: what cameras learned, what the user changed, and what running trackers are told."""

from __future__ import annotations

import re

EVIDENCE_PREFIX, MERGED = "evidence/", "merged/"
# Visits that were moved to other identities, and what the user decided about visits.
MOVED, DECIDED = "moved/", "decided/"
DELETED = "deleted/"
# What the user changed, and what was deleted but can be taken back.
EDITED, TRASH = "edited/", "trash/"
_NANOSECONDS = re.compile(r"\d{1,19}", re.ASCII)
_MERGED_KEY = re.compile(rf"{MERGED}(\d{{1,8}})/(\d{{1,8}})/\d{{1,19}}", re.ASCII)


def evidence_key(camera: str, nanoseconds: int) -> str:
    """Name of the file with what a camera has learned since then (1970, UTC)."""
    return f"{EVIDENCE_PREFIX}{camera}/{nanoseconds}"


def camera_of(key: str) -> str:
    """The camera of a file of evidence."""
    return key[len(EVIDENCE_PREFIX) :].rpartition("/")[0]


def age_of(key: str) -> int:
    """When a file was written, nanoseconds since 1970 (UTC); 0 where its name doesn't tell, so that it is pruned."""
    written = key.rpartition("/")[2]
    return int(written) if _NANOSECONDS.fullmatch(written) else 0


def merged_key(gone: int, kept: int, nanoseconds: int) -> str:
    """Name of the file that tells running trackers of a merge by hand."""
    return f"{MERGED}{gone}/{kept}/{nanoseconds}"


def merged_of(key: str) -> tuple[int, int] | None:
    """The identity that ended in a merge, and the one that it was merged into; None where the name doesn't tell."""
    found = _MERGED_KEY.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))
