"""Which crops are known to show one individual, which two, and of which pairs nothing is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Floats, Ints, as_floats
from ..errors import ConfigError

# Identities for which a table of pairs is kept: 400 MB.
_MAX_OPEN_IDENTITIES = 20_000


@dataclass(frozen=True, eq=False)
class KnownPairs:
    """Labels of `N` crops: identities, and which identities are known to differ.

    Two tracklets of a video may be one individual: unless they were visible together, or a person said so, nothing is
    known of them, and no loss may use them.

    Attributes:
        identities: `(N,)` int64, 0 … I-1.
        apart: `(I, I)` bool, symmetric, which identities are known to differ; None where all do (a closed set).
    """

    identities: Ints
    apart: Bools | None

    @classmethod
    def of(cls, identities: Ints, different: Ints | None) -> KnownPairs:
        """Collect labels.

        Args:
            identities: `(N,)` whole numbers, any.
            different: `(M, 2)` pairs of identities that are known to differ; None where all do.

        Raises:
            ConfigError: If there are too many identities for a table of pairs.
        """
        names, dense = np.unique(identities, return_inverse=True)
        dense = dense.reshape(-1).astype(np.int64)
        if different is None:
            return cls(dense, None)
        if len(names) > _MAX_OPEN_IDENTITIES:
            raise ConfigError(f"at most {_MAX_OPEN_IDENTITIES} identities may have unknown pairs, got {len(names)}")
        return cls(dense, _table(names, different))

    @property
    def count(self) -> int:
        """Number of identities."""
        return int(self.identities.max(initial=-1)) + 1

    @property
    def closed(self) -> bool:
        """Whether all identities are known to differ."""
        return self.apart is None

    def differ(self, a: Ints, b: Ints) -> Bools:
        """Whether identities are known to differ, elementwise or broadcast."""
        return np.asarray(a != b) if self.apart is None else np.asarray(self.apart[a, b])

    def masks(self, rows: Ints) -> tuple[Bools, Bools]:
        """Known pairs among some crops.

        Args:
            rows: `(n,)` crops.

        Returns:
            `(n, n)` which show the same individual, without a crop and itself; and which show two.
        """
        who = self.identities[rows]
        same = (who[:, None] == who) & ~np.eye(len(rows), dtype=bool)
        return same, self.differ(who[:, None], who[None])

    def take(self, rows: Ints) -> KnownPairs:
        """Labels of some crops; their identities are numbered anew."""
        kept, dense = np.unique(self.identities[rows], return_inverse=True)
        apart = None if self.apart is None else self.apart[np.ix_(kept, kept)]
        return KnownPairs(dense.reshape(-1).astype(np.int64), apart)

    def means(self, rows: Floats) -> Floats:
        """Mean of each identity's rows, `(I, D)`."""
        total = np.zeros((self.count, rows.shape[1]), np.float32)
        np.add.at(total, self.identities, rows)
        counts = np.maximum(np.bincount(self.identities, minlength=self.count), 1)
        return as_floats(total / counts[:, None])


def _table(names: Ints, different: Ints) -> Bools:
    apart = np.zeros((len(names), len(names)), bool)
    pairs = np.asarray(different, np.int64).reshape(-1, 2)
    known = np.isin(pairs, names).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    a, b = np.searchsorted(names, pairs[known]).T
    apart[a, b] = apart[b, a] = True
    return apart
