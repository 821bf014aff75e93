"""Small made-up videos of people as colored noise: who walks where, and what a tracker would call them."""

import numpy as np

from ultralytics_reid import Tracks

FPS = 10.0
DIM = 32


class Video:
    """Collects rows of a tracker; a person's embedding is a direction of its own, with noise."""

    def __init__(self, seed=0, discriminative=True):
        self.rng = np.random.default_rng(seed)
        self.rows, self.embeddings = [], []
        self.discriminative = discriminative

    def walk(self, person, online_id, frames, at, step=(2.0, 0.0), *, clean=True, cls=0):
        """A person walks from `at`, 40 x 100 pixels large."""
        for n, frame in enumerate(frames):
            x, y = at[0] + n * step[0], at[1] + n * step[1]
            self.rows.append([frame, online_id, x, y, x + 40, y + 100, 0.9, cls])
            look = np.eye(DIM)[person % DIM] if self.discriminative else np.zeros(DIM)
            noise = self.rng.normal(scale=0.1 if self.discriminative else 1.0, size=DIM)
            self.embeddings.append((look + noise) * clean)
        return self

    def crowd(self, ids, frames, first_person=10):
        """Others, apart from each other and from the upper part of the image, for the scores' sake."""
        for n, online_id in enumerate(ids):
            self.walk(first_person + n, online_id, frames, (100.0 * n, 600.0), step=(0.5, 0.0))
        return self

    def tracks(self):
        rows = np.array(self.rows)
        return Tracks.from_arrays(
            rows[:, 0],
            rows[:, 1],
            rows[:, 2:6],
            rows[:, 6],
            rows[:, 7],
            embeddings=np.array(self.embeddings),
            fps=FPS,
            shape=(800, 1200),
        )


def id_at(result, frame, x):
    """The refined id of the box whose left edge is at `x` in a frame; None where it is left out."""
    rows = result.rows
    found = rows[(rows[:, 0] == frame) & (np.abs(rows[:, 2] - x) < 1)]
    return int(found[0, 1]) if len(found) else None
