"""A topology file from a gallery's visits: shared views by where people stand, travel times by sure journeys."""

from dataclasses import replace

import numpy as np
import pytest
from walkers import boxes, walks

from ultralytics_reid import Gallery, GalleryError
from ultralytics_reid.cli import main
from ultralytics_reid.gallery.linking.learned_topology import as_yaml, learn_ways
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.records import Visit, nothing
from ultralytics_reid.gallery.store import open_store

NOON, PEOPLE, SECONDS, DIM = 1_795_694_400.0, 4, 30, 8


def stay(number, identity, camera, span, *, path=(), probability=1.0):
    track = np.array(path, np.float32).reshape(-1, 5)
    return Visit(number, identity, camera, 0, NOON + span[0], NOON + span[1], track, probability)


def yard(same=True):
    """Four people whom two cameras see at once, each under an identity of its own on either; or other people."""
    places = walks(PEOPLE, SECONDS)
    views = boxes(0, places), boxes(1, places if same else walks(PEOPLE, SECONDS, seed=7), seed=1)
    times = np.arange(SECONDS, dtype=float)[:, None]
    return [
        stay(10 * c + n, 10 * c + n, name, (0.0, SECONDS), path=np.hstack([times, view[n]]))
        for c, (name, view) in enumerate(zip(("east", "west"), views, strict=True), 1)
        for n in range(PEOPLE)
    ]


def journeys(count, seconds=30.0, probability=1.0):
    """People who go from the door to the hall."""
    for n in range(count):
        yield stay(100 + n, n, "door", (100.0 * n, 100.0 * n + 10))
        arrival = 100.0 * n + 10 + seconds + n
        yield stay(200 + n, n, "hall", (arrival, arrival + 20), probability=probability)


class TestLearnWays:
    def test_cameras_that_see_the_same_people_in_the_same_places_overlap(self):
        (found,) = learn_ways(yard())
        assert found.cameras == ("east", "west")
        assert found.way.overlap
        assert found.together > 50

    def test_cameras_that_see_other_people_at_the_same_time_do_not_overlap(self):
        (found,) = learn_ways(yard(same=False))
        assert not found.way.overlap

    def test_least_time_is_half_of_the_shortest_journey(self):
        (found,) = learn_ways(journeys(6))
        assert (found.cameras, found.way.min_seconds, found.journeys) == (("door", "hall"), 15, 6)

    @pytest.mark.parametrize("visits", [list(journeys(4)), list(journeys(6, probability=0.5))])
    def test_few_or_doubtful_journeys_give_no_least_time(self, visits):
        (found,) = learn_ways(visits)
        assert (found.way.min_seconds, found.known, found.seen) == (0, False, len(visits) // 2)

    def test_ways_between_known_cameras_are_listed_with_their_doubtful_journeys(self):
        doubtful = [stay(400 + n, n, "gate", (10000.0, 10001.0), probability=0.8) for n in range(3)]
        known, unknown = learn_ways([*journeys(6), *doubtful])
        assert (known.cameras, known.known, known.journeys, known.seen) == (("door", "hall"), True, 6, 6)
        assert (unknown.cameras, unknown.known, unknown.journeys, unknown.seen) == (("gate", "hall"), False, 0, 3)

    def test_order_of_visits_and_numbers_of_those_that_begin_at_once_change_nothing(self):
        at_the_gate_too = [stay(300 + n, n, "gate", (100.0 * n, 100.0 * n + 8)) for n in range(6)]
        visits = [*yard(), *journeys(6), *at_the_gate_too]
        found = learn_ways(visits)
        assert [pair.cameras for pair in found] == [("door", "gate"), ("door", "hall"), ("east", "west")]
        for seed in range(4):
            numbers = np.random.default_rng(seed).permutation(len(visits))
            assert learn_ways([replace(visits[n], id=1000 + k) for k, n in enumerate(numbers)]) == found

    def test_one_camera_has_no_ways(self):
        assert learn_ways([stay(1, 1, "door", (0, 10))]) == []


class TestFile:
    def test_file_is_read_as_a_topology_with_every_camera(self, tmp_path):
        path = tmp_path / "topology.yaml"
        visits = [*yard(), *journeys(6), stay(999, 999, "Bob's 01", (0, 10))]
        path.write_text(as_yaml(learn_ways(visits)))
        topology = Topology.load(path)
        assert topology.ways["west", "east"].overlap
        assert topology.ways["hall", "door"].min_seconds == 15
        for camera in ("east", "west", "door", "hall", "Bob's 01"):
            topology.check(camera)

    def test_file_says_of_how_many_journeys_few_were_sure_and_what_is_missing(self):
        text = as_yaml(learn_ways(journeys(5, probability=0.8)))
        assert "- {from: 'door', to: 'hall'}  # any time: 0 sure journeys of 5\n" in text
        why = "it takes 5 sure journeys, whose links had a probability of 0.9 or more when they were made"
        assert f"# Nothing was learned of 1 of 1 way: {why}.\n" in text

    def test_file_that_says_something_of_each_way_has_no_excuse(self):
        text = as_yaml(learn_ways(journeys(6)))
        assert "least: 15}  # 6 sure journeys of 6\n" in text
        assert "Nothing was learned" not in text

    def test_gallery_without_visits_gives_an_empty_file(self, tmp_path):
        path = tmp_path / "topology.yaml"
        path.write_text(as_yaml([]))
        assert Topology.load(path).ways == {}


class TestCommand:
    @pytest.fixture
    def gallery(self, tmp_path):
        store = open_store(tmp_path / "site.db", DIM, "vectors")
        store.reserve(300)
        store.upsert(nothing(DIM), yard())
        store.close()
        return tmp_path / "site.db"

    def test_prints_or_writes_what_the_tracker_yaml_takes(self, gallery, tmp_path, capsys):
        main(["topology", "--gallery", str(gallery)])
        printed = capsys.readouterr().out
        out = tmp_path / "topology.yaml"
        main(["topology", "--gallery", str(gallery), "--out", str(out)])
        assert out.read_text() == printed
        assert Topology.load(out).ways["east", "west"].overlap

    def test_what_was_not_learned_is_said_where_the_file_is_not_printed(self, tmp_path, capsys):
        store = open_store(tmp_path / "site.db", DIM, "vectors")
        store.reserve(300)
        store.upsert(nothing(DIM), [replace(v, identity=v.identity + 1) for v in journeys(5, probability=0.8)])
        store.close()
        assert main(["topology", "--gallery", str(tmp_path / "site.db"), "--out", str(tmp_path / "topology.yaml")]) == 0
        assert "Nothing was learned of 1 of 1 way" in capsys.readouterr().err

    def test_existing_file_and_other_suffixes_are_refused(self, gallery, tmp_path, capsys):
        out = tmp_path / "topology.yaml"
        out.write_text("mine")
        for path, why in ((out, "already exists"), (tmp_path / "topology.txt", "suffix must be .yaml or .yml")):
            assert main(["topology", "--gallery", str(gallery), "--out", str(path)])
            assert why in capsys.readouterr().err
        assert out.read_text() == "mine"

    def test_python_gives_the_same(self, gallery):
        with Gallery(gallery) as opened:
            assert [w.way.overlap for w in opened.learn_ways()] == [True]
        with pytest.raises(GalleryError), Gallery(gallery.with_name("none.db")) as missing:
            missing.learn_ways()
