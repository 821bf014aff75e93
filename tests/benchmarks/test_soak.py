"""A bounded soak: ids stay unique, memory level, with a gallery and without; and what the run would report."""

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.harness.errors import SoakError
from benchmarks.harness.passersby import DIM, Passersby
from benchmarks.runs.soak import Part, check_growth, check_rows

FRAMES = 1600


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--gallery"]])
def test_a_bounded_soak_ends_well(words, capsys):
    assert main(["soak", "--frames", str(FRAMES), "--odd", "0.02", "--seed", "5", "--max-growth", "32", *words]) == 0
    out = capsys.readouterr().out
    assert out.count(f"| {FRAMES // 4} |") == 4
    assert ("individuals were known to the gallery" in out) == bool(words)


def test_equal_seeds_give_equal_frames_and_people_return():
    a, b = Passersby(3, odd=0.2), Passersby(3, odd=0.2)
    for (rows, feats), (again, more) in zip(a.frames(300), b.frames(300), strict=True):
        np.testing.assert_array_equal(rows, again)
        np.testing.assert_array_equal(feats, more)
        assert feats.shape == (len(rows), DIM)
    assert a.people > 10
    assert a.returns > 3


def row(identity, of):
    return [1, 2, 3, 4, identity, 0.9, 0, of]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([row(1, 0), row(1, 1)], "ids must be"),
        ([row(-1, 0)], "ids must be"),
        ([row(1, 0), row(2, 0)], "different detections"),
        ([row(1, 2)], "different detections"),
        ([[np.nan, *row(1, 0)[1:]]], "not finite"),
    ],
)
def test_a_frame_that_must_not_be_is_reported(rows, what):
    with pytest.raises(SoakError, match=f"frame 7: .*{what}"):
        check_rows(np.array(rows), 2, 7)


def test_ids_of_a_sound_frame():
    assert check_rows(np.array([row(1, 0), row(9, 1)]), 2, 7) == {1, 9}
    assert check_rows(np.zeros(0), 0, 7) == set()


def test_growth_is_reported():
    parts = [Part(10, 1, 1, 1.0, megabytes, 5) for megabytes in (100, 110, 115, 180)]
    check_growth(parts, 80)
    with pytest.raises(SoakError, match="grew by 70 MB"):
        check_growth(parts, 64)
