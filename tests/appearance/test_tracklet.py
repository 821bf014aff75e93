"""A tracklet's evidence: what is kept of one that never gets an identity."""

import numpy as np

from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen

HERE = LastSeen(0.0, 0, np.zeros(2), np.zeros(2), 1.0, 100.0)


def test_its_last_crops_wait_and_all_of_them_count():
    tracklet = Tracklet(0.0, HERE, HERE, clean=True)
    for n in range(1000):
        tracklet.embedding = np.full(4, n, np.float32)
        tracklet.take(float(n))
    assert tracklet.count == 1000
    assert tracklet.mean[0] == 499.5
    assert tracklet.waiting <= 500
    assert tracklet.recent(998.0, 1)[-1][0] == 999.0
