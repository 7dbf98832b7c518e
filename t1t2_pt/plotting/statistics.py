"""Statistics behind statements about runs, each with its 95% interval; docs/statistics.md says why these.

Every function takes the cluster of each run (its setup and split), or none where the runs are independent, or of
one setup and split: then the interval is about that one.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from t1t2_pt.plotting import intervals
from t1t2_pt.plotting.intervals import Ends, Statistic

Values = Sequence[float] | np.ndarray
Clusters = Sequence[object] | np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic with its interval.

    Parameters
    ----------
    value
        The statistic; NaN where it is undefined.
    low, high
        The ends of its interval, NaN where there is none.
    count
        Of how many observations.
    clusters
        How many clusters they come in; 0: they are independent, or of one.
    least_high, greatest_low
        The end that the interval would have had on the other side of the least and of the greatest value that so many
        observations can have: what it could have said.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    count: int = 1
    clusters: int = 0
    least_high: float = -math.inf
    greatest_low: float = math.inf

    def above(self, bound: float) -> bool | None:
        """Whether the whole interval lies above the bound (True), below (False), or on both sides (None).

        Also None where so few observations could not have led to the opposite.
        """
        could_differ = self.least_high < bound < self.greatest_low
        if could_differ and self.low > bound:
            return True
        return False if could_differ and self.high < bound else None

    def below(self, bound: float) -> bool | None:
        """The opposite of `above`."""
        above = self.above(bound)
        return None if above is None else not above


def mean(values: Values, clusters: Clusters = None) -> Estimate:
    """The mean; of differences of pairs it is the paired difference, and its interval the paired t test's."""
    return _estimate(np.asarray(values, float)[:, None], clusters, lambda rows: float(rows.mean()))


def median(values: Values) -> Estimate:
    """The median of independent values, with the sign test's interval."""
    found = np.asarray(values, float)
    found = found[np.isfinite(found)]
    if not len(found):
        return Estimate(math.nan, count=0)
    return Estimate(float(np.median(found)), *intervals.of_median(found), len(found))


def share(hits: Sequence[bool] | np.ndarray, clusters: Clusters = None) -> Estimate:
    """The share of hits: Clopper and Pearson's exact interval, of the effective number where there are clusters."""
    found = np.asarray(hits, float)
    number = len(found)
    if not number:
        return Estimate(math.nan, count=0)
    parts = _parts(found, clusters)
    effective = intervals.effective_number(found, parts) if 1 < len(parts) < number else float(number)
    value = float(found.mean())
    return Estimate(
        value,
        *intervals.of_share(value * effective, effective),
        number,
        _told(parts, number),
        least_high=intervals.of_share(0, effective)[1],
        greatest_low=intervals.of_share(effective, effective)[0],
    )


def rank_correlation(x: Values, y: Values, clusters: Clusters = None) -> Estimate:
    """Spearman's rank correlation of pairs; of independent ones, or of one cluster, by Fisher's z."""
    rows = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    whole = np.isfinite(rows).all(axis=1)
    rows, names = rows[whole], None if clusters is None else np.asarray(clusters)[whole]
    number = len(rows)
    if number < 2:
        return Estimate(math.nan, count=number)
    bound = intervals.largest_rank_correlation(number)
    parts = _parts(rows, names)
    if 1 < len(parts) < number:
        return _estimate(rows, names, spearman, bound)
    value = spearman(rows)
    ends = intervals.of_rank_correlation(value, number) if value == value else intervals.NONE
    return Estimate(value, *ends, number, _told(parts, number))


def slope(x: Values, y: Values, clusters: Clusters = None) -> Estimate:
    """The slope of the least-squares line through points (x, y)."""
    rows = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    return _estimate(rows, clusters, _slope)


def share_removed(before: Values, after: Values, clusters: Clusters = None) -> Estimate:
    """One minus a sum over a sum: the share of all that was there before that is gone afterwards."""
    rows = np.column_stack([np.asarray(before, float), np.asarray(after, float)])
    return _estimate(rows, clusters, _share_removed)


def within(rows: np.ndarray, clusters: Sequence[object], statistic: Statistic) -> dict[object, float]:
    """A statistic of the rows [rows, quantities] of each cluster by itself, in the order of first appearance."""
    names = np.asarray(clusters)
    return {name: statistic(rows[names == name]) for name in dict.fromkeys(clusters)}


def spearman(rows: np.ndarray) -> float:
    """Spearman's rank correlation of pairs [pairs, 2]; NaN where one side is all alike."""
    if len(rows) < 2 or (rows == rows[0]).all(axis=0).any():
        return math.nan
    ranks = stats.rankdata(rows, axis=0)
    return float(np.corrcoef(ranks.T)[0, 1])


def _slope(rows: np.ndarray) -> float:
    x, y = (rows - rows.mean(axis=0)).T
    spread = float(x @ x)
    return float(x @ y) / spread if spread > 0 else math.nan


def _share_removed(rows: np.ndarray) -> float:
    before, after = rows.sum(axis=0).tolist()
    return 1 - after / before if before > 0 else math.nan


def _estimate(rows: np.ndarray, clusters: Clusters, statistic: Statistic, bound: float = math.inf) -> Estimate:
    """A statistic of the rows without NaN, left out or drawn again by cluster."""
    whole = np.isfinite(rows).all(axis=1)
    rows = rows[whole]
    if not len(rows):
        return Estimate(math.nan, count=0)
    parts = _parts(rows, None if clusters is None else np.asarray(clusters)[whole])
    told = _told(parts, len(rows))
    if len(parts) == 1:
        parts = list(rows[:, None])
    ends: Ends = intervals.of_clusters(parts, statistic, bound)
    return Estimate(statistic(rows), *ends, len(rows), told)


def _parts(rows: np.ndarray, clusters: Clusters) -> list[np.ndarray]:
    """The rows of each cluster; independent rows are clusters of one."""
    if clusters is None:
        return [rows[place : place + 1] for place in range(len(rows))]
    names = np.asarray(clusters)
    return [rows[names == name] for name in dict.fromkeys(names.tolist())]


def _told(parts: Sequence[np.ndarray], number: int) -> int:
    return len(parts) if 1 < len(parts) < number else 0
