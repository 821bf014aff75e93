"""Figures, table cells, and tables published on a page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.data.sequences import Sequence
from benchmarks.harness.report import cells, figures, publish
from benchmarks.harness.tracking import Run
from ultralytics_reid.evaluation.frames import FrameBoxes


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n<!-- b:begin --><!-- b:end -->\n")
    return path


def test_published_text_replaces_what_is_between_its_markers(document):
    for text in ("| new |", "newer: é"):
        publish("a", text, document)
        expected = f"before\n<!-- a:begin -->\n\n{text}\n\n<!-- a:end -->\nafter\n<!-- b:begin --><!-- b:end -->\n"
        assert document.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("broken", ["", "<!-- a:begin -->", "<!-- a:end --><!-- a:begin -->", "<!-- a:begin -->" * 2])
def test_a_document_without_its_markers_is_left_alone(tmp_path, broken):
    path = tmp_path / "README.md"
    path.write_text(broken)
    with pytest.raises(ValueError, match=r"a:begin.*a:end"):
        publish("a", "text", path)
    assert path.read_text() == broken


def frame(predicted):
    return FrameBoxes(np.array([predicted], np.int64), np.array([[0, 0, 10, 20]], np.float32))


EMPTY = FrameBoxes(np.empty(0, np.int64), np.empty((0, 4), np.float32))
# Somebody leaves and is a new ground-truth track after that.
TRUTH = Sequence("hand-made", 2.0, (*[frame(1)] * 6, *[EMPTY] * 4, *[frame(3)] * 6), {1: 1, 3: 1}, None)


def run(before, after):
    return Run((*[frame(before)] * 6, *[EMPTY] * 4, *[frame(after)] * 6), 1.5)


@pytest.mark.parametrize(("after", "by_person", "own"), [(7, 100.0, 50.0), (8, 50.0, 100.0)])
def test_a_kept_id_gains_by_person_and_loses_under_motchallenges_identities(after, by_person, own):
    output = run(7, after)
    assert figures(TRUTH, output)["IDF1"] == pytest.approx(by_person)
    assert figures(TRUTH, output, by_person=False)["IDF1"] == pytest.approx(own)


def test_cells_show_returns_where_there_are_any():
    columns = ["returns recognized", "false revivals", "ids", "IDF1", "ms a frame"]
    assert cells(figures(TRUTH, run(7, 7)), columns) == ["1 of 1", "0", "1", "100.0", "1.5"]
    assert cells(figures(TRUTH, run(7, 8), by_person=False), columns) == ["-", "-", "2", "100.0", "1.5"]
