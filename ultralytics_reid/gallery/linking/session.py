"""One camera's run as its gallery sees it: visits going on, ids that turned out to be others, questions still open."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..records import FIRST_LOCAL_ID, Visit
from .messages import EvidenceUpdate, Merge, Message, Observations, PrototypeUpdate, Query, Reject, Split
from .open_visits import JOIN, OpenVisit

# Visits that wait for a gallery that is away; beyond that the oldest are lost, which is told.
MAX_WAITING = 5000
# Seconds by which a box may be told before the tracklet it is of.
_EARLIER = 1.0


class CameraSession:
    """What one camera told since it was started.

    Args:
        camera: Its name.
        origin: When its clock was 0, seconds since 1970.

    Attributes:
        asks: Questions that aren't answered yet.
        lost: Visits that had to be dropped since that was last asked.
        moved: Visits, by id, that are in the gallery under another identity than they should be, and the right one.
        merged: Identities, first made here, that turned out to be others, and which.
        learned: What it has learned and isn't written yet.
        ids: The gallery's ids for those who have local ones; so many are needed as `ids_missing` says.
        renamed: Local ids whose bearers got one of those, and which; the camera is to be told.
    """

    def __init__(self, camera: str, origin: float) -> None:
        self.camera = camera
        self.origin = origin
        self.asks: list[Query] = []
        self.lost = 0
        self.moved: dict[int, int] = {}
        self.merged: list[tuple[int, int]] = []
        self.learned: EvidenceUpdate | None = None
        self.ids: deque[int] = deque()
        self.renamed: list[tuple[int, int]] = []
        self._open: dict[int, OpenVisit] = {}
        self._closed: list[OpenVisit] = []
        self._known: dict[int, int] = {}
        self._decided: set[int] = set()
        self._new: set[int] = set()
        self._local: set[int] = set()

    def take(self, message: Message) -> None:
        """Note a message."""
        if isinstance(message, Query):
            self.asks.append(message)
            if _is_local(identity := self.known(message.identity)):
                self._local.add(identity)
            self._draft(identity, self.origin + message.first).begin(self.origin + message.first)
        elif isinstance(message, PrototypeUpdate):
            time = self.origin + message.time
            self._draft(self.known(message.identity), time).learn(time, message)
        elif isinstance(message, Observations):
            self._see(message)
        elif isinstance(message, Merge):
            self._join(self.known(message.gone), self.known(message.kept))
        elif isinstance(message, Reject):
            self.undo(message.identity)
        elif isinstance(message, Split):
            self._part(message)
        else:
            self.learned = message

    def known(self, identity: int) -> int:
        """The identity that an id turned out to be; itself if that isn't another."""
        while identity in self._known:
            identity = self._known[identity]
        return identity

    @property
    def drafts(self) -> list[OpenVisit]:
        """All visits that are going on or wait to be written."""
        return [*self._closed, *self._open.values()]

    @property
    def writable(self) -> list[OpenVisit]:
        """Visits that have something to be written, of those of whom it is known who they are."""
        return [d for d in self.drafts if d.dirty and d.sure and d.identity in self._decided]

    def decide(self, ask: Query, known: int | None, probability: float) -> None:
        """Take the answer to a question, None for somebody new."""
        self.asks.remove(ask)
        mine = self.known(ask.identity)
        if known is None:
            self._meet(mine)
            return
        if mine in self._new:
            self.merged.append((mine, known))  # others may have met them meanwhile
        self._rename(mine, known, probability)
        self._decided.add(known)

    def follow(self, gone: int, kept: int) -> None:
        """Somebody merged two identities by hand."""
        self.merged.append((gone, kept))  # something may have been written meanwhile
        self._rename(gone, kept, None)
        self._decided.add(kept)

    def undo(self, identity: int) -> None:
        """An answer was wrong: who was asked about is somebody new after all."""
        known = self._known.pop(identity, None)
        for draft in self.drafts:
            if known is not None and draft.identity == known and draft.asked_as == identity:
                self._give(draft, identity, 1.0)
        self._meet(identity)

    def _meet(self, identity: int) -> None:
        """Somebody is new to the gallery, too; who had a local id, which others have as well, gets one of its own."""
        if _is_local(identity):
            self._local.discard(identity)
            self.renamed.append((identity, self.ids.popleft()))
            self._rename(*self.renamed[-1], 1.0)
            identity = self.known(identity)
        self._new.add(identity)
        self._decided.add(identity)

    @property
    def ids_missing(self) -> int:
        """How many more of the gallery's ids are needed, if nobody who has a local one is known."""
        return max(0, len(self._local) - len(self.ids))

    def wrote(self) -> None:
        """Forget the visits that are over and written."""
        self._closed = [d for d in self._closed if d.dirty]

    def end(self) -> None:
        """All visits are over."""
        while self._open:
            self._close(self._open.popitem()[1])

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to ask or to write."""
        return not (self.asks or self.drafts or self.moved or self.merged or self.learned)

    def visits(self, identities: Iterable[int]) -> list[Visit]:
        """What is known here of some identities' visits, newer than what is written."""
        wanted = set(identities)
        return [d.visit() for d in self.drafts if d.identity in wanted and d.identity in self._decided]

    def _see(self, seen: Observations) -> None:
        time = self.origin + seen.time
        for glimpse in seen.glimpses:
            self._draft(self.known(glimpse.identity), time).see(time, glimpse)
        for identity in [i for i, d in self._open.items() if time - d.last > JOIN]:
            self._close(self._open.pop(identity))

    def _draft(self, identity: int, time: float) -> OpenVisit:
        draft = self._open.get(identity)
        if draft is not None and time - draft.last <= JOIN:
            return draft
        if draft is not None:
            self._close(draft)
        self._open[identity] = draft = OpenVisit(self.camera, identity, time, time)
        return draft

    def _close(self, draft: OpenVisit) -> None:
        asked = any(self.known(a.identity) == draft.identity for a in self.asks)
        if not (draft.dirty and draft.sure and (asked or draft.identity in self._decided)):
            return
        self._closed.append(draft)
        if len(self._closed) > MAX_WAITING:
            gone = self._closed.pop(0)
            self.asks = [a for a in self.asks if self.known(a.identity) != gone.identity]
            self.lost += 1

    def _join(self, gone: int, kept: int) -> None:
        if gone == kept:
            return
        if _is_local(kept) and not _is_local(gone):
            # The older of the two came while the gallery was away: it only knows the younger.
            gone, kept = kept, gone
            self.renamed.append((gone, kept))
        self.asks = [a for a in self.asks if self.known(a.identity) != gone]
        if gone in self._new:
            self.merged.append((gone, kept))  # all there is of it anywhere is of this individual
        self._rename(gone, kept, None)

    def _part(self, message: Split) -> None:
        """A visit that began with the mistake is somebody else's; one that began before stays as it is."""
        draft = self._open.get(self.known(message.identity))
        if draft is not None and draft.first >= self.origin + message.since - _EARLIER:
            self._give(draft, message.to, 1.0)

    def _rename(self, gone: int, kept: int, probability: float | None) -> None:
        # Whom the camera took for another may be met again, or found to be who the other is: not both the other's.
        self._known.pop(kept, None)
        self._known[gone] = kept
        for draft in self.drafts:
            if draft.identity == gone:
                self._give(draft, kept, draft.probability if probability is None else probability)

    def _give(self, draft: OpenVisit, identity: int, probability: float) -> None:
        """A visit turns out to be another identity's."""
        if draft.stored and not _is_local(identity):
            self.moved[draft.id] = identity
        if self._open.get(draft.identity) is draft:
            del self._open[draft.identity]
            if identity in self._open:
                self._close(self._open.pop(identity))
            self._open[identity] = draft
        draft.identity, draft.probability, draft.dirty = identity, probability, True


def _is_local(identity: int) -> bool:
    """Whether an id is one of those that no gallery gives, and several cameras may have at once."""
    return identity >= FIRST_LOCAL_ID
