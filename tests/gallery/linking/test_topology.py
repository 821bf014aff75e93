"""Gates by presence and travel time: ways between cameras, shared views, and the file that lists them."""

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
    def test_one_camera_never_shows_an_identity_twice(self, first, last, can):
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
    def test_two_cameras_never_show_an_identity_at_once(self, camera, first, last, can):
        assert allowed(Topology(), camera, first, last) is can

    def test_clocks_of_two_cameras_may_be_off_by_the_slack(self):
        assert allowed(Topology(), "b", 200 - SLACK / 2, 300)
        assert not allowed(Topology(), "a", 200 - SLACK / 2, 300)

    def test_enrolled_image_gates_nothing(self):
        assert allowed(Topology(), "b", 150, visit=stay(ENROLLED, 0, 1e9))


class TestTimes:
    @pytest.mark.parametrize(("gap", "can"), [(0, False), (30 - CLEARLY, False), (30, True), (3000, True)])
    def test_shortest_travel_time_forward(self, gap, can):
        topology = Topology({("a", "b"): Way(min_seconds=30)})
        assert allowed(topology, "b", 200 + gap) is can

    @pytest.mark.parametrize(("gap", "can"), [(0, False), (30 - CLEARLY, False), (30, True), (3000, True)])
    def test_shortest_travel_time_backward(self, gap, can):
        """The query was visible on b before the visit to a."""
        topology = Topology({("b", "a"): Way(min_seconds=30)})
        assert allowed(topology, "b", 0, 100 - gap) is can

    @pytest.mark.parametrize(("gap", "can"), [(60, True), (60 + CLEARLY, False)])
    def test_longest_travel_time_counts_from_the_last_visit(self, gap, can):
        topology = Topology({("a", "b"): Way(max_seconds=60)})
        assert allowed(topology, "b", 200 + gap) is can

    def test_longest_travel_time_ignores_earlier_visits(self):
        topology = Topology({("a", "b"): Way(max_seconds=60)})
        assert allowed(topology, "b", 1000, latest=False)

    def test_other_ways_are_unrestricted(self):
        topology = Topology({("a", "b"): Way(min_seconds=30, max_seconds=60)})
        assert allowed(topology, "c", 200)
        assert allowed(topology, "c", 1e6)

    @pytest.mark.parametrize("first", [50, 150, 199, 201, 1e6])
    def test_overlapping_cameras_may_show_an_identity_at_once(self, first):
        topology = Topology({("a", "b"): Way(overlap=True), ("b", "a"): Way(overlap=True)})
        assert allowed(topology, "b", first, first + 70)

    def test_overlapping_cameras_never_show_an_identity_twice_on_one(self):
        topology = Topology({("a", "b"): Way(overlap=True), ("b", "a"): Way(overlap=True)})
        assert not allowed(topology, "a", 150)


class TestFile:
    def test_all_keys(self, load):
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
    def test_explicit_way_back_overrides_in_any_order(self, load, order):
        lines = ["  - {from: a, to: b, least: 5}", "  - {from: b, to: a, least: 50, one_way: true}"]
        found = load("\n".join(["ways:", *(lines[n] for n in order)]))
        assert (found.ways["a", "b"].min_seconds, found.ways["b", "a"].min_seconds) == (5, 50)

    def test_camera_names_may_be_numbers(self, load):
        assert ("1", "2") in load("ways: [{from: 1, to: 2}]").ways

    @pytest.mark.parametrize(
        "names",
        [
            "01, 02",
            "007, 010",
            "yes, no",
            "on, off",
            "1e3, 2.50",
            "12:30, b",
            "null, ~",
            "2026-01-01, b",
            "1_000, 0x10",
        ],
    )
    def test_camera_names_are_taken_as_written(self, load, names):
        start, end = names.split(", ")
        found = load(f"ways: [{{from: {start}, to: {end}, least: 60}}]")
        assert found.ways == {(start, end): Way(60.0), (end, start): Way(60.0)}

    def test_a_camera_that_is_not_listed_is_refused_by_name(self, load):
        topology = load("ways: [{from: door, to: yrad}]")
        topology.check("door")
        with pytest.raises(ConfigError, match="no camera 'yard', but door, yrad"):
            topology.check("yard")
        Topology().check("yard")

    def test_list_may_be_empty(self, load):
        assert load("ways: []").ways == {}

    def test_infinity_is_a_number(self, load):
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
            ("ways: [{from: a, to: }]", "'to' must be the name of a camera, got ''"),
            ("ways: [{from: [a], to: b}]", "'from' must be the name of a camera"),
            ("ways: " + "[" * 3000 + "]" * 3000, "can't be read"),
            ("ways: [{from: a, to: b, least: " + "9" * 400 + "}]", "'least' must be seconds"),
            ("ways: [{from: a, to: b, least: " + "9" * 5000 + "}]", "can't be read"),
            ("ways: [{from: a, to: b, least: 2026-99-99}]", "can't be read|must be seconds"),
            ("ways: [", "can't be read"),
            ("ways: \x00", "can't be read"),
        ],
    )
    def test_other_content_is_refused_with_a_reason(self, load, text, why):
        with pytest.raises(ConfigError, match=why):
            load(text)

    def test_missing_and_binary_files_are_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            Topology.load(tmp_path / "nowhere.yaml")
        (tmp_path / "image.yaml").write_bytes(b"\xff\xd8\xff\xe0")
        with pytest.raises(ConfigError, match="can't be read"):
            Topology.load(tmp_path / "image.yaml")
