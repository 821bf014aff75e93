"""Questions about links: which are asked, in which order, and which were answered."""

from dataclasses import replace

import pytest
import web_gallery

from ultralytics_reid.gallery.gallery import Gallery
from ultralytics_reid.gallery.questions import (
    LINK,
    PAIR,
    Question,
    answer,
    find_pairs,
    open_questions,
    sort_questions,
)
from ultralytics_reid.gallery.relinking.decisions import DIFFERENT, SAME, Decision


@pytest.fixture
def gallery(tmp_path):
    web_gallery.fill(tmp_path / "site.db")
    with Gallery(tmp_path / "site.db") as opened:
        yield opened


def of(gallery, identity):
    columns = gallery.visit_columns()
    return tuple(columns.ids[columns.identities == identity].tolist())


def asked(gallery):
    visits = gallery.visit_columns()
    return open_questions(visits, gallery.decisions(), find_pairs(gallery, visits, None)[0])


def swap(gallery, visit, identity):
    """Put a visit under another identity, as a camera's own mistake, of which it was sure."""
    known = next(v for v in gallery.visits() if v.id == visit)
    rows = list(gallery.store.scan(web_visits(visit)))
    moved = [replace(r, identities=r.identities * 0 + identity) for r in rows]
    gallery.store.upsert(moved[0], [replace(known, identity=identity, probability=1.0)])


def web_visits(visit):
    from ultralytics_reid import Filter

    return Filter(visits=frozenset({visit}))


def test_what_an_answer_most_likely_corrects_comes_first(gallery):
    one, two = of(gallery, 1), of(gallery, 2)
    links = [Question(LINK, (1, 1), (v,), one[3:], p) for v, p in zip(one[:3], (0.9, 0.55, 0.3), strict=True)]
    pair = Question(PAIR, (1, 2), one, two, 0.6)
    listed = sort_questions(links, [pair], gallery.visit_columns(), f"link-{one[1]}-1".__eq__)
    assert [(q.kind, q.probability) for q in listed] == [(LINK, 0.3), (PAIR, 0.6), (LINK, 0.9)]


def test_what_is_gone_or_moved_is_left_out(gallery):
    one, two = of(gallery, 1), of(gallery, 2)
    gone = Question(PAIR, (1, 77), one, (5,), 0.5)
    moved = Question(LINK, (1, 1), two[:1], one, 0.5)
    assert sort_questions([moved], [gone], gallery.visit_columns(), lambda _: False) == []


def test_a_wrong_link_that_the_camera_was_sure_of_is_asked_about(gallery):
    stray = of(gallery, 3)[0]
    swap(gallery, stray, 2)
    found = next(q for q in asked(gallery) if q.kind == LINK)
    assert found.visits == (stray,)
    assert found.probability < 0.5
    assert answer(gallery, {}, found, same=False).kind == "split"
    assert stray not in of(gallery, 2)
    assert all(q.visits != (stray,) or q.kind == PAIR for q in asked(gallery))


def test_links_that_are_sure_by_now_are_not_asked_about(gallery):
    doubted = {v.id for v in gallery.visits(details=False) if v.probability < 1}
    links = [q for q in asked(gallery) if q.kind == LINK]
    assert {q.visits[0] for q in links} <= doubted
    assert min(q.probability for q in links) > 0.62


@pytest.mark.parametrize(
    ("kind", "split", "is_open"),
    [(SAME, False, False), (DIFFERENT, True, False), (DIFFERENT, False, True)],
)
def test_a_decision_answers_only_what_it_tells(gallery, kind, split, is_open):
    one = of(gallery, 1)
    question = Question(LINK, (1, 1), one[:1], one[1:], 0.2)
    groups = (one[:1], one[1:]) if split else (one, of(gallery, 2))
    listed = open_questions(gallery.visit_columns(), [Decision(kind, groups, 0.0)], [question])
    assert (question in listed) == is_open


def test_a_pair_shows_visits_of_its_two_identities_only(gallery):
    identities = {v.id: v.identity for v in gallery.visits(details=False)}
    pairs = [q for q in asked(gallery) if q.kind == PAIR]
    assert pairs
    for pair in pairs:
        sides = ({identities[v] for v in side} for side in (pair.visits, pair.others))
        assert list(sides) == [{i} for i in pair.identities]
