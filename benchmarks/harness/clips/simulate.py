"""Simulated appearance, for sequences without images.

All of it is simulated: vectors that behave as the embeddings of a ReID model do, not embeddings of real people. Their
statistics are those of OSNet x0.25 on PETS09-S2L1, which `likeness` measures on either.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ultralytics_reid._typing import Doubles, Floats, Ints
from ultralytics_reid.evaluation.frames import FrameBoxes, iou
from ultralytics_reid.evaluation.returns import sightings

from ..data.sequences import Detections, Sequence

DIM = 512
# Shares of an embedding's squared norm: what all crops have in common, the identity, ...
_COMMON, _IDENTITY = 0.50, 0.23
# ... what stays for a while, as (share, seconds): a step, and pose, light and distance; and what one frame adds.
_DRIFTS = ((0.10, 0.3), (0.11, 6.0))
_NOISE, _PLACE_NOISE = 0.06, 0.35
# The k-th axis has a variance of (k + offset)^-2: few axes tell people apart, more of them change on one person.
_IDENTITY_OFFSET, _CHANGE_OFFSET = 4.0, 20.0
# Seconds after which a drift is as good as a new one: e^-10 of it is left.
_FORGOTTEN = 60.0
# Boxes lower than so many pixels are noisier: half as high, twice the variance.
_CLEAR_HEIGHT = 80.0
# What is no person looks like the place it is at, a square of so many pixels.
_PLACE = 64.0

_MIN_SECONDS = 5.0
_MAX_COMPARED = 2000


def simulate(scene: Sequence, cache: list[Detections], seed: int = 0) -> list[Detections]:
    """Give detections simulated embeddings.

    A detection that matches a box of the ground truth (IoU 0.5, one to one) gets that person's look of the moment:
    a common direction, the person's own, drifts of the track, and noise. Where others stand in front (lower in the
    image), it takes on their appearance in proportion to the share they cover. Other detections get the look of a place
    in the background, and strong noise.

    Args:
        scene: The ground truth; all that can be seen or can occlude should be in it.
        cache: Detections by frame; embeddings that they have are dropped.
        seed: The same seed gives the same people.

    Returns:
        The same detections with `(N, 512)` unit embeddings.
    """
    shown: list[list[tuple[int, int]]] = [[] for _ in cache]
    for n, track, i in sightings(scene.frames, _numbered(cache)):
        shown[n].append((track, i))
    simulation = Simulation(scene.fps, seed, person_of=scene.person_of)
    frames = zip(scene.frames, cache, shown, strict=True)
    return [replace(d, feats=simulation.embed(frame, d.xyxy, of)) for frame, d, of in frames]


class Simulation:
    """Embeddings of what is seen, frame by frame, for any length.

    Args:
        fps: Frames a second.
        seed: The same seed and the same frames give the same embeddings.
        person_of: The individual behind a track of the ground truth; None where its ids are individuals.
        identity: Draw an identity vector, `(DIM,)` with an expected squared norm of 1; None to draw it when the person
            is first seen, and keep it.
        common: What all crops have in common, as `draw_common` gives it; None to draw it.
    """

    def __init__(
        self,
        fps: float,
        seed: int,
        *,
        person_of: Callable[[int], int] | None = None,
        identity: Callable[[int], Doubles] | None = None,
        common: Doubles | None = None,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        common = draw_common(self._rng) if common is None else common
        self._people = _People(fps, person_of or (lambda track: track), common, self._rng, identity)
        self._places = _Places(common, self._rng)
        self._n = 0

    def embed(
        self, frame: FrameBoxes, xyxy: Floats, of: Rows[tuple[int, int]], hidden: Doubles | None = None
    ) -> Floats:
        """The next frame's embeddings, `(N, DIM)` float32 of unit norm.

        Args:
            frame: The ground truth, with all that can be seen or can occlude.
            xyxy: `(N, 4)` detections.
            of: `(track, row)` of each detection of a person; the others show the place they are at.
            hidden: `(N,)` share of each detection that shows its place instead, from 0 to 1; None for 0.
        """
        looks, noise = self._places.looks(xyxy), np.full(len(xyxy), _PLACE_NOISE)
        seen = self._people.looks(self._n, frame)
        place = np.zeros(len(xyxy)) if hidden is None else hidden
        for track, i in of:
            looks[i] = place[i] * looks[i] + (1 - place[i]) * seen[track]
            noise[i] = place[i] * _PLACE_NOISE + (1 - place[i]) * _NOISE
        self._n += 1
        return _blur(looks, noise, xyxy, self._rng)


def _numbered(cache: Rows[Detections]) -> list[FrameBoxes]:
    """Convert detections to a tracker's output with rows as ids."""
    return [FrameBoxes(np.arange(len(d.xyxy)), d.xyxy) for d in cache]


def _blur(looks: Doubles, noise: Doubles, xyxy: Floats, rng: np.random.Generator) -> Floats:
    height = np.maximum(xyxy[:, 3] - xyxy[:, 1], 1)
    deviation = np.sqrt(noise * np.maximum(1, _CLEAR_HEIGHT / height))
    return _unit(looks + deviation[:, None] * _draw(rng, _CHANGE_OFFSET, len(looks))).astype(np.float32)


def _unit(rows: npt.NDArray[np.floating]) -> Doubles:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), dtype=np.float64)


def draw_common(rng: np.random.Generator) -> Doubles:
    """Draw the component common to all crops, `(DIM,)`."""
    return np.asarray(np.sqrt(_COMMON) * _unit(rng.normal(size=DIM)))


def draw_identity(rng: np.random.Generator) -> Doubles:
    """Draw an identity vector, `(DIM,)` with an expected squared norm of 1."""
    return np.asarray(_draw(rng, _IDENTITY_OFFSET, 1)[0])


def _draw(rng: np.random.Generator, offset: float, count: int) -> Doubles:
    """`(count, DIM)` random vectors with an expected squared norm of 1."""
    variance = (np.arange(DIM) + offset) ** -2.0
    return np.asarray(rng.normal(size=(count, DIM)) * np.sqrt(variance / variance.sum()))


class _People:
    """Appearance of the people in the ground truth, from frame to frame.

    Args:
        fps: Frames a second.
        person_of: The individual behind a track.
        common: `(DIM,)` what all crops have in common.
        rng: Draws the looks.
        identity: What is a person's own; None to draw it, and keep it.
    """

    def __init__(
        self,
        fps: float,
        person_of: Callable[[int], int],
        common: Doubles,
        rng: np.random.Generator,
        identity: Callable[[int], Doubles] | None,
    ) -> None:
        self._fps, self._person_of, self._common, self._rng = fps, person_of, common, rng
        self._identity = self._drawn if identity is None else identity
        self._identities: dict[int, Doubles] = {}
        # By track, those seen last at the end.
        self._drifts: dict[int, tuple[int, Doubles]] = {}

    def looks(self, n: int, frame: FrameBoxes) -> dict[int, Doubles]:
        """Looks `(DIM,)` by track, without noise; to be asked for frame by frame."""
        tracks = [int(i) for i in frame.ids]
        bare = np.array([self._look(n, track) for track in tracks]).reshape(-1, DIM)
        covered = covers(frame.xyxy)
        own = 1 - covered.sum(axis=1, keepdims=True)
        return dict(zip(tracks, own * bare + covered @ bare, strict=True))

    def _look(self, n: int, track: int) -> Doubles:
        own = np.sqrt(_IDENTITY) * self._identity(self._person_of(track))
        return np.asarray(self._common + own + self._drift(n, track))

    def _drawn(self, person: int) -> Doubles:
        if person not in self._identities:
            self._identities[person] = draw_identity(self._rng)
        return self._identities[person]

    def _drift(self, n: int, track: int) -> Doubles:
        """The sum of the track's Ornstein-Uhlenbeck processes."""
        fresh = _draw(self._rng, _CHANGE_OFFSET, len(_DRIFTS))
        last, drifts = self._drifts.pop(track, (n, fresh))
        shares, seconds = np.array(_DRIFTS).T
        kept = np.exp(-(n - last) / self._fps / seconds)[:, None]
        drifts = kept * drifts + np.sqrt(1 - kept**2) * fresh
        self._drifts[track] = n, drifts
        self._forget(n)
        return np.asarray(np.sqrt(shares) @ drifts)

    def _forget(self, n: int) -> None:
        """Drop the drifts of a track that hasn't been seen for so long that nothing is left of them."""
        track, (last, _) = next(iter(self._drifts.items()))
        if n - last > _FORGOTTEN * self._fps:
            del self._drifts[track]


def covers(xyxy: Floats) -> Doubles:
    """Share of each box under each other one in front of it, `(N, N)`; a row's sum is 1 at most."""
    overlap = iou(xyxy, xyxy)
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1, dtype=np.float64)
    shared = overlap / (1 + overlap) * (area[:, None] + area)
    in_front = xyxy[None, :, 3] > xyxy[:, None, 3]
    share = shared * in_front / np.maximum(area, 1e-9)[:, None]
    return np.asarray(share / np.maximum(share.sum(axis=1, keepdims=True), 1))


class _Places:
    """Appearance of the background.

    Args:
        common: `(DIM,)` what all crops have in common.
        rng: Draws the looks.
    """

    def __init__(self, common: Doubles, rng: np.random.Generator) -> None:
        self._common, self._rng = common, rng
        self._known: dict[tuple[int, ...], Doubles] = {}

    def looks(self, xyxy: Floats) -> Doubles:
        """`(N, DIM)` looks of where boxes `(N, 4)` are, without noise."""
        cells = ((xyxy[:, :2] + xyxy[:, 2:]) / 2 // _PLACE).astype(int)
        return np.array([self._look(tuple(cell)) for cell in cells]).reshape(-1, DIM)

    def _look(self, cell: tuple[int, ...]) -> Doubles:
        if cell not in self._known:
            self._known[cell] = np.sqrt(_IDENTITY) * draw_identity(self._rng)
        return self._common + self._known[cell]


@dataclass(frozen=True)
class Likeness:
    """Similarities of embeddings, as cosines; nan where there was nothing to compare.

    Attributes:
        second: Mean over one person's frames a second apart.
        minute: Mean over one person's frames a minute apart.
        strangers: What one in a hundred pairs of frames of different persons exceeds.
        own: Median over pairs of tracks of one person, of their mean embeddings; tracks of 5 s or more.
        others: Greatest over pairs of tracks of different persons, likewise.
    """

    second: float
    minute: float
    strangers: float
    own: float
    others: float


def likeness(scene: Sequence, cache: list[Detections]) -> Likeness:
    """Measure embeddings, real or simulated, against the ground truth.

    Args:
        scene: The ground truth.
        cache: Detections by frame, with embeddings.
    """
    seen = np.array(sightings(scene.frames, _numbered(cache)), int).reshape(-1, 3)
    rows = _unit(np.array([_feats(cache[n])[i] for n, _, i in seen]))
    people = np.array([scene.person_of(track) for track in seen[:, 1]])
    second, minute = (_apart(rows, seen[:, 0], people, round(s * scene.fps)) for s in (1, 60))
    # All pairs of frames would be too many.
    few = slice(None, None, max(1, len(rows) // _MAX_COMPARED))
    strangers, _ = _pairs(rows[few], people[few])
    others, own = _pairs(*_means(scene, rows, seen[:, 1]))
    return Likeness(second, minute, _percentile(strangers, 99), _percentile(own, 50), _percentile(others, 100))


def _feats(detections: Detections) -> Floats:
    if detections.feats is None:
        raise ValueError("detections without embeddings can't be compared")
    return detections.feats


def _percentile(cosines: Doubles, share: float) -> float:
    return float(np.percentile(cosines, share)) if len(cosines) else float("nan")


def _apart(rows: Doubles, frames: Ints, people: Ints, gap: int) -> float:
    """Mean cosine of one person's embeddings `gap` frames apart."""
    at = {key: n for n, key in enumerate(zip(frames.tolist(), people.tolist(), strict=True))}
    pairs = [(n, at[frame + gap, person]) for (frame, person), n in at.items() if (frame + gap, person) in at]
    cosines = [rows[a] @ rows[b] for a, b in pairs]
    return float(np.mean(cosines)) if cosines else float("nan")


def _means(scene: Sequence, rows: Doubles, tracks: Ints) -> tuple[Doubles, Ints]:
    """Mean embedding of each track that is long enough, and its person."""
    long = [int(t) for t, count in zip(*np.unique(tracks, return_counts=True), strict=True) if _long(scene, count)]
    means = np.array([rows[tracks == t].mean(axis=0) for t in long]).reshape(-1, rows.shape[-1])
    return _unit(means), np.array([scene.person_of(t) for t in long], np.int64)


def _long(scene: Sequence, count: int) -> bool:
    return count >= _MIN_SECONDS * scene.fps


def _pairs(rows: Doubles, people: Ints) -> tuple[Doubles, Doubles]:
    """Cosines of all pairs of different people, and of all pairs of one person."""
    a, b = np.triu_indices(len(rows), 1)
    cosines, same = (rows @ rows.T)[a, b], people[a] == people[b]
    return cosines[~same], cosines[same]
