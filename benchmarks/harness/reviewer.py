"""A reviewer who knows the ground truth, and what is wrong in a gallery's identities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ultralytics_reid import Gallery
from ultralytics_reid.errors import GalleryError
from ultralytics_reid.gallery.questions import Question, answer, find_pairs, open_questions


@dataclass(frozen=True)
class VisitLinks:
    """Visits by how their identity fits them, of those on one person.

    Attributes:
        wrong: Visits under an identity that has more visits, or as many and earlier ones, on another person.
        missed: How many identities people have more than one each, of those that are mostly theirs.
        visits: All of them.
    """

    wrong: int = 0
    missed: int = 0
    visits: int = 0

    def __add__(self, other: VisitLinks) -> VisitLinks:
        return VisitLinks(self.wrong + other.wrong, self.missed + other.missed, self.visits + other.visits)


def visit_links(identities: Mapping[int, int], owner: Mapping[int, int]) -> VisitLinks:
    """Count what is wrong.

    Args:
        identities: By visit, in order of time.
        owner: The person of each visit; others don't count.
    """
    held: dict[int, Counter[int]] = defaultdict(Counter)
    for visit, identity in identities.items():
        if visit in owner:
            held[identity][owner[visit]] += 1
    most = [people.most_common(1)[0] for people in held.values()]
    visits = sum(people.total() for people in held.values())
    return VisitLinks(visits - sum(n for _, n in most), len(most) - len({person for person, _ in most}), visits)


@dataclass
class Reviewer:
    """Answer the questions of the Review page in its order, by ground truth, through the page's own calls.

    Attributes:
        gallery: The gallery.
        owner: The person of each visit that shows one; a question about others only is skipped.
        skipped: Keys of questions that were skipped.
        told: How many answers of each kind of question there were: `link` or `pair`, and whether it was the same.
    """

    gallery: Gallery
    owner: Mapping[int, int]
    skipped: set[str] = field(default_factory=set)
    told: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def work(self, answers: int) -> None:
        """Give so many answers, or fewer where no question is left."""
        while self.told.total() < answers:
            visits, decided = self.gallery.visit_columns(), self.gallery.decisions()
            pairs, _ = find_pairs(self.gallery, visits, None)
            question = next(iter(open_questions(visits, decided, pairs, self.skipped.__contains__)), None)
            if question is None:
                return
            self._take(question)

    def _take(self, question: Question) -> None:
        first, second = (self._shown(group) for group in (question.visits, question.others))
        if first is None or second is None:
            self.skipped.add(question.key)
            return
        try:
            answer(self.gallery, self.gallery.store.names(), question, first == second)
        except GalleryError as error:
            raise RuntimeError(f"the answer to {question} was refused: {error}") from error
        self.told[question.kind, first == second] += 1

    def _shown(self, visits: Iterable[int]) -> int | None:
        people = Counter(self.owner[v] for v in visits if v in self.owner)
        return people.most_common(1)[0][0] if people else None
