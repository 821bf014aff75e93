"""Trackers by what the command line says."""

from __future__ import annotations

import numpy as np
import pytest
from mot_files import NONE

from benchmarks.harness.contenders.base import named_thresholds, need_keys
from benchmarks.harness.contenders.choosing import choose, split
from benchmarks.harness.contenders.given_motion import GivenMotion
from benchmarks.harness.errors import ChoiceError


def test_trackers_are_split_at_commas_but_for_their_changes():
    text = "reid_botsort,botsort:with_reid=True,proximity_thresh=0,bytetrack"
    assert split([text, "a.yaml"]) == [
        *("reid_botsort", "botsort:with_reid=True,proximity_thresh=0", "bytetrack", "a.yaml"),
    ]
    with pytest.raises(ChoiceError, match="with_reid=True: no tracker; changes come behind a colon, botsort:with_re"):
        split(["botsort,with_reid=True"])


def test_changes_are_yaml_and_go_before_thresholds_for_all():
    (contender,) = choose(
        ["botsort:with_reid=True,match_thresh=1e-1,new_track_thresh=0.3"], {"high": 0.6, "new": 0.7}, "x"
    )
    config = contender.config
    assert (config["with_reid"], config["match_thresh"]) == (True, 0.1)
    assert (config["track_high_thresh"], config["new_track_thresh"], config["track_low_thresh"]) == (0.6, 0.3, 0.1)
    assert (contender.appearance, contender.motion) == (True, "sparseOptFlow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("botsrt", r"no tracker 'botsrt', perhaps botsort; there are botsort, bytetrack, .*reid_botsort"),
        ("nowhere.yaml", r"no tracker 'nowhere\.yaml'"),
        ("botsort:proximty_thresh=0", r"no key 'proximty_thresh'; the nearest is 'proximity_thresh'"),
        ("botsort:with_reid=yes please", r"with_reid is False by default, so it can't be 'yes please'"),
        ("botsort:track_buffer=long", r"track_buffer is 30 by default, so it can't be 'long'"),
        ("botsort:track_buffer", r"'track_buffer' is no key=value"),
        ("botsort:gmc_method=orb", r"gmc_method orb depends on the tracker's own boxes"),
        ("botsort:model=osnet.pt", r"model can't differ, as embeddings are the same for all: --embedder"),
        ("botsort:with_reid=True", r"with_reid needs embeddings: choose an --embedder"),
        ("reid_botsort:memory_seconds=-1", r"reid_botsort:memory_seconds=-1: .*memory_seconds"),
        ("botsort,botsort", r"asked for twice: botsort"),
    ],
)
def test_wrong_trackers_are_named(text, told):
    with pytest.raises(ChoiceError, match=told):
        choose([text], {}, NONE)


@pytest.mark.parametrize(
    ("package", "text", "told"),
    [
        ("boxmot", "boxmot/botsort", r"pip install 'boxmot>=25'"),
        ("trackers", "roboflow/botsort", r"pip install 'trackers>=2\.6'"),
    ],
)
def test_packages_that_are_missing_are_named(monkeypatch, package, text, told):
    for module in ("boxmot", "roboflow"):
        monkeypatch.setattr(f"benchmarks.harness.contenders.{module}.has", lambda name: not name.startswith(package))
    with pytest.raises(ChoiceError, match=told):
        choose([text], {}, NONE)


def test_thresholds_go_to_the_names_that_a_tracker_knows():
    names = {"high": ("track_thresh", "det_thresh"), "low": ("low_thresh",)}
    assert named_thresholds({"high": 0.6, "low": 0.1}, names, {"det_thresh": 0.5}) == {"det_thresh": 0.6}


def test_numbers_of_both_kinds_fit_and_switches_are_none():
    need_keys("x", {"a": 1, "b": 0.5, "c": "word"}, {"a": 0.5, "b": 3, "c": "other", "d": None})
    with pytest.raises(ChoiceError, match="a is 1 by default"):
        need_keys("x", {"a": True}, {"a": 1})


def test_given_motion_is_that_of_the_frame():
    motion = GivenMotion(np.arange(12.0).reshape(2, 2, 3))
    motion.at = 1
    assert motion.apply(None)[0, 0] == motion.estimate(None, None)[0, 0] == 6
