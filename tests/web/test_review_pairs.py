"""Which links the review asks about."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

from ultralytics_reid import Filter
from ultralytics_reid.gallery.questions import PAIR, Question, answer, uncertain_links
from ultralytics_reid.web import review
from ultralytics_reid.web.directory import Directory
from ultralytics_reid.web.review import PairFinder

pytestmark = pytest.mark.extras


@pytest.fixture
def snapshot(gallery):
    directory = Directory(gallery)
    yield directory.current()
    directory.close()


def of(gallery):
    return {v.id: v.identity for v in gallery.visits(details=False)}


def test_unsure_links_are_asked_about_unless_they_are_decided(gallery, snapshot):
    asked = uncertain_links(snapshot.visits, gallery.decisions())
    unsure = {v.id for v in gallery.visits(details=False) if v.probability < 1}
    assert {q.visits[0] for q in asked} <= unsure
    assert [q.probability for q in asked] == sorted(q.probability for q in asked)
    answer(gallery, snapshot.names, asked[0], same=True)
    assert asked[0].visits[0] not in {q.visits[0] for q in uncertain_links(snapshot.visits, gallery.decisions())}


def test_two_numbers_of_one_person_are_found(gallery, snapshot):
    finder = PairFinder(gallery, None)
    finder.get(snapshot)
    deadline = time.monotonic() + 30
    while finder.get(snapshot)[1] and time.monotonic() < deadline:
        time.sleep(0.05)
    found, looking = finder.get(snapshot)
    finder.close()
    assert not looking
    assert [(q.kind, set(q.identities)) for q in found if q.kind == PAIR] == [(PAIR, {9, 10})]
    assert finder.note == ""


class _SlowToSay(Future):
    """Two threads ask whether it is done before either goes on, unless one waits for the other."""

    def __init__(self):
        super().__init__()
        self._asked = Barrier(2)

    def done(self):
        with suppress(BrokenBarrierError):
            self._asked.wait(0.5)
        return super().done()


def test_of_two_pages_at_once_both_have_what_was_found(gallery, snapshot, monkeypatch):
    finder, found = PairFinder(gallery, None), _SlowToSay()
    monkeypatch.setattr(finder._worker, "submit", lambda *_: found)
    finder.get(snapshot)
    found.set_result([])
    with ThreadPoolExecutor(2) as pages:
        assert list(pages.map(finder.get, [snapshot] * 2)) == [([], False)] * 2
    finder.close()


def test_a_fault_of_the_search_is_one_pages_only(gallery, snapshot, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(review, "find_pairs", fail)
    finder = PairFinder(gallery, None)
    finder.get(snapshot)
    finder.close()
    with pytest.raises(ZeroDivisionError):
        finder.get(snapshot)
    assert finder.get(snapshot) == ([], False)


def test_answers_about_a_pair_merge_into_the_named_one_or_keep_apart(gallery, snapshot):
    groups = [tuple(v for v, i in of(gallery).items() if i == n) for n in (5, 1)]
    question = Question(PAIR, (5, 1), *groups, 0.5)
    assert answer(gallery, snapshot.names, question, same=False).kind == "decide"
    assert [d.kind for d in gallery.decisions()] == ["different"]
    assert answer(gallery, snapshot.names, question, same=True).kind == "merge"
    assert 5 not in of(gallery).values()
    assert gallery.store.names() == {1: "Ada"}
    assert gallery.store.count(Filter(identities=frozenset({5}))) == 0
