"""The benchmark of the second pass, and BoxMOT's beside it."""

import numpy as np
import pytest

from benchmarks.harness.contenders.gta_link import gta_link, is_available
from benchmarks.runs import refine as run
from ultralytics_reid import Tracks
from ultralytics_reid.evaluation.idf1 import idf1


def tracks():
    """One individual under ids 1 and 2, another under 3 beside it."""
    rng = np.random.default_rng(0)
    rows, looks = [], rng.normal(size=(2, 32))
    for frame in range(60):
        rows.append((frame, 1 + (frame >= 30), 100 + frame, 50, 140 + frame, 150, 0))
        rows.append((frame, 3, 400, 50, 440, 150, 1))
    table = np.array(rows, float)
    crops = looks[table[:, 6].astype(int)] + 0.1 * rng.normal(size=(len(rows), 32))
    sizes = np.full(len(rows), 0.9), np.zeros(len(rows))
    return Tracks.from_arrays(table[:, 0], table[:, 1], table[:, 2:6], *sizes, embeddings=crops, fps=25.0)


def test_ids_before_and_after_are_scored(monkeypatch):
    monkeypatch.setattr(run, "has_gta_link", lambda: False)
    given = tracks()
    truth = run.as_frames(np.column_stack([given.frame, np.where(given.ids == 3, 2, 1), given.xyxy]), 60)

    def scored(frames):
        ids = len({int(i) for f in frames for i in f.ids})
        return {"IDF1": 100 * idf1(truth, frames), "ids": ids, "HOTA": 0, "AssA": 0}

    found = run.measured(given, 60, scored)
    assert found["ids"] == [3, 2]
    assert found["IDF1"][0] < found["IDF1"][1] == 100
    assert found["gta_link"] is None


@pytest.mark.skipif(not is_available(), reason="requires boxmot and scikit-learn")
def test_boxmots_gta_link_keeps_all_boxes_and_links_one_individual():
    given = tracks()
    rows = gta_link(given)
    assert len(rows) == len(given)
    assert len(set(rows[:, 1].tolist())) == 2
    np.testing.assert_allclose(np.sort(rows[:, 2]), np.sort(given.xyxy[:, 0]), atol=1e-3)
