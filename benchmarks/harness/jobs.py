"""Jobs in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from .errors import BenchmarkError
from .progress import progress, share_terminal

R = TypeVar("R")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def do_all(jobs: Sequence[Callable[[], R]], workers: int, label: str) -> list[R]:
    """Do jobs, the longest first, in so many processes; in this one if it is one.

    Args:
        jobs: Each can be pickled.
        workers: Processes.
        label: What the progress bar is called.

    Returns:
        What came of them, in their order.

    Raises:
        BenchmarkError: If a process died.
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
        raise BenchmarkError("a worker process died, perhaps for want of memory: try fewer --jobs") from error
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

    cv2.setNumThreads(1)
    share_terminal(lock)


def cores() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
