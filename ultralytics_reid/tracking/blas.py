"""One thread for NumPy's and SciPy's arithmetic while a frame is tracked."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import ThreadpoolController


class SingleThreadedBlas:
    """Holds OpenBLAS to one thread for a while.

    The matrices of a frame are small, and OpenBLAS's other threads go on spinning for milliseconds after each product:
    on a CPU that takes the cores from the detector, which then takes half as long again.
    """

    def __init__(self) -> None:
        self._blas = ThreadpoolController().select(internal_api="openblas")

    def __call__(self) -> AbstractContextManager[Any]:
        """The while, as a `with` block; afterwards there are as many threads as before."""
        held: AbstractContextManager[Any] = self._blas.limit(limits=1)
        return held
