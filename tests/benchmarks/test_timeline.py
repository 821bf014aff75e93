"""The picture of ids over time: what stands at a return."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.harness.data.sequences import Sequence
from benchmarks.runs import timeline
from benchmarks.runs.timeline import MISSED, RECOGNIZED, TAKEN, mark_of
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.returns import Return


@pytest.mark.parametrize(
    ("given", "known", "mark"),
    [
        (4, {4}, RECOGNIZED),
        (9, set(), MISSED),
        (None, {4}, MISSED),
        (4, set(), TAKEN),  # person 1 had it for ten frames, person 2 for thirty
        (5, {4}, MISSED),  # person 1 had it too, and nobody else until then
    ],
)
def test_an_id_that_another_person_has_taken_over_has_a_mark_of_its_own(given, known, mark):
    spells = [(1, 4, 0, 9), (1, 5, 10, 11), (2, 4, 20, 49), (1, 5, 80, 99), (2, 5, 90, 99)]
    assert mark_of(Return(1, 7, 60, given, frozenset(known)), spells) is mark


def test_the_picture_has_the_marks_and_a_legend_of_all(tmp_path, monkeypatch):
    def frame(people):
        at = [[100 * person, 0, 100 * person + 40, 90] for person, _ in people]
        return [np.array(ids, np.int64) for ids in zip(*people, strict=True)], np.array(at, np.float32)

    shown = [[(1, 4)]] * 10 + [[(2, 4)]] * 30 + [[(3, 4)]] * 10  # track 3 is person 1 again
    rows = [frame(people) for people in shown]
    truth = tuple(FrameBoxes(tracks, xyxy) for (tracks, _), xyxy in rows)
    output = tuple(FrameBoxes(ids, xyxy) for (_, ids), xyxy in rows)
    sequence = Sequence("two", 10.0, truth, {3: 1}, None, {1: "a", 2: "b"})
    drawn = []
    monkeypatch.setattr(timeline, "need", lambda *_: None)
    monkeypatch.setattr(timeline, "load_sequence", lambda _: sequence)
    monkeypatch.setattr(timeline, "run_live", lambda *_, **__: SimpleNamespace(frames=output))
    monkeypatch.setattr(timeline, "mark_of", lambda *given: drawn.append(mark_of(*given)) or drawn[-1])
    timeline.run(SimpleNamespace(shared=tmp_path, out=tmp_path / "drawn" / "timeline.png"))
    assert drawn == [TAKEN, TAKEN]  # one in each panel
    (legend,) = timeline.plt.gcf().legends
    assert [text.get_text() for text in legend.get_texts()] == [m.text for m in (RECOGNIZED, MISSED, TAKEN)]
    with Image.open(tmp_path / "drawn" / "timeline.png") as image:
        assert image.size == (1200, 500)
