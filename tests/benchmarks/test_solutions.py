"""Ultralytics' solutions with people who come back: what they keep of an id goes on where the id does."""

import pytest
from ultralytics import solutions

pytest.importorskip("shapely")  # the solutions need it

from benchmarks.runs.solutions import CASES, measure, scene_options
from ultralytics_reid.scenes import Scene

# Returns are recognized after the first ten seconds only.
SECONDS = 36
CHOSEN = ["ObjectCounter", "SpeedEstimator", "AIGym", "DistanceCalculation", "VisionEye"]


@pytest.fixture(scope="module")
def frames():
    options = scene_options(SECONDS)
    scene = Scene(options)
    return [scene.render(view) for view in scene.views()], options


@pytest.mark.slow
def test_what_solutions_keep_of_an_id_goes_on_when_it_comes_back(frames):
    images, options = frames
    stock = measure(CHOSEN, "botsort.yaml", images, options.fps)
    ours = measure(CHOSEN, "reid_botsort.yaml", images, options.fps)
    assert len(ours["VisionEye"][1]) <= options.people + 1 < len(stock["VisionEye"][1])
    assert ours["ObjectCounter"][0] <= options.people < stock["ObjectCounter"][0]
    assert ours["SpeedEstimator"][0] <= options.people + 1 < stock["SpeedEstimator"][0]
    assert ours["AIGym"][0] > stock["AIGym"][0]
    assert ours["DistanceCalculation"][0] > stock["DistanceCalculation"][0]


def test_every_solution_that_tracks_is_run():
    base = solutions.solutions.BaseSolution
    there = {
        name
        for name in solutions.__all__
        if isinstance(kind := getattr(solutions, name), type) and issubclass(kind, base)
    }
    assert set(CASES) == there
