"""The least sure links of a gallery as questions, and what an answer about one of them changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .edits import Edit
from .gallery import Gallery
from .linking.topology import Topology
from .records import ENROLLED, Filter
from .relinking.decisions import DIFFERENT, SAME, Decision
from .relinking.proposals import MERGE, Proposal
from .relinking.relinking import Relinking
from .visit_columns import VisitColumns

LINK, PAIR = "link", "pair"
# The visits that are compared with each other for pairs: the latest; comparing takes their square.
MAX_COMPARED = 400
MAX_LINKS, MAX_PAIRS = 200, 50
# Links from this probability on are not asked about, unless the gallery was less sure when it made them.
SURE = 0.95


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


def uncertain_links(visits: VisitColumns, decided: Iterable[Decision]) -> list[Question]:
    """Links of a visit to an identity that the gallery made with the lowest probability, which nobody confirmed.

    Args:
        visits: All visits of the gallery.
        decided: What was decided by hand.
    """
    known = frozenset(v for d in decided for group in d.groups for v in group)
    rows = np.flatnonzero((visits.probabilities < 1) & ~visits.on(ENROLLED))
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


def find_pairs(gallery: Gallery, visits: VisitColumns, topology: Topology | None) -> tuple[list[Question], str]:
    """Look for identities that may be one, and visits that may be others', as relinking would change them.

    Args:
        gallery: The gallery; it is only read.
        visits: All its visits.
        topology: Travel times between cameras, and which share a view; None for any, none.

    Returns:
        The questions, and what keeps pairs from being found by looks; empty where nothing does.

    Raises:
        ReIDError: If the gallery can't be read.
    """
    seen = visits.take(~visits.on(ENROLLED))
    # Relinking compares all visits of the identities that match: whole identities, the latest first.
    order = np.argsort(-seen.lasts, kind="stable")
    identities = list(dict.fromkeys(seen.identities[order].tolist()))
    sizes = dict(zip(*(a.tolist() for a in np.unique(seen.identities, return_counts=True)), strict=True))
    totals = np.cumsum([sizes[identity] for identity in identities])
    chosen = identities[: int(np.searchsorted(totals, MAX_COMPARED, side="right"))]
    found = gallery.relink(Filter(identities=frozenset(chosen)), topology=topology)
    note = "" if found.discriminative else "Too few people were seen at the same time yet to find pairs by looks."
    asked = (_question(p, seen) for p in found.proposals)
    changes = [question for question in asked if question is not None][:MAX_PAIRS]
    return [*_weighed_links(found, seen), *changes], note


def _weighed_links(found: Relinking, seen: VisitColumns) -> list[Question]:
    """Links that relinking keeps, by what is known by now: also those that a camera's own memory made."""
    of = dict(zip(seen.ids.tolist(), seen.identities.tolist(), strict=True))
    doubted = frozenset(seen.ids[seen.probabilities < 1].tolist())
    together: dict[int, list[int]] = defaultdict(list)
    for visit in found.links:
        together[of[visit]].append(visit)
    asked = []
    for visit, probability in sorted(found.links.items(), key=lambda link: link[1]):
        if probability < SURE or visit in doubted:
            identity = of[visit]
            others = tuple(v for v in together[identity] if v != visit)
            asked.append(Question(LINK, (identity, identity), (visit,), others, probability))
    return asked


def _question(proposal: Proposal, seen: VisitColumns) -> Question | None:
    """A proposal as a question; None where it has no two sides."""
    if proposal.kind == MERGE:
        # Not those that would join it at the same time from elsewhere.
        theirs = tuple(np.intersect1d(proposal.with_visits, seen.ids[seen.identities == (proposal.to or -1)]).tolist())
        way = proposal.identity_id, proposal.to or -1
        return Question(PAIR, way, proposal.visits, theirs, proposal.probability) if theirs else None
    own = seen.ids[seen.identities == proposal.identity_id]
    rest = tuple(sorted(set(own.tolist()) - set(proposal.visits)))
    way = proposal.identity_id, proposal.identity_id
    # That they show whom they would join says that they don't show whom they are linked to.
    return Question(LINK, way, proposal.visits, rest, 1 - proposal.probability) if rest else None


def open_questions(
    visits: VisitColumns,
    decided: Iterable[Decision],
    pairs: Iterable[Question],
    is_skipped: Callable[[str], bool] = lambda _: False,
) -> list[Question]:
    """All questions that nobody answered yet, in the order in which they are asked.

    Args:
        visits: All visits of the gallery.
        decided: What was decided by hand.
        pairs: As `find_pairs` gave them.
        is_skipped: Whether the question of a key comes later, as the reviewer doesn't know.
    """
    decided = list(decided)
    pairs = [p for p in pairs if not any(_answers(d, p) for d in decided)]
    return sort_questions(uncertain_links(visits, decided), pairs, visits, is_skipped)


def _answers(decision: Decision, question: Question) -> bool:
    """Whether a decision says what a question asks: of different ones only what is in two groups."""
    groups = [frozenset(group) for group in decision.groups]
    if decision.kind == SAME:
        return frozenset().union(*groups).issuperset((*question.visits, *question.others))
    first, second = ([g for g in groups if g.issuperset(side)] for side in (question.visits, question.others))
    return bool(first and second) and first != second


def sort_questions(
    links: Iterable[Question], pairs: Iterable[Question], visits: VisitColumns, is_skipped: Callable[[str], bool]
) -> list[Question]:
    """The questions that are still open, those first whose answers are expected to correct most; see `expected_gain`.

    Of two about the same link the latter holds. Questions about visits that have another identity by now are left out.
    """
    of = dict(zip(visits.ids.tolist(), visits.identities.tolist(), strict=True))
    listed = {q.key: q for q in (*links, *pairs) if _still_there(q, of) and not is_skipped(q.key)}
    return sorted(listed.values(), key=lambda q: (-expected_gain(q), q.key))


def _still_there(question: Question, of: Mapping[int, int]) -> bool:
    first, second = question.identities
    return all(of.get(v) == first for v in question.visits) and all(of.get(v) == second for v in question.others)


def expected_gain(question: Question) -> float:
    """The probability that an answer corrects a link: cuts a wrong one, or makes one that is missing."""
    return 1 - question.probability if question.kind == LINK else question.probability


def answer(gallery: Gallery, names: Mapping[int, str], question: Question, same: bool) -> Edit | None:
    """Do what an answer says.

    Args:
        gallery: The gallery.
        names: Of its identities.
        question: The question.
        same: Whether both groups show the same individual.

    Returns:
        The change, for `undo`: a merge, a split, or a decision alone; None where both identities are one by now.

    Raises:
        GalleryError: If an identity isn't there any more.
    """
    # The one that is kept: the one with a name, of two with or without one the one with the lower number.
    kept, gone = sorted(question.identities, key=lambda i: (i not in names, i))
    if question.kind == PAIR and same:
        return gallery.merge(kept, gone, force=True, keep_names=True)
    if question.kind == LINK and not same:
        return gallery.split(question.identities[0], question.visits)
    return gallery.decide(SAME if same else DIFFERENT, [question.visits, question.others])
