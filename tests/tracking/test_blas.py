"""What a tracker leaves of the processor to the detector."""

import numpy as np
import pytest
from synthetic import boxes, image, make_tracker
from threadpoolctl import threadpool_info, threadpool_limits

from ultralytics_reid.tracking.blas import single_threaded_blas


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["internal_api"] == "openblas"}


@pytest.mark.skipif(not blas_threads(), reason="this NumPy has no OpenBLAS")
def test_openblas_has_one_thread_while_a_frame_is_tracked_and_as_many_as_before_afterwards():
    seen = []

    def embedder(picture, xyxy):
        seen.append(blas_threads())
        return np.ones((len(xyxy), 4), np.float32)

    tracker = make_tracker()
    tracker.embedder = embedder
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        tracker.update(boxes([[10, 20, 60, 150, 0.9, 0]]), image())
        assert blas_threads() == before
    assert seen == [{1}]


@pytest.mark.skipif(not blas_threads(), reason="this NumPy has no OpenBLAS")
def test_trackers_in_two_threads_that_overlap_leave_as_many_threads_as_before():
    """A comes, B comes, A leaves, B leaves: neither may take the other's one thread for what there was."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = single_threaded_blas(), single_threaded_blas()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before
