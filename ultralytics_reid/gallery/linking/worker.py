"""The gallery's thread: all store calls of a process, so that a slow or absent gallery never delays a frame."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from ...appearance.evidence import LearnedStatistics
from ...errors import GalleryError, GalleryReplaced, GalleryUnavailable
from ..records import FIRST_LOCAL_ID, LAST_ID
from ..store import Store
from .linker import Linker
from .messages import Answer, Close, Forget, Message, Open, Outage, Reply, Settings
from .session import CameraSession
from .topology import Topology

_LOGGER = logging.getLogger("ultralytics")
# Seconds between two passes while nothing is sent, and between two tries to reach a gallery that is away.
_TICK = 0.2
_FIRST_RETRY, _LAST_RETRY = 0.5, 15.0
# Ids reserved at once, and the number below which more are reserved.
_ID_BLOCK, _MIN_IDS = 32, 16
# Messages held for a gallery that was never there; beyond that the oldest are dropped.
_MAX_HELD = 20_000


def local_ids() -> Iterator[int]:
    """All ids that no gallery gives, each once."""
    return iter(range(FIRST_LOCAL_ID, LAST_ID + 1))


@dataclass(eq=False)
class Channel:
    """One camera's channel to the gallery's thread, which fills in what isn't given.

    Attributes:
        camera: Its name.
        start: When its clock was 0, seconds since 1970; None where that is unknown.
        previous: The closed channel whose clock goes on; None for a clock that begins at 0.
        replies: Answers and outages, the oldest first.
        prior_evidence: What the camera learned in earlier runs, once it is there.
        session: The gallery's view of the camera; the gallery's thread alone may use it.
        inherited: Whether it is of the process that forked this one, which goes on with it; nothing is sent any more.
    """

    camera: str
    start: float | None
    previous: Channel | None = None
    replies: deque[Reply] = field(default_factory=deque)
    prior_evidence: LearnedStatistics | None = None
    session: CameraSession | None = None
    inherited: bool = False


@dataclass(frozen=True, eq=False)
class _Barrier:
    """Waits until all that was sent before it is written.

    Attributes:
        until_back: Whether it also waits for a gallery that is away.
        written: Whether all of it was; False if it gave up.
    """

    until_back: bool
    written: Future[bool] = field(default_factory=Future)


class _Signal(Enum):
    """Asks for a pass, since ids run short, or for a last one."""

    WAKE = auto()
    STOP = auto()


_Item = tuple[Channel, Message] | _Barrier | _Signal

# Of this process, as a fork copies all of them.
_WORKERS: weakref.WeakSet[GalleryWorker] = weakref.WeakSet()


def _after_fork() -> None:
    for worker in tuple(_WORKERS):
        worker.begin_anew()


# Not on Windows, which doesn't fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class GalleryWorker:
    """Run a gallery in a thread of its own, for all cameras of a process.

    Trackers call the public methods from any thread. None of them waits for the store, except `settle` and `close`.

    After a fork, the parent goes on with its thread, its cameras and the ids that it fetched. The child has none of
    them: its thread starts when something is sent first, its cameras open channels of their own.

    Args:
        connect: Opens the gallery's store.
        topology: Travel times between cameras.
        settings: How to decide.
        local: Ids that the gallery never gives, each once; None for all of them.

    Attributes:
        failed: Why the gallery can't be used at all; None otherwise.
        opened: Whether it has been reached.
        is_discriminative: Whether similarity tells identities apart by now, so that queries can be answered.
    """

    def __init__(
        self,
        connect: Callable[[], Store],
        topology: Topology,
        settings: Settings,
        local: Iterator[int] | None = None,
    ) -> None:
        self._connect = connect
        self._topology = topology
        self._settings = settings
        self._local_ids = local_ids() if local is None else local
        self.failed: GalleryError | None = None
        self._stopping = False
        self._channels: list[Channel] = []
        self._store: Store | None = None
        self.begin_anew()
        _WORKERS.add(self)
        self._start()

    def begin_anew(self) -> None:
        """Let go of all that belongs to another process' thread; for the child of a fork, before anything is sent."""
        for channel in self._channels:
            channel.inherited = True
        self.is_discriminative = self.opened = False
        # SimpleQueue is reentrant: a finalizer may close the worker in the middle of a `put` of the same thread.
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._held: deque[tuple[Channel, Message]] = deque()
        self._barriers: list[_Barrier] = []
        self._ended: Future[bool] = Future()
        if self._stopping or self.failed is not None:
            self._ended.set_result(True)
        self._channels = []
        self._outage: Outage | None = None
        self._announcing = threading.Lock()  # every open channel hears of each outage exactly once
        self._gallery_ids: deque[int] = deque()
        self._linker: Linker | None = None
        self._replaced: Linker | None = None
        self._pause, self._retry = 0.0, _FIRST_RETRY
        self._closed: bool | None = None
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        with self._announcing:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="reid-gallery", daemon=True)
                self._thread.start()

    def open_channel(self, camera: str, start: float | None, previous: Channel | None = None) -> Channel:
        """Begin a camera's run.

        Args:
            camera: Its name.
            start: When its clock was 0, seconds since 1970; None where that is unknown.
            previous: The closed channel whose clock goes on; None for a clock that begins at 0.
        """
        channel = Channel(camera, start, previous)
        with self._announcing:
            self._channels.append(channel)
            if self._outage is not None:
                channel.replies.append(self._outage)
        self.send(channel, Open())
        return channel

    def close_channel(self, channel: Channel) -> None:
        """End a camera's run; all that it sent is still written."""
        self.send(channel, Close())

    def send(self, channel: Channel, message: Message) -> None:
        """Send a message to the gallery; returns at once."""
        if not channel.inherited:
            self._put((channel, message))

    def next_id(self) -> int:
        """Take a new id: one of the gallery's, or, while none are at hand, one that no gallery gives."""
        if len(self._gallery_ids) < _MIN_IDS:
            self._put(_Signal.WAKE)
        try:
            return self._gallery_ids.popleft()
        except IndexError:
            return next(self._local_ids)

    @property
    def away(self) -> bool:
        """Whether the gallery can't be reached."""
        return self._outage is not None

    @property
    def backlog(self) -> int:
        """Number of messages that the gallery's thread has not dealt with."""
        return self._inbox.qsize() + len(self._held)

    def settle(self, seconds: float, *, until_back: bool = True) -> bool:
        """Wait until all that was sent before is written.

        Args:
            seconds: At most this long.
            until_back: Whether to wait for a gallery that is away, too; it is tried at once then.

        Returns:
            Whether it is written; True also where the gallery failed for good, since waiting longer won't help.
        """
        if self.away and not until_back:
            return self.failed is not None
        barrier = _Barrier(until_back)
        self._put(barrier)
        wait((barrier.written, self._ended), seconds, FIRST_COMPLETED)
        return self.failed is not None or (barrier.written.done() and barrier.written.result())

    def close(self, seconds: float = 5.0) -> bool:
        """Write what is left, and end the thread.

        Args:
            seconds: Wait at most this long for the former, and again for the latter.

        Returns:
            Whether everything was written. In the gallery's own thread, where the garbage collector may run a
            finalizer, there is no waiting for itself: the last pass writes after this has returned.
        """
        if self._thread is None:
            return True  # forked, and nothing was sent since
        if self._closed is not None and self._inbox.empty():
            return self._closed  # closed before, and nothing was sent since
        inside = threading.current_thread() is self._thread
        written = inside or self.settle(seconds)
        self._put(_Signal.STOP)
        if not inside:
            self._thread.join(max(0.1, seconds))
            self._closed = written if self._ended.done() else None
        return written

    def _put(self, item: _Item) -> None:
        if self.failed is None:  # otherwise nothing would ever take it out again
            self._inbox.put(item)
            if self._thread is None:
                self._start()

    # All that follows runs in the gallery's thread.

    def _run(self) -> None:
        try:
            while self.failed is None and not self._stopping:
                self._receive()
                if not (self._stopping and self.away):  # the end doesn't wait for one more try
                    self._pass()
        finally:
            if self.failed is None and not self._stopping:
                self._fail(GalleryError("the gallery's thread ended by an error of its own"))
            self._ended.set_result(True)
            if self._store is not None:
                self._store.close()

    def _receive(self) -> None:
        """Take all that was sent; wait for it, but no longer than the pause between two passes."""
        until = time.monotonic() + self._pause
        while True:
            try:
                item = self._inbox.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            self._take(item)
            if not self.away or item is _Signal.STOP or (isinstance(item, _Barrier) and item.until_back):
                until = 0.0  # no more waiting: a pass can help

    def _take(self, item: _Item) -> None:
        if isinstance(item, _Barrier):
            self._barriers.append(item)
            if self.away:
                self._release_impatient()
        elif isinstance(item, _Signal):
            self._stopping |= item is _Signal.STOP
        else:
            self._held.append(item)

    def _pass(self) -> None:
        """Deal with all that was received; what is left undone when the gallery is away is done by the next pass."""
        try:
            has_queries = self._work()
        except GalleryReplaced as error:
            self._lose(error)
            self._let_go()
        except GalleryUnavailable as error:
            self._lose(error)
        except GalleryError as error:
            if self._replaced is None:
                self._fail(error)
            else:
                self._lose(error)  # what lies there now isn't the gallery; it may be put back
        else:
            self._pause = 0.0 if has_queries else _TICK
            if not has_queries:
                self._release_all()

    def _work(self) -> bool:
        """Serve all cameras; returns whether queries are left, which one pass answers only so many of."""
        linker = self._linker or self._open()
        self._deliver(linker)
        if len(self._gallery_ids) < _MIN_IDS:
            first = linker.reserve(_ID_BLOCK)
            self._gallery_ids.extend(range(first, first + _ID_BLOCK))
        for session, answer in linker.work(time.monotonic()):
            self._reply(session, answer)
        for identities in linker.pop_deleted():
            for channel in self._channels:
                channel.replies.append(Forget(identities))
        self._drop_finished(linker)
        if not linker.has_queries:
            self._announce_return(linker)
        self.is_discriminative = linker.scorer.is_discriminative
        self.opened = True
        return linker.has_queries

    def _open(self) -> Linker:
        self._store = self._store or self._connect()
        linker = Linker(self._store, self._topology, self._settings)
        if self._replaced is not None:
            linker.take_over(self._replaced)
        linker.maintain(time.monotonic())
        self._linker, self._replaced = linker, None
        return linker

    def _let_go(self) -> None:
        """Close a gallery whose file was exchanged; the next pass opens what is there now, and takes ids from there."""
        self._replaced, self._linker = self._linker or self._replaced, None
        self._gallery_ids.clear()
        if self._store is not None:
            self._store.close()
        self._store, self._pause = None, _FIRST_RETRY

    def _deliver(self, linker: Linker) -> None:
        """Hand messages to their cameras' sessions, in order; each is held until that succeeded."""
        while self._held:
            channel, message = self._held[0]
            if isinstance(message, Open):
                before = None if channel.previous is None else channel.previous.session
                channel.session = linker.open_session(channel.camera, channel.start, before)
                channel.previous = None
                channel.prior_evidence = linker.evidence_of(channel.camera)
            elif channel.session is not None:
                channel.session.receive(message)
            self._held.popleft()

    def _reply(self, session: CameraSession, answer: Answer) -> None:
        for channel in self._channels:
            if channel.session is session:
                channel.replies.append(replace(answer, late=self.away))

    def _drop_finished(self, linker: Linker) -> None:
        """Forget the cameras whose run is over and completely written."""
        for channel in tuple(self._channels):
            if channel.session is not None and channel.session.finished:
                linker.sessions.remove(channel.session)
                self._channels.remove(channel)

    def _lose(self, error: GalleryError) -> None:
        """The gallery is away: announce it once, and try again ever more seldom."""
        if not self.away:
            _LOGGER.warning(f"{error}; tracking goes on, and what is seen is kept for later")
            self._announce(Outage(str(error)))
        self._release_impatient()
        if self._linker is None:
            self._drop_oldest()
        self._pause = self._retry
        self._retry = min(2 * self._retry, _LAST_RETRY)

    def _drop_oldest(self) -> None:
        """Bound the memory of a gallery that was never there; beginnings and ends of runs stay."""
        excess = len(self._held) - _MAX_HELD
        if excess > 0:
            droppable = [n for n, (_, m) in enumerate(self._held) if not isinstance(m, Open | Close)]
            dropped = set(droppable[:excess])
            self._held = deque(item for n, item in enumerate(self._held) if n not in dropped)

    def _announce_return(self, linker: Linker) -> None:
        lost = linker.pop_lost()
        if lost:
            _LOGGER.warning(f"the gallery has lost {lost} visits")
        if self.away or lost:
            self._announce(Outage(lost=lost))
        self._retry = _FIRST_RETRY

    def _fail(self, error: GalleryError) -> None:
        """The gallery can't be used, and waiting won't help."""
        self.failed = error
        if self.opened:
            _LOGGER.warning(f"{error}; tracking goes on, and nothing more is stored in the gallery")
        self._announce(Outage(str(error)))

    def _announce(self, outage: Outage) -> None:
        with self._announcing:
            self._outage = outage if outage.why else None
            for channel in self._channels:
                channel.replies.append(outage)

    def _release_all(self) -> None:
        for barrier in self._barriers:
            barrier.written.set_result(True)
        self._barriers.clear()

    def _release_impatient(self) -> None:
        """Give up the barriers that don't wait for a gallery that is away."""
        for barrier in self._barriers:
            if not barrier.until_back:
                barrier.written.set_result(False)
        self._barriers = [b for b in self._barriers if b.until_back]
