"""Made-up visits for what is read off a gallery: people who walk, stand and linger on three cameras of a shop."""

from itertools import count

import numpy as np

from ultralytics_reid.gallery.records import Visit

# Thursday 2026-11-26, 08:00 UTC.
MORNING = 1795680000.0
SIZES = {"doorway": (1080, 1920), "corridor": (1920, 1080), "shop": (1920, 1080)}
# Waypoints of the feet in shares of the picture, and seconds to stand at each.
_ROUTES = {
    "doorway": [((0.5, 0.3), 0.0), ((0.52, 0.55), 2.0), ((0.5, 0.98), 0.0)],
    "corridor": [((0.02, 0.62), 0.0), ((0.45, 0.7), 0.0), ((0.98, 0.9), 0.0)],
    "shop": [((0.1, 0.5), 0.0), ((0.3, 0.62), 25.0), ((0.62, 0.55), 8.0), ((0.85, 0.8), 40.0), ((0.5, 0.97), 0.0)],
}
_TALL, _WIDE, _SPEED = 0.34, 0.08, 0.09


def walk(rng, camera, hz=5.0):
    """A path over a camera, `(P, 5)` float32, that strays from its route."""
    points, stands = zip(*_ROUTES[camera], strict=True)
    points = np.array(points) + rng.normal(0, (0.05, 0.025), (len(points), 2))
    feet = []
    for n, point in enumerate(points):
        if n:
            steps = max(2, int(np.linalg.norm(point - points[n - 1]) / _SPEED * hz))
            feet.append(points[n - 1] + np.linspace(0, 1, steps, endpoint=False)[:, None] * (point - points[n - 1]))
        still = int(rng.gamma(2, stands[n] / 2) * hz) if stands[n] else 1
        feet.append(np.tile(point, (still, 1)))
    feet = np.concatenate(feet)
    sway = np.cumsum(rng.normal(0, 0.0035, feet.shape), axis=0)
    feet = feet + sway - np.linspace(0, 1, len(feet))[:, None] * sway[-1]
    tall = _TALL * (0.5 + feet[:, 1]) * (1 + rng.normal(0, 0.01, len(feet)))
    boxes = [feet[:, 0] - _WIDE / 2, feet[:, 1] - tall, feet[:, 0] + _WIDE / 2, feet[:, 1]]
    return np.column_stack([np.arange(len(feet)) / hz, *boxes]).clip([0, 0, 0, 0, 0], [np.inf, 1, 1, 1, 1]).astype("f4")


def visitors(people=9, seed=0, hours=1.0):
    """All visits of so many people, each through the doorway and the corridor into the shop, some of them twice."""
    rng, ids = np.random.default_rng(seed), count(1)
    visits = []
    for identity in range(1, people + 1):
        for _ in range(rng.integers(1, 3)):
            time = MORNING + rng.uniform(0, hours * 3600)
            for camera in ("doorway", "corridor", "shop", "corridor"):
                path = walk(rng, camera)
                visits.append(Visit(next(ids), identity, camera, 0, time, time + float(path[-1, 0]), path))
                time = visits[-1].last + rng.uniform(3, 20)
    return visits
