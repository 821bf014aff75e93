"""A camera's refined tracks under the identities of a gallery."""

import numpy as np
import pytest

from ultralytics_reid import Gallery, GalleryError, Tracks, refine
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID, Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store

FPS, FRAMES, DIM, START = 10.0, 60, 32, 1_795_694_400.0
SHAPE = (400, 1000)


def box(place, frame):
    left = 60.0 + 200 * place + 2 * frame
    return [left, 100.0, left + 40, 200.0]


def tracks(*shown):
    """A log of `(place, id, first frame, last frame)`, from frame 1 on."""
    rows = [(f, i, place, *box(place, f)) for place, i, a, b in shown for f in range(a, b + 1)]
    rng = np.random.default_rng(0)
    looks = {place: np.random.default_rng(place).normal(size=DIM) for place in range(9)}
    crops = np.array([looks[r[2]] + 0.3 * rng.normal(size=DIM) for r in rows])
    table = np.array(rows, float)
    sizes = np.full(len(rows), 0.9), np.zeros(len(rows))
    return Tracks.from_arrays(table[:, 0], table[:, 1], table[:, 3:], *sizes, embeddings=crops, fps=FPS, shape=SHAPE)


@pytest.fixture
def gallery(tmp_path):
    open_store(tmp_path / "site.db", DIM, "vectors").close()
    with Gallery(tmp_path / "site.db") as opened:
        yield opened


def visit(gallery, place, identity, first, last, *, camera="door", start=START):
    """Write a visit whose path lies on a place's boxes, a point a second."""
    frames = np.arange(first, last + 1, 10)
    shares = np.array([box(place, f) for f in frames]) / [SHAPE[1], SHAPE[0], SHAPE[1], SHAPE[0]]
    path = np.column_stack([(frames - first) / FPS, shares]).astype(np.float32)
    made = Visit(int(new_ids(1)[0]), identity, camera, 0, start + first / FPS, start + last / FPS, path)
    of = [np.array([value]) for value in (identity, made.id, 0)]
    looks = unit(np.ones((1, DIM), np.float32))
    gallery.store.upsert(
        Records(new_ids(1), looks, of[0], of[1], (camera,), np.array([made.first]), of[2], np.ones(1, np.float32)),
        [made],
    )


def ids_of(refined, place):
    """Ids of the boxes at a place."""
    left = np.array([box(place, f)[0] for f in refined.rows[:, 0]])
    return set(refined.rows[np.abs(refined.rows[:, 2] - left) < 1, 1].astype(int).tolist())


def test_boxes_have_the_identities_of_the_visits_on_them(gallery):
    log = tracks((0, 1, 1, FRAMES), (1, 2, 1, FRAMES), (2, 3, 1, FRAMES))
    visit(gallery, 0, 50, 5, 55)
    visit(gallery, 1, 60, 5, 55)
    found = gallery.identified(log)
    assert [ids_of(found, place) for place in range(3)] == [{50}, {60}, {3}]
    assert found.mapping == {1: (50,), 2: (60,), 3: (3,)}
    before = {50: 1, 60: 2, 3: 3}
    assert found.before.tolist() == [before[i] for i in found.rows[:, 1].astype(int)]


def test_visits_of_other_runs_and_cameras_say_nothing(gallery):
    log = tracks((0, 1, 1, FRAMES), (1, 2, 1, FRAMES))
    visit(gallery, 0, 50, 5, 55)
    visit(gallery, 1, 60, 5, 55)
    for identity in (70, 80):  # each by itself, at other times
        visit(gallery, 0, identity, 5, 55, start=START + 1000 * identity)
    found = gallery.identified(log)
    assert [ids_of(found, place) for place in range(2)] == [{50}, {60}]


def test_an_id_without_a_visit_gives_its_number_back_if_an_identity_has_it(gallery):
    log = tracks((0, 1, 1, FRAMES), (1, 50, 1, FRAMES))
    visit(gallery, 0, 50, 5, 55)
    found = gallery.identified(log)
    assert (ids_of(found, 0), ids_of(found, 1)) == ({50}, {FIRST_LOCAL_ID})


def test_two_that_are_visible_together_are_never_one_identity(gallery):
    log = tracks((0, 1, 1, FRAMES), (1, 2, 1, FRAMES))
    visit(gallery, 0, 50, 5, 55)
    visit(gallery, 1, 50, 15, 35)
    found = gallery.identified(log)
    assert (ids_of(found, 0), ids_of(found, 1)) == ({50}, {2})


def test_pieces_of_one_identity_become_one(gallery):
    log = tracks((0, 1, 1, 25), (3, 2, 40, FRAMES), (1, 5, 1, FRAMES))
    visit(gallery, 0, 50, 2, 22)
    visit(gallery, 3, 50, 41, 55)
    found = gallery.identified(log, refine(log, cannot_link=[(1, 2)]))
    assert (ids_of(found, 0), ids_of(found, 3)) == ({50}, {50})
    assert (np.diff(found.rows[:, 0]) >= 0).all()


def test_a_log_of_another_run_is_refused(gallery):
    visit(gallery, 7, 50, 5, 55)
    with pytest.raises(GalleryError, match="no visit of the gallery lies on the boxes"):
        gallery.identified(tracks((0, 1, 1, FRAMES)))
