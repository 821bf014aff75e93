"""Where somebody can have been: the ways between cameras, least and most travel times, shared views."""

import math

import pytest

from ultralytics_reid import ConfigError
from ultralytics_reid.gallery.linking.topology import SLACK, Topology, Way
from ultralytics_reid.gallery.records import ENROLLED, Visit

CLEARLY = SLACK + 1


@pytest.fixture
def load(tmp_path):
    def from_text(text):
        (tmp_path / "site.yaml").write_text(text)
        return Topology.load(tmp_path / "site.yaml")

    return from_text


def stay(camera, first=100.0, last=200.0):
    return Visit(1, 1, camera, 0, first, last)


def allowed(topology, camera, first, last=None, *, visit=None, latest=True):
    return topology.allows(visit or stay("a"), camera, first, first if last is None else last, latest=latest)


class TestAnywhere:
    """Without a topology: different places, any time apart."""

    @pytest.mark.parametrize(
        ("first", "last", "can"), [(50, 99, True), (50, 101, False), (150, 160, False), (201, 250, True)]
    )
    def test_on_one_camera_nobody_is_twice_at_once(self, first, last, can):
        assert allowed(Topology(), "a", first, last) is can

    @pytest.mark.parametrize("camera", ["b", "z"])
    @pytest.mark.parametrize(
        ("first", "last", "can"),
        [
            (0, 50, True),
            (50, 100 + CLEARLY, False),
            (150, 160, False),
            (50, 300, False),
            (200 - CLEARLY, 300, False),
            (200, 300, True),
            (1e9, 1e9, True),
        ],
    )
    def test_nor_on_two(self, camera, first, last, can):
        assert allowed(Topology(), camera, first, last) is can

    def test_clocks_may_be_a_moment_off_between_cameras(self):
        assert allowed(Topology(), "b", 200 - SLACK / 2, 300)
        assert not allowed(Topology(), "a", 200 - SLACK / 2, 300)

    def test_a_picture_that_somebody_was_enrolled_from_says_nothing_of_where_they_are(self):
        assert allowed(Topology(), "b", 150, visit=stay(ENROLLED, 0, 1e9))


class TestTimes:
    @pytest.mark.parametrize(("gap", "can"), [(0, False), (30 - CLEARLY, False), (30, True), (3000, True)])
    def test_nobody_is_faster_than_the_way_is_long(self, gap, can):
        topology = Topology({("a", "b"): Way(min_seconds=30)})
        assert allowed(topology, "b", 200 + gap) is can

    @pytest.mark.parametrize(("gap", "can"), [(0, False), (30 - CLEARLY, False), (30, True), (3000, True)])
    def test_nor_was_before(self, gap, can):
        """Who was seen on b first, and is only now looked for, can't have come from there faster."""
        topology = Topology({("b", "a"): Way(min_seconds=30)})
        assert allowed(topology, "b", 0, 100 - gap) is can

    @pytest.mark.parametrize(("gap", "can"), [(60, True), (60 + CLEARLY, False)])
    def test_who_was_last_seen_there_has_come_by_then(self, gap, can):
        topology = Topology({("a", "b"): Way(max_seconds=60)})
        assert allowed(topology, "b", 200 + gap) is can

    def test_but_who_was_seen_elsewhere_since_may_come_later(self):
        topology = Topology({("a", "b"): Way(max_seconds=60)})
        assert allowed(topology, "b", 1000, latest=False)

    def test_other_ways_are_as_they_were(self):
        topology = Topology({("a", "b"): Way(min_seconds=30, max_seconds=60)})
        assert allowed(topology, "c", 200)
        assert allowed(topology, "c", 1e6)

    @pytest.mark.parametrize("first", [50, 150, 199, 201, 1e6])
    def test_where_two_see_the_same_place_somebody_may_be_on_both(self, first):
        topology = Topology({("a", "b"): Way(overlap=True), ("b", "a"): Way(overlap=True)})
        assert allowed(topology, "b", first, first + 70)

    def test_but_not_twice_on_either(self):
        topology = Topology({("a", "b"): Way(overlap=True), ("b", "a"): Way(overlap=True)})
        assert not allowed(topology, "a", 150)


class TestFile:
    def test_all_that_may_be_said(self, load):
        found = load(
            """
ways:
  - {from: a, to: b, least: 5, most: 60}
  - {from: b, to: c, overlap: true}
  - {from: c, to: a, least: 7.5, one_way: true}
"""
        )
        there, over, down = Way(5.0, 60.0), Way(overlap=True), Way(7.5)
        assert found.ways == {
            ("a", "b"): there,
            ("b", "a"): there,
            ("b", "c"): over,
            ("c", "b"): over,
            ("c", "a"): down,
        }

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_a_way_back_of_its_own_wins_wherever_it_stands(self, load, order):
        lines = ["  - {from: a, to: b, least: 5}", "  - {from: b, to: a, least: 50, one_way: true}"]
        found = load("\n".join(["ways:", *(lines[n] for n in order)]))
        assert (found.ways["a", "b"].min_seconds, found.ways["b", "a"].min_seconds) == (5, 50)

    def test_cameras_may_be_numbers(self, load):
        assert ("1", "2") in load("ways: [{from: 1, to: 2}]").ways

    def test_there_may_be_no_ways(self, load):
        assert load("ways: []").ways == {}

    def test_endless_is_a_number(self, load):
        assert load("ways: [{from: a, to: b, most: .inf}]").ways["a", "b"].max_seconds == math.inf

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "must hold a list 'ways'"),
            ("[]", "must hold a list 'ways'"),
            ("ways: {a: b}", "must hold a list 'ways'"),
            ("ways: []\nmore: 1", "and nothing else"),
            ("ways: [a]", "way 1: must have 'from' and 'to'"),
            ("ways: [{from: a, to: b}, {from: a}]", "way 2: must have 'from' and 'to'"),
            ("ways: [{from: a, to: b, last: 3}]", "way 1.*may have"),
            ("ways: [{from: a, to: b, least: -1}]", "'least' must be seconds, 0 or more, got -1"),
            ("ways: [{from: a, to: b, least: .nan}]", "'least' must be seconds"),
            ("ways: [{from: a, to: b, most: soon}]", "'most' must be seconds, 0 or more, got 'soon'"),
            ("ways: [{from: a, to: b, most: true}]", "'most' must be seconds"),
            ("ways: [{from: a, to: b, least: 9, most: 3}]", r"'least' must be at most 'most' \(3\), got 9"),
            ("ways: [{from: a, to: b, overlap: 1}]", "'overlap' must be true or false, got 1"),
            ("ways: [{from: a, to: b, one_way: 'yes'}]", "'one_way' must be true or false"),
            ("ways: [{from: a, to: a}]", "way 1: 'from' and 'to' must be two cameras, got 'a' twice"),
            ("ways: [", "can't be read"),
            ("ways: \x00", "can't be read"),
        ],
    )
    def test_anything_else_is_refused_and_it_is_said_what(self, load, text, why):
        with pytest.raises(ConfigError, match=why):
            load(text)

    def test_so_are_files_that_are_missing_or_no_text(self, tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            Topology.load(tmp_path / "nowhere.yaml")
        (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\xe0")
        with pytest.raises(ConfigError, match="can't be read"):
            Topology.load(tmp_path / "picture.yaml")
