"""Figures with bootstrap intervals, drawn by identity: images of one individual are no independent evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Doubles, Ints, as_doubles

DRAWS, SEED = 1000, 0
# Bounds of an interval that holds 95 % of the draws.
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure, and its values over drawn identities.

    Attributes:
        value: The figure; NaN where there is none.
        drawn: `(R,)`, its values over identities drawn with repetition; draws are the same for all figures of a set.
    """

    value: float
    drawn: Doubles

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds that hold 95 % of the draws; NaN where a figure is NaN in all of them."""
        drawn = self.drawn[~np.isnan(self.drawn)]
        low, high = np.percentile(drawn, _PERCENTILES) if len(drawn) else (np.nan, np.nan)
        return float(low), float(high)

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference, over the same draws: that of two models on one set is surer than either figure."""
        return Estimate(self.value - other.value, as_doubles(self.drawn - other.drawn))


def draw_identities(count: int, draws: int = DRAWS, seed: int = SEED) -> Doubles:
    """Draw identities with repetition: how often each is in each draw, `(draws, count)`."""
    if not count:
        return np.zeros((draws, 0))
    return as_doubles(np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws))


def mean_estimate(values: Doubles, identities: Ints, counts: Doubles) -> Estimate:
    """Mean of values of several identities, such as one a query.

    Args:
        values: `(Q,)`; NaN counts in no mean.
        identities: `(Q,)` index of the identity of each value.
        counts: `(R, K)`, as `draw_identities` returns it.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(float("nan"), np.full(len(counts), np.nan))
    sums = np.bincount(identities[known], values[known], counts.shape[1])
    numbers = np.bincount(identities[known], minlength=counts.shape[1])
    return Estimate(float(values[known].mean()), ratio(counts @ sums, counts @ numbers))


def ratio(above: Doubles, below: Doubles) -> Doubles:
    """Divide; NaN where `below` is 0."""
    return as_doubles(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))
