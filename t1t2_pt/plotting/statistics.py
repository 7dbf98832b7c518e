"""Statistics behind statements about runs, each with its 95% interval by bootstrap over the runs.

The intervals are percentile intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993),
from a fixed seed, so that the same runs give the same numbers.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 2000
FEWEST = 5  # observations below which an interval would say nothing


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic of `count` observations and the ends of its interval, NaN where there is none."""

    value: float
    low: float
    high: float
    count: int

    def above(self, bound: float) -> bool | None:
        """Whether the whole interval lies above the bound (True), below (False), or on both sides (None)."""
        if self.low > bound:
            return True
        return False if self.high < bound else None

    def below(self, bound: float) -> bool | None:
        """The opposite of `above`."""
        above = self.above(bound)
        return None if above is None else not above


def spearman(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Spearman's rank correlation of pairs."""
    return _bootstrap(np.column_stack([x, y]), lambda pairs: _spearman(*pairs.T))


def mean(values: Sequence[float]) -> Estimate:
    """The mean; of differences of pairs it is the paired difference."""
    return _bootstrap(np.asarray(values, float)[:, None], lambda rows: float(rows.mean()))


def median(values: Sequence[float]) -> Estimate:
    """The median."""
    return _bootstrap(np.asarray(values, float)[:, None], lambda rows: float(np.median(rows)))


def share(hits: Sequence[bool]) -> Estimate:
    """The share of hits, with Wilson's interval, which is right for shares near 0 and 1 too."""
    count, total = int(np.sum(hits)), len(hits)
    if not total:
        return Estimate(math.nan, math.nan, math.nan, 0)
    interval = stats.binomtest(count, total).proportion_ci(LEVEL, "wilson")
    return Estimate(count / total, float(interval.low), float(interval.high), total)


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    if len(set(x)) < 2 or len(set(y)) < 2:
        return math.nan  # of a resample that drew one run again and again
    return float(stats.spearmanr(x, y).statistic)


def _bootstrap(rows: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Estimate:
    rows = rows[np.isfinite(rows).all(axis=1)]
    count = len(rows)
    value = statistic(rows) if count else math.nan
    if count < FEWEST:
        return Estimate(value, math.nan, math.nan, count)
    rng = np.random.default_rng(0)
    drawn = [statistic(rows[rng.integers(0, count, count)]) for _ in range(RESAMPLES)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN, where all runs are alike
        low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), count)
