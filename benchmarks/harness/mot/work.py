"""What is done for one clip and one tracker, and doing it for all of them in several processes."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..sequences import Frame
from ..setting import progress
from .cache import Arrays, of_arrays, of_file
from .choice import Choice
from .errors import MotError
from .inputs import Inputs, prepare
from .layout import Clip
from .recipe import HERE, NONE, SIMULATED, Recipe, versions
from .scoring import Score, as_arrays, benchmark_of, score, write_result
from .scoring import of_arrays as score_of

J = TypeVar("J")
R = TypeVar("R")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
        choice: The tracker.
        result: Where its output goes, in MOTChallenge's format.
        scored: Whether there is ground truth to compare it with.
    """

    clip: Clip
    recipe: Recipe
    seed: int
    choice: Choice
    result: Path
    scored: bool

    @property
    def size(self) -> int:
        """Frames: what takes longest goes first."""
        return self.clip.length

    def __call__(self) -> Outcome:
        """What came of it."""
        recipe = self.recipe if self.choice.appearance else replace(self.recipe, embedder=NONE)
        motion = (self.choice.motion,) if self.choice.motion else ()
        inputs = prepare(self.clip, replace(recipe, motion=motion), self.seed)
        arrays = self._tracked(inputs)
        frames = _frames(arrays, self.clip.length)
        write_result(self.result, frames)
        found = self._score(arrays, frames) if self.scored else None
        return Outcome(self.choice.label, self.clip.name, self.seed, float(arrays["ms"]), found)

    def _tracked(self, inputs: Inputs) -> Arrays:
        facts = {"fps": self.clip.info.fps, "shape": self.clip.info.shape, "inputs": inputs.digest}
        key = {"tracker": self.choice.facts(), "code": of_file(HERE / "choice.py"), **facts}
        return self.recipe.cache.arrays(self.clip.name, "tracks", key, lambda: self._run(inputs))

    def _run(self, inputs: Inputs) -> Arrays:
        warps = inputs.warps[self.choice.motion] if self.choice.motion else None
        running = self.choice.start(self.clip.info.fps, self.clip.info.shape, warps)
        frames, times = [], []
        for n, found in enumerate(
            progress(inputs.detections, f"{self.clip.name}: {self.choice.label}", self.clip.length)
        ):
            start = time.perf_counter()
            frames.append(running.update(n, found))
            times.append(time.perf_counter() - start)
        return _packed(frames, 1000 * statistics.median(times))

    def _score(self, arrays: Arrays, frames: Sequence[Frame]) -> Score:
        truth = self.clip.truth()
        benchmark = benchmark_of(self.clip.name, truth)
        told = {"truth": of_arrays([truth.rows]), "benchmark": benchmark, **versions("trackeval")}
        key = {"tracks": of_arrays(arrays[k] for k in ("frame", "ids", "xyxy")), **told}
        try:
            kept = self.recipe.cache.arrays(
                self.clip.name, "score", key, lambda: as_arrays(score(truth, frames, benchmark))
            )
        except MotError as error:
            raise MotError(f"{self.choice.label} on {self.clip.name}: {error}") from error
        return score_of(kept)


@dataclass(frozen=True)
class Outcome:
    """What a tracker made of a clip.

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


def _packed(frames: Sequence[Frame], milliseconds: float) -> Arrays:
    numbers = np.repeat(np.arange(1, len(frames) + 1), [len(f.ids) for f in frames])
    ids = np.concatenate([np.zeros(0, np.int64), *(f.ids for f in frames)])
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(f.xyxy for f in frames)])
    return {"frame": numbers, "ids": ids, "xyxy": xyxy, "ms": np.array(milliseconds)}


def _frames(arrays: Arrays, length: int) -> list[Frame]:
    ends = np.searchsorted(arrays["frame"], np.arange(1, length + 2))
    return [Frame(arrays["ids"][a:b], arrays["xyxy"][a:b]) for a, b in pairwise(ends.tolist())]


def seeds_of(choice: Choice, recipe: Recipe, seeds: int) -> range:
    """Which simulations a tracker must see: one, if it doesn't look at embeddings or they aren't simulated."""
    return range(seeds if choice.appearance and recipe.embedder == SIMULATED else 1)


def do_all(jobs: Sequence[Callable[[], R]], workers: int, label: str) -> list[R]:
    """Do jobs, the longest first, in so many processes; in this one if it is one.

    Args:
        jobs: Each can be pickled.
        workers: Processes.
        label: What the progress bar is called.

    Returns:
        What came of them, in their order.

    Raises:
        MotError: If a process died.
    """
    order = sorted(range(len(jobs)), key=lambda i: -getattr(jobs[i], "size", 0))
    done: dict[int, R] = {}
    for i, result in progress(_results(jobs, order, min(workers, len(jobs))), label, len(jobs), "job"):
        done[i] = result
    return [done[i] for i in range(len(jobs))]


def _results(jobs: Sequence[Callable[[], R]], order: list[int], workers: int) -> Iterator[tuple[int, R]]:
    if workers <= 1:
        yield from ((i, jobs[i]()) for i in order)
        return
    for name in _THREADS:
        os.environ.setdefault(name, str(max(1, cores() // workers)))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(context.RLock(),))
    try:
        yield from _finished({pool.submit(_do, jobs[i]): i for i in order})
    except BrokenProcessPool as error:
        raise MotError("a worker process died, perhaps for want of memory: try fewer --jobs") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _finished(futures: dict[Future[R], int]) -> Iterator[tuple[int, R]]:
    rest = set(futures)
    while rest:
        finished, rest = wait(rest, return_when=FIRST_COMPLETED)
        for future in finished:
            yield futures[future], future.result()


def _do(job: Callable[[], R]) -> R:
    return job()


def _begin(lock: Any) -> None:
    """A worker's bars share the terminal with the others'; OpenCV's threads would fight with the other workers."""
    import cv2

    from ..setting import has

    cv2.setNumThreads(1)
    if has("tqdm"):
        from tqdm import tqdm  # type: ignore

        tqdm.set_lock(lock)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
