"""Who is new on a camera, and known in the gallery? Decides, and writes what the cameras tell. One thread's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..association import assign
from ..embedding import Bools, Floats
from .drafts import Draft, sightings_of
from .evidence import Evidence
from .messages import Answer, Ask, Settings
from .records import ENROLLED, Filter, Hits, Records, Visit
from .retention import EVIDENCE, MERGED, age_of, camera_of, evidence_key, merged_of, prune
from .run import Run
from .scorer import Scorer
from .stores import Store
from .topology import Topology

# Sightings that a search leaves to a closer look.
_LOOKED_AT = 256
# Questions that are answered at once; of those who may be the same, one a round.
_AT_ONCE, _ROUNDS = 32, 3
# Individuals up to whom they are counted for every question.
_FEW = 1000
# Seconds between two looks at what other cameras have learned, how many are known, and what is too old.
_REREAD, _RECOUNT, _CLEAN_UP = 30.0, 30.0, 3600.0
RECIPE = "recipe"


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Who somebody may be.

    Attributes:
        identities: `(I,)`, those of whom sightings were found.
        scores: `(I,)` cosines under the common metric.
        allowed: `(I,)`, whether they can have been there at all.
        credible: `(I,)`, whether a stranger would hardly be as alike.
        last: Of each, the latest visit before, of those that matter to whether they can have been there.
        found: The sightings.
    """

    identities: list[int]
    scores: Floats
    allowed: Bools
    credible: Bools
    last: list[Visit | None]
    found: Records


class Registrar:
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
        self.runs: list[Run] = []
        self._evidence: dict[str, Evidence] = {}
        self._keys: frozenset[str] = frozenset()
        self._due = {"reread": 0.0, "recount": 0.0, "clean up": 0.0}
        self._crowd = 0
        self._answers: list[tuple[Run, Answer]] = []
        self._merged: list[tuple[int, int]] = []
        self._followed: frozenset[str] | None = None
        self.scorer = Scorer(store.dim, settings.family, {})
        self._note_recipe()

    def _note_recipe(self) -> None:
        if self._settings.recipe and self._store.blob(RECIPE) is None:
            self._store.put_blob(RECIPE, json.dumps(dict(self._settings.recipe)).encode())

    def origin(self, now: float) -> float:
        """When a recording starts of which nobody knows: now, or after all that the gallery has seen, if that is later.

        Recordings are tracked faster than they were made, and what was seen must not lie in the future of what is to
        come.
        """
        later = self._store.visits(Filter(since=now), details=False)
        return max([now, *(v.last + 1 for v in later), *(d.last + 1 for run in self.runs for d in run.drafts)])

    def learned_of(self, camera: str) -> Evidence | None:
        """What was learned of a camera in earlier runs."""
        return self._evidence.get(camera)

    def work(self, now: float) -> list[tuple[Run, Answer]]:
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
        answers = self._without_conflicts(self._answers)
        self._answers = []
        return [*answers, *self._merges()]

    def learn(self, now: float) -> None:
        """Take up what cameras have learned, and hand on what these here have."""
        changed = self._hand_on()
        if changed or now >= self._due["reread"]:
            changed |= self._reread()
            self._look_for_merges()
            self._due["reread"] = now + _REREAD
        if changed:
            self.scorer = Scorer(self._store.dim, self._settings.family, self._evidence)
        if now >= self._due["clean up"]:
            self._clean_up()
            self._due["clean up"] = now + _CLEAN_UP

    def _hand_on(self) -> bool:
        news = [r for r in self.runs if r.learned is not None]
        for run in news:
            assert run.learned is not None
            evidence = run.learned.evidence
            old = [k for k in self._store.blobs(EVIDENCE) if camera_of(k) == run.camera]
            key = evidence_key(run.camera, time.time_ns())
            self._store.put_blob(key, evidence.dump())
            for superseded in old:
                self._store.put_blob(superseded, b"")
            self._evidence[run.camera] = evidence
            self._keys = (self._keys - set(old)) | {key}
            run.learned = None
        return bool(news)

    def _reread(self) -> bool:
        keys = frozenset(self._store.blobs(EVIDENCE))
        new = sorted(keys - self._keys, key=age_of)
        for key in new:
            data = self._store.blob(key)
            if data:
                self._evidence[camera_of(key)] = Evidence.load(data, self._store.dim)
        self._keys = keys
        return bool(new)

    def _look_for_merges(self) -> None:
        """Identities that somebody has merged by hand since this process began."""
        keys = frozenset(self._store.blobs(MERGED))
        new = keys - (keys if self._followed is None else self._followed)
        self._followed = keys
        self._merged += [merged_of(key) for key in sorted(new, key=age_of)]

    def _merges(self) -> list[tuple[Run, Answer]]:
        """Tell the cameras of those, so that they write nobody anew who is no more."""
        merged, self._merged = self._merged, []
        for run in self.runs:
            for gone, kept in merged:
                run.follow(gone, kept)
        return [(run, Answer(gone, kept, similarity=1.0)) for run in self.runs for gone, kept in merged]

    def _clean_up(self) -> None:
        if self._settings.keep_days:
            prune(self._store, self._settings.keep_days, time.time())

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

    def _correct(self, run: Run) -> None:
        while run.merged:
            gone, kept = run.merged[0]
            self._store.relabel(Filter(identities=frozenset({gone})), kept)
            del run.merged[0]
        for visit, identity in list(run.moved.items()):
            self._store.relabel(Filter(visits=frozenset({visit})), identity)
            del run.moved[visit]

    def _answer(self, now: float) -> list[tuple[Run, Answer]]:
        """Answer a batch of questions; those who are both taken for the same have to wait for the next round."""
        asks = [(run, ask) for run in self.runs for ask in run.asks][:_AT_ONCE]
        if not asks:
            return []
        if now >= self._due["recount"] or self._crowd < _FEW:
            self._crowd, self._due["recount"] = self._store.population(), now + _RECOUNT
        found = [self._candidates(run, ask) for run, ask in asks]
        columns = sorted({i for c in found for i in c.identities})
        value, least = np.full((len(asks), len(columns)), -np.inf), -np.log(self._settings.false_rate)
        for row, c in zip(value, found, strict=True):
            worth = self.scorer.worth(c.scores, c.allowed, self._crowd) - least
            row[[columns.index(i) for i in c.identities]] = np.where(_eligible(c) & (worth > 0), worth, -np.inf)
        chosen = dict(assign(np.where(np.isfinite(value), value, -1), np.isfinite(value)))
        answers = []
        for n, ((run, ask), c) in enumerate(zip(asks, found, strict=True)):
            if n not in chosen and np.isfinite(value[n]).any():
                continue  # somebody else of this batch was taken for who it is
            answers.append((run, self._decide(run, ask, c, columns[chosen[n]] if n in chosen else None)))
        return answers

    def _decide(self, run: Run, ask: Ask, found: _Candidates, known: int | None) -> Answer:
        mine = run.known(ask.identity)
        if known is None:
            run.decide(ask, None, 1.0)
            return Answer(mine, None)
        n = found.identities.index(known)
        in_question = found.scores[found.allowed]
        odds = self.scorer.probabilities(in_question, self._crowd)
        probability = float(odds[int(np.count_nonzero(found.allowed[:n]))])
        run.decide(ask, known, probability)
        sightings = found.found.take(np.flatnonzero(found.found.identities == known))
        gap, camera = _last_seen(sightings, found.last[n], run.origin + ask.first)
        looks = self.scorer.as_on(run.camera, sightings.embeddings, sightings.cameras)
        return Answer(mine, known, float(found.scores[n]), probability, gap, camera, looks=looks)

    def _candidates(self, run: Run, ask: Ask) -> _Candidates:
        beside = frozenset({run.known(i) for i in ask.beside} | {run.known(ask.identity)})
        classes = frozenset({ask.cls}) if self._settings.match_class else None
        where = Filter(excluding=beside, classes=classes)
        query = self.scorer.query(ask.embedding, run.camera)
        hits = self._store.search(query[None], _LOOKED_AT, where, exact=False)[0]
        identities, scores = self._scores(ask.embedding, run.camera, hits)
        first, until = run.origin + ask.first, run.origin + ask.last
        visits = self._visits(identities, max(0.0, first - self._topology.horizon))
        allowed = np.array([self._allows(visits[i], run.camera, first, until) for i in identities], bool)
        credible = self.scorer.credible(scores, self._settings.false_rate, self._crowd)
        last = [_latest(visits[i], first) for i in identities]
        return _Candidates(identities, scores, allowed, credible, last, hits.records)

    def _scores(self, embedding: Floats, camera: str, hits: Hits) -> tuple[list[int], Floats]:
        """How alike each identity is of whom sightings were found: as the closest of them, or all of them together."""
        found = hits.records
        neutral = self.scorer.neutral(found.embeddings, found.cameras)
        identities, index = np.unique(found.identities, return_inverse=True)
        means = np.array([neutral[index == n].mean(axis=0) for n in range(len(identities))], np.float32)
        each = self.scorer.compare(embedding, camera, neutral)
        scores = self.scorer.compare(embedding, camera, means.reshape(-1, self._store.dim))
        np.maximum.at(scores, index, each)
        return identities.tolist(), scores

    def _visits(self, identities: Iterable[int], since: float) -> dict[int, list[Visit]]:
        """Some identities' visits that ended after a time; of those going on here, what isn't written yet too."""
        wanted = frozenset(identities)
        stored = self._store.visits(Filter(identities=wanted, since=since), details=False) if wanted else ()
        visits = {v.id: v for v in stored}
        for run in self.runs:
            visits |= {v.id: v for v in run.visits(wanted)}
        by_identity: dict[int, list[Visit]] = {i: [] for i in wanted}
        for visit in visits.values():
            by_identity.setdefault(visit.identity, []).append(visit)
        return by_identity

    def _allows(self, visits: Sequence[Visit], camera: str, first: float, last: float) -> bool:
        latest = _latest(visits, first)
        return all(self._topology.allows(v, camera, first, last, latest=v is latest) for v in visits)

    def _without_conflicts(self, answers: list[tuple[Run, Answer]]) -> list[tuple[Run, Answer]]:
        """Take back what another process has decided otherwise meanwhile.

        Both wrote before they look here, so at least one of two sees the other, and gives way. It can't know whether it
        was seen; where both give way, they are asked about again once there is more to see of them.
        """
        return [(run, self._checked(run, answer)) for run, answer in answers]

    def _checked(self, run: Run, answer: Answer) -> Answer:
        if answer.known is None:
            return answer
        mine = [d for d in run.drafts if d.identity == answer.known and d.asked_as == answer.identity]
        own = {d.id for r in self.runs for d in r.drafts}
        for draft in mine:
            others = self._store.visits(Filter(identities=frozenset({answer.known}), since=draft.first), details=False)
            if any(self._gives_way(draft, v) for v in others if v.id not in own):
                run.undo(answer.identity)
                self.write()
                return Answer(answer.identity, None)
        return answer

    def _gives_way(self, draft: Draft, other: Visit) -> bool:
        return not self._topology.allows(other, draft.camera, draft.first, draft.last, latest=False)


def _last_seen(sightings: Records, visit: Visit | None, before: float) -> tuple[float, str]:
    """How long before a time somebody was seen last, seconds, and where; 0 and nowhere if that wasn't before.

    Args:
        sightings: What was found of them.
        visit: Their latest visit, if it isn't over for long.
        before: Seconds since 1970.
    """
    seen = [(t, c) for t, c in zip(sightings.times, sightings.cameras, strict=True) if c != ENROLLED and t <= before]
    last, camera = max([*seen, *([(visit.last, visit.camera)] if visit else [])], default=(before, ENROLLED))
    return max(0.0, before - float(last)), camera


def _latest(visits: Sequence[Visit], before: float) -> Visit | None:
    """Of those visits that began before a time, the one that ended last; pictures are no visits."""
    return max((v for v in visits if v.first <= before and v.camera != ENROLLED), key=lambda v: v.last, default=None)


def _eligible(found: _Candidates) -> Bools:
    """Those who are credible, and of them only the most alike of all who can have been there."""
    best = found.scores[found.allowed].max(initial=-1)
    return np.asarray(found.allowed & found.credible & (found.scores >= best))
