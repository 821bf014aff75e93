"""Ids that nobody else gets, where there are no transactions: by claims that everybody can see."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

from ...errors import GalleryError, GalleryUnavailable
from ..records import FIRST_LOCAL_ID, new_ids
from .milvus_client import Link
from .milvus_filters import EVERYTHING
from .milvus_rows import NO_VECTOR

# Ids in one lap, 1 to `FIRST_LOCAL_ID` - 1.
LAP = FIRST_LOCAL_ID - 1

_PATIENCE = 30.0
# After so many seconds a claim that is neither kept nor withdrawn counts as kept. Its client is gone; or it is slow and
# will see the later claim.
_ABANDONED = 25.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
# Old claims may stay until there are so many; their number is all that they cost.
_MAX_OLD = 16
_CLAIM_BYTES = 64
# Windows grow over identities that are few and far between, to cross a whole lap in some steps.
_FEW, _WIDER = 1000, 4


@dataclass(frozen=True)
class Claim:
    """A stretch of positions that somebody wants, or has.

    Positions count on over all laps: the id of position p is p % `LAP` + 1.

    Attributes:
        id: The row's.
        began: The first position.
        ended: The one after the last.
        kept: Whether it is certain that nobody else has any of them.
    """

    id: int
    began: int
    ended: int
    kept: bool


class Claims:
    """Gives out stretches of ids, each to one client only.

    Who wants ids writes a claim to those after all that are taken and then reads all claims. It has them if there is
    no other claim to these positions or later ones; otherwise it withdraws its own and tries again after a random
    pause. That nobody else can have them too is the flag principle: of two who each raise a flag and then look, the
    one who looks last sees the other's, because a strongly consistent read sees all that was acknowledged before it.
    Both may withdraw, and then both try again; never do both keep theirs.

    A claim that is kept is never withdrawn. It is deleted only by somebody who keeps a later one, and whoever might
    have overlapped with the deleted one sees that later one, and withdraws. So old claims can go.

    Nobody starts after a claim that may still be withdrawn, or ids would be left out. One whose client died in between
    counts as kept after a while: its ids are lost, and that is all.

    Args:
        link: To Milvus.
        collection: Where the claims are.
        used: Which identities in a range, both ends included, somebody in the gallery has.
    """

    def __init__(self, link: Link, collection: str, used: Callable[[int, int], set[int]]) -> None:
        self._link = link
        self._collection = collection
        self._used = used
        self._locks: dict[int, threading.Lock] = {}

    def take(self, count: int) -> int:
        """The first of `count` consecutive ids that nobody else gets and nobody has.

        Raises:
            GalleryError: If there is no such run.
            GalleryUnavailable: If others were quicker for half a minute.
        """
        # Threads of one process needn't find out by claims who is first. A fork leaves locks as they were.
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            pending: dict[int, float] = {}
            for _ in _pauses():
                claims = self._all()
                if not _unsettled(claims, pending):
                    mine = self._claim(max((c.ended for c in claims), default=0), count)
                    if mine is not None:
                        self._forget(claims)
                        return mine.began % LAP + 1
        raise GalleryUnavailable("others take identities all the time: none could be reserved within half a minute")

    def _all(self) -> list[Claim]:
        names = [f.name for f in fields(Claim)]
        rows = self._link.query(self._collection, EVERYTHING, names)
        return [Claim(**{name: row[name] for name in names}) for row in rows]

    def _claim(self, after: int, count: int) -> Claim | None:
        began = free_run(after, count, self._used)
        mine = Claim(int(new_ids(1)[0]), began, began + count, False)
        self._write(mine)
        if any(c.ended > began for c in self._all() if c.id != mine.id):
            self._link.delete(self._collection, [mine.id])
            return None
        self._write(replace(mine, kept=True))
        return mine

    def _write(self, claim: Claim) -> None:
        self._link.upsert(self._collection, [{**asdict(claim), **NO_VECTOR}], _CLAIM_BYTES)

    def _forget(self, claims: Sequence[Claim]) -> None:
        if len(claims) > _MAX_OLD or not all(c.kept for c in claims):
            self._link.delete(self._collection, [c.id for c in claims])


def _pauses() -> Iterator[None]:
    until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
    while time.monotonic() < until:
        yield
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _unsettled(claims: Sequence[Claim], pending: dict[int, float]) -> bool:
    """Whether one may still be withdrawn; `pending` remembers since when each has been seen."""
    now = time.monotonic()
    fresh = [not c.kept and now - pending.setdefault(c.id, now) < _ABANDONED for c in claims]
    return any(fresh)


def free_run(after: int, count: int, used: Callable[[int, int], set[int]]) -> int:
    """The first position from which `count` consecutive ids are nobody's.

    Args:
        after: Where to begin to look.
        count: How many, 1 to `LAP`.
        used: Which of the ids in a range, both ends included, somebody has.

    Returns:
        A position no less than `after`. A run doesn't go over the end of a lap.

    Raises:
        GalleryError: If there is none in a whole lap.
    """
    position, width = after, count
    while position < after + LAP:
        first = position % LAP + 1
        if first + count - 1 > LAP:
            position += LAP - first + 1
            continue
        last = min(first + width - 1, LAP)
        taken = sorted(used(first, last))
        for low, high in zip([first - 1, *taken], [*taken, last + 1], strict=True):
            if high - low > count:
                return position + low + 1 - first
        position += taken[-1] + 1 - first
        width = max(count, width * _WIDER if len(taken) < _FEW else width // _WIDER)
    raise GalleryError(f"there is no run of {count} identities left that nobody in the gallery has")
