"""The second pass over a gallery: visits of all cameras linked anew, in one step that can be undone."""

from zlib import crc32

import numpy as np
import pytest

from ultralytics_reid import ConfigError, Filter, Gallery, GalleryError
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.file_names import DECIDED, MERGED, MOVED
from ultralytics_reid.gallery.linking.topology import Topology, Way
from ultralytics_reid.gallery.records import ENROLLED, Records, Visit, new_ids
from ultralytics_reid.gallery.relinking import relinking
from ultralytics_reid.gallery.store import open_store

DIM = 128
NOON = 1_795_694_400.0
VIEWS = Topology({("door", "yard"): Way(overlap=True), ("yard", "door"): Way(overlap=True)})


@pytest.fixture
def gallery(tmp_path):
    store = open_store(tmp_path / "site.db", DIM, "vectors")
    store.reserve(100)
    store.close()
    with Gallery(tmp_path / "site.db") as opened:
        yield opened


def look(person):
    return np.random.default_rng(person).normal(size=DIM)


def visit(gallery, person, identity, camera, begins, *, lasts=20.0, noise=0.4, sightings=4, cls=0):
    """Write a visit of a person under an identity; returns its id. Without a person it looks like nobody."""
    made = Visit(int(new_ids(1)[0]), identity, camera, cls, NOON + begins, NOON + begins + lasts)
    rng = np.random.default_rng(crc32(f"{person} {camera} {begins}".encode()))
    base = rng.normal(size=(sightings, DIM)) if person is None else look(person)
    vectors = unit((base + noise * rng.normal(size=(sightings, DIM))).astype(np.float32))
    of = [np.full(sightings, value, np.int64) for value in (identity, made.id, cls)]
    times = np.linspace(made.first, made.last, sightings)
    qualities = np.full(sightings, 0.9, np.float32)
    rows = Records(new_ids(sightings), vectors, of[0], of[1], (camera,) * sightings, times, of[2], qualities)
    gallery.store.upsert(rows, [made])
    return made.id


def crowd(gallery, people=range(1, 7)):
    """People who stand at the door together, which is what impostor scores are learned from."""
    return {p: visit(gallery, p, p, "door", 0) for p in people}


def identities(gallery):
    """Identity by visit; sightings must have the same."""
    held = {v.id: v.identity for v in gallery.visits(details=False)}
    for records in gallery.store.scan():
        assert [held[v] for v in records.visits.tolist()] == records.identities.tolist()
    return held


def changes(found):
    return {(p.kind, p.identity_id, p.to) for p in found.proposals}


class TestProposals:
    def test_a_person_with_a_second_identity_on_another_camera_is_merged(self, gallery):
        crowd(gallery)
        again = visit(gallery, 3, 33, "yard", 100)
        before = identities(gallery)
        found = gallery.relink()
        (only,) = found.proposals
        assert (only.kind, only.identity_id, only.to, only.visits) == ("merge", 33, 3, (again,))
        assert 0.9 < only.probability < 1
        assert found.discriminative
        assert not found.applied
        assert identities(gallery) == before

    def test_links_that_stay_are_weighed_once_and_only_if_they_are_read(self, gallery, monkeypatch):
        crowd(gallery)
        visit(gallery, 3, 3, "yard", 100)
        weigh, asked = relinking.links_of, []
        monkeypatch.setattr(relinking, "links_of", lambda *given: asked.append(1) or weigh(*given))
        found = gallery.relink()
        assert not asked
        kept = {v.id for v in gallery.visits() if v.identity == 3}
        assert found.links.keys() >= kept
        assert all(found.links[v] > 0.5 for v in kept)
        assert asked == [1]

    def test_two_at_once_under_one_identity_are_split(self, gallery):
        crowd(gallery)
        other = visit(gallery, 9, 2, "door", 5)
        found = gallery.relink(apply=True)
        (only,) = found.proposals
        assert (only.kind, only.identity_id) == ("split", 2)
        assert only.probability == 1
        assert "two places" in only.reason
        assert identities(gallery)[other] == only.to not in range(1, 7)

    def test_visits_linked_to_another_by_mistake_go_to_the_one_they_show(self, gallery):
        crowd(gallery)
        wrong = visit(gallery, 5, 4, "yard", 100)
        found = gallery.relink(apply=True)
        assert changes(found) == {("split", 4, 5)}
        assert identities(gallery)[wrong] == 5

    def test_the_surest_come_first(self, gallery):
        crowd(gallery)
        for person in (1, 2, 3):
            visit(gallery, person, 10 + person, "yard", 100 * person, noise=0.4 * person, sightings=person)
        found = [p.probability for p in gallery.relink().proposals]
        assert len(found) > 1
        assert found == sorted(found, reverse=True)

    def test_a_gallery_that_is_right_is_left_alone(self, gallery):
        crowd(gallery)
        for person in range(1, 7):
            visit(gallery, person, person, "yard", 100 * person)
        assert gallery.relink().moves == ()

    @pytest.mark.parametrize("seed", range(3))
    def test_vectors_without_meaning_change_nothing(self, gallery, seed):
        for n in range(12):
            visit(gallery, None, n % 6 + 1, "door", 1000 * seed + 30 * (n // 6))
        found = gallery.relink()
        assert found.moves == ()
        assert not found.discriminative

    def test_an_empty_gallery_has_nothing_to_change(self, gallery):
        assert gallery.relink(apply=True).proposals == ()

    def test_classes_are_not_mixed(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100, cls=2)
        assert gallery.relink().proposals == ()

    def test_too_many_visits_are_refused(self, gallery, monkeypatch):
        monkeypatch.setattr(relinking, "MAX_RELINKED_VISITS", 5)
        crowd(gallery)
        with pytest.raises(GalleryError, match="6 visits are to be compared, 5 at most"):
            gallery.relink()
        assert gallery.relink(Filter(identities=frozenset({1, 2}))).visits == 2


class TestPlaces:
    def test_visits_at_the_same_time_are_one_only_where_cameras_share_a_view(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 5)
        assert gallery.relink().proposals == ()
        assert changes(gallery.relink(topology=VIEWS)) == {("merge", 33, 3)}

    def test_nobody_travels_faster_than_the_least_time(self, gallery, tmp_path):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 40)
        path = tmp_path / "topology.yaml"
        path.write_text("ways: [{from: door, to: yard, least: 60}]\n")
        assert gallery.relink(topology=path).proposals == ()
        path.write_text("ways: [{from: door, to: yard, least: 15}]\n")
        assert changes(gallery.relink(topology=path)) == {("merge", 33, 3)}

    def test_the_most_time_counts_from_the_last_visit_before(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 300)
        most = Topology({("door", "yard"): Way(max_seconds=60)})
        assert gallery.relink(topology=most).proposals == ()
        visit(gallery, 3, 34, "door", 250)
        assert changes(gallery.relink(topology=most)) == {("merge", 33, 3), ("merge", 34, 3)}

    def test_a_topology_that_can_not_be_read_is_refused(self, gallery, tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            gallery.relink(topology=tmp_path / "none.yaml")


class TestDecisions:
    def test_what_was_split_by_hand_stays_two(self, gallery):
        crowd(gallery)
        again = visit(gallery, 3, 3, "yard", 100)
        new = gallery.split(3, [again])
        assert gallery.relink(apply=True).proposals == ()
        assert identities(gallery)[again] == new

    def test_what_was_merged_by_hand_stays_one(self, gallery):
        crowd(gallery)
        unlike = visit(gallery, 9, 33, "yard", 100)
        gallery.merge(3, 33)
        assert gallery.relink(apply=True).proposals == ()
        assert identities(gallery)[unlike] == 3

    def test_even_if_it_was_forced(self, gallery):
        crowd(gallery)
        gallery.merge(3, 4, force=True)
        assert gallery.relink().proposals == ()

    def test_the_later_of_two_decisions_holds(self, gallery):
        crowd(gallery)
        again = visit(gallery, 3, 3, "yard", 100)
        gallery.merge(3, gallery.split(3, [again]))
        assert gallery.relink().proposals == ()
        gallery.split(3, [again])
        assert gallery.relink().proposals == ()

    def test_two_names_are_two_individuals(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100)
        gallery.rename(3, "Ada")
        assert changes(gallery.relink()) == {("merge", 33, 3)}
        gallery.rename(33, "Bob")
        assert gallery.relink().proposals == ()

    def test_a_name_stays_with_the_visits_that_have_it(self, gallery):
        crowd(gallery)
        for n in range(3):
            visit(gallery, 3, 33, "yard", 100 + 30 * n)
        gallery.rename(3, "Ada")
        assert changes(gallery.relink(apply=True)) == {("merge", 33, 3)}
        assert gallery.find("Ada") == 3

    def test_enrolled_images_keep_their_identity(self, gallery):
        crowd(gallery)
        image = visit(gallery, 3, 40, ENROLLED, 0, lasts=0.0, sightings=2)
        gallery.rename(40, "Ada")
        assert changes(gallery.relink(apply=True)) == {("merge", 3, 40)}
        assert identities(gallery)[image] == 40

    def test_a_filter_says_which_visits_may_change(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100)
        visit(gallery, 4, 44, "hall", 100)
        cameras = frozenset({"yard", "door"})
        assert changes(gallery.relink(Filter(cameras=cameras))) == {("merge", 33, 3)}

    def test_visits_that_do_not_match_keep_their_identity(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100)
        there = visit(gallery, 3, 33, "hall", 200)
        found = gallery.relink(Filter(cameras=frozenset({"door", "yard"})), apply=True)
        # What isn't to change stays 33, so that the others of this person become that.
        assert changes(found) == {("merge", 3, 33)}
        assert identities(gallery)[there] == 33

    @pytest.mark.parametrize("content", [b"\xff", b"[1]", b'{"kind": "same"}', b'{"kind": "same", "visits": [[null]]}'])
    def test_damaged_decisions_are_left_out(self, gallery, content):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100)
        gallery.store.put_blob(f"{DECIDED}1", content)
        assert changes(gallery.relink()) == {("merge", 33, 3)}


class TestUndo:
    def test_one_step_takes_all_of_it_back(self, gallery):
        crowd(gallery)
        visit(gallery, 3, 33, "yard", 100)
        visit(gallery, 9, 2, "door", 5)
        before = identities(gallery)
        found = gallery.relink(apply=True)
        assert found.applied
        assert len(found.moves) == 2
        assert identities(gallery) == before | {m.visit: m.identity for m in found.moves} != before
        assert gallery.store.blobs(MERGED)
        assert gallery.undo_relink() == 2
        assert identities(gallery) == before
        assert not gallery.store.blobs(MERGED)
        with pytest.raises(GalleryError, match="no relinking to undo"):
            gallery.undo_relink()

    def test_the_last_of_two_comes_first(self, gallery):
        crowd(gallery)
        states = []
        for n in (3, 4):
            visit(gallery, n, 10 * n, "yard", 100 * n)
            states.append(identities(gallery))
            gallery.relink(apply=True)
        for state in reversed(states):
            gallery.undo_relink()
            assert state.items() <= identities(gallery).items()

    def test_what_was_moved_since_stays(self, gallery):
        crowd(gallery)
        gallery.rename(3, "Ada")
        one, other = (visit(gallery, 3, 33, "yard", begins) for begins in (100, 200))
        gallery.relink(apply=True)
        new = gallery.split(3, [one])
        assert gallery.undo_relink() == 1
        assert (identities(gallery)[one], identities(gallery)[other]) == (new, 33)

    def test_nothing_to_undo_is_told(self, gallery):
        with pytest.raises(GalleryError, match="no relinking to undo"):
            gallery.undo_relink()

    @pytest.mark.parametrize("content", [b"\xff", b"[1]", b'{"by": "relink", "moves": [[1, 2]], "merged": []}'])
    def test_a_damaged_step_is_left_out(self, gallery, content):
        gallery.store.put_blob(f"{MOVED}1", content)
        with pytest.raises(GalleryError, match="no relinking to undo"):
            gallery.undo_relink()

    def test_a_step_deletes_no_file_but_those_that_tell_of_merges(self, gallery):
        gallery.store.put_blob("recipe", b"{}")
        gallery.store.put_blob(f"{MOVED}1", b'{"by": "relink", "moves": [], "merged": ["recipe"]}')
        assert gallery.undo_relink() == 0
        assert gallery.store.blob("recipe") == b"{}"
