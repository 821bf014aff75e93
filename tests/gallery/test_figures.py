"""Heat maps, trajectories and contact sheets: contents, and failures to write."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from gallery_visits import MORNING, SIZES, visitors
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ultralytics_reid.errors import GalleryError
from ultralytics_reid.gallery.export import contact_sheet as sheet
from ultralytics_reid.gallery.export import heatmap
from ultralytics_reid.gallery.export.atomic_file import atomic_write
from ultralytics_reid.gallery.export.contact_sheet import Hit, save_results
from ultralytics_reid.gallery.export.heatmap import draw_heatmap, draw_paths, heat
from ultralytics_reid.gallery.records import ENROLLED, Visit
from ultralytics_reid.gallery.times import duration, moment, period

DRAWN = [draw_heatmap, draw_paths]


@pytest.fixture(scope="module")
def seen():
    return visitors(6)


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def written(monkeypatch):
    """Lines of text written on figures and sheets."""
    from ultralytics_reid.gallery.export import figure

    lines = []

    def noting(write):
        def noted(first, at, text, *args, **kwargs):
            lines.append(text)
            return write(first, at, text, *args, **kwargs)

        return noted

    monkeypatch.setattr(figure.CameraFigure, "write", noting(figure.CameraFigure.write))
    monkeypatch.setattr(sheet, "write_line", noting(sheet.write_line))
    return lines


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def standing(*stops, camera="shop", identity=1):
    """A visit that stands at `(seconds, x, y)` until the next, and leaves at once from the last."""
    path = [(seconds, x - 0.05, y - 0.3, x + 0.05, y) for seconds, x, y in stops]
    return Visit(1, identity, camera, 0, MORNING, MORNING + stops[-1][0], np.array(path, np.float32))


def center(cells):
    rows, columns = (n.ravel() for n in np.mgrid[: cells.shape[0], : cells.shape[1]])
    share = cells.ravel() / cells.sum()
    return (columns + 0.5) @ share / cells.shape[1], (rows + 0.5) @ share / cells.shape[0]


class TestHeat:
    def test_all_time_is_somewhere(self, seen):
        shop = [v for v in seen if v.camera == "shop"]
        cells = heat(shop)
        assert cells.mean() * 100 == pytest.approx(sum(v.last - v.first for v in shop))

    @given(st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)), min_size=1, max_size=5), st.floats(0, 9))
    def test_even_at_the_edges_and_after_the_last_point(self, feet, more):
        visit = standing(*((2.0 * n, x, y) for n, (x, y) in enumerate(feet)))
        visit = replace(visit, last=visit.last + more)
        assert heat([visit], (3, 4)).mean() * 100 == pytest.approx(visit.last - visit.first, abs=1e-6)

    def test_it_is_where_the_feet_are(self):
        assert center(heat([standing((0, 0.5, 0.6), (10, 0.5, 0.6))])) == pytest.approx((0.5, 0.6), abs=0.01)

    def test_time_counts_not_points(self):
        brief = [(n / 100, 0.2, 0.5) for n in range(100)]
        cells = heat([standing(*brief, (1.0, 0.2, 0.5), (1.0, 0.8, 0.5), (10.0, 0.8, 0.5))])
        assert center(cells)[0] == pytest.approx(0.1 * 0.2 + 0.9 * 0.8, abs=0.01)

    def test_linear_motion_spreads_time_evenly(self):
        cells = heat([standing((0, 0.1, 0.5), (10, 0.9, 0.5))])
        along = cells.sum(axis=0)[len(cells[0]) // 5 : -len(cells[0]) // 5]
        assert along.max() < 1.03 * along.min()

    def test_its_numbers_do_not_depend_on_the_unit_of_size(self, seen):
        np.testing.assert_array_equal(heat(seen, (1920, 1080)), heat(seen, (16, 9)))


class TestDrawing:
    @pytest.mark.parametrize("draw", DRAWN)
    @pytest.mark.parametrize("camera", SIZES)
    def test_the_image_has_the_camera_s_shape(self, draw, camera, seen, tmp_path):
        draw(tmp_path / "a.png", seen, camera=camera, size=SIZES[camera])
        height, width, _ = pixels(tmp_path / "a.png").shape
        assert (width > height) == (SIZES[camera][0] > SIZES[camera][1])

    @pytest.mark.parametrize("draw", DRAWN)
    def test_the_heading_has_camera_period_and_identities(self, draw, seen, tmp_path, written, berlin):
        draw(tmp_path / "a.png", [standing((0, 0.5, 0.5), (75, 0.5, 0.5)), *seen[:1]], camera="shop")
        assert written[:3] == [
            "shop",
            "2026-11-26 09:00:00 – 09:01:15 UTC+01:00",
            "1 identity, 1 visit, 1 min 15 s in total",
        ]

    @pytest.mark.parametrize("draw", DRAWN)
    def test_one_identity_is_called_by_name(self, draw, seen, tmp_path, written):
        draw(tmp_path / "a.png", seen, camera="shop", identity=2, names={2: "Ada $x$"})
        assert written[2].startswith("Ada $x$, ")

    @pytest.mark.parametrize("draw", DRAWN)
    def test_names_are_no_formulas(self, draw, tmp_path):
        visit = standing((0, 0.5, 0.5), (5, 0.5, 0.5), camera=r"$\frac{$")
        draw(tmp_path / "a.png", [visit], camera=visit.camera, names={1: r"$\x$"})
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("draw", DRAWN)
    def test_a_background_shows_in_gray(self, draw, tmp_path):
        ground = np.zeros((90, 160, 3), np.uint8)
        ground[:45] = 255, 0, 0
        cv2.imwrite(str(tmp_path / "ground.png"), ground)
        visit = standing((0, 0.9, 0.9), (5, 0.92, 0.9))
        draw(tmp_path / "a.png", [visit], camera="shop", background=ground, size=(1, 1))
        draw(tmp_path / "b.png", [visit], camera="shop", background=tmp_path / "ground.png")
        np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
        upper, lower = pixels(tmp_path / "a.png")[[300, 600], 100]
        assert upper.max() - upper.min() <= 2
        assert upper.min() > lower.max()

    def test_the_hottest_spot_is_the_place_of_a_stop(self, tmp_path):
        draw_heatmap(tmp_path / "a.png", [standing((0, 0.25, 0.75), (60, 0.25, 0.75))], camera="shop")
        image = pixels(tmp_path / "a.png")[140:780, 40:1200].sum(axis=2)
        y, x = np.unravel_index(image.argmax(), image.shape)
        assert (x + 12) / 1200 == pytest.approx(0.25, abs=0.02)
        assert (y + 16) / 675 == pytest.approx(0.75, abs=0.02)

    def test_every_identity_has_a_line_of_its_own(self, tmp_path, written):
        visits = [standing((0, 0.1, n / 10), (5, 0.9, n / 10), identity=n) for n in range(1, 8)]
        draw_paths(tmp_path / "a.png", visits, camera="shop", names={1: "Ada"})
        assert written[3:10] == ["Ada", *(f"id {n}" for n in range(2, 8))]
        column = pixels(tmp_path / "a.png")[124:799, 628]
        shown = {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in heatmap.COLORS}
        assert shown <= {tuple(pixel) for pixel in column.tolist()}

    def test_identities_beyond_the_line_styles_are_counted(self, tmp_path, written):
        visits = [standing((0, 0.1, 0.5), (5, 0.9, 0.5), identity=n) for n in range(1, 31)]
        draw_paths(tmp_path / "a.png", visits, camera="shop")
        assert sum(text.startswith("id ") for text in written) == 21
        assert "and 9 more" in written

    def test_visits_are_gone_through_once(self, seen, tmp_path):
        draw_heatmap(tmp_path / "a.png", iter(seen), camera="shop")
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("draw", DRAWN)
    def test_the_program_s_own_figures_are_left_alone(self, draw, seen, tmp_path):
        from matplotlib import pyplot

        draw(tmp_path / "a.png", seen, camera="shop")
        assert pyplot.get_fignums() == []

    @pytest.mark.parametrize("draw", DRAWN)
    def test_no_matching_visit_is_refused(self, draw, seen, tmp_path):
        with pytest.raises(GalleryError, match="nothing to draw: no visit on 'cellar'"):
            draw(tmp_path / "a.png", seen, camera="cellar")
        with pytest.raises(GalleryError, match="no visit by id 77 on 'shop'"):
            draw(tmp_path / "a.png", seen, camera="shop", identity=77)
        with pytest.raises(GalleryError, match="the visits on 'shop' have no paths"):
            draw(tmp_path / "a.png", [replace(v, path=v.path[:0]) for v in seen], camera="shop")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("draw", DRAWN)
    def test_a_moment_can_be_drawn(self, draw, tmp_path):
        draw(tmp_path / "a.png", [standing((0, 0.5, 0.5))], camera="shop")
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("draw", DRAWN)
    def test_unreadable_backgrounds_are_refused(self, draw, seen, tmp_path):
        (tmp_path / "no.png").write_text("no image")
        for wrong, said in (
            (tmp_path / "no.png", "no readable image"),
            (tmp_path / "none.png", "there is no file"),
            (np.zeros((4, 4), np.uint8), r"images must be \(H, W, 3\) uint8 BGR, got \(4, 4\) uint8"),
        ):
            with pytest.raises(GalleryError, match=said):
                draw(tmp_path / "a.png", seen, camera="shop", background=wrong)
        with pytest.raises(GalleryError, match=r"size must be a width and a height above 0.*got \(0, 9\)"):
            draw(tmp_path / "a.png", seen, camera="shop", size=(0, 9))
        assert not (tmp_path / "a.png").exists()


class TestFiles:
    @pytest.mark.parametrize("draw", DRAWN)
    def test_a_missing_folder_and_another_suffix_are_refused(self, draw, seen, tmp_path):
        with pytest.raises(GalleryError, match=r"there is no folder .*nowhere"):
            draw(tmp_path / "nowhere" / "a.png", seen, camera="shop")
        with pytest.raises(GalleryError, match=r"the suffix must be \.png"):
            draw(tmp_path / "a.jpg", seen, camera="shop")

    def test_what_fails_leaves_the_old_file_and_nothing_else(self, seen, tmp_path, monkeypatch):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        def half(canvas, path, *args, **kwargs):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        (tmp_path / "a.png").write_text("old")
        monkeypatch.setattr(FigureCanvasAgg, "print_png", half)
        with pytest.raises(GalleryError, match=r"a\.png can't be written: No space left on device"):
            draw_heatmap(tmp_path / "a.png", seen, camera="shop")
        assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def hits(count, crop=b""):
    return [Hit(n, n, "", "shop", MORNING, 0.9 / n, 0.8, crop) for n in range(1, count + 1)]


def jpeg(color, size=(60, 120)):
    return cv2.imencode(".jpg", np.full((size[1], size[0], 3), color, np.uint8))[1].tobytes()


class TestSheet:
    def test_it_shows_the_query_and_the_crops(self, tmp_path):
        save_results(tmp_path / "s.png", np.full((200, 80, 3), (255, 0, 0), np.uint8), hits(3, jpeg((0, 0, 255))))
        image = pixels(tmp_path / "s.png")
        blue, red = ((image - color) ** 2 < 200 for color in ((0, 0, 255), (254, 0, 0)))
        assert blue.all(axis=2).sum() > 10_000
        assert red.all(axis=2).sum() > 3 * 10_000

    def test_hits_show_rank_identity_camera_and_time(self, tmp_path, written, berlin):
        shown = [replace(hits(1)[0], name="Ada"), replace(hits(2)[1], camera=ENROLLED)]
        save_results(tmp_path / "s.png", None, shown)
        said = ["1.  90 %", "id 1 · Ada", "shop", "2026-11-26", "09:00:00 UTC+01:00", "similarity 0.80"]
        start = written.index(said[0])
        assert written[start : start + 6] == said
        assert written[start + 6 : start + 9] == ["2.  45 %", "id 2", "enrolled"]

    def test_omitted_hits_are_counted(self, tmp_path, written):
        save_results(tmp_path / "s.png", None, hits(30))
        assert "and 6 more of lower rank" in written
        assert sum(text.startswith("id ") for text in written) == 24
        written.clear()
        save_results(tmp_path / "s.png", None, hits(3), max_hits=3)
        assert not any("more" in text for text in written)

    def test_crops_that_are_missing_or_broken_have_a_placeholder(self, tmp_path):
        for name, crop in (("none", b""), ("broken", b"no jpeg"), ("cut", jpeg((0, 0, 255))[:300])):
            save_results(tmp_path / f"{name}.png", None, hits(1, crop))
        none, broken, cut = (pixels(tmp_path / f"{name}.png") for name in ("none", "broken", "cut"))
        gray = (none == (240, 241, 243)).all(axis=2).sum()
        assert gray > 40_000
        assert (none != broken).any()
        np.testing.assert_array_equal(broken, cut)

    def test_nothing_found_is_a_sheet_too(self, tmp_path, written):
        save_results(tmp_path / "s.png", None, [])
        assert written[0] == "Nothing found"
        save_results(tmp_path / "s.png", None, [], title="Nothing at the till")
        assert "Nothing at the till" in written

    def test_invalid_arguments_are_named(self, tmp_path):
        with pytest.raises(GalleryError, match="max_hits must be 1 or more, got 0"):
            save_results(tmp_path / "s.png", None, hits(1), max_hits=0)
        with pytest.raises(GalleryError, match=r"the suffix must be \.png"):
            save_results(tmp_path / "s.gif", None, hits(1))
        with pytest.raises(GalleryError, match="there is no file"):
            save_results(tmp_path / "s.png", tmp_path / "q.png", hits(1))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("probability", "said"), [(1, "> 99 %"), (0.99, "99 %"), (0.004, "< 1 %"), (0.5, "50 %")])
    def test_nothing_is_certain(self, probability, said):
        assert sheet.percent(probability) == said


class TestTimes:
    def test_the_hour_that_comes_twice_is_told_apart(self, berlin):
        assert moment(1792888200) == "2026-10-25 02:30:00 UTC+02:00"
        assert moment(1792888200 + 3600) == "2026-10-25 02:30:00 UTC+01:00"

    def test_periods(self, berlin):
        assert period(MORNING, MORNING + 60) == "2026-11-26 09:00:00 – 09:01:00 UTC+01:00"
        assert period(MORNING, MORNING + 86400) == "2026-11-26 09:00:00 – 2026-11-27 09:00:00 UTC+01:00"
        assert period(1792888200, 1792888200 + 3600) == "2026-10-25 02:30:00 UTC+02:00 – 02:30:00 UTC+01:00"

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [
            (0, "0.0 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 00 s"),
            (3599.7, "1 h 00 min"),
            (11220, "3 h 07 min"),
            (187200, "2 d 04 h"),
        ],
    )
    def test_durations(self, seconds, said):
        assert duration(seconds) == said

    def test_times_that_no_calendar_has(self):
        with pytest.raises(GalleryError, match="years 1 to 9999"):
            moment(1e300)


def test_a_file_can_be_read_by_its_owner_only_while_it_is_written(tmp_path):
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "visits.csv", [".csv"]) as part:
            modes = [part.stat().st_mode]
            part.write_text("1\n")
            modes.append(part.stat().st_mode)
    finally:
        os.umask(before)
    modes.append((tmp_path / "visits.csv").stat().st_mode)
    assert [mode & 0o777 for mode in modes] == [0o600] * 3
