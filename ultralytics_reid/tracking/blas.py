"""One thread for NumPy's and SciPy's arithmetic while a frame is tracked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController


class _Holder:
    """Holds OpenBLAS to one thread while any tracker of the process is at work: the limit is the process's.

    Trackers in several threads overlap, so only the first to come sets the limit and only the last to leave lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work = 0
        self._blas: Any = None
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            self._at_work += 1
            if self._at_work == 1:
                self._blas = self._blas or ThreadpoolController().select(internal_api="openblas")
                self._limiter = self._blas.limit(limits=1)
                self._limiter.__enter__()

    def leave(self) -> None:
        with self._lock:
            self._at_work -= 1
            if not self._at_work:
                self._limiter.__exit__(None, None, None)


_HOLDER = _Holder()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold OpenBLAS to one thread for a while; afterwards it has as many as before.

    A frame's matrices are small, and OpenBLAS's other threads go on spinning for milliseconds after each product: on a
    CPU that takes the cores from the detector, which then takes half as long again.
    """
    _HOLDER.enter()
    try:
        yield
    finally:
        _HOLDER.leave()
