"""Gallery commands: output, files and deletions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from gallery_visits import MORNING, walk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ultralytics.engine.results import Results

import ultralytics_reid
from ultralytics_reid import Gallery
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.cli import main
from ultralytics_reid.errors import GalleryError, GalleryMissing
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.commands import tables, terminal
from ultralytics_reid.gallery.commands.arguments import parse_time
from ultralytics_reid.gallery.commands.parser import DETECTOR_VARIABLE, GALLERY_VARIABLE, MODEL_VARIABLE, bind_times
from ultralytics_reid.gallery.commands.terminal import progress, uninterrupted
from ultralytics_reid.gallery.image_embedder import ImageRegion, best_region, checked_box, cut_out, image_embedder
from ultralytics_reid.gallery.recipe import pack_class_names, recorded_recipe, unpack_class_names
from ultralytics_reid.gallery.records import ENROLLED, Filter, Records, Visit, new_ids
from ultralytics_reid.gallery.store import open_store
from ultralytics_reid.gallery.times import moment
from ultralytics_reid.scenes import Scene, SceneOptions

RED, GREEN, BLUE, YELLOW = (20, 20, 230), (20, 200, 30), (220, 40, 10), (10, 220, 230)
MODEL = f"{__name__}:Colors"
HOUR = 3600.0
# Identity, color, camera, begins, lasts.
STAYS = [
    (1, RED, "door", 0.0, 20.0),
    (1, RED, "yard", 30.0, 60.0),
    (2, GREEN, "door", 100.0, 15.0),
    (3, BLUE, "yard", HOUR, 40.0),
    (3, BLUE, "door", HOUR + 50, 10.0),
]


class Colors:
    """Embeds crops by the mean colors of their upper and lower half."""

    fingerprint = "colors"

    def __init__(self, weights="", device=None):
        if weights:
            print(f"Successfully loaded {weights}")  # as libraries do

    def __call__(self, image, xyxy):
        return np.array([colors(image[int(t) : int(b), int(x) : int(r)]) for x, t, r, b in xyxy], np.float32)


def colors(crop):
    return np.concatenate([half.reshape(-1, 3).mean(axis=0) for half in np.array_split(crop, 2)])


def dressed(color, size=(80, 40)):
    return np.full((*size, 3), color, np.uint8)


def sightings(visit, color, seconds):
    rng = np.random.default_rng(visit.id)
    looks = colors(dressed(color)) + rng.normal(0, 4, (len(seconds), 6))
    n, whole = len(seconds), np.ones(len(seconds), np.int64)
    cameras, times = (visit.camera,) * n, visit.first + np.array(seconds, np.float64)
    qualities = np.linspace(0.5, 0.9, n).astype(np.float32)
    return Records(
        new_ids(n),
        unit(looks.astype(np.float32)),
        visit.identity * whole,
        visit.id * whole,
        cameras,
        times,
        0 * whole,
        qualities,
    )


def fill(path, stays=STAYS, recipe=True):
    """A gallery in which visit `n` is of the `n`-th stay, from 1 on; 1 is called Ada."""
    store, rng = open_store(path, 6, "colors"), np.random.default_rng(0)
    for n, (identity, color, camera, begins, lasts) in enumerate(stays, 1):
        path_ = walk(rng, "shop")
        path_[:, 0] *= lasts / path_[-1, 0]
        crop = cv2.imencode(".jpg", dressed(color))[1].tobytes()
        first = MORNING + begins
        visit = Visit(n, identity, camera, 0, first, first + lasts, path_, crop=crop)
        store.upsert(sightings(visit, color, np.linspace(0, lasts, 4)), [visit])
    store.name(1, "Ada")
    if recipe:
        store.put_blob("recipe", json.dumps({"model": MODEL}).encode())
    store.close()


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Run in a temporary folder, in the time zone of Berlin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    for variable in (GALLERY_VARIABLE, MODEL_VARIABLE, DETECTOR_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Path of the filled gallery that commands use by default."""
    fill(tmp_path / "site.db")
    monkeypatch.setenv(GALLERY_VARIABLE, "site.db")
    monkeypatch.setenv(MODEL_VARIABLE, MODEL)
    return tmp_path / "site.db"


@pytest.fixture
def call(capsys):
    """Run a command that succeeds; returns stdout."""

    def run(*arguments):
        code = main([str(a) for a in arguments])
        told = capsys.readouterr()
        assert code == 0, told.err
        return told.out

    return run


@pytest.fixture
def refused(capsys):
    """Run a command that fails; returns stderr."""

    def run(*arguments):
        assert main([str(a) for a in arguments]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("ultralytics-reid: ")
        assert told.err.count("\n") == 1
        return told.err

    return run


@pytest.fixture
def confirm(monkeypatch):
    """Make stdin a terminal with an answer."""

    def answering(answer):
        monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
        monkeypatch.setattr("builtins.input", lambda prompt: answer)

    return answering


def rows(text):
    """The rows of the first table in a text, by the heads of its columns."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:] if len(row) == len(cells[0])]


def column(text, head):
    return [row[head] for row in rows(text)]


def write_image(name, color):
    cv2.imwrite(name, dressed(color))
    return name


def is_png(path):
    with Image.open(path) as found:
        return found.format == "PNG" and found.load() is not None


class TestTimes:
    @given(
        st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 30)),
        st.integers(-14 * 60, 14 * 60),
        st.sampled_from(["T", " "]),
        st.sampled_from([":", "", " :", " UTC:"]),
    )
    def test_with_an_offset(self, naive, minutes, between, style):
        zone = timezone(timedelta(minutes=minutes))
        there = naive.replace(tzinfo=zone)
        sign, apart = "-" if minutes < 0 else "+", ":" if ":" in style else ""
        offset = f"{style.rstrip(':')}{sign}{abs(minutes) // 60:02}{apart}{abs(minutes) % 60:02}"
        text = naive.isoformat(between, "microseconds") + offset
        assert parse_time(text, "--from") == pytest.approx(there.timestamp(), abs=1e-4)

    @given(st.integers(-2_000_000_000, 100_000_000_000))
    def test_as_tables_show_them(self, seconds):
        assert parse_time(moment(seconds), "--from") == seconds

    @given(st.floats(1e8, 2e11))
    def test_seconds_since_1970(self, seconds):
        assert parse_time(f"{seconds:.6f}", "--from") == pytest.approx(seconds, abs=1e-5)

    @given(st.integers(0, 10_000), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 604800)]))
    def test_how_long_ago(self, count, unit):
        assert parse_time(f"-{count}{unit[0]}", "--from", now=MORNING + 6e9) == MORNING + 6e9 - count * unit[1]

    def test_local_ones(self):
        assert parse_time("2026-11-26T09:00", "--from") == MORNING
        assert parse_time("2026-11-26 09:00:00.5", "--from") == MORNING + 0.5
        assert parse_time("2026-11-26T08:00Z", "--from") == MORNING

    def test_a_date_is_its_beginning_or_its_end(self):
        day = parse_time("2026-11-26", "--from")
        assert day == MORNING - 9 * HOUR
        assert parse_time("2026-11-26", "--to", end=True) == pytest.approx(day + 24 * HOUR, abs=1e-5)
        assert parse_time("2026-11-26", "--to", end=True) < day + 24 * HOUR

    def test_days_on_which_clocks_are_changed(self):
        longest = parse_time("2026-10-25", "--to", end=True) - parse_time("2026-10-25", "--from")
        assert longest == pytest.approx(25 * HOUR, abs=1e-5)

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "",
                "yesterday",
                "2026",
                "20261126",
                "2026-13-01",
                "2026-11-26T25:00",
                "2026-11-26T09",
                "-2y",
                "-5",
                "5h",
            ),
            *(
                "9999-12-31T23:59-14:00",
                "1" * 30,
                "-99999999999d",
                "٢٠٢٦-١١-٢٦",
                "1e12",
                "nan",
                "2026-11-26T09:00+99:00",
            ),
        ],
    )
    def test_others_are_refused_by_name(self, text):
        with pytest.raises(GalleryError) as told:
            parse_time(text, "--from")
        assert str(told.value).startswith("--from must be 2026-11-26 (a day)")
        assert str(told.value).endswith(f"-2h, -3d, -1w; got {text!r}")

    def test_ago_is_no_option_to_the_parser(self):
        assert bind_times(["list", "--from", "-2h", "--to", "-30m", "-k", "-2"])[1:3] == ["--from=-2h", "--to=-30m"]
        assert bind_times(["--from", "--json"]) == ["--from", "--json"]


def percent(row):
    return int(row["probability"].split()[0])


# Improbable ones too.
ALL = ("--min-probability", "0")


class TestSearch:
    def test_improbable_identities_are_shown_on_request_only(self, site, call, capsys):
        red = write_image("red.png", RED)
        assert main(["search", "--image", red]) == 0
        told = capsys.readouterr()
        assert column(told.out, "identity") == ["1", "1"]
        assert told.err == ("not shown: 3 visits below a probability of 0.05; --min-probability 0 shows all\n")
        assert main(["search", "--identity", "2"]) == 0
        told = capsys.readouterr()
        assert told.out == "nothing found\n"
        assert "not shown: 4 visits" in told.err
        assert [m["identity_id"] for m in json.loads(call("search", "--image", red, "--json"))] == [1, 1]

    def test_a_box_says_where_the_query_is(self, site, call, refused):
        both = np.hstack([dressed(BLUE), dressed(RED)])
        cv2.imwrite("both.png", both)
        for box, identity in (("40,0,80,80", "1"), ("0,0,40,80", "3")):
            arguments = ("--image", "both.png", "--box", box, "--sheet", "--overwrite")
            assert column(call("search", *arguments), "identity")[0] == identity
        with Image.open("search.png") as sheet:
            query = np.asarray(sheet.convert("RGB")).astype(int)[:, :260]
        assert (np.abs(query - BLUE[::-1]).max(axis=2) < 8).sum() > 3000
        assert (np.abs(query - RED[::-1]).max(axis=2) < 8).sum() == 0

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ("--image red.png --box 1,2,3", "--box must be x1,y1,x2,y2 in pixels, got '1,2,3'"),
            ("--image red.png --box a,b,c,d", "--box must be x1,y1,x2,y2"),
            ("--image red.png --box 5,5,5,9", "within the image of 40 x 80 pixels, got 5,5,5,9"),
            ("--image red.png --box=-1,5,9,9", "within the image"),
            ("--image red.png --box 0,0,41,80", "within the image"),
            ("--image red.png --box 0,0,nan,80", "within the image"),
            ("--identity 1 --box 0,0,9,9", "--box needs --image"),
            ("--identity 1 --min-probability 1.5", "--min-probability must be in [0, 1], got 1.5"),
            ("--identity 1 --min-probability nan", "--min-probability must be in [0, 1], got nan"),
        ],
    )
    def test_boxes_and_probabilities_out_of_range_are_refused(self, site, refused, arguments, why):
        write_image("red.png", RED)
        assert why in refused("search", *arguments.split())

    def test_results_are_ranked_by_similarity_one_row_per_visit(self, site, call):
        found = rows(call("search", "--image", write_image("red.png", RED), *ALL))
        assert [row["rank"] for row in found] == ["1", "2", "3", "4", "5"]
        assert [row["identity"] for row in found][:2] == ["1", "1"]
        assert [row["name"] for row in found][:3] == ["Ada", "Ada", ""]
        assert {row["camera"] for row in found[:2]} == {"door", "yard"}
        alike = [float(row["similarity"]) for row in found]
        assert alike == sorted(alike, reverse=True)
        assert found[0]["probability"] != "-"
        assert re.fullmatch(r"2026-11-26 09:0\d:\d\d UTC\+01:00", found[0]["time"])

    def test_filters(self, site, call):
        red = write_image("red.png", RED)
        assert column(call("search", *ALL, "--image", red, "--cameras", "yard"), "identity") == ["1", "3"]
        assert set(column(call("search", *ALL, "--image", red, "--from", "2026-11-26T09:30"), "identity")) == {"3"}
        assert set(column(call("search", *ALL, "--image", red, "--to", MORNING + 200), "identity")) == {"1", "2"}
        assert len(rows(call("search", *ALL, "--image", red, "-k", "2"))) == 2
        assert len(rows(call("search", *ALL, "--image", red, "--from", "2026-11-26", "--to", "2026-11-26"))) == 5
        assert call("search", *ALL, "--image", red, "--classes", "1,2") == "nothing found\n"
        assert (
            call("search", *ALL, "--image", red, "--from", "2026-11-26", "--min-quality", "0.95") == "nothing found\n"
        )

    def test_rows_of_an_identity_that_look_unlike_each_other_are_marked(self, site, call, capsys):
        fill("mixed.db", [*STAYS, (4, RED, "door", 200.0, 20.0), (4, GREEN, "yard", 300.0, 20.0)])
        assert main(["search", "--gallery", "mixed.db", "--image", write_image("red.png", RED), *ALL]) == 0
        told = capsys.readouterr()
        assert {row["identity"] for row in rows(told.out) if row["note"] == "unlike"} == {"4"}
        assert told.err == "identity 4: its visits look unlike each other; `visits --identity 4` says which\n"
        red, green = (row for row in rows(told.out) if row["identity"] == "4")
        assert percent(green) < percent(red) / 5
        assert main(["visits", "--gallery", "mixed.db", "--cameras", "yard"]) == 0
        told = capsys.readouterr()
        shown = {row["identity"]: row for row in rows(told.out)}
        assert [shown[identity]["note"] for identity in "134"] == ["", "", "unlike"]
        assert percent(shown["4"]) < percent(shown["1"]) / 5
        assert told.err == (
            "identity 4: its visits look unlike each other: 6 | 7; if they show several individuals: split 4 7\n"
        )
        assert {v["identity"]: v["mixed"] for v in json.loads(call("visits", "--gallery", "mixed.db", "--json"))} == {
            **dict.fromkeys((1, 2, 3), False),
            4: True,
        }

    def test_relative_times(self, site, call, monkeypatch):
        monkeypatch.setattr("time.time", lambda: MORNING + HOUR + 100)
        assert set(column(call("list", "--from", "-10m"), "identity")) == {"3"}
        assert set(column(call("list", "--to", "-10m"), "identity")) == {"1", "2"}

    @pytest.mark.parametrize("query", [("--identity", "1"), ("--name", "Ada")])
    def test_search_by_identity_finds_other_identities(self, site, call, query):
        assert set(column(call("search", *query, *ALL), "identity")) == {"2", "3"}

    def test_distances(self, site, call, capsys):
        out = call("search", "--image", write_image("red.png", RED), "--by", "euclidean")
        far = [float(d) for d in column(out, "distance")]
        assert far == sorted(far)
        assert far[0] < 0.2

    def test_uncalibrated_search_prints_one_note(self, tmp_path, capsys):
        fill("new.db", recipe=False)
        assert main(["search", "--gallery", "new.db", "--identity", "1"]) == 0
        told = capsys.readouterr()
        assert set(column(told.out, "probability")) == {"-"}
        note = "no probabilities: too few observations yet, or since a deletion, to calibrate similarity\n"
        assert told.err == note
        assert main(["search", "--gallery", "new.db", "--identity", "1", "--by", "cosine", "--sheet"]) == 0
        assert "plain vectors are not calibrated" in capsys.readouterr().err
        assert is_png("search.png")

    def test_json(self, site, call):
        found = json.loads(
            call("search", "--image", write_image("red.png", RED), "--weights=w.pth", "--json", "--by=cosine")
        )
        assert found[0] | {"identity_id": 1, "name": "Ada", "rank": 1, "probability": None} == found[0]
        assert datetime.fromisoformat(found[0]["time"]).timestamp() >= MORNING

    def test_a_sheet(self, site, call, capsys):
        assert main(["search", "--image", write_image("red.png", RED), "--sheet", "found.png", *ALL]) == 0
        assert capsys.readouterr().err == "wrote found.png\n"
        with Image.open("found.png") as sheet:
            pixels = np.asarray(sheet.convert("RGB")).astype(int)
        for color in (RED, GREEN, BLUE):
            assert (np.abs(pixels - color[::-1]).max(axis=2) < 8).sum() > 3000

    def test_an_existing_image_is_not_overwritten(self, site, call, refused, tmp_path):
        (tmp_path / "search.png").write_text("a holiday")
        red = write_image("red.png", RED)
        assert "search.png already exists" in refused("search", "--image", red, "--sheet")
        assert (tmp_path / "search.png").read_text() == "a holiday"
        call("search", "--image", red, "--sheet", "--overwrite")
        assert is_png("search.png")

    def test_where_it_was_taken_must_be_a_camera(self, site, call, refused):
        red = write_image("red.png", RED)
        assert column(call("search", "--image", red, "--seen-on", "door"), "identity")[0] == "1"
        assert "no camera 'dor'" in refused("search", "--image", red, "--seen-on", "dor")

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ("--cameras dor", "no camera 'dor'; there are: door, yard"),
            ("--cameras door,gate", "no camera 'gate'; there are: door, yard"),
            ("--from today", "--from must be 2026-11-26 (a day)"),
            ("--from 2026-11-27 --to 2026-11-26", "--from must not be after --to, got 2026-11-27 00:00:00 UTC+01:00"),
            ("--min-quality 2", "--min-quality must be in [0, 1], got 2.0"),
            ("--classes cat", "--classes must be whole numbers in [0, 2147483647], got 'cat'"),
            ("-k 0", "k must be in [1, 1000], got 0"),
            ("--model no_such:thing", "no_such:thing can't be imported"),
            ("--image nowhere.png", "there is no file nowhere.png"),
            ("--sheet found.gif", "found.gif can't be written: the suffix must be .png"),
            ("--sheet nowhere/a.png", "there is no folder nowhere"),
        ],
    )
    def test_invalid_options_are_named_before_anything_is_printed(self, site, arguments, why, refused):
        assert why in refused("search", "--image", write_image("red.png", RED), *arguments.split())

    def test_how_many_is_checked_before_the_model_is_loaded(self, site, refused):
        asked = ("search", "--image", write_image("red.png", RED), "--model", "no_such:thing")
        assert "k must be in [1, 1000], got 0" in refused(*asked, "-k", "0")

    @pytest.mark.parametrize(
        ("query", "why"),
        [
            ("--identity=9", "there is no identity 9 in the gallery"),
            ("--identity=Ada", "(for names: --name), got 'Ada'"),
            ("--identity=" + "9" * 5_000, "must be whole numbers in [1, 16777215]"),
            ("--identity=99999999999999999999", "must be whole numbers in [1, 16777215]"),
            ("--name=Bob", "no identity is named 'Bob'; there are: Ada"),
        ],
    )
    def test_unknown_identities_are_named(self, site, query, why, refused):
        assert why in refused("search", query)

    def test_images_of_another_embedder_are_refused(self, site, refused):
        assert "they can't be compared" in refused(
            "search", "--image", write_image("a.png", RED), "--model", f"{MODEL}2"
        )


class Untrusted(Colors):
    def __init__(self, weights="", device=None):
        Path("CODE-RAN").touch()


class TestRecipe:
    """A gallery may be someone else's: what it says is data."""

    @pytest.mark.parametrize(
        ("recipe", "what"),
        [
            ({"model": f"{__name__}:Untrusted"}, "name the model"),
            ({"model": "theirs.pt"}, "name the model"),
            ({"model": "auto", "detector": "theirs.pt"}, "name the detector"),
            ({"model": "auto", "detector": "http://127.0.0.1:9/theirs.pt"}, "name the detector"),
            ({"model": "osnet_x0_25", "weights": "theirs.pth"}, "name the model"),
        ],
    )
    def test_no_model_is_loaded_because_a_gallery_names_it(self, refused, monkeypatch, recipe, what):
        def loaded(*_):
            raise AssertionError("a model was loaded")

        fill("theirs.db", recipe=False)
        store = open_store("theirs.db")
        store.put_blob("recipe", json.dumps(recipe).encode())
        store.close()
        monkeypatch.setattr("ultralytics_reid.gallery.reader.image_embedder", loaded)
        told = refused("search", "--gallery", "theirs.db", "--image", write_image("red.png", RED))
        assert what in told
        assert repr(recipe.get("detector", recipe["model"])) in told
        assert not Path("CODE-RAN").exists()

    def test_a_recorded_name_is_not_looked_for_on_disk(self, site, call):
        store = open_store(site)
        store.put_blob("recipe", json.dumps({"model": "x\0" + "y" * 300}).encode())
        store.close()
        assert column(call("search", "--identity", "1", "--min-probability", "0"), "identity")

    @pytest.mark.parametrize("size", ["1e9", "640,640,640", "[8]", "99999", "640; rm", "٦٤٠"])
    def test_a_recorded_input_size_is_bounded(self, site, refused, size):
        store = open_store(site)
        store.put_blob("recipe", json.dumps({"model": "auto", "imgsz": size}).encode())
        store.close()
        asked = ("search", "--image", write_image("red.png", RED), "--model", "auto", "--detector", "mine.pt")
        assert "'imgsz' in its file 'recipe' must be" in refused(*asked)

    @pytest.mark.parametrize(
        ("key", "text"), [("crop_height", "9999"), ("normalize", "raw"), ("channels", "grb"), ("flip_crops", "2")]
    )
    def test_recorded_crop_options_are_bounded(self, site, refused, key, text):
        store = open_store(site)
        store.put_blob("recipe", json.dumps({"model": MODEL, key: text}).encode())
        store.close()
        asked = ("search", "--image", write_image("red.png", RED), "--model", MODEL)
        assert f"{key!r} in its file 'recipe' must be" in refused(*asked)

    @pytest.mark.parametrize("data", [b"\xff", b"[1]", b'{"model": 1}', b"[" * 100_000, b'{"model": "' + b"x" * 9999])
    def test_a_damaged_recipe_is_named(self, site, refused, data):
        store = open_store(site)
        store.put_blob("recipe", data)
        store.close()
        assert "its file 'recipe'" in refused("stats")

    def test_an_escape_is_not_printed(self, site, call, refused):
        store = open_store(site)
        store.put_blob("recipe", json.dumps({"model": "\x1b]0;title\x07"}).encode())
        store.close()
        assert "by \\x1b]0;title\\x07" in call("stats")

    def test_a_detector_alone_does_not_replace_another_model(self, site, refused, monkeypatch):
        monkeypatch.delenv(MODEL_VARIABLE)
        asked = ("search", "--image", write_image("red.png", RED), "--detector", "mine.pt")
        assert (
            f"name the model (--model, with --weights) that the gallery's cameras used: it records model '{MODEL}'"
            in (refused(*asked))
        )


class Colors2(Colors):
    fingerprint = "other colors"


class TestIdentities:
    def test_list(self, site, call):
        ada, *others = rows(call("list"))
        assert ada == {
            "identity": "1",
            "name": "Ada",
            "class": "0",
            "camera visits": "2",
            "seen": "2026-11-26 09:00:00 – 09:01:30 UTC+01:00",
            "cameras": "door, yard",
        }
        assert [row["identity"] for row in others] == ["2", "3"]
        assert column(call("list", "--named"), "identity") == ["1"]
        assert column(call("list", "--cameras", "yard"), "identity") == ["1", "3"]
        assert column(call("list", "--identity", "1,2", "--name", "Ada"), "identity") == ["1"]
        assert json.loads(call("list", "--json"))[0]["cameras"] == ["door", "yard"]
        assert call("list", "--to", "2026-11-25") == "no identities\n"

    def test_visits_have_the_ids_that_split_takes(self, site, call):
        found = rows(call("visits", "--identity", "3"))
        assert [(row["visit"], row["camera"], row["stayed"]) for row in found] == [
            ("4", "yard", "40.0 s"),
            ("5", "door", "10.0 s"),
        ]
        assert "to identity 4" in call("split", "3", found[1]["visit"])
        assert column(call("visits", "--identity", "4"), "visit") == ["5"]
        told = json.loads(call("visits", "--json"))
        assert [v["name"] for v in told] == ["Ada", "Ada", "", "", ""]
        assert [v["probability"] is None for v in told] == [False, False, True, True, True]

    def test_classes_have_names_where_the_gallery_knows_them(self, site, call, refused):
        store = open_store(site)
        recipe = {"model": MODEL, "class_names": json.dumps({0: "person", 2: "ca|r"})}
        store.put_blob("recipe", json.dumps(recipe).encode())
        for number, cls in ((8, 2), (9, 7)):
            visit = Visit(number, number, "door", cls, MORNING + 9 * HOUR, MORNING + 9 * HOUR + 5)
            store.upsert(sightings(visit, GREEN, [0.0]), [visit])
        store.close()
        assert column(call("list"), "class") == ["person", "person", "person", r"ca\|r", "7"]
        assert column(call("visits", "--classes", "7,ca|r"), "class") == [r"ca\|r", "7"]
        assert column(call("list", "--classes", "person"), "identity") == ["1", "2", "3"]
        assert "or names; there are: person, ca|r" in refused("list", "--classes", "dog")
        for asked in (["list"], ["visits"], ["search", "--identity", "1", "--min-probability", "0"]):
            for row in json.loads(call(*asked, "--json")):
                assert row["class_name"] == {0: "person", 2: "ca|r"}.get(row["cls"])
        call("export-gallery", "visits.csv")
        found = pl.read_csv("visits.csv")
        assert found["class_name"].to_list() == [{0: "person", 2: "ca|r"}.get(c) for c in found["class"]]
        call("export-gallery", "all.parquet", "--embeddings")
        assert set(pl.read_parquet("all.parquet")["class_name"]) == {"person"}
        assert "class_names" not in call("stats", "--json")

    @pytest.mark.parametrize("names", ["[1]", "{", '{"a": "person"}', "1"])
    def test_damaged_class_names_are_named(self, site, refused, names):
        store = open_store(site)
        store.put_blob("recipe", json.dumps({"model": MODEL, "class_names": names}).encode())
        store.close()
        assert "'class_names' in its file 'recipe' must be a JSON object" in refused("list")

    def test_very_many_class_names_fit_a_recipe(self):
        names = {n: f"thing {n}" for n in range(1000)}
        recorded = recorded_recipe(json.dumps({"class_names": pack_class_names(names)}).encode())
        kept = unpack_class_names(recorded)
        assert 100 < len(kept) < 1000
        assert kept == {n: names[n] for n in range(len(kept))}

    def test_times_in_utc_are_shown_and_read_as_such(self, site, call, monkeypatch):
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        assert rows(call("list"))[0]["seen"] == "2026-11-26 08:00:00 – 08:01:30 UTC"
        assert parse_time("2026-11-26 08:00:00 UTC", "--from") == MORNING
        assert parse_time("2026-11-26 08:00:00 UTC+01:00", "--from") == MORNING - HOUR

    def test_visits_are_listed_and_split_by_their_last_digits(self, site, call, refused):
        store, begins = open_store(site, 6, "colors"), MORNING + 5 * HOUR
        ids = [4000000000000111111, 5000000000000111111, 6000000000000022222]
        for n, number in enumerate(ids):
            visit = Visit(number, 2, "door", 0, begins + 100 * n, begins + 100 * n + 20)
            store.upsert(sightings(visit, GREEN, [0.0, 9.0]), [visit])
        store.close()
        assert column(call("visits", "--identity", "3"), "visit") == ["4", "5"]
        shown = column(call("visits", "--identity", "2"), "visit")
        assert shown == ["3", *(str(number) for number in ids)]  # the first two differ in the first digit only
        assert column(call("visits", "--identity", "2", "--from", begins + 150), "visit") == ["022222"]
        assert "2 visits of identity 2 end in 111111" in refused("split", "2", "111111")
        assert "identity 2 has 4 visits" in refused("split", "2", "22222")  # too few digits
        assert "moved 1 visit of identity 2 to identity 4" in call("split", "2", "022222")
        assert [v["id"] for v in json.loads(call("visits", "--identity", "4", "--json"))] == [ids[2]]

    def test_rename_and_merge_by_name_or_number(self, site, call):
        call("rename", "3", "Bob")
        assert call("merge", "Ada", "Bob", "2") == "3, 2 became 1 Ada\n"
        assert column(call("list"), "camera visits") == ["5"]
        assert call("rename", "Ada", "") == "identity 1 has no name now\n"
        assert call("list", "--named") == "no identities\n"

    def test_relink_proposes_applies_and_takes_back(self, site, call, refused):
        with Gallery(site) as gallery:
            for n, color in enumerate((YELLOW, RED, GREEN, BLUE), 4):
                visit = Visit(100 + n, n, "gate", 0, MORNING + 9 * HOUR, MORNING + 9 * HOUR + 20)
                gallery.store.upsert(sightings(visit, color, [0.0, 5.0, 10.0]), [visit])
        before = call("visits", "--json")
        proposed = rows(call("relink", "--sheet", "sheet.png"))
        merges = {"merge 5 into 1 Ada", "merge 6 into 2", "merge 7 into 3"}
        assert {row["change"] for row in proposed} == merges
        assert {row["why"] for row in proposed} == {"appearance"}
        assert {row["visit numbers"] for row in proposed} == {"105", "106", "107"}
        assert is_png("sheet.png")
        assert "already exists" in refused("relink", "--sheet", "sheet.png")
        assert "the suffix must be .png" in refused("relink", "--apply", "--sheet", "sheet.jpg")
        assert call("visits", "--json") == before
        done = json.loads(call("relink", "--cameras", "gate,door,yard", "--apply", "--json"))
        assert (done["applied"], done["visits"], len(done["changes"])) == (True, 9, 3)
        assert column(call("list"), "identity") == ["1", "2", "3", "4"]
        assert call("relink") == "nothing to change\n"
        assert "without filters" in refused("relink", "--undo", "--cameras", "gate")
        assert call("relink", "--undo") == "3 visits back with the identity of before\n"
        assert call("visits", "--json") == before
        assert "no relinking to undo" in refused("relink", "--undo")
        assert "can't be read" in refused("relink", "--topology", "none.yaml")

    def test_identities_visible_at_once_are_merged_by_force_only(self, site, call, refused):
        with Gallery(site) as gallery:
            gallery.store.upsert(Records.joined([], 6), [Visit(9, 2, "door", 0, MORNING + 5, MORNING + 10)])
        assert "on 'door' at the same time" in refused("merge", "1", "2")
        assert len(rows(call("list"))) == 3
        call("merge", "1", "2", "--force")
        assert len(rows(call("list"))) == 2

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ("rename 7 Bob", "there is no identity 7"),
            ("rename 2 Ada", "identity 1 is called 'Ada' already"),
            ("merge Ada Eve", "no identity is named 'Eve'"),
            ("split 1 1 2", "choose some of them, but not all"),
            ("split 1 4", "choose some of them"),
            ("split 1 first", "visits must be whole numbers"),
        ],
    )
    def test_a_failed_command_changes_nothing(self, site, arguments, why, call, refused):
        before = call("visits")
        assert why in refused(*arguments.split())
        assert call("visits") == before


class TestEnrol:
    def test_files_and_folders(self, tmp_path, call):
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "notes.txt").write_text("no image")
        paths = [write_image("a.png", RED), write_image("b.jpg", RED), "more"]
        write_image("more/c.PNG", RED)
        told = call("enrol", "--gallery", "new.db", "--name", "cat_A", "--class", "15", "--model", MODEL, *paths)
        assert told == "cat_A is identity 1: 3 images enrolled\n"
        (cat,) = rows(call("list", "--gallery", "new.db"))
        assert (cat["name"], cat["class"], cat["camera visits"], cat["cameras"]) == ("cat_A", "15", "0", "(enrolled)")

    def test_enrolling_a_known_name_adds_images(self, site, call):
        assert call("enrol", "--name", "Ada", write_image("a.png", YELLOW)) == "Ada is identity 1: 1 image enrolled\n"
        asked = ("search", "--image", "a.png", "--cameras", "(enrolled)")
        assert [(row["name"], row["camera"]) for row in rows(call(*asked))] == [("Ada", "(enrolled)")]

    def test_a_new_gallery_needs_an_embedding_model(self, tmp_path, refused):
        told = refused("enrol", "--gallery", "new.db", "--name", "x", write_image("a.png", RED))
        assert "there is no gallery at" in told
        assert "--model or --detector" in told
        assert not (tmp_path / "new.db").exists()

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ("--name x a.png nowhere.png", "there is no file nowhere.png"),
            ("--name x a.png words.png", "words.png is no readable image"),
            ("--name x empty", "there are no images in the folder empty"),
            ("--name= a.png", "got '' and 1"),
            ("--name x --class -1 a.png", "--class must be in [0, 2147483647], got -1"),
            (f"--name x --class {2**70} a.png", f"--class must be in [0, 2147483647], got {2**70}"),
            ("--name x a.png black.png", "black.png shows nothing"),
        ],
    )
    def test_an_unusable_image_is_named_and_none_is_enrolled(self, tmp_path, arguments, why, refused):
        write_image("a.png", RED)
        write_image("black.png", (0, 0, 0))
        (tmp_path / "words.png").write_text("no image")
        (tmp_path / "empty").mkdir()
        assert why in refused("enrol", "--gallery", "new.db", "--model", MODEL, *arguments.split())
        assert not (tmp_path / "new.db").exists()

    @pytest.mark.parametrize("detector", ["words.pt", "a.png", "folder", "missing.onnx"])
    @pytest.mark.parametrize("model", [(), ("--model", MODEL)])
    def test_a_detector_that_is_none(self, refused, tmp_path, detector, model):
        (tmp_path / "words.pt").write_text("no model")
        (tmp_path / "folder").mkdir()
        image = write_image("a.png", RED)
        told = refused("enrol", "--gallery", "new.db", "--name", "x", *model, "--detector", detector, image)
        assert f"the detector {detector} is not a YOLO model" in told

    def test_a_detector_must_find_boxes_upright_or_oriented(self, refused, tmp_path):
        from ultralytics import YOLO

        for kind in ("cls", "obb"):
            YOLO(f"yolo11n-{kind}.yaml").save(tmp_path / f"{kind}.pt")
        image = write_image("a.png", RED)
        asked = ("enrol", "--gallery", "new.db", "--name", "x", "--model", MODEL, "--detector")
        assert "must be a YOLO model that finds boxes, this one's task: classify" in refused(*asked, "cls.pt", image)
        assert main([str(a) for a in (*asked, "obb.pt", image)]) == 0


class TestDetector:
    """Images embedded by a detector, as by the tracker that uses it."""

    @pytest.mark.slow
    def test_images_can_be_compared_with_what_a_tracker_saw(self, tmp_path, call):
        import torch
        from ultralytics import YOLO

        from ultralytics_reid.embedders.detector import DetectorFeatures

        torch.manual_seed(0)
        YOLO("yolo11n.yaml").save("net.pt")
        tracks = YOLO("net.pt")
        tracks.predict(dressed(RED), verbose=False)
        by = DetectorFeatures(tracks.predictor.model.model, lambda: True).fingerprint
        call("enrol", "--gallery", "new.db", "--name", "Ada", "--detector", "net.pt", write_image("a.png", RED))
        store = open_store("new.db", None, by)
        assert store.count() == 1
        store.close()
        assert column(
            call("search", "--gallery", "new.db", "--image", "a.png", "--detector", "net.pt"), "similarity"
        ) == ["1.000"]

    def test_only_classes_that_the_gallery_holds_are_taken_for_the_query(self):
        image = np.zeros((100, 200, 3), np.uint8)
        truck, person, child = (0, 0, 100, 100, 0.9, 7), (120, 10, 140, 90, 0.8, 0), (150, 50, 160, 90, 0.8, 0)
        result = Results(image, "a.png", {0: "person", 7: "truck"}, boxes=torch.tensor([truck, person, child]))
        assert str(best_region(result, image)) == "truck at 0,0,100,100 (confidence 0.90, the largest of 3)"
        taken = best_region(result, image, {0})
        assert str(taken) == "person at 120,10,140,90 (confidence 0.80, the largest of 2)"
        assert taken.xyxy.tolist() == [120, 10, 140, 90]
        none = best_region(result[:1], image, {0})
        assert str(none) == "the whole image: no person found in it"
        assert none.xyxy.tolist() == [0, 0, 200, 100]

    @pytest.mark.parametrize("cut", [0, 8])
    def test_in_a_crop_smaller_than_the_detectors_input_the_box_lies_within_the_crop(self, cut):
        detector = str(Path(ultralytics_reid.__file__).parent / "demo" / "people.pt")
        scene = Scene(SceneOptions(people=3, seconds=3, fps=10, size=(480, 270), seed=5))
        crop = scene.render(next(iter(scene.views(start=15))))[129:254, 370 : 411 - cut]
        region = image_embedder({"model": "auto", "detector": detector}).locate(crop)
        assert region.what == "person"
        # As if it had been given by hand.
        assert checked_box(region.xyxy.tolist(), crop).tolist() == region.xyxy.tolist()

    def test_a_detection_that_lies_outside_the_image_is_none(self):
        image = np.zeros((100, 50, 3), np.uint8)
        outside, inside = (60, 0, 160, 100, 0.9, 0), (20, 10, 70, 130, 0.5, 0)
        padded, boxes = np.zeros((640, 640, 3), np.uint8), torch.tensor([outside, inside])
        result = Results(padded, "a.png", {0: "person"}, boxes=boxes)
        assert best_region(result, image).xyxy.tolist() == [20, 10, 50, 100]
        assert not best_region(result[:1], image).what

    def test_search_says_and_draws_what_was_taken(self, site, monkeypatch, capsys):
        held = []

        class Finder:
            fingerprint = "colors"

            def locate(self, image, classes=None):
                held.append(set(classes))
                return ImageRegion(np.array([40, 0, 80, 80], np.float32), "person", 0.9, 2)

            def embed(self, images, boxes):
                return np.array([colors(cut_out(i, b)) for i, b in zip(images, boxes, strict=True)], np.float32)

        monkeypatch.setattr("ultralytics_reid.gallery.reader.image_embedder", lambda _: Finder())
        cv2.imwrite("both.png", np.hstack([dressed(BLUE), dressed(RED)]))
        assert main(["search", "--image", "both.png", "--sheet"]) == 0
        told = capsys.readouterr()
        assert column(told.out, "identity")[0] == "1"
        assert "query: person at 40,0,80,80 (confidence 0.90, the largest of 2); --box takes another\n" in told.err
        assert held == [{0}]
        with Image.open("search.png") as sheet:
            query = np.asarray(sheet.convert("RGB")).astype(int)[:, :260]
        assert (np.abs(query - RED[::-1]).max(axis=2) < 8).sum() > 3000
        assert (np.abs(query - BLUE[::-1]).max(axis=2) < 8).sum() == 0

    @pytest.mark.parametrize(
        ("what", "said"),
        [
            (("person", 0.9, 6), ("INFO", "person at 40,0,80,80 (confidence 0.90, the largest of 6)")),
            (("", 1.0, 0, "no person"), ("WARNING", "the whole image: no person found in it")),
        ],
    )
    def test_in_python_what_was_taken_is_information_that_names_the_image(self, site, caplog, what, said):
        class Finder:
            fingerprint = "colors"

            def locate(self, image, classes=None):
                return ImageRegion(np.array([40, 0, 80, 80], np.float32), *what)

            def embed(self, images, boxes):
                return np.array([colors(image) for image in images], np.float32)

        cv2.imwrite("both.png", np.hstack([dressed(BLUE), dressed(RED)]))
        with Gallery(site, embedder=Finder()) as gallery:
            gallery.search("both.png")
            gallery.search(dressed(RED))
            gallery.enrol("Eve", ["both.png", dressed(RED)])
        # The host's handler puts the level before the text of the record itself.
        told = [(r.levelname, r.getMessage().rpartition("⚠️ ")[2]) for r in caplog.records if r.name == "ultralytics"]
        names = ("both.png", "query image", "both.png", "image 2")
        assert told == [(said[0], f"{name}: {said[1]}") for name in names]

    @pytest.mark.slow
    def test_crops_are_seen_as_small_as_the_camera_saw_them(self, shared):
        from ultralytics import YOLO

        from ultralytics_reid.embedders.detector import DetectorFeatures

        detector, video = str(shared("models/yolo11n.pt")), str(shared("data/pets09-s2l1/vtest.avi"))
        frame, tracks = cv2.VideoCapture(video).read()[1], YOLO(detector)
        tracks.predict(frame, verbose=False)
        taps = DetectorFeatures(tracks.predictor.model.model, lambda: True)
        boxes = tracks.predict(frame, verbose=False, classes=[0])[0].boxes.xyxy.cpu().numpy()
        seen = taps([boxes], [frame.shape[:2]])[0]
        crops = [frame[int(top) : int(bottom), int(x) : int(right)] for x, top, right, bottom in boxes]
        alike = image_embedder({"model": "auto", "detector": detector})(crops) @ seen.T
        assert len(boxes) > 1
        assert np.diag(alike).min() > 0.9
        assert (alike.argmax(axis=1) == np.arange(len(boxes))).all()


class TestDelete:
    def there(self, site):
        with Gallery(site) as gallery:
            return sorted(v.id for v in gallery.visits()), gallery.store.count()

    def test_deletion_without_confirmation_is_refused(self, site, capsys):
        before = self.there(site)
        assert main(["delete", "--name", "Ada"]) == 1
        told = capsys.readouterr()
        assert "8 sightings and 2 visits, 2026-11-26 09:00:00 – 09:01:30" in told.out
        assert "identities: 1 Ada\ncameras: door, yard\n" in told.out
        assert "nothing was deleted: stdin is no terminal to ask; --yes deletes without asking" in told.err
        assert self.there(site) == before

    def test_with_yes(self, site, call):
        assert call("delete", "--name", "Ada", "--yes") == "deleted 8 sightings and 2 visits\n"
        assert self.there(site) == ([3, 4, 5], 12)
        assert call("list", "--named") == "no identities\n"

    @pytest.mark.parametrize(("answer", "left"), [("y", [3, 4, 5]), ("YES", [3, 4, 5]), ("", None), ("n", None)])
    def test_deletion_asks_for_confirmation_on_a_terminal(self, site, confirm, answer, left):
        confirm(answer)
        assert main(["delete", "--name", "Ada"]) == (0 if left else 1)
        assert self.there(site)[0] == (left or [1, 2, 3, 4, 5])

    @pytest.mark.parametrize(
        ("arguments", "left"),
        [
            ("--identity 2,3", [1, 2]),
            ("--cameras yard", [1, 3, 5]),
            ("--cameras yard --identity 1", [1, 3, 4, 5]),
            ("--from 2026-11-26T10:00", [1, 2, 3]),
            ("--to 2026-11-26T09:30", [4, 5]),
            ("--classes 0", []),
        ],
    )
    def test_deletion_applies_all_filters(self, site, call, arguments, left):
        call("delete", *arguments.split(), "--yes")
        assert self.there(site)[0] == left

    def test_visits_reaching_beyond_the_period_are_shortened(self, site, capsys):
        assert main(["delete", "--identity", "2", "--from", str(MORNING + 107)]) == 1
        assert "shortened: 1 visit reaching beyond that time" in capsys.readouterr().out
        assert main(["delete", "--identity", "2", "--from", str(MORNING + 107), "--yes"]) == 0
        assert self.there(site) == ([1, 2, 3, 4, 5], 18)

    def test_deletion_without_filter_is_refused(self, site, refused):
        assert "delete needs a filter" in refused("delete", "--yes")
        assert self.there(site)[1] == 20

    def test_identity_and_name_together_delete_only_what_matches_both(self, site, call):
        with Gallery(site) as gallery:
            gallery.rename(2, "Bob")
        assert call("delete", "--identity", "1", "--name", "Bob", "--yes") == "nothing matches\n"
        assert call("delete", "--identity", "1,2", "--name", "Bob", "--yes") == "deleted 4 sightings and 1 visit\n"
        with Gallery(site) as gallery:
            assert [one.identity_id for one in gallery.individuals()] == [1, 3]

    def test_deletion_with_unknown_names_is_refused(self, site, call, refused):
        assert "no camera 'dor'" in refused("delete", "--cameras", "dor", "--yes")
        assert "there is no identity 9" in refused("delete", "--identity", "9", "--yes")
        assert call("delete", "--classes", "3", "--yes") == "nothing matches\n"
        assert self.there(site)[1] == 20

    def test_prune(self, site, call, refused, monkeypatch):
        assert "keep_days must be above 0" in refused("prune", "--keep-days", "0")
        monkeypatch.setattr("time.time", lambda: MORNING + 86400 + 0.5 * HOUR)
        assert call("prune", "--keep-days", "1") == "deleted 12 sightings and 3 visits\n"
        assert self.there(site) == ([4, 5], 8)

    def test_ctrl_c_leaves_nothing_half_deleted(self, site, monkeypatch, capsys):
        from ultralytics_reid.gallery import retention

        purge = retention.purge

        def pressed(store, where):
            deleted = purge(store, where)
            signal.raise_signal(signal.SIGINT)
            return deleted

        monkeypatch.setattr(retention, "purge", pressed)
        assert main(["delete", "--name", "Ada", "--yes"]) == 0
        assert "deleting is finished first" in capsys.readouterr().err
        with Gallery(site) as there:
            assert there.store.names() == {}


class TestAnalysis:
    def test_journeys(self, site, call):
        told = call("journeys", "--within", "600")
        stays, dwells, moves = told.split("\n\n")
        assert [(row["identity"], row["camera"], row["stayed"]) for row in rows(stays)] == [
            ("1 Ada", "door", "20.0 s"),
            ("1 Ada", "yard", "1 min 00 s"),
            ("2", "door", "15.0 s"),
            ("3", "yard", "40.0 s"),
            ("3", "door", "10.0 s"),
        ]
        assert column(dwells, "stays") == ["3", "2"]
        assert {row["from → to"]: row["median"] for row in rows(moves)} == {
            "door → yard": "10.0 s",
            "yard → door": "10.0 s",
        }
        assert len(call("journeys", "--within", "5").split("\n\n")) == 2
        assert column(call("journeys", "--name", "Ada", "--cameras", "yard"), "camera") == ["yard"]
        assert call("journeys", "--to", "2026-11-25") == "no visits\n"

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_journeys_as_a_file(self, site, call, refused, suffix):
        assert f"wrote stays{suffix} with 5 stays" in call("journeys", "--out", f"stays{suffix}")
        read = (pl.read_csv if suffix == ".csv" else pl.read_parquet)(f"stays{suffix}")
        assert read["camera"].to_list() == ["door", "yard", "door", "yard", "door"]
        assert len(read["path"][0]) > 1
        assert "already exists" in refused("journeys", "--out", f"stays{suffix}")
        assert "the suffix must be .parquet or .csv" in refused("journeys", "--out", "stays.txt")
        assert "--overwrite" not in call("journeys", "--out", f"stays{suffix}", "--overwrite")

    def test_journeys_join(self, site, call, refused):
        with Gallery(site) as gallery:
            gallery.store.upsert(Records.joined([], 6), [Visit(9, 2, "door", 0, MORNING + 120, MORNING + 125)])
        assert len(rows(call("journeys", "--identity", "2").split("\n\n")[0])) == 1
        assert len(rows(call("journeys", "--identity", "2", "--join", "3").split("\n\n")[0])) == 2
        assert "join must be 0 seconds or more" in refused("journeys", "--join", "-1")
        assert "--within must be 0 seconds or more, got nan" in refused("journeys", "--within", "nan")

    def test_a_heat_map_of_every_camera(self, site, call):
        assert call("heatmap") == "wrote heatmap-door.png\nwrote heatmap-yard.png\n"
        assert is_png("heatmap-door.png")
        assert is_png("heatmap-yard.png")

    def test_of_one_camera_on_its_image(self, site, call, refused, tmp_path):
        video = cv2.VideoWriter("door.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
        video.write(dressed((200, 200, 200), (240, 320)))
        video.release()
        cv2.imwrite("door.png", dressed((200, 200, 200), (240, 320)))
        (tmp_path / "words.txt").write_text("no image")
        for background in ("door.avi", "door.png"):
            asked = ("heatmap", "--camera", "door", "--background", background, "--overwrite")
            assert call(*asked) == "wrote heatmap.png\n"
            with Image.open("heatmap.png") as drawn:
                assert drawn.width < 1.5 * drawn.height  # as the camera's image, and not as a wide one
        assert "neither a readable image nor a readable video" in refused(
            "heatmap", "--camera", "door", "--background", "words.txt", "--out", "b.png"
        )
        assert "needs one --camera, of door, yard" in refused("heatmap", "--background", "door.png", "--out", "b.png")

    def test_trajectories_of_one_identity(self, site, call, refused):
        assert call("heatmap", "--paths", "--name", "Ada", "--camera", "yard") == "wrote paths.png\n"
        assert is_png("paths.png")
        assert "paths.png already exists" in refused("heatmap", "--paths", "--camera", "yard")
        assert "no visits match" in refused("heatmap", "--identity", "2", "--camera", "yard")
        assert "no camera 'yrd'; there are: door, yard" in refused("heatmap", "--camera", "yrd")

    def test_cameras_whose_names_are_no_file_names(self, call, tmp_path):
        fill("odd.db", [(1, RED, "../a/b", 0, 5), (1, RED, "..|a|b", 10, 5), (1, RED, "门", 20, 5)])
        call("heatmap", "--gallery", "odd.db", "--out", "maps.png")
        found = {p.name for p in tmp_path.iterdir() if p.suffix == ".png"}
        assert found == {"maps-a-b.png", "maps-a-b-2.png", "maps-门.png"}

    def test_names_with_commas(self, call):
        fill("odd.db", [(1, RED, "a,b", 0, 5), (2, RED, "a", 10, 5), (3, RED, "b", 20, 5)])
        asked = ("list", "--gallery", "odd.db")
        assert column(call(*asked, "--cameras", "a,b"), "identity") == ["1"]
        assert column(call(*asked, "--cameras", "b,a"), "identity") == ["2", "3"]
        assert column(call(*asked, "--cameras", "b, a"), "identity") == ["2", "3"]
        assert column(call(*asked, "--cameras", "a", "--cameras", "a,b"), "identity") == ["1", "2"]

    def test_stats(self, site, call):
        told = call("stats")
        assert "identities: 3, 1 named" in told
        assert "visits:     5, 5 on cameras" in told
        assert "seen:       2026-11-26 09:00:00 – 10:01:00 UTC+01:00" in told
        assert f"embeddings: by {MODEL} (fingerprint colors)" in told
        assert {row["camera"]: row["visits"] for row in rows(told)} == {"door": "3", "yard": "2"}
        assert json.loads(call("stats", "--json"))["health"]["sightings"] == 20

    def test_export(self, site, call, refused):
        assert call("export-gallery", "all.csv") == "wrote all.csv with 5 rows\n"
        assert pl.read_csv("all.csv")["identity"].to_list() == [1, 1, 2, 3, 3]
        assert "already exists" in refused("export-gallery", "all.csv")
        assert call("export-gallery", "all.csv", "--overwrite", "--name", "Ada") == "wrote all.csv with 2 rows\n"
        assert call("export-gallery", "some.parquet", "--embeddings", "--cameras", "yard") == (
            "wrote some.parquet with 8 rows\n"
        )
        assert pl.read_parquet("some.parquet")["embedding"].to_numpy().shape == (8, 6)

    def test_a_backup_is_a_gallery(self, site, call, refused):
        assert call("backup", "copy.db") == "wrote copy.db\n"
        assert call("list", "--gallery", "copy.db") == call("list")
        assert "is there already" in refused("backup", "copy.db")

    def test_ctrl_c_leaves_no_file_half_written(self, site, tmp_path, monkeypatch, capsys):
        from ultralytics_reid.gallery.commands import run as commands

        def pressed(items, *_):
            yield next(iter(items))
            raise KeyboardInterrupt

        monkeypatch.setattr(commands, "progress", pressed)
        for asked in (["export-gallery", "a.csv"], ["export-gallery", "a.parquet"], ["heatmap"]):
            assert main(asked) == 130
            assert capsys.readouterr().err == "ultralytics-reid: interrupted; no file is half written\n"
        assert {p.name for p in tmp_path.iterdir()} <= {"site.db", "site.db-wal", "site.db-shm"}


class TestTerminal:
    @pytest.fixture
    def shown(self, monkeypatch):
        """Makes stderr, as the test itself has it, a terminal."""

        def shown(short):
            monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
            monkeypatch.setattr(terminal, "_BAR_AFTER", short)

        return shown

    def test_a_bar_on_a_terminal(self, shown, capsys):
        shown(0.0)
        assert list(progress(iter(range(50)), "counting", 50)) == list(range(50))
        told = capsys.readouterr()
        assert "counting" in told.err
        assert told.out == ""

    def test_no_bar_without_a_terminal_or_for_short_work(self, shown, capsys):
        assert list(progress(range(5), "counting")) == list(range(5))
        shown(100.0)
        assert list(progress(range(5), "counting")) == list(range(5))
        assert capsys.readouterr().err == ""

    def test_results_stay_clean(self, site, shown, call):
        shown(0.0)
        told = call("enrol", "--name", "Eve", *[write_image(f"{n}.png", YELLOW) for n in range(40)])
        assert told == "Eve is identity 4: 40 images enrolled\n"

    def test_ctrl_c_twice_aborts(self):
        before = signal.getsignal(signal.SIGINT)
        with uninterrupted("merging"):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(GalleryError, match="merging was aborted half-way"):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == before


class TestProgram:
    def run(self, code, *arguments, **more):
        environment = os.environ | {"ULTRALYTICS_REID_AUTOLOAD": "0"}
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
            **more,
        )

    @pytest.mark.parametrize(
        "arguments",
        ["journeys", "list", "stats", "visits", "search --identity 1 --min-probability 0", "delete --identity 1 --yes"],
    )
    def test_no_model_s_libraries_are_loaded_for_rows(self, site, arguments):
        code = """
import sys
from ultralytics_reid.cli import main
assert main(sys.argv[1:]) == 0
print(*{"torch", "ultralytics", "cv2", "matplotlib.figure", "polars"} & set(sys.modules), file=sys.stderr)
"""
        assert self.run(code, *arguments.split()).stderr.split() == []

    def test_a_closed_pipe_gives_no_traceback(self, site):
        code = "import sys; from ultralytics_reid.cli import main; sys.exit(main(['list']))"
        command = [sys.executable, "-c", code]
        reader, writer = os.pipe()
        os.close(reader)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=environment)
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, "")

    def test_names_that_a_terminal_can_not_show(self, tmp_path):
        fill("odd.db", [(1, RED, "门口", 0, 5)])
        code = "import sys; from ultralytics_reid.cli import main; sys.exit(main(['stats', '--gallery', 'odd.db']))"
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert r"\u95e8\u53e3" in done.stdout

    def test_the_gallery_is_a_required_option(self, capsys):
        with pytest.raises(SystemExit) as code:
            main(["list"])
        assert code.value.code == 2
        assert "--gallery" in capsys.readouterr().err

    def test_an_index_must_be_milvus(self, site, refused, monkeypatch):
        assert "'gallery_index' must be" in refused("list", "--gallery", str(site), "--index", "index.db")
        monkeypatch.setenv("ULTRALYTICS_REID_GALLERY_INDEX", "index.db")
        assert "'gallery_index' must be" in refused("list", "--gallery", str(site))

    def test_a_missing_gallery_is_named(self, refused, tmp_path):
        for command in (
            ["list"],
            ["stats"],
            ["search", "--identity", "1"],
            ["search", "--image", write_image("a.png", RED)],
        ):
            assert f"there is no gallery at {tmp_path / 'none.db'}" in refused(*command, "--gallery", "none.db")
        assert "there is no gallery at" in refused(
            "search", "--image", "a.png", "--model", MODEL, "--gallery", "none.db"
        )
        assert not (tmp_path / "none.db").exists()

    @pytest.mark.parametrize(
        ("uri", "driver"),
        [
            ("ftp://me:s3cret@x", None),
            pytest.param("postgresql://me:s3cret@127.0.0.1:1/x", "psycopg", marks=pytest.mark.extras),
            pytest.param("milvus://me:s3cret@127.0.0.1:1", "pymilvus", marks=pytest.mark.extras),
        ],
    )
    def test_a_password_is_never_shown(self, uri, driver, refused):
        if driver:
            pytest.importorskip(driver, reason=f"needs {driver}")
        assert "s3cret" not in refused("list", "--gallery", uri)

    def test_a_password_is_never_shown_without_a_gallery(self, monkeypatch):
        from ultralytics_reid.gallery import reader

        def missing(*_):
            raise GalleryMissing("there is no gallery at postgresql://me@host/x")

        monkeypatch.setattr(reader, "open_store", missing)
        with pytest.raises(GalleryMissing, match="yet: enrol an identity") as told:
            Gallery("postgresql://me:s3cret@host/x", model=MODEL).search(np.ones(6, np.float32))
        assert "s3cret" not in str(told.value)

    def test_columns_stand_below_each_other(self):
        assert tables.aligned(table(["name", "n"], [["门口", "1"], ["a", "1,000"]])).splitlines() == [
            "| name |     n |",
            "| ---- | ----: |",
            "| 门口 |     1 |",
            "| a    | 1,000 |",
        ]

    @given(
        st.lists(
            st.tuples(
                *[st.text(st.characters(exclude_characters="\\\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=6)]
                * 2
            ),
            max_size=4,
        )
    )
    def test_tables_keep_what_they_say(self, cells):
        said = [[c.strip().replace("|", r"\|") for c in row] for row in cells]
        shown = tables.aligned(table(["a", "b"], said))
        back = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in shown.split("\n")]
        assert back[2:] == [[c.strip() for c in row] for row in said]
        assert len({tables._width(line) for line in shown.split("\n")}) == 1


def test_filters_by_enrolled_images_only(site, call):
    call("enrol", "--name", "Eve", write_image("a.png", YELLOW))
    assert column(call("list", "--cameras", "(enrolled)"), "name") == ["Eve"]
    with Gallery(site) as gallery:
        assert gallery.store.count(Filter(cameras=frozenset({ENROLLED}))) == 1
