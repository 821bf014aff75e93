"""Who is new on a camera, and known in the gallery? Decides, and writes what the cameras tell. One thread's."""

from __future__ import annotations

import json
import time

from ...appearance.evidence import LearnedStatistics
from ..records import Filter, Visit
from ..retention import MERGED, age_of, merged_of, prune
from ..scorer import Scorer
from ..store import Store
from .candidates import CandidateRanker, GalleryCandidates, choose
from .messages import Answer, Query, Settings
from .open_visits import OpenVisit, sightings_of
from .session import CameraSession
from .shared_evidence import SharedEvidence
from .topology import Topology

# Questions that are answered at once, of one camera, and how often in a row: who is asked about next is compared with
# those who were new a moment before.
_AT_ONCE, _ROUNDS = 32, 16
# Individuals up to whom they are counted for every question.
_FEW = 1000
# Seconds between two looks at what other cameras have learned, how many are known, and what is too old.
_REREAD, _RECOUNT, _CLEAN_UP = 30.0, 30.0, 3600.0
RECIPE = "recipe"


class Linker:
    """A gallery's side of all cameras of a process.

    Args:
        store: The gallery.
        topology: How cameras lie.
        settings: How to decide, and for how long to keep.

    Attributes:
        runs: The cameras.
    """

    def __init__(self, store: Store, topology: Topology, settings: Settings) -> None:
        self._store = store
        self._topology = topology
        self._settings = settings
        self.runs: list[CameraSession] = []
        self._learning = SharedEvidence(store, settings.family)
        self._judge = CandidateRanker(store, topology, settings, self.runs)
        self._due = {"reread": 0.0, "recount": 0.0, "clean up": 0.0}
        self._crowd = 0
        self._answers: list[tuple[CameraSession, Answer]] = []
        self._merged: list[tuple[int, int]] = []
        self._followed: frozenset[str] | None = None
        self._note_recipe()

    def _note_recipe(self) -> None:
        if self._settings.recipe and self._store.blob(RECIPE) is None:
            self._store.put_blob(RECIPE, json.dumps(dict(self._settings.recipe)).encode())

    @property
    def scorer(self) -> Scorer:
        """Judges likeness by what all cameras have learned."""
        return self._learning.scorer

    def origin(self, now: float) -> float:
        """When a recording starts of which nobody knows: now, or after all that the gallery has seen, if that is later.

        Recordings are tracked faster than they were made, and what was seen must not lie in the future of what is to
        come.
        """
        later = self._store.visits(Filter(since=now), details=False)
        return max([now, *(v.last + 1 for v in later), *(d.last + 1 for run in self.runs for d in run.drafts)])

    def learned_of(self, camera: str) -> LearnedStatistics | None:
        """What was learned of a camera in earlier runs."""
        return self._learning.of(camera)

    def forget(self, run: CameraSession | None) -> None:
        """A camera's run is over, if it ever began, and nothing is left of it to do."""
        if run in self.runs:
            self.runs.remove(run)

    def work(self, now: float) -> list[tuple[CameraSession, Answer]]:
        """Answer what is asked and write what was told.

        Whatever is left undone when it raises is done by the next call.

        Args:
            now: The time, seconds; of any steady clock.

        Raises:
            GalleryUnavailable: If the gallery can't be reached.
        """
        self.learn(now)
        self.write()
        for _ in range(_ROUNDS):
            answered = self._answer(now)
            self._answers += answered  # kept: what is decided must be told, even if the next line can't be written now
            self.write()
            if not answered:
                break
        self._take_back_conflicts()
        answers, self._answers = self._answers, []
        return [*answers, *self._merges()]

    def learn(self, now: float) -> None:
        """Take up what cameras have learned and what people have changed by hand, and delete what is too old."""
        handed_on = self._learning.hand_on(self.runs)
        if handed_on or now >= self._due["reread"]:
            self._learning.reread()
            self._look_for_merges()
            self._due["reread"] = now + _REREAD
        if now >= self._due["clean up"]:
            if self._settings.keep_days:
                prune(self._store, self._settings.keep_days, time.time())
            self._due["clean up"] = now + _CLEAN_UP

    def _look_for_merges(self) -> None:
        """Identities that somebody has merged by hand since this process began."""
        keys = frozenset(self._store.blobs(MERGED))
        new = keys - (keys if self._followed is None else self._followed)
        self._followed = keys
        self._merged += [merged_of(key) for key in sorted(new, key=age_of)]

    def _merges(self) -> list[tuple[CameraSession, Answer]]:
        """Tell the cameras of those, so that they write nobody anew who is no more."""
        merged, self._merged = self._merged, []
        for run in self.runs:
            for gone, kept in merged:
                run.follow(gone, kept)
        return [(run, Answer(gone, kept, similarity=1.0)) for run in self.runs for gone, kept in merged]

    def write(self) -> None:
        """Write all visits that have news, of those of whom it is decided who they are."""
        for run in self.runs:
            self._correct(run)
        drafts = [d for run in self.runs for d in run.writable]
        if drafts:
            self._store.upsert(sightings_of(drafts, self._store.dim), [d.visit() for d in drafts])
            for draft in drafts:
                draft.written()
        for run in self.runs:
            run.wrote()

    def _correct(self, run: CameraSession) -> None:
        while run.merged:
            gone, kept = run.merged[0]
            self._store.relabel(Filter(identities=frozenset({gone})), kept)
            del run.merged[0]
        for visit, identity in list(run.moved.items()):
            self._store.relabel(Filter(visits=frozenset({visit})), identity)
            del run.moved[visit]

    def _answer(self, now: float) -> list[tuple[CameraSession, Answer]]:
        """Answer one camera's questions; who is taken for the same as somebody else here has to wait for the next time.

        Whoever was new is written before another camera's questions are answered, and may be their answer.
        """
        asking = [run for run in self.runs if run.asks]
        if not asking:
            return []
        run = min(asking, key=lambda r: r.origin + r.asks[0].first)
        self._count(now)
        asks = run.asks[:_AT_ONCE]
        found = [self._judge.candidates(run, ask, self.scorer, self._crowd) for ask in asks]
        chosen, waiting = choose(found)
        rows = [n for n in range(len(asks)) if n not in waiting]
        return [(run, self._decide(run, asks[n], found[n], chosen.get(n))) for n in rows]

    def _count(self, now: float) -> None:
        if now >= self._due["recount"] or self._crowd < _FEW:
            self._crowd, self._due["recount"] = self._store.population(), now + _RECOUNT

    def _decide(self, run: CameraSession, ask: Query, found: GalleryCandidates, known: int | None) -> Answer:
        mine = run.known(ask.identity)
        if known is None:
            run.decide(ask, None, 1.0)
            return Answer(mine, None)
        score, sightings = found.of(known)
        probability = found.probability(known, self.scorer, self._crowd)
        gap, camera = self._judge.last_seen(known, run.origin + ask.first)
        looks = self.scorer.as_on(run.camera, sightings.embeddings, sightings.cameras)
        run.decide(ask, known, probability)
        return Answer(mine, known, score, probability, gap, camera, looks=looks)

    def _take_back_conflicts(self) -> None:
        """Take back what another process has decided otherwise meanwhile.

        Both wrote before they look here, so at least one of two sees the other, and gives way. It can't know whether it
        was seen; where both give way, they are asked about again once there is more to see of them.
        """
        for n, (run, answer) in enumerate(self._answers):
            if answer.known is not None and self._conflicts(run, answer.identity, answer.known):
                run.undo(answer.identity)
                self._answers[n] = run, Answer(answer.identity, None)
        self.write()

    def _conflicts(self, run: CameraSession, asked_as: int, known: int) -> bool:
        own = {d.id for r in self.runs for d in r.drafts}
        for draft in [d for d in run.drafts if d.identity == known and d.asked_as == asked_as]:
            others = self._store.visits(Filter(identities=frozenset({known}), since=draft.first), details=False)
            if any(self._gives_way(draft, v) for v in others if v.id not in own):
                return True
        return False

    def _gives_way(self, draft: OpenVisit, other: Visit) -> bool:
        return not self._topology.allows(other, draft.camera, draft.first, draft.last, latest=False)
