"""PK sampling: batches of P identities with K crops each, of identities that are known to differ where possible."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from .._typing import Ints
from .known_pairs import KnownPairs


class PKSampler:
    """Draw batches of P identities with K crops each (Hermans et al., "In defense of the triplet loss", 2017).

    With K = 2, batches are Siamese pairs. Where only some identities are known to differ, a batch consists of groups
    that were visible together, since other pairs teach nothing.

    Args:
        known: Labels of the crops.
        identities: P, 2 or more.
        images: K, 2 or more; an identity with fewer crops has some twice.
        seed: The same seed gives the same batches.
    """

    def __init__(self, known: KnownPairs, identities: int, images: int, seed: int) -> None:
        self._known, self._p, self._k = known, identities, images
        self._seed = seed
        order = np.argsort(known.identities, kind="stable")
        ends = np.searchsorted(known.identities[order], np.arange(known.count + 1))
        self._rows = [order[a:b] for a, b in pairwise(ends.tolist())]
        self._usable = np.array([n for n, rows in enumerate(self._rows) if len(rows) > 1], np.int64)

    def epoch(self, number: int) -> Iterator[Ints]:
        """Batches of an epoch, in which each identity with two crops or more is drawn about once; `(P * K,)` crops."""
        rng = np.random.default_rng((self._seed, number))
        left = rng.permutation(self._usable).tolist()
        while left:
            chosen = self._group(left, rng)
            yield np.concatenate([self._crops(n, rng) for n in chosen])
            left = [n for n in left if n not in chosen]

    def _group(self, left: list[int], rng: np.random.Generator) -> set[int]:
        """P identities: one that is left, those that are known to differ from it, and so on."""
        chosen: dict[int, None] = {}
        for seed in left:
            if len(chosen) >= self._p:
                break
            if seed not in chosen:
                chosen[seed] = None
                beside = self._beside(seed, left) if self._known.apart is not None else []
                chosen |= dict.fromkeys(beside[: self._p - len(chosen)])
        if len(chosen) < self._p:  # the last batch of an epoch is filled up
            others = [n for n in rng.permutation(self._usable).tolist() if n not in chosen]
            chosen |= dict.fromkeys(others[: self._p - len(chosen)])
        return set(chosen)

    def _beside(self, seed: int, left: list[int]) -> list[int]:
        """Identities that are known to differ from one: those that are left to draw first."""
        assert self._known.apart is not None
        known = [n for n in self._usable[self._known.apart[seed, self._usable]].tolist() if n != seed]
        waiting = set(left)
        return sorted(known, key=lambda n: n not in waiting)

    def _crops(self, identity: int, rng: np.random.Generator) -> Ints:
        rows = self._rows[identity]
        return rng.choice(rows, self._k, replace=len(rows) < self._k)
