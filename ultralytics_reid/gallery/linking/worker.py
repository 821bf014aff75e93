"""A process's line to its gallery: a thread of its own, so that a slow or absent gallery never stalls a frame."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...appearance.evidence import LearnedStatistics
from ...errors import GalleryError, GalleryUnavailable
from ..records import FIRST_LOCAL_ID, LAST_ID
from ..store import Store
from .linker import Linker
from .messages import Answer, Message, Outage, Reply, Settings
from .session import CameraSession
from .topology import Topology

# Seconds between two looks at what there is to do, and between tries to reach a gallery that is away.
_TICK = 0.2
_FIRST_RETRY, _LAST_RETRY = 0.5, 15.0
# Ids that are fetched ahead, and how many may be left before more are.
_AHEAD, _FEW = 32, 16
# Messages that wait for a gallery which was not there from the start; beyond that the oldest go.
_MAX_HELD = 20_000


def local_ids() -> Iterator[int]:
    """All ids that no gallery gives, each once."""
    return iter(range(FIRST_LOCAL_ID, LAST_ID + 1))


@dataclass(eq=False)
class Channel:
    """One camera's end of the line.

    Attributes:
        camera: Its name.
        start: When its clock was 0, seconds since 1970; None where nobody knows, and the gallery finds out.
        before: The line whose clock it goes on with; None for a clock of its own.
        replies: What came back, the oldest first.
        known_before: What was learned of the camera in earlier runs, once it is there.
        closed: Whether the camera's run is over.
    """

    camera: str
    start: float | None
    before: Channel | None = None
    replies: deque[Reply] = field(default_factory=deque)
    known_before: LearnedStatistics | None = None
    closed: bool = False
    _run: CameraSession | None = None


class GalleryWorker:
    """Talks to a gallery for all cameras of a process.

    Args:
        connect: Opens the gallery's store.
        topology: How cameras lie.
        settings: How to decide.
        local: Gives ids that the gallery never gives, each once; None for all of them.

    Attributes:
        failed: Why the gallery can't be used at all, if it can't; None otherwise.
        opened: Whether it has been there.
        tells: Whether likeness can be judged by now, so that asking pays.
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
        self.failed: GalleryError | None = None
        self.is_discriminative = self.opened = False
        self._inbox: deque[tuple[Channel, Message | None]] = deque()
        self._lines: list[Channel] = []
        self._ids: deque[int] = deque()
        self._local = local_ids() if local is None else local
        self._awake, self._done, self._ready = threading.Event(), threading.Event(), threading.Event()
        self._hurry = threading.Event()
        self._telling = threading.Lock()
        self._asked, self._served = 0, 0
        self._served_up_to = threading.Condition()
        self._registrar: Linker | None = None
        self._store: Store | None = None
        self._away: Outage | None = None
        self._retry = _FIRST_RETRY
        self._common_start: float | None = None
        self._awake.set()
        self._thread = threading.Thread(target=self._serve, name="reid-gallery", daemon=True)
        self._thread.start()

    def open_channel(self, camera: str, start: float | None, before: Channel | None = None) -> Channel:
        """Make a camera known.

        Args:
            camera: Its name.
            start: When its clock was 0, seconds since 1970; None where nobody knows.
            before: The line, over by now, whose clock goes on; None for a clock that begins at 0.
        """
        line = Channel(camera, start, before)
        with self._telling:
            self._lines.append(line)
            if self._away is not None:
                line.replies.append(self._away)
        self.send(line, None)
        return line

    def close_channel(self, line: Channel) -> None:
        """A camera's run is over; what it told is still written."""
        line.closed = True
        self._awake.set()

    def send(self, line: Channel, message: Message | None) -> None:
        """Tell the gallery something; returns at once."""
        if self.failed is not None:
            return  # nobody will ever listen
        self._inbox.append((line, message))
        self._asked += 1
        self._awake.set()

    def next_id(self) -> int:
        """An id that nobody else has: the gallery's, or, while it is away, one that it never gives."""
        if len(self._ids) < _FEW:
            self._asked += 1
            self._awake.set()
        try:
            return self._ids.popleft()
        except IndexError:
            return next(self._local)

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait for the gallery to be there; returns whether it is."""
        return self._ready.wait(seconds)

    @property
    def away(self) -> bool:
        """Whether the gallery can't be reached."""
        return self._away is not None

    def settle(self, seconds: float, *, until_back: bool = True) -> bool:
        """Wait until what was told until now has been dealt with.

        Args:
            seconds: How long at most.
            until_back: Whether to wait for a gallery that is away, too.

        Returns:
            Whether it has been.
        """
        upto = self._asked
        self._awake.set()
        if until_back:
            self._hurry.set()
        with self._served_up_to:
            self._served_up_to.wait_for(lambda: self._served >= upto or self._gives_up(until_back), seconds)
            return self._served >= upto or self.failed is not None

    def _gives_up(self, until_back: bool) -> bool:
        return self._done.is_set() or (self.away and not until_back)

    def close(self, seconds: float = 5.0) -> bool:
        """Write what there is to be written, and stop; returns whether everything was."""
        settled = self.settle(seconds)
        self._done.set()
        self._awake.set()
        self._hurry.set()
        self._thread.join(max(0.1, seconds))
        return settled

    def _serve(self) -> None:
        try:
            self._serve_all()
        finally:
            if not self._done.is_set():
                # Whoever waits must not wait for a thread that is no more.
                self._fail(GalleryError("what talks to the gallery ended by an error of its own"))
            if self._store is not None:
                self._store.close()

    def _serve_all(self) -> None:
        while not self._done.is_set():
            self._awake.wait(_TICK)
            self._awake.clear()
            upto = self._asked
            try:
                self._work()
            except GalleryUnavailable as error:
                self._lose(error)
            except GalleryError as error:
                self._fail(error)
            else:
                self._served_to(upto)

    def _work(self) -> None:
        if self._registrar is None:
            self._open()
        registrar = self._registrar
        assert registrar is not None
        over = [line for line in self._lines if line.closed]  # before listening: they told all that they will ever tell
        self._listen(registrar)
        self._fetch_ids(registrar)
        self._end(registrar, over)
        for run, answer in registrar.work(time.monotonic()):
            self._reply(run, answer)
        for run in registrar.runs:
            self._tell_ids(run)
        if not self._asked_still:
            self._find_again(registrar)
        self.is_discriminative = registrar.scorer.is_discriminative
        self.opened = True
        self._ready.set()

    def _open(self) -> None:
        self._store = self._store or self._connect()
        self._registrar = Linker(self._store, self._topology, self._settings)
        self._registrar.learn(time.monotonic())

    def _listen(self, registrar: Linker) -> None:
        """Take what the cameras told, in order."""
        while self._inbox:
            line, message = self._inbox[0]
            if line._run is None:
                line._run = CameraSession(line.camera, self._start_of(line, registrar))
                line.before = None
                line.known_before = registrar.learned_of(line.camera)
                registrar.runs.append(line._run)
            if message is not None:
                line._run.take(message)
            self._inbox.popleft()

    def _end(self, registrar: Linker, over: Sequence[Channel]) -> None:
        """Drop the runs that are over, and of which nothing is left to do."""
        for line in over:
            run = line._run
            if run is not None:
                run.end()
            if run is None or run.finished:
                registrar.forget(run)
                self._lines.remove(line)

    @property
    def _asked_still(self) -> bool:
        """Whether there are questions left; more than can be answered at once have to wait."""
        return self._registrar is not None and any(run.asks for run in self._registrar.runs)

    def _start_of(self, line: Channel, registrar: Linker) -> float:
        """When a camera's clock was 0; recordings of which nobody knows are taken to have started together."""
        if line.start is not None:
            return line.start
        if line.before is not None and line.before._run is not None:
            return line.before._run.origin
        others = [other for other in self._lines if other._run is not None and other.start is None]
        going_on = any(not other.closed for other in others)
        if self._common_start is None or not going_on:
            self._common_start = registrar.origin(time.time())
        return self._common_start

    def _fetch_ids(self, registrar: Linker) -> None:
        assert self._store is not None
        if len(self._ids) < _FEW:
            first = self._store.reserve(_AHEAD)
            self._ids.extend(range(first, first + _AHEAD))
        for run in registrar.runs:
            if run.ids_missing:
                first = self._store.reserve(run.ids_missing)
                run.ids.extend(range(first, first + run.ids_missing))

    def _tell_ids(self, run: CameraSession) -> None:
        """Tell of those who had local ids, and have one of the gallery's now."""
        while run.renamed:
            local, identity = run.renamed.pop(0)
            self._reply(run, Answer(local, identity, similarity=1.0, camera=run.camera, new=True))

    def _reply(self, run: CameraSession, answer: Answer) -> None:
        for line in self._lines:
            if line._run is run:
                line.replies.append(replace(answer, late=self.away))

    def _lose(self, error: GalleryUnavailable) -> None:
        """The gallery is away: say so once, and try again ever more seldom."""
        if self._away is None:
            self._tell(Outage(str(error)))
        while self._registrar is None and len(self._inbox) > _MAX_HELD:
            self._inbox.popleft()
        self._hurry.wait(self._retry)
        self._hurry.clear()
        self._retry = min(2 * self._retry, _LAST_RETRY)

    def _find_again(self, registrar: Linker) -> None:
        lost = sum(run.lost for run in registrar.runs)
        for run in registrar.runs:
            run.lost = 0
        if self._away is not None or lost:
            self._tell(Outage(lost=lost))
        self._retry = _FIRST_RETRY

    def _fail(self, error: GalleryError) -> None:
        """The gallery can't be used, and waiting won't help."""
        self.failed = error
        self._tell(Outage(str(error)))
        self._ready.set()
        self._done.set()
        with self._served_up_to:
            self._served_up_to.notify_all()

    def _tell(self, news: Outage) -> None:
        with self._telling:
            self._away = news if news.why else None
            for line in self._lines:
                line.replies.append(news)
        with self._served_up_to:
            self._served_up_to.notify_all()

    def _served_to(self, upto: int) -> None:
        if self._asked_still:
            self._awake.set()
            return
        with self._served_up_to:
            self._served = upto
            self._served_up_to.notify_all()
