"""A gallery that is damaged, or was made by someone else to do harm."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import struct
import time
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from ultralytics_reid.appearance.evidence import LearnedStatistics
from ultralytics_reid.cli import main
from ultralytics_reid.drawing.text import cut
from ultralytics_reid.errors import GalleryError
from ultralytics_reid.gallery.export.atomic_file import atomic_write
from ultralytics_reid.gallery.file_names import evidence_key, merged_key
from ultralytics_reid.gallery.image_io import MAX_PIXELS, as_image, decode_image
from ultralytics_reid.gallery.records import Records, Visit, new_ids
from ultralytics_reid.gallery.retention import prune
from ultralytics_reid.gallery.store import open_store

DIM = 8
ESCAPE = "char(27) || ']0;title' || char(7)"
# Every command that reads, and one that writes; each is run on each damaged file.
COMMANDS = [
    ["list"],
    ["list", "--json"],
    ["visits"],
    ["visits", "--json"],
    ["stats"],
    ["stats", "--json"],
    ["search", "--identity", "1", "--sheet", "--overwrite"],
    ["search", "--identity", "1", "--by", "cosine", "--json"],
    ["journeys", "--out", "j.csv", "--overwrite"],
    ["heatmap", "--out", "h.png", "--overwrite"],
    ["heatmap", "--paths", "--out", "p.png", "--overwrite"],
    ["export-gallery", "v.csv", "--overwrite"],
    ["export-gallery", "s.parquet", "--embeddings", "--overwrite"],
    ["rename", "2", "Bob"],
    ["merge", "2", "3", "--force"],
    ["prune", "--keep-days", "30000"],
    ["delete", "--identity", "3", "--yes"],
]
NAN, INF = np.full((2, 5), np.nan, "<f4").tobytes(), np.full((2, 5), np.inf, "<f4").tobytes()
# What is done to the file, and the words by which the error names the row.
DAMAGE = [
    ("DELETE FROM gallery", (), "dimension must be"),
    ("UPDATE gallery SET dim = -1", (), "dimension must be"),
    ("UPDATE gallery SET dim = 1e18", (), "dimension must be"),
    ("UPDATE gallery SET dim = 'x'", (), "dimension must be"),
    ("UPDATE gallery SET fingerprint = x'00'", (), "fingerprint must be"),
    ("UPDATE vectors SET embedding = 'x'", (), "sighting 1: its embedding"),
    ("UPDATE vectors SET embedding = x'0102'", (), "sighting 1: its embedding"),
    ("UPDATE vectors SET embedding = ?", (np.full(DIM, np.nan, "<f4").tobytes(),), "sighting 1: "),
    ("UPDATE vectors SET embedding = ?", (np.full(DIM, 1e30, "<f4").tobytes(),), "sighting 1: "),
    ("UPDATE vectors SET embedding = ?", (np.zeros(DIM, "<f4").tobytes(),), "sighting 1: "),
    ("UPDATE sightings SET identity = 'x'", (), "sighting 1: "),
    ("UPDATE sightings SET identity = -1", (), "sighting 1: "),
    ("UPDATE sightings SET time = 9e999", (), "sighting 1: "),
    ("UPDATE sightings SET time = 'noon'", (), "sighting 1: "),
    ("UPDATE sightings SET class = x'00'", (), "sighting 1: "),
    ("UPDATE sightings SET quality = 7", (), "sighting 1: "),
    (f"UPDATE sightings SET camera = {ESCAPE}", (), "sighting 1: "),
    ("UPDATE sightings SET camera = x'00'", (), "sighting 1: "),
    ("UPDATE sightings SET id = 'x' WHERE id = 1", (), "sighting "),
    ("UPDATE visits SET identity = 0", (), "visit 1: "),
    ("UPDATE visits SET identity = 'x'", (), "visit 1: "),
    ("UPDATE visits SET class = 1.5", (), "visit 1: "),
    ("UPDATE visits SET began = -9e999", (), "visit 1: "),
    ("UPDATE visits SET ended = 1e300", (), "visit 1: "),
    ("UPDATE visits SET ended = began - 1", (), "visit 1: "),
    ("UPDATE visits SET began = 'noon'", (), "visit 1: "),
    ("UPDATE visits SET probability = 2", (), "visit 1: "),
    (f"UPDATE visits SET camera = {ESCAPE}", (), "visit 1: "),
    ("UPDATE visits SET camera = ?", ("x" * 1_000_000,), "visit 1: "),
    ("UPDATE visits SET camera = 'a' || char(10) || 'b'", (), "visit 1: "),
    ("UPDATE details SET path = x'010203'", (), "visit 1: "),
    ("UPDATE details SET path = 'x'", (), "visit 1: "),
    ("UPDATE details SET path = ?", (NAN,), "visit 1: "),
    ("UPDATE details SET path = ?", (INF,), "visit 1: "),
    ("UPDATE details SET path = zeroblob(20000000)", (), "visit 1: "),
    ("UPDATE details SET crop = 'x'", (), "visit 1: "),
    (f"INSERT INTO names VALUES (1, {ESCAPE})", (), "the name of identity 1: "),
    ("INSERT INTO names VALUES (1, x'00')", (), "the name of identity 1: "),
    ("INSERT INTO names VALUES (1, ?)", ("x" * 1_000_000,), "the name of identity 1: "),
    ("INSERT INTO names VALUES (-1, 'x')", (), "the name of identity -1: "),
    ("INSERT INTO blobs VALUES ('recipe', x'ff')", (), "its file 'recipe'"),
    ("INSERT INTO blobs VALUES ('recipe', 'x')", (), "the file 'recipe'"),
    ("INSERT INTO blobs VALUES ('recipe', zeroblob(20000000))", (), "the file 'recipe'"),
    ("DROP TABLE visits", (), "isn't a gallery"),
    ("ALTER TABLE visits RENAME COLUMN began TO begun", (), "can't be used"),
]


def fill(path):
    """Three identities with one visit each; rows are numbered from 1 on."""
    rng = np.random.default_rng(0)
    store = open_store(path, DIM, "x")
    for n in (1, 2, 3):
        vectors = rng.normal(size=(2, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        steps = np.array([[0, 0.1, 0.1, 0.2, 0.2], [5, 0.3, 0.3, 0.4, 0.4]], np.float32)
        ids, whole = np.array([2 * n - 1, 2 * n]), np.ones(2, np.int64)
        rows = (n * whole, n * whole, ("door",) * 2, np.full(2, 1.7e9 + 20 * n), 0 * whole, np.ones(2, np.float32))
        visit = Visit(n, n, "door", 0, 1.7e9 + 20 * n, 1.7e9 + 20 * n + 9, steps)
        store.upsert(Records(ids, vectors, *rows), [visit])
    store.close()


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """Make a gallery, `g.db`, and change it by a statement that no gallery runs."""
    monkeypatch.chdir(tmp_path)

    def change(text, values=()):
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"g.db{end}").unlink(missing_ok=True)
        fill("g.db")
        with contextlib.closing(sqlite3.connect("g.db", isolation_level=None)) as connection:
            connection.execute(text, values)

    return change


@pytest.mark.parametrize(
    ("text", "values", "words"), DAMAGE, ids=[f"{n} {case[0]}"[:60] for n, case in enumerate(DAMAGE)]
)
def test_damage_is_one_clear_error_that_names_the_row(damaged, capfd, text, values, words):
    failed = ""
    damaged(text, values)
    for command in COMMANDS:
        began = time.monotonic()
        code = main([command[0], "--gallery", "g.db", *command[1:]])
        told = capfd.readouterr()
        assert code in (0, 1), command
        assert time.monotonic() - began < 10, command
        assert not {"\x1b", "\x07"} & set(told.out + told.err), command
        assert max(map(len, (told.out + told.err).splitlines()), default=0) < 1000, command
        if code:
            failed += told.err
            assert sum(line.startswith("ultralytics-reid: ") for line in told.err.splitlines()) == 1, command
    assert words in failed


@pytest.mark.parametrize("value", ["x", -5, 0, 2**40])
def test_the_next_identity_is_checked(damaged, value):
    damaged("UPDATE gallery SET next_identity = ?", (value,))
    store = open_store("g.db")
    with pytest.raises(GalleryError, match="next_identity must be"):
        store.reserve(1)
    store.close()


@pytest.mark.parametrize("key", ["evidence/door", "evidence/", "evidence/door/9" + "9" * 5000, "evidence/\x1b/x"])
def test_evidence_under_a_key_without_a_time_is_ignored_and_pruned(damaged, key):
    damaged("INSERT INTO blobs VALUES (?, x'00')", (key,))
    assert main(["search", "--gallery", "g.db", "--identity", "1"]) == 0
    store = open_store("g.db")
    prune(store, 30_000, time.time())
    assert store.blobs("evidence/") == []
    store.close()


def test_merges_under_other_keys_are_pruned(damaged):
    damaged("INSERT INTO blobs VALUES ('merged/a/b/c', x'00')")
    store = open_store("g.db")
    store.put_blob(key := merged_key(1, 2, time.time_ns()), b"by hand")
    prune(store, 30_000, time.time())
    assert store.blobs("merged/") == [key]
    store.close()


def test_functions_with_side_effects_are_not_called_by_a_schema(damaged):
    damaged("CREATE TRIGGER harm AFTER INSERT ON names BEGIN SELECT load_extension('harm'); END")
    assert main(["rename", "--gallery", "g.db", "1", "Ada"]) == 1


# Images.


def png(width, height, rows):
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line = b"\0" * (1 + (width + 7) // 8)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(line * rows)) + part(b"IEND", b"")


def claiming(suffix, width, height):
    """A small image whose header claims another size."""
    lossy = [[cv2.IMWRITE_WEBP_QUALITY, 50]] if suffix == ".webp" else []
    data = bytearray(cv2.imencode(suffix, np.zeros((16, 16, 3), np.uint8), *lossy)[1].tobytes())
    if suffix == ".jpg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ii", width, height)
    elif suffix == ".webp":
        data[26:30] = struct.pack("<HH", width, height)
    return bytes(data)


BOMBS = {
    "header.png": png(60_000, 60_000, 1),
    "bomb.png": png(12_000, 12_000, 12_000),
    "bomb.jpg": claiming(".jpg", 60_000, 60_000),
    "bomb.bmp": claiming(".bmp", 60_000, 60_000),
    "bomb.webp": claiming(".webp", 16_000, 16_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch, name):
    def decoded(*_):
        raise AssertionError("an image bomb was decoded")

    (tmp_path / name).write_bytes(BOMBS[name])
    monkeypatch.setattr("cv2.imdecode", decoded)
    with pytest.raises(GalleryError, match=f"must have {MAX_PIXELS} pixels"):
        as_image(tmp_path / name)
    assert decode_image(BOMBS[name]) is None


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".tif", ".webp"])
def test_images_of_the_usual_kinds_are_read(tmp_path, suffix):
    image = np.full((20, 30, 3), (10, 200, 90), np.uint8)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), image)
    assert np.abs(as_image(tmp_path / f"a{suffix}").astype(int) - image).max() < 8


def test_a_stored_image_bomb_is_shown_as_unreadable(damaged):
    damaged("UPDATE details SET crop = ?", (BOMBS["header.png"],))
    assert main(["search", "--gallery", "g.db", "--identity", "1", "--sheet", "--by", "cosine"]) == 0


# What cameras have learned, and text.


def test_learned_statistics_that_would_unpack_to_more_are_refused():
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("scatter.npy", b"\0" * 50_000_000)
        data = file.getvalue()
    assert len(data) < 100_000
    with pytest.raises(GalleryError, match="would unpack to"):
        LearnedStatistics.load(data, DIM)


def test_damaged_learned_statistics_are_left_out_of_a_search(damaged):
    damaged("INSERT INTO blobs VALUES (?, x'00')", (evidence_key("door", time.time_ns()),))
    assert main(["search", "--gallery", "g.db", "--identity", "1", "--json"]) == 0


def test_a_long_text_is_shortened_without_measuring_all_of_it():
    began = time.monotonic()
    assert cut("x" * 1_000_000, 14, 100).endswith("x…")
    assert time.monotonic() - began < 1


def test_a_recipe_is_shown_without_escapes(damaged, capsys):
    data = json.dumps({"model": "\x1b[2J" + "x" * 4000})
    damaged("INSERT INTO blobs VALUES ('recipe', ?)", (data.encode(),))
    assert main(["stats", "--gallery", "g.db"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert len(told) < 2000


def test_ids_of_new_rows_are_read_back(tmp_path):
    store, ids = open_store(tmp_path / "g.db", DIM, "x"), new_ids(2)
    vectors, whole = np.eye(2, DIM, dtype=np.float32), np.ones(2, np.int64)
    store.upsert(Records(ids, vectors, whole, whole, ("a",) * 2, np.zeros(2), whole, np.zeros(2, np.float32)))
    assert store.get(ids).ids.tolist() == ids.tolist()
    store.close()


def test_an_export_is_its_owners_only_while_it_is_written(tmp_path):
    with atomic_write(tmp_path / "a.csv", (".csv",)) as part:
        assert part.stat().st_mode & 0o777 == 0o600
        part.write_text("a")
    assert (tmp_path / "a.csv").read_text() == "a"
