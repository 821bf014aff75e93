"""Journeys, dwell times, transitions, and their export."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import polars as pl
import pytest
from gallery_visits import MORNING, visitors
from hypothesis import example, given
from hypothesis import strategies as st

from ultralytics_reid.errors import GalleryError
from ultralytics_reid.gallery.export import tabular
from ultralytics_reid.gallery.export.tabular import (
    dwell_table,
    journey_table,
    save_journeys,
    save_sightings,
    save_visits,
    transition_table,
)
from ultralytics_reid.gallery.journeys import dwell, journeys, transitions
from ultralytics_reid.gallery.records import ENROLLED, Records, Visit, nothing


def visit(number, camera, first, last, identity=1, *, path=()):
    return Visit(number, identity, camera, 0, first, last, np.array(path, np.float32).reshape(-1, 5))


def walked(*spells, identity=1):
    """Visits from `(camera, first, last)`."""
    return [visit(n, *spell, identity=identity) for n, spell in enumerate(spells)]


def spells(found):
    return [(stay.camera, stay.first, stay.last) for journey in found for stay in journey.stays]


# Whole and half seconds, so that ties, touching and nested visits are frequent.
times = st.integers(0, 80).map(lambda n: n / 2)
some_visits = st.lists(st.tuples(st.integers(1, 2), st.sampled_from("ABC"), times, times), max_size=12).map(
    lambda rows: [visit(n, camera, min(a, b), max(a, b), identity) for n, (identity, camera, a, b) in enumerate(rows)]
)
joins = st.sampled_from([0.0, 2.0, 10.0])


@st.composite
def one_after_the_other(draw):
    """Visits of one identity, no two at the same time."""
    ends = sorted(draw(st.lists(times, min_size=2, max_size=16, unique=True)))
    cameras = draw(st.lists(st.sampled_from("ABC"), min_size=len(ends) // 2, max_size=len(ends) // 2))
    return [visit(n, camera, ends[2 * n], ends[2 * n + 1]) for n, camera in enumerate(cameras)]


class TestStays:
    def test_visits_that_are_close_are_one_stay_and_others_are_not(self):
        found = journeys(walked(("A", 0, 5), ("A", 14.9, 20), ("A", 30, 40)))
        assert spells(found) == [("A", 0, 20), ("A", 30, 40)]
        assert [stay.visits for stay in found[0].stays] == [(0, 1), (2,)]
        assert spells(journeys(walked(("A", 0, 5), ("A", 14.9, 20)), join=9.9)) == [("A", 0, 5), ("A", 14.9, 20)]

    def test_a_stay_on_another_camera_in_between_splits_a_stay(self):
        assert spells(journeys(walked(("A", 0, 5), ("B", 6, 8), ("A", 9, 12)))) == [
            ("A", 0, 5),
            ("B", 6, 8),
            ("A", 9, 12),
        ]

    def test_an_overlapping_view_does_not_cut_a_stay(self):
        assert spells(journeys(walked(("A", 0, 5), ("B", 3, 10), ("A", 8, 12)))) == [("A", 0, 12), ("B", 3, 10)]

    def test_what_only_joining_takes_out_of_the_way_is_joined_too(self):
        seen = walked(("B", -1, 0.5), ("A", 0, 1), ("B", 3, 4), ("A", 6, 7))
        assert spells(journeys(seen)) == [("B", -1, 4), ("A", 0, 7)]

    def test_enrolled_images_are_no_stays(self):
        assert journeys([visit(0, ENROLLED, 0, 0), visit(1, ENROLLED, 0, 0, identity=2)]) == []
        assert spells(journeys([visit(0, ENROLLED, 0, 0), visit(1, "A", 3, 4)])) == [("A", 3, 4)]

    def test_names_and_totals(self):
        ada, other = journeys([*walked(("A", 0, 5), ("B", 20, 26)), visit(9, "A", 1, 2, identity=7)], names={1: "Ada"})
        assert (ada.identity, ada.name, ada.first, ada.last, ada.seconds) == (1, "Ada", 0, 26, 11)
        assert (other.identity, other.name) == (7, "")

    def test_a_joined_path_goes_by_the_stay_s_clock(self):
        first = visit(0, "A", 100, 104, path=[[0, 0, 0, 0.1, 0.1], [4, 0, 0, 0.2, 0.2]])
        second = visit(1, "A", 102, 109, path=[[0, 0, 0, 0.3, 0.3], [7, 0, 0, 0.4, 0.4]])
        path = journeys([second, first])[0].stays[0].path
        np.testing.assert_allclose(path[:, [0, 4]], [[0, 0.1], [2, 0.3], [4, 0.2], [9, 0.4]])
        assert path.dtype == np.float32

    @pytest.mark.parametrize("join", [-0.1, float("nan")])
    def test_a_join_that_is_none_is_refused(self, join):
        with pytest.raises(GalleryError, match="join must be 0 seconds or more, got"):
            journeys([], join=join)

    @given(some_visits, joins, st.randoms())
    def test_the_order_of_visits_does_not_matter(self, seen, join, chance):
        mixed = list(seen)
        chance.shuffle(mixed)
        there, again = journeys(seen, join), journeys(mixed, join)
        assert spells(there) == spells(again)
        assert [s.visits for j in there for s in j.stays] == [s.visits for j in again for s in j.stays]

    @given(some_visits, joins)
    @example(walked(("A", 0, 0), ("A", 0, 1), ("B", 0, 0.5)), 2.0)
    def test_joining_what_is_joined_changes_nothing(self, seen, join):
        found = journeys(seen, join)
        stays = [visit(s.visits[0], s.camera, s.first, s.last, j.identity) for j in found for s in j.stays]
        assert spells(journeys(stays, join)) == spells(found)

    @given(some_visits, joins)
    def test_every_visit_is_in_one_stay(self, seen, join):
        stays = [(j.identity, s) for j in journeys(seen, join) for s in j.stays]
        assert sorted(n for _, s in stays for n in s.visits) == [v.id for v in seen]
        home = {n: (i, s) for i, s in stays for n in s.visits}
        for v in seen:
            identity, stay = home[v.id]
            assert (identity, stay.camera) == (v.identity, v.camera)
            assert stay.first <= v.first <= v.last <= stay.last

    @given(one_after_the_other(), joins)
    def test_stays_without_overlap_are_shorter_than_the_journey(self, seen, join):
        for journey in journeys(seen, join):
            assert journey.seconds <= journey.last - journey.first


class TestDwell:
    def test_by_camera_over_all_identities(self):
        seen = [*walked(("A", 0, 4), ("B", 50, 51), ("A", 100, 110)), visit(9, "A", 0, 7, identity=2)]
        shop, till = dwell(journeys(seen))
        assert (shop.camera, shop.identities, shop.stays) == ("A", 2, 3)
        assert (shop.seconds, shop.median, shop.longest) == (21, 7, 10)
        assert (till.camera, till.identities, till.stays, till.seconds) == ("B", 1, 1, 1)

    def test_no_journeys(self):
        assert dwell([]) == []
        assert transitions([]) == []


class TestTransitions:
    def test_counts_and_travel_times(self):
        seen = [visit(n, "A", 100 * n, 100 * n + 10, identity=n + 1) for n in range(3)]
        seen += [visit(10 + n, "B", v.last + 5 * (n + 1), v.last + 40, v.identity) for n, v in enumerate(seen)]
        (found,) = transitions(journeys(seen))
        assert (found.before, found.after, found.count, found.overlapping) == ("A", "B", 3, 0)
        assert (found.shortest, found.median, found.longest) == (5, 10, 15)

    def test_the_most_frequent_first_and_each_direction_by_itself(self):
        found = transitions(journeys(walked(("B", 0, 1), ("A", 20, 21), ("B", 40, 41), ("A", 60, 61))))
        assert [(t.before, t.after, t.count) for t in found] == [("B", "A", 2), ("A", "B", 1)]

    def test_overlapping_views_take_no_time(self):
        (found,) = transitions(journeys(walked(("A", 0, 10), ("B", 8, 20))))
        assert (found.count, found.overlapping, found.shortest, found.longest) == (1, 1, 0, 0)

    def test_one_comes_from_where_one_was_seen_last(self):
        found = transitions(journeys(walked(("A", 0, 100), ("B", 10, 12), ("C", 107, 120))))
        assert [(t.before, t.after, t.longest) for t in found] == [("A", "B", 0), ("A", "C", 7)]

    def test_returns_after_a_long_absence_can_be_left_out(self):
        found = journeys(walked(("A", 0, 1), ("B", 61, 62), ("A", 9000, 9001)))
        assert [(t.before, t.after) for t in transitions(found, within=60)] == [("A", "B")]
        assert len(transitions(found)) == 2

    def test_coming_back_to_the_same_camera_is_none(self):
        assert transitions(journeys(walked(("A", 0, 1), ("A", 500, 501)))) == []

    @given(some_visits, joins)
    def test_no_travel_time_is_negative_and_none_is_more_than_a_stay_s(self, seen, join):
        found = journeys(seen, join)
        there = transitions(found)
        assert all(0 <= t.shortest <= t.median <= t.longest and t.before != t.after for t in there)
        assert sum(t.count for t in there) <= sum(len(j.stays) - 1 for j in found)


class TestText:
    def test_tables_say_what_was_found(self):
        found = journeys(walked(("a|b", MORNING, MORNING + 65), ("c", MORNING + 70, MORNING + 3735)), names={1: "Ada"})
        told = journey_table(found).splitlines()
        assert told[2].startswith(r"| 1 Ada | a\|b | 2026-11-26 ")
        assert told[2].endswith("| 1 min 05 s |")
        assert len(told) == 4
        assert dwell_table(dwell(found)).splitlines()[3] == "| c | 1 | 1 | 1 h 01 min | 1 h 01 min | 1 h 01 min |"
        way = r"| a\|b → c | 1 | 0 | 5.0 s | 5.0 s | 5.0 s |"
        assert transition_table(transitions(found)).splitlines()[2] == way


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(tabular, "_BATCH", 7)


@pytest.fixture(scope="module")
def shop():
    return visitors(3)


def sightings(count, start=0, dim=4):
    """Made-up ones."""
    rng, ids = np.random.default_rng(start), np.arange(start, start + count)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    times = MORNING + ids + 0.25
    return Records(ids, vectors, ids % 3 + 1, ids // 2, ("shop",) * count, times, 0 * ids, np.full(count, 0.5, "f4"))


class TestParquet:
    def test_visits_come_back_as_they_were(self, shop, tmp_path, small_batches):
        file = tmp_path / "visits.parquet"
        assert (
            save_visits(file, iter([*shop, replace(shop[0], id=999, path=shop[0].path[:0])]), {1: "Ada"})
            == len(shop) + 1
        )
        found = pl.read_parquet(file)
        assert found["id"].to_list() == [*(v.id for v in shop), 999]
        assert found["name"].to_list()[: len(shop)] == ["Ada" if v.identity == 1 else None for v in shop]
        assert found.schema["first"] == pl.Datetime("us", "UTC")
        assert abs(found["last"][3].timestamp() - shop[3].last) < 1e-6
        for row, v in zip(found.iter_rows(named=True), shop, strict=False):
            np.testing.assert_array_equal([list(p.values()) for p in row["path"]], v.path.astype(float))
            assert row["seconds"] == round(v.last - v.first, 3)
        assert found["path"][-1].to_list() == []

    def test_sightings_have_their_embeddings(self, tmp_path, small_batches):
        batches, file = [sightings(5), sightings(5, 5), sightings(2, 10)], tmp_path / "sightings.parquet"
        assert save_sightings(file, iter(batches), 4, {2: "Bob"}) == 12
        found, there = pl.read_parquet(file), Records.joined(batches, 4)
        assert found.schema["embedding"] == pl.Array(pl.Float32, 4)
        np.testing.assert_array_equal(found["embedding"].to_numpy(), there.embeddings)
        np.testing.assert_array_equal(found["visit"], there.visits)
        assert found["time"][0] == datetime(2026, 11, 26, 8, 0, 0, 250_000, timezone.utc)
        assert found["name"].to_list()[:3] == [None, "Bob", None]

    def test_journeys_are_a_row_a_stay(self, shop, tmp_path):
        found = journeys(shop, names={1: "Ada"})
        assert save_journeys(tmp_path / "j.parquet", found) == sum(len(j.stays) for j in found)
        assert pl.read_parquet(tmp_path / "j.parquet").columns[:3] == ["identity", "name", "camera"]

    def test_nothing_is_a_table_without_rows(self, tmp_path):
        assert save_visits(tmp_path / "v.parquet", []) == 0
        assert save_visits(tmp_path / "v.csv", []) == 0
        assert save_sightings(tmp_path / "s.parquet", [nothing(4)], 4) == 0
        assert pl.read_parquet(tmp_path / "s.parquet").schema["embedding"] == pl.Array(pl.Float32, 4)
        assert pl.read_csv(tmp_path / "v.csv").columns == pl.read_parquet(tmp_path / "v.parquet").columns

    def test_a_folder_with_brackets_is_a_folder(self, shop, tmp_path):
        (tmp_path / "[a]*").mkdir()
        assert save_visits(tmp_path / "[a]*" / "v.parquet", shop) == len(shop)


class TestCSV:
    def test_paths_are_json_and_times_are_utc(self, shop, tmp_path, small_batches):
        save_visits(tmp_path / "v.CSV", shop, {1: 'Ada, "the first"'})
        found = pl.read_csv(tmp_path / "v.CSV")
        assert len(found) == len(shop)
        assert found["name"][0] == 'Ada, "the first"'
        assert datetime.fromisoformat(found["first"][0]).timestamp() == pytest.approx(shop[0].first, abs=1e-6)
        assert found["first"][0].endswith("+00:00")
        path = np.array(json.loads(found["path"][2]))
        np.testing.assert_allclose(path[:, 1:], shop[2].path[:, 1:], atol=1e-6)
        np.testing.assert_array_equal(path[:, 0], np.round(shop[2].path[:, 0].astype(float), 3))

    def test_numbers_are_without_the_noise_of_their_storage(self, tmp_path):
        path = np.array([[123.4, 0.1, 0.2, 0.3, 0.4]], np.float32)
        save_visits(tmp_path / "v.csv", [Visit(7, 1, "shop", 0, MORNING, MORNING + 123.4, path)])
        (row,) = (tmp_path / "v.csv").read_text().splitlines()[1:]
        assert row.endswith(',123.4,,"[[123.4, 0.1, 0.2, 0.3, 0.4]]"')

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_only_visits_that_the_gallery_linked_have_a_link_probability(self, shop, tmp_path, suffix):
        save_visits(tmp_path / f"v{suffix}", [shop[0], replace(shop[1], probability=0.75)])
        read = pl.read_csv if suffix == ".csv" else pl.read_parquet
        found = read(tmp_path / f"v{suffix}")
        assert found["link_probability"].to_list() == [None, 0.75]
        assert "probability" not in found.columns  # that of `visits` is another


class TestFiles:
    def test_an_existing_file_is_replaced_with_overwrite_only(self, shop, tmp_path):
        file = tmp_path / "v.csv"
        file.write_text("mine")
        with pytest.raises(GalleryError, match="already exists"):
            save_visits(file, shop)
        assert file.read_text() == "mine"
        save_visits(file, shop, overwrite=True)
        assert file.read_text() != "mine"

    @pytest.mark.parametrize("name", ["v.csv", "v.parquet"])
    def test_a_failed_export_leaves_no_file(self, shop, tmp_path, small_batches, name):
        def broken():
            yield from shop
            raise GalleryError("the store went away")

        with pytest.raises(GalleryError, match="went away"):
            save_visits(tmp_path / name, broken())
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_appears_meanwhile_is_not_replaced(self, shop, tmp_path):
        def slow():
            yield from shop
            (tmp_path / "v.csv").write_text("mine")

        with pytest.raises(GalleryError, match="already exists"):
            save_visits(tmp_path / "v.csv", slow())
        assert (tmp_path / "v.csv").read_text() == "mine"

    def test_other_suffixes_are_refused(self, shop, tmp_path):
        with pytest.raises(GalleryError, match=r"v\.xlsx can't be written: the suffix must be \.parquet or \.csv"):
            save_visits(tmp_path / "v.xlsx", shop)
        with pytest.raises(GalleryError, match=r"the suffix must be \.parquet$"):
            save_sightings(tmp_path / "s.csv", [], 4)

    def test_a_missing_folder_is_named(self, shop, tmp_path):
        with pytest.raises(GalleryError, match=r"there is no folder .*nowhere"):
            save_visits(tmp_path / "nowhere" / "v.csv", shop)

    def test_times_that_no_calendar_has_are_refused(self, tmp_path):
        with pytest.raises(GalleryError, match="years 1 to 9999, got 1e\\+300"):
            save_visits(tmp_path / "v.parquet", [visit(0, "A", 0, 1e300)])
        assert list(tmp_path.iterdir()) == []
