"""The least sure links of a gallery, and what an answer about one of them changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReIDError
from ..gallery.gallery import Gallery
from ..gallery.records import Filter
from ..gallery.relinking.decisions import DIFFERENT, SAME, Decision
from ..gallery.relinking.proposals import MERGE, Proposal
from ..gallery.visit_columns import VisitColumns
from .directory import Snapshot

LINK, PAIR = "link", "pair"
# The visits that are compared with each other for pairs: the latest; comparing takes their square.
MAX_COMPARED = 400
MAX_LINKS, MAX_PAIRS = 200, 50
# Seconds after which pairs are looked for anew.
_PAIRS_AGE = 60.0


@dataclass(frozen=True)
class Question:
    """Do two groups of visits show the same individual?

    Attributes:
        kind: `link` (a visit of an identity against its other visits) or `pair` (two identities).
        identities: The identity of the first group, and of the second.
        visits: Ids of the first group.
        others: Ids of the second group.
        probability: That they do, in [0, 1].
    """

    kind: str
    identities: tuple[int, int]
    visits: tuple[int, ...]
    others: tuple[int, ...]
    probability: float

    @property
    def key(self) -> str:
        """Names it."""
        first = self.visits[0] if self.kind == LINK else self.identities[0]
        return f"{self.kind}-{first}-{self.identities[1]}"


def uncertain_links(snapshot: Snapshot, decided: Iterable[Decision]) -> list[Question]:
    """Links of a visit to an identity that the gallery made with the lowest probability, which nobody confirmed.

    Args:
        snapshot: The gallery.
        decided: What was decided by hand.
    """
    visits = snapshot.visits
    known = frozenset(v for d in decided for group in d.groups for v in group)
    rows = np.flatnonzero((visits.probabilities < 1) & snapshot.on_camera)
    rows = rows[np.argsort(visits.probabilities[rows], kind="stable")]
    found: list[Question] = []
    for n in rows.tolist():
        identity, visit = int(visits.identities[n]), int(visits.ids[n])
        if len(found) == MAX_LINKS:
            break
        others = visits.ids[visits.identities == identity]
        others = others[others != visit]
        if visit not in known and len(others):
            way = identity, identity
            found.append(Question(LINK, way, (visit,), tuple(others.tolist()), float(visits.probabilities[n])))
    return found


class PairFinder:
    """Look for pairs of identities that may be one, and visits that may be others', in a thread: it takes seconds.

    Args:
        gallery: The gallery.
        topology: File of travel times and shared views; None for any, none.
    """

    def __init__(self, gallery: Gallery, topology: Path | None) -> None:
        self._gallery, self._topology = gallery, topology
        self._worker = ThreadPoolExecutor(1, "pairs")
        self._found: Future[list[Question]] | None = None
        self._begun = -np.inf
        self._latest: list[Question] = []
        self.note = ""

    def get(self, snapshot: Snapshot) -> tuple[list[Question], bool]:
        """The pairs that were found last, and whether others are being looked for."""
        if self._found is not None and self._found.done():
            self._latest = self._found.result()
            self._found = None
        if self._found is None and time.monotonic() - self._begun > _PAIRS_AGE:
            self._begun = time.monotonic()
            self._found = self._worker.submit(self._look, snapshot)
        return self._latest, self._found is not None

    def close(self) -> None:
        """Stop looking."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _look(self, snapshot: Snapshot) -> list[Question]:
        seen = snapshot.visits.take(snapshot.on_camera)
        # Relinking compares all visits of the identities that match: whole identities, the latest first.
        order = np.argsort(-seen.lasts, kind="stable")
        identities = list(dict.fromkeys(seen.identities[order].tolist()))
        sizes = dict(zip(*(a.tolist() for a in np.unique(seen.identities, return_counts=True)), strict=True))
        totals = np.cumsum([sizes[identity] for identity in identities])
        chosen = identities[: int(np.searchsorted(totals, MAX_COMPARED, side="right"))]
        try:
            found = self._gallery.relink(Filter(identities=frozenset(chosen)), topology=self._topology)
        except ReIDError as error:
            self.note = str(error)
            return []
        self.note = (
            "" if found.discriminative else "Too few people were seen at the same time yet to find pairs by looks."
        )
        asked = (_question(p, seen) for p in found.proposals)
        return [question for question in asked if question is not None][:MAX_PAIRS]


def _question(proposal: Proposal, seen: VisitColumns) -> Question | None:
    """A proposal as a question; None where it has no two sides."""
    if proposal.kind == MERGE:
        if not (proposal.to and proposal.with_visits):
            return None
        way = proposal.identity_id, proposal.to
        return Question(PAIR, way, proposal.visits, proposal.with_visits, proposal.probability)
    own = seen.ids[seen.identities == proposal.identity_id]
    rest = tuple(sorted(set(own.tolist()) - set(proposal.visits)))
    way = proposal.identity_id, proposal.identity_id
    # That they show whom they would join says that they don't show whom they are linked to.
    return Question(LINK, way, proposal.visits, rest, 1 - proposal.probability) if rest else None


def sort_questions(
    links: Iterable[Question], pairs: Iterable[Question], snapshot: Snapshot, is_skipped: Callable[[str], bool]
) -> list[Question]:
    """The questions that are still open, the least sure first."""
    there = set(snapshot.visits.identities.tolist())
    listed = [q for q in (*links, *pairs) if there.issuperset(q.identities) and not is_skipped(q.key)]
    listed = list({q.key: q for q in listed}.values())
    return sorted(listed, key=lambda q: (abs(q.probability - 0.5), q.key))


def answer(gallery: Gallery, snapshot: Snapshot, question: Question, same: bool) -> bool:
    """Do what an answer says.

    Args:
        gallery: The gallery.
        snapshot: Its visits, which say how two identities are called.
        question: The question.
        same: Whether both groups show the same individual.

    Returns:
        Whether identities were changed; a decision alone is recorded otherwise.

    Raises:
        GalleryError: If an identity isn't there any more.
    """
    kept, gone = _older_first(question.identities, snapshot)
    if question.kind == PAIR and same:
        gallery.merge(kept, gone, force=True, keep_names=True)
        return True
    if question.kind == LINK and not same:
        gallery.split(question.identities[0], question.visits)
        return True
    gallery.decide(SAME if same else DIFFERENT, [question.visits, question.others])
    return False


def _older_first(identities: tuple[int, int], snapshot: Snapshot) -> tuple[int, int]:
    """The identity that is kept: the one with a name, of two with or without one the one with the lower number."""
    first, second = sorted(identities, key=lambda i: (i not in snapshot.names, i))
    return first, second
