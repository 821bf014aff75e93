"""The gallery as people use it: enrol, search, list, rename, merge, split, delete, keep, look back."""

import csv
import itertools
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ultralytics_reid import Filter, Gallery, GalleryError, GalleryMissing
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.embedders import CropOptions
from ultralytics_reid.gallery.file_names import EVIDENCE_PREFIX, evidence_key
from ultralytics_reid.gallery.recipe import RECIPE
from ultralytics_reid.gallery.records import ENROLLED, Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store

DIM = 32
NOON = 1_795_694_400.0
DAY = 86_400.0


def look(person, noise=0.0, seed=0):
    """`(DIM,)`, how a person looks; with noise, at one moment."""
    clean = np.random.default_rng(person).normal(size=DIM)
    return unit((clean + noise * np.random.default_rng(seed).normal(size=DIM)).astype(np.float32))


def picture(person, shape=(60, 30)):
    return np.full((*shape, 3), person, np.uint8)


class Painter:
    """An embedder that knows people by the color of their images; black shows nothing."""

    def __init__(self, fingerprint="painter"):
        self.fingerprint = fingerprint
        self.calls = []

    def __call__(self, pictures):
        self.calls.append(len(pictures))
        rows = [look(int(p.flat[0])) if p.any() else np.zeros(DIM, np.float32) for p in pictures]
        return np.array(rows, np.float32).reshape(-1, DIM)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "site.db"


@pytest.fixture
def gallery(path):
    """An empty one."""
    open_store(path, DIM, "painter").close()
    with Gallery(path, embedder=Painter()) as opened:
        yield opened


def seen(gallery, identity, camera="door", first=NOON, last=None, *, looks_like=None, sightings=3, cls=0, **more):
    """Write a visit as a tracker does; returns its id."""
    last = first + 20 if last is None else last
    visit = Visit(int(new_ids(1)[0]), identity, camera, cls, first, last, **more)
    times = np.linspace(first, last, sightings)
    vectors = np.array([look(looks_like or identity, 0.2, 900 + n) for n in range(sightings)])
    of = [np.full(sightings, value, np.int64) for value in (identity, visit.id, cls)]
    qualities = np.linspace(0.5, 0.9, sightings).astype(np.float32)
    rows = Records(new_ids(sightings), vectors, of[0], of[1], (camera,) * sightings, times, of[2], qualities)
    gallery.store.upsert(rows, [visit])
    return visit.id


def found(matches):
    return [m.identity_id for m in matches]


class TestOpening:
    def test_what_is_not_there_is_not_made_by_looking(self, path):
        with pytest.raises(GalleryMissing, match="no gallery"):
            Gallery(path)
        assert not path.exists()

    def test_nor_by_opening_it_for_enrolment(self, path):
        gallery = Gallery(path, embedder=Painter())
        assert not path.exists()
        with pytest.raises(GalleryMissing, match="enrol an identity"):
            gallery.search(look(1))

    def test_another_embedders_pictures_are_refused_at_once(self, gallery, path):
        with pytest.raises(GalleryError, match="can't be compared"):
            Gallery(path, embedder=Painter("another"))

    def test_and_the_gallery_is_closed(self, path):
        open_store(path, DIM, "painter").close()
        with pytest.raises(GalleryError, match="can't be compared"):
            Gallery(path, embedder=Painter("another"))
        assert list(path.parent.iterdir()) == [path]  # nothing of SQLite's is left beside it

    def test_an_index_must_be_milvus(self, path):
        with pytest.raises(GalleryError, match="'gallery_index' must be"):
            Gallery(path, index="index.db")

    def test_without_a_model_pictures_say_what_is_missing(self, gallery, path):
        with Gallery(path) as opened, pytest.raises(GalleryError, match="name the model"):
            opened.search(picture(1))

    def test_the_recipe_that_was_used_is_remembered(self, path):
        with Gallery(path, model="osnet_x0_25", embedder=Painter()) as gallery:
            gallery.enrol("Ann", [picture(1)])
        with Gallery(path) as gallery:
            assert gallery.recipe == {"model": "osnet_x0_25"}

    def test_crop_options_are_recorded_and_taken_from_the_gallery_unless_given(self, path, monkeypatch):
        used = []

        def load(model, weights, device, options):
            used.append(options)
            raise GalleryError("seen enough")

        monkeypatch.setattr("ultralytics_reid.gallery.image_embedder.build_embedder", load)
        raw = CropOptions(height=64, normalize="none", channels="bgr", flip=True)
        with Gallery(path, model="reid.xml", crops=raw, embedder=Painter()) as gallery:
            gallery.enrol("Ann", [picture(1)])
        for given in (CropOptions(), CropOptions(channels="rgb")):
            with Gallery(path, model="reid.xml", crops=given) as gallery, pytest.raises(GalleryError, match="enough"):
                gallery.search(picture(1))
        assert used == [raw, replace(raw, channels="rgb")]


class TestEnrolling:
    def test_a_new_identity_gets_an_id_and_a_name(self, path):
        with Gallery(path, embedder=Painter()) as gallery:
            ann, bob = gallery.enrol("Ann", [picture(1), picture(1)]), gallery.enrol("Bob", [picture(2)], cls=15)
            assert ann != bob
            one, other = gallery.individuals()
        assert (one.identity_id, one.name, one.cls, one.cameras, one.visits) == (ann, "Ann", 0, (), 0)
        assert one.enrolled
        assert (other.identity_id, other.name, other.cls) == (bob, "Bob", 15)

    def test_an_identity_with_the_name_gets_more_images(self, gallery):
        assert gallery.enrol("Ann", [picture(1)]) == gallery.enrol("Ann", [picture(2)])
        assert gallery.store.count() == 2
        assert gallery.stats().identities == 1

    def test_pictures_are_paths_or_arrays(self, gallery, tmp_path):
        cv2.imwrite(str(tmp_path / "ann.png"), picture(1))
        ann = gallery.enrol("Ann", [tmp_path / "ann.png", str(tmp_path / "ann.png"), picture(1)])
        assert gallery.search(look(1), k=1)[0].identity_id == ann
        assert gallery.store.count() == 3

    def test_many_pictures_are_looked_at_a_few_at_a_time(self, gallery):
        gallery.enrol("Ann", (picture(1 + n) for n in range(40)))
        assert gallery.store.count() == 40
        assert max(gallery._embedder.calls) <= 16

    def test_no_picture_is_kept_unless_it_is_asked_for(self, gallery):
        gallery.enrol("Ann", [picture(200)])
        gallery.enrol("Bob", [picture(90)], store_crops=True)
        ann, bob = sorted(gallery.visits(), key=lambda v: v.identity)
        assert ann.crop == b""
        assert cv2.imdecode(np.frombuffer(gallery.crop(bob.id), np.uint8), cv2.IMREAD_COLOR).shape == (60, 30, 3)

    def test_boxes_say_who_is_meant_and_what_is_kept(self, gallery):
        scene = np.concatenate([picture(1), picture(90)], axis=1)
        scenes, boxes = (scene for _ in range(20)), [(30, 10, 60, 60)] * 20
        ann = gallery.enrol("Ann", scenes, boxes=boxes, store_crops=True)
        assert (gallery.store.count(), gallery.search(look(90), k=1)[0].similarity) == (20, pytest.approx(1, abs=1e-5))
        (visit,) = gallery.visits(Filter(identities=frozenset({ann})))
        kept = cv2.imdecode(np.frombuffer(visit.crop, np.uint8), cv2.IMREAD_COLOR)
        assert (kept.shape, round(kept.mean())) == ((50, 30, 3), 90)

    @pytest.mark.parametrize(
        ("boxes", "why"),
        [([], "0 boxes of 1 images"), ([(0, 0, 9, 9)] * 2, "2 boxes of 1"), ([(0, 0, 99, 9)], "within the image")],
    )
    def test_boxes_that_fit_no_picture_are_refused_and_nothing_is_written(self, gallery, boxes, why):
        with pytest.raises(GalleryError, match=why):
            gallery.enrol("Ann", [picture(1)], boxes=boxes)
        assert gallery.store.count() == 0

    @pytest.mark.parametrize(
        ("name", "pictures", "why"),
        [
            ("", [picture(1)], "requires a name and an image, got ''"),
            ("Ann", [], "0 images"),
            ("An\nn", [picture(1)], "must be printable"),
            ("A" * 201, [picture(1)], "at most 200"),
            ("Ann", [picture(1), picture(0)], "image 2 shows nothing"),
            ("Ann", [picture(1)[..., 0]], r"must be \(H, W, 3\) uint8"),
            ("Ann", [picture(1).astype(float)], "uint8"),
            ("Ann", ["nowhere.png"], "there is no file nowhere.png"),
        ],
    )
    def test_what_can_not_be_enrolled_is_refused_and_nothing_is_written(self, gallery, name, pictures, why):
        with pytest.raises(GalleryError, match=why):
            gallery.enrol(name, pictures)
        assert gallery.store.count() == 0
        assert gallery.store.names() == {}


class TestSearch:
    @pytest.fixture
    def three(self, gallery):
        for identity in (1, 2, 3):
            seen(gallery, identity, "door", NOON + 100 * identity)
        seen(gallery, 1, "shop", NOON + 1000, cls=2)
        return gallery

    @pytest.mark.parametrize("by", ["learned", "cosine", "euclidean"])
    def test_the_most_alike_come_first_one_a_visit(self, three, by):
        matches = three.search(look(1), by=by)
        assert found(matches)[:2] == [1, 1]
        assert sorted(m.camera_id for m in matches[:2]) == ["door", "shop"]
        assert len({m.visit for m in matches}) == len(matches) == 4
        assert all(a.similarity >= b.similarity for a, b in itertools.pairwise(matches))

    def test_identities_beside_one_are_others_only(self, gallery):
        seen(gallery, 1)
        assert gallery.beside(1) == frozenset()
        seen(gallery, 2)
        assert gallery.beside(1) == {2}

    def test_a_match_has_identity_camera_time_and_similarity(self, three):
        three.rename(2, "Bob")
        match = three.search(look(2), k=1, by="cosine")[0]
        assert (match.identity_id, match.name, match.camera_id, match.cls) == (2, "Bob", "door", 0)
        assert NOON + 200 <= match.time.timestamp() <= NOON + 220
        assert match.time.utcoffset() is not None
        row = three.store.get(np.array([match.sighting]))
        assert match.similarity == pytest.approx(float(row.embeddings[0] @ look(2)), abs=1e-5)
        assert match.quality == pytest.approx(float(row.qualities[0]))
        assert match.distance == pytest.approx(1 - match.similarity)

    def test_euclidean_distances_are_those_of_unit_vectors(self, three):
        match = three.search(5 * look(2), k=1, by="euclidean")[0]
        row = three.store.get(np.array([match.sighting]))
        assert match.distance == pytest.approx(float(np.linalg.norm(row.embeddings[0] - look(2))), abs=1e-4)

    def test_by_a_picture(self, three):
        assert found(three.search(picture(3), k=1)) == [3]

    def test_by_an_identity_its_own_visits_are_left_out(self, three):
        seen(three, 9, "hall", NOON + 5000, looks_like=1)
        matches = three.search(1, by="cosine")
        assert found(matches)[0] == 9
        assert 1 not in found(matches)

    def test_searching_by_identity_leaves_out_identities_visible_at_the_same_time(self, three):
        seen(three, 9, "hall", NOON + 5000, looks_like=1)
        seen(three, 1, "hall", NOON + 5010, looks_like=1)
        assert 9 not in found(three.search(1, by="cosine"))
        assert 9 in found(three.search(look(1), by="cosine"))

    def test_ids_as_numpy_gives_them_are_ids(self, three):
        assert found(three.search(np.int64(1))) == found(three.search(1))

    @pytest.mark.parametrize(
        ("where", "identities"),
        [
            (Filter(cameras=frozenset({"shop"})), [1]),
            (Filter(classes=frozenset({2})), [1]),
            (Filter(identities=frozenset({2, 3})), [2, 3]),
            (Filter(excluding=frozenset({1})), [2, 3]),
            (Filter(since=NOON + 290, until=NOON + 500), [3]),
            (Filter(until=NOON + 150), [1]),
            (Filter(cameras=frozenset()), []),
            (Filter(min_quality=0.95), []),
        ],
    )
    def test_filters(self, three, where, identities):
        assert sorted(set(found(three.search(look(1), where=where)))) == identities

    def test_filters_of_identities_apply_to_searches_by_identity(self, three):
        where = Filter(excluding=frozenset({2}))
        assert set(found(three.search(1, where=where))) == {3}

    def test_no_more_than_were_asked_for(self, three):
        assert len(three.search(look(1), k=2)) == 2

    def test_many_sightings_of_one_visit_do_not_hide_others(self, gallery):
        seen(gallery, 1, sightings=200)
        seen(gallery, 2, first=NOON + 100)
        assert found(gallery.search(look(1), k=2)) == [1, 2]

    def test_nothing_in_it_nothing_found(self, gallery):
        assert gallery.search(look(1)) == []

    def test_before_likeness_can_be_judged_there_is_no_probability(self, three):
        assert all(np.isnan(m.probability) for m in three.search(look(1)))

    def test_probabilities_come_with_what_the_cameras_have_learned(self, three):
        three.store.put_blob(evidence_key("door", 1), lessons().dump())
        matches = three.search(look(1), camera="door")
        assert matches[0].identity_id == 1
        assert 0.5 < matches[0].probability <= 1
        assert matches[-1].probability < 0.1
        assert all(np.isnan(m.probability) for m in three.search(look(1), by="cosine"))

    @pytest.mark.parametrize("k", [0, -1, 1001])
    def test_k_out_of_range(self, three, k):
        with pytest.raises(GalleryError, match=rf"k must be in \[1, 1000\], got {k}"):
            three.search(look(1), k=k)
        with pytest.raises(GalleryError, match=rf"k must be in \[1, 1000\], got {k}"):
            three.search_visit(next(three.visits()).id, k=k)

    @pytest.mark.parametrize("warm", [False, True])
    @pytest.mark.parametrize("query", [np.ones(DIM + 1), np.zeros(DIM), np.full(DIM, np.nan)])
    def test_embeddings_that_can_not_be_compared(self, three, query, warm):
        if warm:
            three.store.put_blob(evidence_key("door", 1), lessons().dump())
        with pytest.raises(GalleryError, match="embeddings must"):
            three.search(query.astype(np.float32), camera="door")

    def test_an_identity_that_is_not_there(self, three):
        with pytest.raises(GalleryError, match="no identity 77"):
            three.search(77)


def lessons(people=12, crops=20):
    """What a camera has learned of people whose looks vary as in `seen`."""
    rng = np.random.default_rng(5)
    means = np.array([look(100 + n) for n in range(people)])
    seen = unit((means[:, None] + 0.03 * rng.normal(size=(people, crops, DIM))).astype(np.float32))
    residuals = (seen - seen.mean(axis=1, keepdims=True)).reshape(-1, DIM)
    genuine = np.stack([seen[:, ::2].reshape(-1, DIM), seen[:, 1::2].reshape(-1, DIM)], axis=1)
    impostor = np.stack([seen[:-1].reshape(-1, DIM), seen[1:].reshape(-1, DIM)], axis=1)
    return LearnedStatistics(residuals.T @ residuals, len(residuals), genuine[:128], impostor[:128], seen.mean(axis=1))


class TestProbability:
    """A row's probability answers: does this visit show the same individual as the query?"""

    @pytest.fixture
    def learned(self, gallery):
        """A gallery whose cameras have learned; identities 1 and 9 look alike, and were never seen at once."""
        gallery.store.put_blob(evidence_key("door", 1), lessons().dump())
        seen(gallery, 1, "door", NOON)
        seen(gallery, 1, "shop", NOON + 100, sightings=1)
        seen(gallery, 9, "hall", NOON + 5000, looks_like=1, sightings=6)
        return gallery

    @staticmethod
    def by_visit(matches):
        return {m.visit: m.probability for m in matches}

    def test_is_the_same_in_both_directions(self, learned):
        learned.store.upsert(*_mixture(learned, 7, 1, 2))
        for one, other in [(1, 9), (1, 7), (9, 7)]:
            there = [m for m in learned.search(one) if m.identity_id == other]
            back = [m for m in learned.search(other) if m.identity_id == one]
            for figure in ("similarity", "probability"):
                highest = max(getattr(m, figure) for m in there)
                assert highest == pytest.approx(max(getattr(m, figure) for m in back), abs=1e-4)
                assert 0.01 < highest <= 1

    def test_of_a_long_visit_all_sightings_count_in_both_directions(self, learned):
        seen(learned, 11, "hall", NOON + 9000, looks_like=1, sightings=600)
        seen(learned, 12, "yard", NOON + 20_000, looks_like=1, sightings=1)
        there = next(m for m in learned.search(12) if m.identity_id == 11)
        back = next(m for m in learned.search(11) if m.identity_id == 12)
        assert there.similarity == pytest.approx(back.similarity, abs=1e-5)
        assert there.probability == pytest.approx(back.probability, abs=1e-5)

    def test_does_not_depend_on_what_else_is_listed(self, learned):
        alone = self.by_visit(learned.search(look(1), camera="door"))
        for identity in range(20, 60):
            seen(learned, identity, "hall", NOON + 10_000 + 100 * identity, looks_like=1 if identity % 2 else identity)
        seen(learned, 1, "yard", NOON + 200)
        crowded = self.by_visit(learned.search(look(1), k=100, camera="door"))
        assert len(crowded) == 44
        few = self.by_visit(learned.search(look(1), k=1000, camera="door", where=Filter(cameras=frozenset({"shop"}))))
        assert {visit: crowded[visit] for visit in alone} == pytest.approx(alone, abs=1e-6)
        assert few == pytest.approx({visit: alone[visit] for visit in few}, abs=1e-6)

    def test_of_a_row_unlike_the_query_is_low_whatever_its_identitys_other_rows_are(self, learned):
        wrong = seen(learned, 1, "yard", NOON + 300, looks_like=2)
        rows = {m.visit: m for m in learned.search(look(1), camera="door")}
        assert max(m.probability for m in rows.values() if m.identity_id == 1) > 0.7
        assert rows[wrong].identity_id == 1
        assert rows[wrong].probability < 0.1

    def test_of_few_sightings_is_less_sure_either_way(self, learned):
        like, unlike = np.float32([0.7]), np.float32([0.0])
        one, many = np.array([1]), np.array([8])
        scorer = learned.scorer()
        assert scorer.same_individual(like, one, one) < scorer.same_individual(like, many, many) < 0.95
        assert scorer.same_individual(unlike, one, one) > scorer.same_individual(unlike, many, many) > 0

    def test_rises_with_similarity_and_is_never_certain(self, learned):
        scores = np.linspace(-1, 1, 201, dtype=np.float32)
        sizes = np.full(201, 50)
        found = learned.scorer().same_individual(scores, sizes, sizes)
        assert (np.diff(found) >= 0).all()
        assert 0 < found[0] < 0.01
        assert 0.7 < found[-1] < 0.99

    def test_identities_whose_visits_look_unlike_each_other_are_marked(self, learned):
        wrong = seen(learned, 9, "yard", NOON + 6000, looks_like=3)
        matches = learned.search(look(1), camera="door")
        assert {m.identity_id: m.mixed for m in matches} == {1: False, 9: True}
        found = learned.agreements([1, 9, 77])
        assert sorted(found) == [1, 9]
        assert not found[1].mixed
        assert found[9].groups[1:] == ((wrong,),)
        assert found[9].probabilities[wrong] < 0.1
        assert min(found[1].probabilities.values()) > 0.5

    def test_visits_of_one_identity_are_compared_as_a_search_compares_them(self, learned):
        hall = next(v.id for v in learned.visits() if v.identity == 9)
        row = max((m for m in learned.search(1) if m.visit == hall), key=lambda m: m.similarity)
        learned.merge(1, 9)
        assert learned.agreements([1])[1].probabilities[hall] == pytest.approx(row.probability, abs=1e-6)

    def test_the_only_visit_of_an_identity_has_none(self, learned):
        found = learned.agreements([9])[9]
        assert np.isnan(list(found.probabilities.values())).all()
        assert not found.mixed

    def test_without_calibration_nothing_is_marked(self, gallery):
        seen(gallery, 1)
        seen(gallery, 1, "yard", NOON + 300, looks_like=2)
        assert not any(m.mixed for m in gallery.search(look(1)))
        assert not gallery.agreements([1])[1].mixed


def _mixture(gallery, identity, one, other):
    """Sightings and the visit of an identity that looks half like one and half like another."""
    visit = Visit(int(new_ids(1)[0]), identity, "hall", 0, NOON + 7000, NOON + 7020)
    vectors = unit(np.array([look(one, 0.2, n) + look(other, 0.2, n) for n in range(3)], np.float32))
    of = [np.full(3, value, np.int64) for value in (identity, visit.id, 0)]
    times, qualities = np.linspace(visit.first, visit.last, 3), np.full(3, 0.9, np.float32)
    return Records(new_ids(3), vectors, of[0], of[1], ("hall",) * 3, times, of[2], qualities), [visit]


class TestWho:
    def test_individuals_are_all_identities_by_id(self, gallery):
        seen(gallery, 2, "shop", NOON, cls=2)
        seen(gallery, 2, "door", NOON + 100, cls=2)
        seen(gallery, 2, "door", NOON + 200, cls=0)
        seen(gallery, 1, "door", NOON + 300)
        one, two = gallery.individuals()
        assert (one.identity_id, two.identity_id) == (1, 2)
        assert (two.cameras, two.first, two.last, two.visits) == (("door", "shop"), NOON, NOON + 220, 3)
        assert two.cls == 2
        assert not two.enrolled

    def test_or_of_some_as_far_as_they_match(self, gallery):
        seen(gallery, 1, "door")
        seen(gallery, 1, "shop", NOON + 100)
        seen(gallery, 2, "shop", NOON + 100)
        (one,) = gallery.individuals(Filter(cameras=frozenset({"door"})))
        assert (one.identity_id, one.cameras, one.visits) == (1, ("door",), 1)

    def test_names_are_given_and_taken(self, gallery):
        seen(gallery, 1)
        gallery.rename(1, "Ann")
        assert gallery.find("Ann") == 1
        gallery.rename(1, "Anna")
        assert (gallery.find("Ann"), gallery.find("Anna")) == (None, 1)
        gallery.rename(1, "")
        assert gallery.individuals()[0].name == ""

    def test_a_name_is_one_individuals(self, gallery):
        seen(gallery, 1)
        seen(gallery, 2, first=NOON + 100)
        gallery.rename(1, "Ann")
        with pytest.raises(GalleryError, match="identity 1 is called 'Ann' already"):
            gallery.rename(2, "Ann")
        gallery.rename(1, "Ann")
        gallery.rename(1, "")
        gallery.rename(2, "Ann")

    def test_a_name_of_two_identities_is_refused(self, gallery):
        gallery.store.name(1, "Ann")
        gallery.store.name(2, "Ann")
        with pytest.raises(GalleryError, match="2 identities are called 'Ann': 1, 2"):
            gallery.find("Ann")

    def test_naming_an_unknown_identity_is_refused(self, gallery):
        with pytest.raises(GalleryError, match="no identity 5"):
            gallery.rename(5, "Ann")


class TestMerging:
    @pytest.fixture
    def two(self, gallery):
        seen(gallery, 1, "door", NOON)
        seen(gallery, 2, "door", NOON + 100)
        return gallery

    def test_all_there_is_of_them_is_one_individuals(self, two):
        two.merge(2, 1)
        (one,) = two.individuals()
        assert (one.identity_id, one.visits) == (2, 2)
        assert two.store.count(Filter(identities=frozenset({2}))) == 6

    @pytest.mark.parametrize(
        ("names", "name"), [({1: "Ann"}, "Ann"), ({2: "Bob"}, "Bob"), ({1: "Ann", 2: "Bob"}, "Bob")]
    )
    def test_the_name_of_whom_is_kept_is_kept_and_else_the_others(self, two, names, name):
        for identity, called in names.items():
            two.rename(identity, called)
        two.merge(2, 1)
        assert two.store.names() == {2: name}

    def test_several_at_once(self, two):
        seen(two, 3, "shop", NOON + 300)
        two.merge(1, 2, 3)
        assert [i.visits for i in two.individuals()] == [3]

    @pytest.mark.parametrize("camera", ["door", "shop"])
    def test_merging_identities_on_one_camera_at_once_is_refused(self, two, camera):
        seen(two, 3, camera, NOON + 110)
        if camera == "door":
            with pytest.raises(GalleryError, match="identities 2 and 3 were on 'door' at the same time"):
                two.merge(1, 2, 3)
            assert len(two.individuals()) == 3
            two.merge(1, 2, 3, force=True)
        else:
            two.merge(1, 2, 3)
        assert len(two.individuals()) == 1

    def test_nor_where_one_of_them_was_there_for_long(self, two):
        seen(two, 3, "door", NOON - 1000, NOON + 1000)
        with pytest.raises(GalleryError, match="at the same time"):
            two.merge(3, 2)

    def test_pictures_are_not_on_a_camera(self, gallery):
        ann, bob = gallery.enrol("Ann", [picture(1)]), gallery.enrol("Bob", [picture(1)])
        gallery.merge(ann, bob)
        assert gallery.store.names() == {ann: "Ann"}

    def test_merging_an_unknown_identity_changes_nothing(self, two):
        with pytest.raises(GalleryError, match="no identity 9"):
            two.merge(1, 2, 9)
        assert len(two.individuals()) == 2

    def test_with_themselves(self, two):
        two.rename(1, "Ann")
        two.merge(1, 1)
        assert two.store.names() == {1: "Ann"}


class TestSplitting:
    def test_split_visits_get_a_new_identity(self, gallery):
        first, second = seen(gallery, 1, "door"), seen(gallery, 1, "shop", NOON + 100)
        gallery.rename(1, "Ann")
        new = gallery.split(1, [second]).identities[1]
        assert {v.id: v.identity for v in gallery.visits()} == {first: 1, second: new}
        assert gallery.store.count(Filter(identities=frozenset({new}))) == 3
        assert gallery.store.names() == {1: "Ann"}

    def test_and_merging_takes_it_back(self, gallery):
        seen(gallery, 1, "door")
        gallery.merge(*gallery.split(1, [seen(gallery, 1, "shop", NOON + 100)]).identities)
        assert [i.visits for i in gallery.individuals()] == [2]

    def test_some_but_not_all_and_only_its_own(self, gallery):
        mine, other = seen(gallery, 1), seen(gallery, 2, first=NOON + 100)
        for visits in ([], [mine], [mine, other], [other], [12345]):
            with pytest.raises(GalleryError, match="identity 1 has 1 visits; choose some of them"):
                gallery.split(1, visits)
        assert {v.identity for v in gallery.visits()} == {1, 2}


class TestDeleting:
    def test_an_individual_with_everything_there_is(self, gallery):
        seen(gallery, 1)
        seen(gallery, 2, first=NOON + 100)
        gallery.rename(1, "Ann")
        deleted = gallery.delete(Filter(identities=frozenset({1})))
        assert (deleted.sightings, deleted.visits) == (3, 1)
        assert [i.identity_id for i in gallery.individuals()] == [2]
        assert gallery.store.names() == {}

    def test_a_camera(self, gallery):
        seen(gallery, 1, "door")
        seen(gallery, 1, "shop", NOON + 100)
        gallery.delete(Filter(cameras=frozenset({"door"})))
        assert [v.camera for v in gallery.visits()] == ["shop"]
        assert gallery.store.count() == 3

    def test_deleting_without_a_condition_is_refused(self, gallery):
        seen(gallery, 1)
        with pytest.raises(GalleryError, match="deleting requires a condition"):
            gallery.delete(Filter())
        assert gallery.store.count() == 3

    @pytest.mark.parametrize(
        ("since", "until", "left"),
        [
            (None, 30.0, [(30.0, 100.0)]),
            (70.0, None, [(0.0, 70.0)]),
            (30.0, 70.0, [(0.0, 30.0), (70.0, 100.0)]),
            (-10.0, 110.0, []),
            (0.0, 100.0, []),
            (110.0, None, [(0.0, 100.0)]),
        ],
    )
    def test_a_stretch_of_time_cuts_visits(self, gallery, since, until, left):
        walk = np.array([[s, s / 100, 0, 0.5, 1] for s in range(0, 101, 10)], np.float32)
        seen(gallery, 1, first=NOON, last=NOON + 100, sightings=11, path=walk, crop=b"jpeg")
        since, until = (None if t is None else NOON + t for t in (since, until))
        gallery.delete(Filter(since=since, until=until))
        visits = sorted(gallery.visits(), key=lambda v: v.first)
        assert [(v.first - NOON, v.last - NOON) for v in visits] == left
        for visit in visits:
            assert visit.crop == b"" or len(left) == 1 == (visit.last - visit.first == 100)
            # Who walks says where they were when.
            assert visit.path[:, 1] * 100 == pytest.approx(visit.first - NOON + visit.path[:, 0], abs=0.01)
            assert len(visit.path) == (visit.last - visit.first) / 10 + 1
            own = Filter(visits=frozenset({visit.id}))
            (rows,) = gallery.store.scan(own)
            assert rows.times.min() >= visit.first
            assert rows.times.max() <= visit.last
        kept = sum(gallery.store.count(Filter(visits=frozenset({v.id}))) for v in visits)
        assert kept == gallery.store.count()
        inside = Filter(since=since, until=until)
        assert gallery.store.count(inside) == 0

    def test_what_was_bad_to_see_goes_and_visits_stay_whole(self, gallery):
        seen(gallery, 1, sightings=5)
        before = list(gallery.visits())
        deleted = gallery.delete(Filter(min_quality=0.8, until=NOON + 18))
        assert (deleted.sightings, deleted.visits) == (1, 0)
        assert [(v.id, v.first, v.last) for v in gallery.visits()] == [(v.id, v.first, v.last) for v in before]

    def test_what_the_cameras_learned_of_them_goes_too(self, gallery):
        seen(gallery, 1, "door")
        seen(gallery, 2, "shop")
        for camera in ("door", "shop", "door/2"):
            gallery.store.put_blob(evidence_key(camera, 1), lessons().dump())
        gallery.delete(Filter(identities=frozenset({1})))
        assert gallery.store.blobs(EVIDENCE_PREFIX) == [evidence_key("door/2", 1), evidence_key("shop", 1)]


class TestKeeping:
    def test_pruning_deletes_old_visits_but_not_enrolled_identities(self, gallery):
        now = time.time()
        ann = gallery.enrol("Ann", [picture(1)])
        (rows,), (visit,) = list(gallery.store.scan()), list(gallery.visits())
        long_ago = replace(visit, first=visit.first - 50 * DAY, last=visit.last - 50 * DAY)
        gallery.store.upsert(replace(rows, times=rows.times - 50 * DAY), [long_ago])
        for identity, days in ((101, 40), (102, 20)):
            seen(gallery, identity, first=now - days * DAY)
            gallery.rename(identity, f"number {identity}")
            gallery.store.put_blob(evidence_key(f"camera {identity}", int((now - days * DAY) * 1e9)), b"old")
        deleted = gallery.prune(30)
        assert (deleted.sightings, deleted.visits) == (3, 1)
        assert [i.identity_id for i in gallery.individuals()] == [ann, 102]
        assert gallery.store.names() == {ann: "Ann", 102: "number 102"}
        assert [k.split("/")[1] for k in gallery.store.blobs(EVIDENCE_PREFIX)] == ["camera 102"]

    def test_pruning_keeps_the_recent_part_of_a_visit(self, gallery):
        now = time.time()
        seen(gallery, 1, first=now - 3 * DAY, last=now - DAY, sightings=9)
        gallery.prune(2)
        (visit,) = gallery.visits()
        assert visit.first == pytest.approx(now - 2 * DAY, abs=60)
        assert 0 < gallery.store.count() < 9

    @pytest.mark.parametrize("days", [0, -1, float("nan")])
    def test_days_must_be_some(self, gallery, days):
        with pytest.raises(GalleryError, match="keep_days must be above 0"):
            gallery.prune(days)


class TestLooking:
    def test_statistics(self, gallery):
        gallery.enrol("Ann", [picture(1)])
        seen(gallery, 50, "door", NOON)
        seen(gallery, 50, "shop", NOON + 100)
        seen(gallery, 51, "door", NOON + 200)
        stats = gallery.stats()
        assert (stats.identities, stats.named, stats.cameras) == (3, 1, {"door": 2, "shop": 1})
        assert (stats.since, stats.until) == (NOON, NOON + 220)
        assert (stats.fingerprint, stats.dim) == ("painter", DIM)
        assert (stats.health.sightings, stats.health.visits) == (10, 4)

    def test_statistics_of_nothing(self, gallery):
        stats = gallery.stats()
        assert (stats.identities, stats.cameras, stats.since, stats.until) == (0, {}, None, None)

    def test_journeys(self, gallery):
        seen(gallery, 1, "door", NOON)
        seen(gallery, 1, "shop", NOON + 100)
        seen(gallery, 2, "door", NOON + 300)
        gallery.rename(1, "Ann")
        ann, _ = gallery.journeys()
        assert (ann.name, [s.camera for s in ann.stays]) == ("Ann", ["door", "shop"])
        assert [j.identity for j in gallery.journeys(Filter(since=NOON + 200))] == [2]

    def test_a_backup_is_a_gallery(self, gallery, tmp_path):
        seen(gallery, 1)
        gallery.rename(1, "Ann")
        gallery.backup(tmp_path / "copy.db")
        gallery.delete(Filter(identities=frozenset({1})))
        with Gallery(tmp_path / "copy.db") as copy:
            assert [i.name for i in copy.individuals()] == ["Ann"]
            assert found(copy.search(look(1))) == [1]
        with pytest.raises(GalleryError, match="is there already"):
            gallery.backup(tmp_path / "copy.db")

    def test_visits_are_exported_as_a_table(self, gallery, tmp_path):
        seen(gallery, 1)
        seen(gallery, 2, "shop", NOON + 100)
        gallery.rename(2, "Bob")
        path = tmp_path / "out.csv"
        assert gallery.export(path) == 2
        with path.open() as file:
            assert [row["name"] for row in csv.DictReader(file)] in (["", "Bob"], ["Bob", ""])
        with pytest.raises(GalleryError, match="already exists"):
            gallery.export(path)
        assert gallery.export(path, Filter(cameras=frozenset({"shop"})), overwrite=True) == 1

    @pytest.mark.extras
    def test_sightings_are_exported_with_their_embeddings(self, gallery, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
        seen(gallery, 1)
        path = tmp_path / "out.parquet"
        assert gallery.export(path, embeddings=True) == parquet.read_table(path).num_rows == 3

    def test_crops_of_visits(self, gallery):
        visit = seen(gallery, 1, crop=b"a jpeg")
        assert gallery.crop(visit) == b"a jpeg"
        assert gallery.crop(visit + 1) == b""

    def test_visits_with_and_without_details(self, gallery):
        seen(gallery, 1, crop=b"a jpeg")
        assert [v.crop for v in gallery.visits()] == [b"a jpeg"]
        assert [v.crop for v in gallery.visits(details=False)] == [b""]


def test_the_gallery_is_shared_by_all_that_open_it(gallery, path):
    with Gallery(path) as other:
        seen(gallery, 1)
        assert found(other.search(look(1))) == [1]
        other.rename(1, "Ann")
        assert gallery.find("Ann") == 1


def test_a_closed_gallery_is_closed(path):
    open_store(path, DIM, "painter").close()
    with Gallery(path) as gallery:
        pass
    with pytest.raises(GalleryError, match="closed"):
        gallery.stats()


def test_pictures_of_a_tracker_with_no_recipe_are_refused(path):
    store = open_store(path, DIM, "painter")
    store.put_blob(RECIPE, b'{"model": "auto"}')
    store.close()
    with Gallery(path) as gallery, pytest.raises(GalleryError, match="name the detector"):
        gallery.search(picture(1))


def test_an_enrolled_identity_is_on_no_camera(gallery):
    gallery.enrol("Ann", [picture(1)])
    assert gallery.search(picture(1), k=1)[0].camera_id == ENROLLED
    assert gallery.stats().cameras == {}
