"""The benchmark's reviewer, and how it counts what is wrong."""

import pytest
import web_gallery

from benchmarks.harness.reviewer import Reviewer, VisitLinks, visit_links
from ultralytics_reid import Gallery


def test_wrong_and_missed_links_are_counted_by_who_an_identity_mostly_is():
    identities = {1: 10, 2: 10, 3: 10, 4: 20, 5: 30, 6: 30}
    owner = {1: 0, 2: 0, 3: 1, 4: 0, 5: 1}
    assert visit_links(identities, owner) == VisitLinks(wrong=1, missed=1, visits=5)
    assert visit_links({}, {}) == VisitLinks()


@pytest.fixture
def gallery(tmp_path):
    web_gallery.fill(tmp_path / "site.db")
    with Gallery(tmp_path / "site.db") as opened:
        yield opened


def state(gallery):
    return {v.id: v.identity for v in gallery.visits(details=False)}


def test_answers_merge_one_person_under_two_numbers_and_leave_the_rest(gallery):
    before = state(gallery)
    owner = {visit: min(identity, 9) for visit, identity in before.items()}
    assert visit_links(before, owner).missed == 1
    reviewer = Reviewer(gallery, owner)
    reviewer.work(1)
    assert visit_links(state(gallery), owner) == VisitLinks(0, 0, len(before))
    reviewer.work(100)
    assert set(reviewer.told) == {("pair", True), ("link", True)}
    assert state(gallery) == {v: 9 if i == 10 else i for v, i in before.items()}


def test_what_shows_nobody_in_particular_is_skipped(gallery):
    reviewer = Reviewer(gallery, {})
    reviewer.work(5)
    assert reviewer.told.total() == 0
    assert reviewer.skipped
