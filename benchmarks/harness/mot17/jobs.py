"""Jobs of the mot17 run: prepare a clip's inputs, and run a tracker on them."""

from __future__ import annotations

from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.frames import FrameBoxes

from ..contenders import base
from ..contenders.base import Contender
from ..data.cache import Arrays, of_arrays, of_file
from ..data.inputs import Inputs, prepare
from ..data.layout import Clip
from ..data.recipe import NONE, SIMULATED, Recipe
from ..data.sequences import Sequence
from ..errors import BenchmarkError
from ..packages import versions
from ..scoring.track_eval import Score, as_arrays, benchmark_of, score, write_result
from ..scoring.track_eval import of_arrays as score_of
from ..tracking import run_cached


@dataclass(frozen=True)
class Prepare:
    """Compute a clip's inputs, so that they are there for all trackers."""

    clip: Clip
    recipe: Recipe
    seed: int

    @property
    def size(self) -> int:
        """Frames: what takes longest goes first."""
        return self.clip.length

    def __call__(self) -> tuple[dict[str, float], tuple[str, ...]]:
        """The stages' times and notes."""
        inputs = prepare(self.clip, self.recipe, self.seed)
        return inputs.times, inputs.notes


@dataclass(frozen=True)
class Track:
    """Run a tracker on a clip's inputs, write its result, and score it.

    Attributes:
        clip: The frames.
        recipe: Where inputs come from.
        seed: Of simulated embeddings.
        contender: The tracker.
        result: Where its output goes, in MOTChallenge's format; None for nowhere.
        scored: Whether there is ground truth to compare it with.
    """

    clip: Clip
    recipe: Recipe
    seed: int
    contender: Contender
    result: Path | None
    scored: bool

    @property
    def size(self) -> int:
        """Frames: what takes longest goes first."""
        return self.clip.length

    def __call__(self) -> Outcome:
        """Run the tracker."""
        recipe = self.recipe if self.contender.appearance else replace(self.recipe, embedder=NONE)
        motion = (self.contender.motion,) if self.contender.motion else ()
        inputs = prepare(self.clip, replace(recipe, motion=motion), self.seed)
        arrays = self._tracked(inputs)
        frames = _frames(arrays, self.clip.length)
        if self.result is not None:
            write_result(self.result, frames)
        found = self._score(arrays, frames) if self.scored else None
        return Outcome(self.contender.label, self.clip.name, self.seed, float(arrays["ms"]), found)

    def _tracked(self, inputs: Inputs) -> Arrays:
        facts = {"fps": self.clip.info.fps, "shape": self.clip.info.shape, "inputs": inputs.digest}
        key = {"tracker": self.contender.facts(), "code": of_file(Path(base.__file__)), **facts}
        return self.recipe.cache.arrays(self.clip.name, "tracks", key, lambda: self._run(inputs))

    def _run(self, inputs: Inputs) -> Arrays:
        warps = inputs.warps[self.contender.motion] if self.contender.motion else None
        sequence = Sequence(self.clip.name, self.clip.info.fps, (), {}, None)
        shape = self.clip.info.shape
        run = run_cached(self.contender, sequence, inputs.detections, shape=shape, warps=warps)
        return _packed(run.frames, run.milliseconds)

    def _score(self, arrays: Arrays, frames: Rows[FrameBoxes]) -> Score:
        truth = self.clip.truth()
        benchmark = benchmark_of(self.clip.name, truth)
        told = {"truth": of_arrays([truth.rows]), "benchmark": benchmark, **versions("trackeval")}
        key = {"tracks": of_arrays(arrays[k] for k in ("frame", "ids", "xyxy")), **told}
        try:
            kept = self.recipe.cache.arrays(
                self.clip.name, "score", key, lambda: as_arrays(score(truth, frames, benchmark))
            )
        except (BenchmarkError, DatasetError) as error:
            raise BenchmarkError(f"{self.contender.label} on {self.clip.name}: {error}") from error
        return score_of(kept)


@dataclass(frozen=True)
class Outcome:
    """A tracker's result on a clip.

    Attributes:
        tracker: Its label.
        sequence: The clip's name.
        seed: Of simulated embeddings.
        milliseconds: Median time a frame took, the tracker's alone.
        score: None where there is no ground truth.
    """

    tracker: str
    sequence: str
    seed: int
    milliseconds: float
    score: Score | None


def _packed(frames: Rows[FrameBoxes], milliseconds: float) -> Arrays:
    numbers = np.repeat(np.arange(1, len(frames) + 1), [len(f.ids) for f in frames])
    ids = np.concatenate([np.zeros(0, np.int64), *(f.ids for f in frames)])
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(f.xyxy for f in frames)])
    return {"frame": numbers, "ids": ids, "xyxy": xyxy, "ms": np.array(milliseconds)}


def _frames(arrays: Arrays, length: int) -> list[FrameBoxes]:
    ends = np.searchsorted(arrays["frame"], np.arange(1, length + 2))
    return [FrameBoxes(arrays["ids"][a:b], arrays["xyxy"][a:b]) for a, b in pairwise(ends.tolist())]


def seeds_of(contender: Contender, recipe: Recipe, seeds: int) -> range:
    """Return the seeds to run a tracker on: one, if it takes no embeddings or they aren't simulated."""
    return range(seeds if contender.appearance and recipe.embedder == SIMULATED else 1)
