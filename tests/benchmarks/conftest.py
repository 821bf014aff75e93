"""What several of these tests share."""

import numpy as np
import pytest
from mot_files import wander

from benchmarks.harness.scoring.track_eval import score
from ultralytics_reid.evaluation.frames import FrameBoxes


@pytest.fixture(scope="session")
def scored():
    """Scores of two trackers on five sequences; the second is worse."""
    rng, good, bad = np.random.default_rng(11), [], []
    for n in range(5):
        truth, frames = wander(rng, length=10 + 2 * n)
        good.append(score(truth, frames, "MOT17"))
        split_up = [FrameBoxes(f.ids + 100 * (n // 3), f.xyxy) for n, f in enumerate(frames)]
        bad.append(score(truth, split_up, "MOT17"))
    return good, bad
