"""What the revival benchmark runs on: holes, a covered camera, generated scenes as boxes, trackers by name."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.harness.clips import rendered as rendering
from benchmarks.harness.clips.material import SceneSource, rendered_clips
from benchmarks.harness.clips.rendered import TAUGHT, rendered
from benchmarks.harness.clips.simulate import Simulation
from benchmarks.harness.clips.synthetic import ALIKE, detect, identities, stream
from benchmarks.harness.clips.takes import Take, covered, dark_spells, holed, of_sequence, seen_spans, shows
from benchmarks.harness.contenders.choosing import choose
from benchmarks.harness.data.cache import Cache
from benchmarks.harness.data.layout import find_clips
from benchmarks.harness.data.recipe import SIMULATED, Recipe
from benchmarks.harness.data.sequences import Detections
from benchmarks.harness.errors import ChoiceError
from benchmarks.harness.options import CHECKOUT
from benchmarks.harness.watch import watch
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import matches
from ultralytics_reid.evaluation.revivals import VISIBLE, summarize
from ultralytics_reid.scenes import Scene, SceneOptions

FPS = 10.0


def boxes(lefts, width=40.0, height=100.0):
    left = np.asarray(lefts, np.float32)
    return np.stack([left, left * 0 + 100, left + width, left * 0 + 100 + height], axis=1)


def found(xyxy, feats=True):
    n = len(xyxy)
    rows = np.arange(n, dtype=np.float32)[:, None] if feats else None
    return Detections(np.asarray(xyxy, np.float32), np.full(n, 0.9, np.float32), np.zeros(n, np.float32), rows)


def crowd(length, people=3, fps=FPS):
    """People that stand apart and are seen and detected all the time."""
    at = boxes(300.0 * np.arange(people))
    frames = tuple(FrameBoxes(np.arange(people), at) for _ in range(length))
    return Take(fps, (1080, 1920), frames, tuple(found(at) for _ in frames), np.tile(np.eye(2, 3) * 2, (length, 1, 1)))


def hidden(take, person):
    """Frames in which a person isn't seen."""
    return [n for n, f in enumerate(take.seen) if person not in f.ids]


@pytest.mark.parametrize("seed", range(3))
def test_holes_cut_out_one_persons_detections_and_nothing_else(seed):
    before = crowd(600)
    after = holed(before, (0.5, 2, 8), seed)
    assert {n for _, _, n in after.holes} == {5, 20, 80}
    for person in range(3):
        mine = {n for who, first, length in after.holes if who == person for n in range(first, first + length)}
        assert set(hidden(after, person)) == mine
        missing = [n for n, d in enumerate(after.detections) if person not in d.feats[:, 0]]
        assert set(missing) == mine
    assert [len(f.ids) for f in after.seen] == [len(d.conf) for d in after.detections]
    assert all(len(d.xyxy) == 3 for d in before.detections)


@pytest.mark.parametrize("seed", range(5))
def test_people_in_holes_are_seen_before_and_after_and_few_are_missing_at_once(seed):
    take = holed(crowd(600), (0.5, 2, 8), seed)
    assert min(len(f.ids) for f in take.seen) >= 1
    for person, first, length in take.holes:
        around = [*range(first - 20, first), *range(first + length, first + length + 20)]
        assert all(person in take.seen[n].ids for n in around)


def test_holes_are_where_the_seed_says():
    a, b, c = (holed(crowd(600), (2,), seed).holes for seed in (0, 0, 1))
    assert a == b != c


def test_holes_without_room_are_left_out():
    assert holed(crowd(60), (2, 8)).holes != ()
    assert {n for _, _, n in holed(crowd(60), (2, 8)).holes} == {20}
    assert holed(crowd(40), (2,)).holes == ()
    assert holed(crowd(0), (2,)).holes == ()


def test_a_second_box_on_the_person_is_cut_out_too_and_anothers_never():
    seen = FrameBoxes(np.array([7, 8]), boxes([0, 12]))
    near = found(boxes([0, 4, 10]))  # the second is on both, and nobody's best
    assert shows(7, seen, near).tolist() == [True, True, False]
    assert shows(8, seen, near).tolist() == [False, True, True]


def test_flicker_parts_no_span():
    take = crowd(50, people=1)
    nobody = FrameBoxes(np.arange(0), boxes([]))
    for missing, spans in ((2, [(0, 0, 50)]), (3, [(0, 0, 10), (0, 13, 50)])):
        seen = tuple(nobody if 10 <= n < 10 + missing else f for n, f in enumerate(take.seen))
        assert seen_spans(Take(FPS, take.shape, seen, take.detections, take.warps)) == spans


def test_a_covered_camera_detects_nothing_and_its_motion_is_unknown():
    take = covered(crowd(100), [(20, 10)])
    dark = [n for n in range(100) if not len(take.seen[n].ids)]
    assert dark == list(range(20, 30)) == [n for n in range(100) if not len(take.detections[n].xyxy)]
    still = [n for n in range(100) if np.array_equal(take.warps[n], np.eye(2, 3))]
    assert still == list(range(20, 31))
    np.testing.assert_array_equal(covered(crowd(100), [(20, 10)], blind=False).warps, crowd(100).warps)


@pytest.mark.parametrize(
    ("length", "seconds", "spells"),
    [
        (1000, (10, 2), [(293, 20), (606, 100)]),
        (179, (2, 10), [(79, 20)]),
        (50, (2,), []),
        (1000, (), []),
    ],
)
def test_dark_spells(length, seconds, spells):
    assert dark_spells(length, FPS, seconds) == spells


def outcome(take, tracker="botsort:gmc_method=none"):
    (done,) = watch(choose([tracker], {}, SIMULATED), take).values()
    return summarize(done.appearances, done.ids)


def test_a_tracker_is_watched_through_holes_and_darkness():
    # Somebody who stands still keeps the id through the short ones and not through the long one: 30 frames are kept.
    whole = crowd(400)
    assert outcome(whole).ids == 3
    gaps = {name: (t.right, t.total) for name, t in outcome(covered(whole, [(100, 10), (200, 60)])).bins.items()}
    assert gaps == {"≤ 1 s": (3, 3), "5-30 s": (0, 3)}


class Spoiler:
    """A tracker that writes into what it is given."""

    motion = label = None

    def start(self, fps, shape, warps):
        return self

    def update(self, n, detections):
        detections.feats[:] = np.nan
        return FrameBoxes(np.arange(0), boxes([]))


def test_trackers_do_not_see_what_others_do_to_the_embeddings():
    take = crowd(3)
    watch([Spoiler()], take)
    assert not np.isnan(np.concatenate([d.feats for d in take.detections])).any()


@dataclass
class View:
    """As `ultralytics_reid.scenes` gives them."""

    ids: np.ndarray
    xyxy: np.ndarray
    visible: np.ndarray


def view(count=3, visible=1.0):
    return View(np.arange(1, count + 1), boxes(100.0 * np.arange(count)), np.full(count, visible, np.float32))


SIZE = (100_000, 540)


def test_detections_of_those_in_full_view():
    seen = view(900)
    detections, rows, hidden = detect(seen, SIZE, 0.0, np.random.default_rng(0))
    assert 1 - len(rows) / 900 == pytest.approx(0.02, abs=0.015)
    np.testing.assert_allclose((detections.xyxy - seen.xyxy[rows]).std(axis=0), [0.8, 2, 0.8, 2], rtol=0.15)
    assert detections.conf.mean() == pytest.approx(0.88, abs=0.01)
    assert hidden.max() == 0
    assert detections.xyxy.dtype == detections.conf.dtype == np.float32


def test_hardly_visible_people_are_detected_less_and_with_less_confidence():
    rng = np.random.default_rng(0)
    shares, confs = [], []
    for visible in (0.1, 0.3, 0.6, 1.0):
        detections, rows, hidden = detect(view(900, visible), SIZE, 0.0, rng)
        shares.append(len(rows) / 900)
        confs.append(detections.conf.mean())
        np.testing.assert_allclose(hidden, 1 - visible, atol=1e-6)
    assert shares == sorted(shares)
    assert confs == sorted(confs)
    assert shares[1] == pytest.approx(0.49, abs=0.05)


def test_what_is_outside_the_image_or_behind_others_is_not_hidden_by_things():
    # One reaches half over the edge; one is half covered by another, who stands lower.
    at = np.array([[-20, 100, 20, 200], [200, 100, 240, 200], [220, 110, 260, 210]], np.float32)
    seen = View(np.array([1, 2, 3]), at, np.array([0.5, 0.55, 1.0], np.float32))
    for seed in range(5):
        detections, rows, hidden = detect(seen, (960, 540), 0.0, np.random.default_rng(seed))
        np.testing.assert_allclose(hidden, 0, atol=0.01)
        assert detections.xyxy.min() >= 0
        assert set(rows.tolist()) <= {0, 1, 2}


def test_ghosts_come_last_and_are_in_the_image():
    detections, rows, _ = detect(view(3), (960, 540), 50.0, np.random.default_rng(0))
    extra = detections.xyxy[len(rows) :]
    assert len(extra) == pytest.approx(50, abs=25)
    assert (extra >= 0).all()
    assert (extra <= [960, 540, 960, 540]).all()


def test_people_look_the_same_whenever_they_are_asked_for():
    first, again = identities(5, int), identities(5, int)
    np.testing.assert_array_equal(first(1234), [again(n) for n in (1, 1234)][1])
    assert not np.allclose(identities(6, int)(1234), first(1234))


def test_look_alikes_share_most_of_what_is_their_own():
    own = identities(0, lambda person: person // 2)
    pairs = [(own(2 * n), own(2 * n + 1), own(2 * n + 2)) for n in range(60)]
    alike = np.mean([a @ b for a, b, _ in pairs])
    strangers = np.mean([b @ c for _, b, c in pairs])
    assert alike == pytest.approx(ALIKE, abs=0.1)
    assert strangers == pytest.approx(0, abs=0.1)


def streamed(count=60, **kwargs):
    options = {"fps": FPS, "size": (2000, 540), "seed": 3, **kwargs}
    return list(stream([view(3)] * count, **options))


def test_a_stream_is_the_same_for_the_same_seed_and_other_on_another_camera():
    a, b, c = streamed(), streamed(), streamed(camera=1)
    for (seen, d), (_, e) in zip(a, b, strict=True):
        np.testing.assert_array_equal(d.feats, e.feats)
        assert seen.ids.tolist() == [1, 2, 3]
        np.testing.assert_allclose(np.linalg.norm(d.feats, axis=1), 1, rtol=1e-5)
    assert [len(d.xyxy) for _, d in a] != [len(d.xyxy) for _, d in c]


def test_people_look_alike_on_all_cameras():
    def mean(camera):
        rows = [d.feats[i] for s, d in streamed(camera=camera) for i in range(len(d.xyxy)) if d.xyxy[i, 0] < 50]
        return np.mean(rows, axis=0) / np.linalg.norm(np.mean(rows, axis=0))

    assert mean(0) @ mean(1) > 0.8
    assert mean(0) @ mean(1) < mean(0) @ mean(0) - 0.01


def test_only_visible_people_are_in_the_truth():
    seen, _ = next(stream([view(3, 0.2)], fps=FPS, size=(960, 540), seed=0))
    assert seen.ids.tolist() == []


def test_an_hours_simulation_keeps_nothing_of_people_that_left():
    simulation = Simulation(1.0, 0, identity=identities(0, int))
    for n in range(600):
        frame = FrameBoxes(np.array([n]), boxes([0]))
        simulation.embed(frame, frame.xyxy, [(n, 0)])
    assert len(simulation._people._drifts) <= 62
    assert len(simulation._people._identities) == 0


def test_a_hidden_share_looks_like_the_place():
    frame = FrameBoxes(np.array([1]), boxes([0]))

    def mean(hidden):
        simulation = Simulation(FPS, 0, identity=identities(0, int))
        rows = [simulation.embed(frame, frame.xyxy, [(1, 0)], np.array([hidden]))[0] for _ in range(80)]
        return np.mean(rows, axis=0) / np.linalg.norm(np.mean(rows, axis=0))

    person, half, place = mean(0.0), mean(0.5), mean(1.0)
    assert person @ place < half @ place < 1
    assert person @ place < person @ half


@pytest.fixture
def folder(tmp_path):
    """Three frames: pedestrian 1, a hidden one, one that doesn't count, and a person on a vehicle."""
    people = {1: (0, 1, 1, 0.9), 2: (100, 1, 1, 0.2), 3: (200, 0, 1, 1), 4: (300, 1, 2, 1)}
    rows = [f"{n},{i},{x},0,10,20,{flag},{kind},{v}" for n in (1, 2, 3) for i, (x, flag, kind, v) in people.items()]
    for name, text in {
        "seqinfo.ini": "[Sequence]\nname=a\nframeRate=10\nseqLength=3\nimWidth=640\nimHeight=480\n",
        "gt/gt.txt": "\n".join(rows),
        "det/det.txt": "3,-1,0,0,10,20,0.9\n1,-1,5,0,10,20,0.5\n1,-1,0,0,10,20,0.9\n",
        "gmc.txt": "".join(f"{n} 1 0 {7 * n} 0 1 0\n" for n in range(3)),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_of_a_mot_sequence_visible_people_count(folder):
    (clip,) = find_clips(folder, "train", None, (), partial=True)
    take = of_sequence(clip, Recipe(Cache(folder / "cache"), embedder=SIMULATED), 0)
    assert [f.ids.tolist() for f in take.seen] == [[1]] * 3
    assert [d.feats.shape for d in take.detections] == [(2, 512), (0, 512), (1, 512)]
    assert (take.fps, take.shape, len(take)) == (10.0, (480, 640), 3)
    np.testing.assert_array_equal(take.warps[1], [[1, 0, 7], [0, 1, 0]])


def revival(*options):
    """Run the benchmark as from a command line."""
    command = [sys.executable, "-m", "benchmarks", "revival", *map(str, options)]
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)


@pytest.mark.slow
def test_the_command_prints_tables_and_writes_figures(folder, tmp_path):
    rows = [(n, p) for n in (*range(1, 31), *range(51, 81)) for p in (0, 300)]
    (folder / "seqinfo.ini").write_text((folder / "seqinfo.ini").read_text().replace("seqLength=3", "seqLength=80"))
    (folder / "gt" / "gt.txt").write_text("".join(f"{n},{p + 1},{p},0,40,100,1,1,1\n" for n, p in rows))
    (folder / "det" / "det.txt").write_text("".join(f"{n},-1,{p},0,40,100,0.9\n" for n, p in rows))
    (folder / "gmc.txt").unlink()
    out, cache = tmp_path / "out.json", tmp_path / "cache"
    asked = ["--mot", folder, "--features", cache, "--trackers", "botsort,bytetrack:track_buffer=5", "--holes", ""]
    done = revival(*asked, "--covered", "", "--workers", 1, "--json", out)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| botsort", "| bytetrack"))]
    assert [row.split("|")[1:4] for row in rows] == [
        [" botsort ", " 2 of 2 ", " 2 of 2 "],
        [" bytetrack:track_buffer=5 ", " 0 of 2 ", " - "],
    ]
    told = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert [s["summary"]["every"]["right"] for s in told["scores"]] == [2, 0]
    assert [len(c["appearances"]) for c in told["clips"]] == [4, 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trackers", "nosort"], "no tracker 'nosort'"),
        (["--data", "pets,cats"], "must be of pets, tud, mot17, scenes, rendered, got 'cats'"),
        (["--holes", "2,-1"], "must be seconds above 0, separated by commas, got '2,-1'"),
        (["--json", "nowhere/out.json"], "there is no folder nowhere"),
        (["--mot", "nowhere"], "revival: nowhere is no folder"),
        (["--data", "rendered", "--seeds", 1001], "seeds must be below 1000, as others taught the detector, got 1000"),
    ],
)
def test_what_can_not_be_done_is_told(options, message):
    done = revival("--data", "scenes", *options) if "--data" not in options else revival(*options)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_generated_scene_is_tracked_from_end_to_end():
    options = SceneOptions(people=4, seconds=20, fps=5, away=(1, 3), seed=1)
    source = SceneSource(options, 0)
    first, again = (next(iter(watch(choose(["reid_botsort"], {}, SIMULATED), source).values())) for _ in range(2))
    assert len(list(source)) == len(source) == 100
    assert first.appearances == again.appearances
    assert first.ids >= 1
    assert not math.isnan(first.milliseconds)


SHORT = SceneOptions(people=4, seconds=4, fps=5, size=(640, 360), seed=3, away=(0.5, 1), pillars=4)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of features in which a short scene's are."""
    folder = tmp_path_factory.mktemp("features")
    rendered(SHORT, folder)
    return folder


@pytest.fixture
def renders(monkeypatch):
    """The scenes that are rendered from now on."""
    asked, inputs = [], rendering._inputs
    monkeypatch.setattr(rendering, "_inputs", lambda options, *rest: asked.append(options) or inputs(options, *rest))
    return asked


def joined(take):
    """All boxes, scores and embeddings, and how many a frame."""
    names = ("xyxy", "conf", "cls", "feats")
    counts = np.array([len(d.xyxy) for d in take.detections])
    return [counts, *(np.concatenate([getattr(d, name) for d in take.detections]) for name in names)]


@pytest.mark.slow
def test_the_same_seed_is_rendered_to_the_same_detections_and_another_is_not(kept, tmp_path):
    first, again = rendered(SHORT, kept), rendered(SHORT, tmp_path)
    other = rendered(replace(SHORT, seed=4), tmp_path)
    for a, b in zip(joined(first), joined(again), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.warps, again.warps)
    assert joined(first)[0].tolist() != joined(other)[0].tolist()


@pytest.mark.slow
def test_a_rendered_scenes_people_are_found_and_told_apart(kept):
    take = rendered(SHORT, kept)
    assert (take.fps, take.shape, len(take), take.warps.shape) == (5.0, (360, 640), 20, (20, 2, 3))
    who, feats = [], []
    for seen, d in take:
        for person, row in matches(seen, FrameBoxes(np.arange(len(d.xyxy)), d.xyxy)):
            who.append(person)
            feats.append(d.feats[row] / np.linalg.norm(d.feats[row]))
    assert len(who) > 0.8 * sum(len(f.ids) for f in take.seen)
    alike, same = np.array(feats) @ np.transpose(feats), np.equal.outer(who, who)
    assert np.median(alike[same]) > np.quantile(alike[~same], 0.9)


@pytest.mark.slow
def test_hidden_people_of_a_rendered_scene_are_not_in_the_truth(kept):
    views = list(Scene(SHORT).views())
    clear = [set(v.ids[v.visible >= VISIBLE].tolist()) for v in views]
    assert any(len(ids) < len(v.ids) for ids, v in zip(clear, views, strict=True))
    assert [set(f.ids.tolist()) for f in rendered(SHORT, kept).seen] == clear


@pytest.mark.slow
def test_a_scene_is_rendered_once(kept, renders, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "features")
    rendered(SHORT, folder)
    assert renders == []
    rendered(replace(SHORT, noise=0.0), folder)
    assert renders == [replace(SHORT, noise=0.0)]


@pytest.mark.slow
def test_what_was_kept_by_halves_is_found_again(kept, renders, tmp_path):
    whole, (path,) = rendered(SHORT, kept), (kept / "rendered").glob(f"seed{SHORT.seed}-*.cache")
    (tmp_path / "rendered").mkdir()
    (tmp_path / "rendered" / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = rendered(SHORT, tmp_path)
    assert renders == [SHORT]
    np.testing.assert_array_equal(joined(again)[1], joined(whole)[1])


def test_scenes_that_taught_the_detector_are_refused(tmp_path):
    parts = {"a": SHORT, "b": replace(SHORT, seed=TAUGHT - 2)}
    names = [clip.name for clip in rendered_clips(parts, 2, tmp_path)]
    assert names == ["a, seed 3", "a, seed 4", "b, seed 998", "b, seed 999"]
    with pytest.raises(ChoiceError, match="got 1000"):
        rendered_clips(parts, 3, tmp_path)
