"""Generated scenes: ground truth, visible fractions, and rendered images."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import fields, replace
from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.harness.data.sequences import load_sequence
from ultralytics_reid import ConfigError
from ultralytics_reid.scenes import Scene, SceneOptions, drawing
from ultralytics_reid.scenes.writers import write_sequence, write_video

BLANK = (255, 0, 254)  # a color of no clothing
MARGIN = 150


def small(**options):
    return Scene(SceneOptions(**{"people": 6, "seconds": 20.0, "fps": 5.0, "size": (320, 180)} | options))


def same(a, b):
    assert (a.camera, a.index, a.time) == (b.camera, b.index, b.time)
    for name in ("ids", "xyxy", "visible"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def stays(scene):
    """By person: `(camera, first frame, last frame)` of each stay in an image, by time."""
    found = {}
    for camera in range(scene.options.cameras):
        for view in scene.views(camera):
            for person in view.ids.tolist():
                runs = found.setdefault(person, {})
                key = (camera, view.index - 1)
                first = runs.pop(key, (camera, view.index, None))[1]
                runs[camera, view.index] = (camera, first, view.index)
    return {person: sorted(runs.values(), key=lambda run: run[1]) for person, runs in found.items()}


# The same seed


@pytest.mark.parametrize(
    ("options", "boxes", "total"),
    [
        ({"people": 6, "seconds": 40, "fps": 5, "seed": 3}, 593, 907_798.5),
        ({"people": 8, "seconds": 30, "fps": 5, "seed": 11, "cameras": 2, "pillars": 1}, 281, 437_045.1),
    ],
)
def test_a_seed_makes_the_scene_that_published_figures_are_of(options, boxes, total):
    """Renaming a key of the hashed random numbers makes every scene another one."""
    views = list(Scene(SceneOptions(**options)).views())
    assert sum(len(view.ids) for view in views) == boxes
    assert sum(float(view.xyxy.sum()) for view in views) == pytest.approx(total, abs=1)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**40), cameras=st.integers(1, 2))
def test_the_same_options_make_the_same_scene(seed, cameras):
    a, b = (small(seed=seed, cameras=cameras, seconds=8.0) for _ in range(2))
    for camera in range(cameras):
        views = list(zip(a.views(camera), b.views(camera), strict=True))
        assert len(views) == len(a) == 40
        for one, other in views:
            same(one, other)
        np.testing.assert_array_equal(a.render(views[30][0]), b.render(views[30][1]))


def test_another_seed_makes_another_scene():
    a, b = (small(seed=seed) for seed in (1, 2))
    assert [v.ids.tolist() for v in a.views()] != [v.ids.tolist() for v in b.views()]
    assert (a.render(next(a.views())) != b.render(next(b.views()))).mean() > 0.5
    assert [a.clothing(i) for i in range(1, 7)] != [b.clothing(i) for i in range(1, 7)]


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 110), stop=st.none() | st.integers(0, 110))
def test_a_tail_is_the_end_of_the_whole(start, stop):
    scene = small()
    part = list(scene.views(start=start, stop=stop))
    whole = list(scene.views())[start:stop]
    assert len(part) == len(whole)
    for one, other in zip(part, whole, strict=True):
        same(one, other)


def test_an_image_is_the_same_whatever_was_drawn_before():
    scene, again = small(), small()
    views = list(scene.views())
    for view in views[::7]:
        scene.render(view)
    np.testing.assert_array_equal(scene.render(views[50]), again.render(next(again.views(start=50))))


# Visits


def test_ids_are_the_same_people_over_absences_and_cameras():
    scene = small(people=10, seconds=90.0, cameras=3, visits=4)
    where = stays(scene)
    assert sorted(where) == list(range(1, 11))
    # Some of the last visits lie behind the scene's end.
    assert Counter(len(runs) for runs in where.values()).most_common(1)[0][0] == 4
    assert max(len(runs) for runs in where.values()) == 4
    assert sum(len({camera for camera, *_ in runs}) > 1 for runs in where.values()) >= 8


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), cameras=st.integers(1, 3), shortest=st.floats(0.5, 4))
def test_gaps_lie_within_away_and_visits_do_not_overlap(seed, cameras, shortest):
    away = (shortest, shortest + 3)
    scene = small(seed=seed, cameras=cameras, seconds=60.0, fps=10.0, away=away)
    for runs in stays(scene).values():
        for (_, _, before), (_, after, _) in pairwise(runs):
            assert away[0] - 0.1 <= (after - before) / 10 <= away[1] + 0.2


def test_people_come_again_until_the_end_where_visits_are_not_counted():
    scene = small(seconds=200.0, visits=None)
    last = [runs[-1][2] for runs in stays(scene).values()]
    assert len(last) == 6
    assert min(last) / 5 > 200 - 20 - 1


def test_a_crowd_is_never_larger_than_allowed():
    crowded, free = (small(people=30, seconds=120.0, visits=1, crowd=c) for c in (4, None))
    assert max(len(v.ids) for v in free.views()) > 4
    assert max(len(v.ids) for v in crowded.views()) == 4
    assert sorted(stays(crowded)) == list(range(1, 31))


def test_a_crowd_that_leaves_no_room_is_refused():
    with pytest.raises(ConfigError, match=r"'crowd' .* got 1: room for \d+ of 30 people in 20 s"):
        small(people=30, crowd=1)


def test_ten_thousand_people_stream():
    tracemalloc.start()
    scene = Scene(SceneOptions(people=10_000, seconds=10 * 3600.0, fps=25.0, cameras=2))
    late = [list(islice(scene.views(camera, start=850_000), 40)) for camera in range(2)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    assert [v.index for v in late[0]] == list(range(850_000, 850_040))
    assert late[0][0].time == 34_000
    assert 0 < len(np.unique(np.concatenate([v.ids for views in late for v in views]))) < 50
    assert scene.render(late[0][0]).shape == (540, 960, 3)


@pytest.mark.parametrize(("camera", "start"), [(1, 0), (-1, 0), (0, -1)])
def test_unknown_cameras_and_frames_are_refused(camera, start):
    with pytest.raises(IndexError, match=r"cameras are 0 to 0, got|frames are 0 to 99, got"):
        small().views(camera, start)


# Visible fractions


def bodies(scene, view):
    """Silhouettes of all people in a view, on an image with a margin, and their depths."""
    _, ids, figures = scene._figures(scene.cameras[view.camera], np.array([view.index]))
    there = np.isin(ids, view.ids)
    ids, figures = ids[there], figures[there]
    moved = replace(figures, joints=figures.joints + MARGIN)
    width, height = scene.options.size
    blank = np.full((height + 2 * MARGIN, width + 2 * MARGIN, 3), BLANK, np.uint8)
    masks = []
    for row, person in enumerate(ids.tolist()):
        image = blank.copy()
        drawing.draw_figure(image, moved, row, scene.clothing(person))
        masks.append(cv2.absdiff(image, blank).max(axis=2) > 60)
    return masks, figures.depth


@pytest.fixture(scope="module")
def sampled():
    """Scenes, views, and the silhouettes of all people in them."""
    found = []
    for seed in range(5):
        scene = Scene(SceneOptions(people=16, seconds=40, seed=seed, fps=1, size=(640, 360), pillars=3))
        found += [(scene, view, *bodies(scene, view)) for view in islice(scene.views(), 10, None, 9)]
    return found


@pytest.mark.slow
def test_visible_fractions_are_those_of_the_silhouettes(sampled):
    inside, off = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN], []
    for scene, view, masks, depth in sampled:
        for row, mask in enumerate(masks):
            seen = mask[inside].copy()
            for other in np.flatnonzero(depth < depth[row]):
                seen &= ~masks[other][inside]
            for pillar in scene.cameras[0].pillars:
                if pillar.depth < depth[row]:
                    seen[: pillar.foot, max(0, pillar.left) : max(0, pillar.right)] = False
            off.append(seen.sum() / mask.sum() - view.visible[row])
    assert len(off) > 80
    assert np.abs(off).mean() < 0.04
    assert np.abs(off).max() < 0.35


@pytest.mark.slow
def test_boxes_are_around_what_is_drawn(sampled):
    for _, view, masks, _ in sampled:
        for box, mask in zip(view.xyxy, masks, strict=True):
            y, x = np.nonzero(mask)
            drawn = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) - MARGIN
            # A coat's hem, and hair, reach over the box by a little.
            np.testing.assert_allclose(drawn, box, atol=0.08 * (box[3] - box[1]))
            assert ((drawn - box) * [1, 1, -1, -1]).min() > -0.035 * (box[3] - box[1])


def test_people_behind_a_pillar_are_not_visible():
    hidden = 0
    for seed in range(6):
        scene = Scene(SceneOptions(people=20, seconds=60, seed=seed, fps=5, pillars=3))
        for view in scene.views():
            assert view.visible.min(initial=0) >= 0
            assert view.visible.max(initial=1) <= 1
            for pillar in scene.cameras[0].pillars:
                across = (view.xyxy[:, 0] > pillar.left) & (view.xyxy[:, 2] < pillar.right)
                behind = across & (view.xyxy[:, 3] < pillar.foot)
                assert not view.visible[behind].any()
                hidden += behind.sum()
    assert hidden > 20


def test_a_single_person_is_fully_visible():
    scene = small(people=1, pillars=0)
    whole = [v for v in scene.views() if len(v.ids) and v.xyxy[0, 0] > 0 and v.xyxy[0, 2] < 320]
    assert len(whole) > 10
    assert {float(v.visible[0]) for v in whole} == {1.0}


def test_an_image_shows_those_of_the_view():
    scene = small(people=1, pillars=0, size=(640, 360))
    view = next(v for v in scene.views() if len(v.ids) and v.visible[0] == 1)
    empty = replace(view, ids=view.ids[:0], xyxy=view.xyxy[:0], visible=view.visible[:0])
    changed = np.abs(scene.render(view).astype(int) - scene.render(empty)).max(axis=2)
    x1, y1, x2, y2 = np.round(view.xyxy[0]).astype(int)
    assert (changed[y1:y2, x1:x2] > 25).mean() > 0.25
    # All that is outside of the box is the shadow on the ground.
    wide, tall = x2 - x1, y2 - y1
    changed[y1 - 3 : y2 + tall // 5, x1 - wide : x2 + wide] = 0
    assert not changed.any()


# Clothing


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_fraction_of_look_alikes_is_as_given(share):
    scene = small(people=12, look_alikes=share)
    copies = [b for b in range(1, 13) if any(scene.alike(a, b) for a in range(1, b))]
    assert len(copies) == min(11, round(share * 12))


def test_look_alikes_differ_in_something_small():
    scene = small(people=40, look_alikes=0.5)
    small_things = {"shoes", "bag", "height"}
    for person in range(1, 21):
        one, other = vars(scene.clothing(person)), vars(scene.clothing(person + 20))
        assert scene.alike(person, person + 20)
        differ = {key for key in one if one[key] != other[key]}
        assert "shoes" in differ
        assert differ <= small_things
    tops = {(scene.clothing(i).top, scene.clothing(i).top_color) for i in range(1, 21)}
    assert len(tops) == 20


def test_unknown_ids_are_refused():
    for person in (0, 7):
        with pytest.raises(KeyError, match="ids are 1 to 6, got"):
            small().clothing(person)


def test_cameras_differ_in_light_and_side():
    scene = small(cameras=4, seed=3)
    assert len({c.gain for c in scene.cameras}) == 4
    assert [c.lengthwise > 0.5 for c in scene.cameras] == [False, True, False, True]
    brightness = [scene.render(next(scene.views(c))).mean() for c in range(4)]
    assert max(brightness) - min(brightness) > 10


# Options


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"people": 0}, r"'people' must be int in \[1, 1e\+07\], got 0 \(int\)"),
        ({"people": 2.0}, r"'people' must be int .* got 2.0 \(float\)"),
        ({"cameras": True}, r"'cameras' must be int .* got True \(bool\)"),
        ({"seconds": float("nan")}, r"'seconds' must be float in \[0.1, 1e\+07\], got nan"),
        ({"fps": "15"}, r"'fps' must be float .* got '15' \(str\)"),
        ({"look_alikes": 1.1}, r"'look_alikes' must be float in \[0, 1\], got 1.1"),
        ({"size": (960,)}, r"'size' must be two of int in \[64, 8192\], got \(960,\)"),
        ({"size": (960, 32)}, r"'size' must be two of int in \[64, 8192\], got \(960, 32\)"),
        ({"away": (5, 2)}, r"'away' must be \(shortest, longest\), got \(5, 2\)"),
        ({"away": (0, 2)}, r"'away' must be two of float in \[0.2, 1e\+06\], got \(0, 2\)"),
        ({"visits": 0}, r"'visits' must be int in \[1, 1e\+06\] or None, got 0"),
        ({"seed": -1}, r"'seed' must be int"),
    ],
)
def test_wrong_options_are_named(wrong, says):
    with pytest.raises(ConfigError, match=says):
        SceneOptions(**wrong)


def test_every_option_is_documented():
    for option in fields(SceneOptions):
        assert f"        {option.name}: " in SceneOptions.__doc__


# Writers


def test_a_written_sequence_reads_back(tmp_path):
    scene = small(cameras=2, seconds=8.0)
    write_sequence(scene, tmp_path / "made", camera=1)
    read = load_sequence(tmp_path / "made")
    assert (read.name, read.fps, len(read.frames)) == ("made", 5.0, 40)
    for view, frame in zip(scene.views(1), read.frames, strict=True):
        assert frame.ids.tolist() == view.ids.tolist()
        np.testing.assert_allclose(frame.xyxy, view.xyxy, atol=0.011)
    rows = np.loadtxt(tmp_path / "made" / "gt" / "gt.txt", delimiter=",", ndmin=2)
    np.testing.assert_allclose(rows[:, 8], np.concatenate([v.visible for v in scene.views(1)]), atol=1e-4)
    images = sorted((tmp_path / "made" / "img1").iterdir())
    assert [p.name for p in images] == [f"{n:06d}.jpg" for n in range(1, 41)]
    assert np.abs(cv2.imread(str(images[30])).astype(int) - scene.render(next(scene.views(1, 30)))).mean() < 8


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty"):
        write_sequence(small(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_written_video_has_every_frame(tmp_path):
    scene = small(seconds=4.0)
    write_video(scene, tmp_path / "made.mp4")
    video = cv2.VideoCapture(str(tmp_path / "made.mp4"))
    read = [video.read()[1] for _ in range(20)]
    assert not video.read()[0]
    assert video.get(cv2.CAP_PROP_FPS) == 5
    assert np.abs(read[15].astype(int) - scene.render(next(scene.views(start=15)))).mean() < 12


@pytest.mark.parametrize(
    "write", [lambda s, p: write_video(s, p / "made.mp4"), lambda s, p: write_sequence(s, p / "made")]
)
def test_nothing_is_left_half_written(tmp_path, monkeypatch, write):
    scene, render = small(seconds=4.0), Scene.render

    def breaks(self, view):
        if view.index == 10:
            raise MemoryError
        return render(self, view)

    monkeypatch.setattr(Scene, "render", breaks)
    with pytest.raises(MemoryError):
        write(scene, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kind_of_video_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match=r"made\.txt: OpenCV can't write"):
        write_video(small(seconds=1.0), tmp_path / "made.txt")
    assert list(tmp_path.iterdir()) == []


def test_scenes_need_neither_torch_nor_the_host():
    code = "import sys, ultralytics_reid.scenes; assert not {'torch', 'ultralytics'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
