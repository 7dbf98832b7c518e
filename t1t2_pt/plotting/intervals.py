"""Intervals of 95% for statistics of few runs, of runs that come in clusters, and of shares.

Runs of one setup on one split are alike, so that thirty runs of five setups say less than thirty. What is left
out or drawn again here is therefore a whole cluster; runs that are independent are clusters of one. How often
each interval covers the truth is measured in `tests/test_intervals.py`.
"""

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
FEWEST = 3  # clusters below which none of these intervals says anything
ENOUGH = 20  # clusters from which on the bootstrap covers as often as it says
RESAMPLES = 2000
ROUNDING = 1e-9  # what is narrower, for its size, is no interval

Ends = tuple[float, float]
Statistic = Callable[[np.ndarray], float]
NONE: Ends = (math.nan, math.nan)


def of_clusters(parts: Sequence[np.ndarray], statistic: Statistic, bound: float = math.inf) -> Ends:
    """The interval of a statistic of all rows.

    Parameters
    ----------
    parts
        The rows of each cluster, [rows, quantities].
    statistic
        Of rows; NaN where they leave it undefined.
    bound
        Of a correlation, the largest that is told from 1: it is estimated as Fisher's z, in which such a bound is
        needed. Infinite: any other statistic.
    """
    if len(parts) < FEWEST:
        return NONE
    return by_jackknife(parts, statistic, bound) if len(parts) < ENOUGH else by_bootstrap(parts, statistic)


def by_jackknife(parts: Sequence[np.ndarray], statistic: Statistic, bound: float = math.inf) -> Ends:
    """Leaving out one cluster after the other, with the quantile of Student's t (of a mean: the t interval).

    With few clusters of unequal kinds it covers better than a bootstrap, whose resamples hold few of them
    (MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide to empirical practice", 2023).
    """
    number = len(parts)
    correlation = bound < math.inf

    def transformed(rows: np.ndarray) -> float:
        value = statistic(rows)
        return math.atanh(min(max(value, -bound), bound)) if correlation else value

    centre = transformed(np.concatenate(parts))
    without = np.array([transformed(np.concatenate([*parts[:i], *parts[i + 1 :]])) for i in range(number)])
    error = math.sqrt((number - 1) / number * np.square(without - without.mean()).sum())
    if not error > ROUNDING * max(1.0, abs(centre)):
        return NONE  # all clusters alike, or undefined without one of them
    reach = float(stats.t.ppf(1 - TAIL, number - 1)) * error
    ends = centre - reach, centre + reach
    return (math.tanh(ends[0]), math.tanh(ends[1])) if correlation else ends


def by_bootstrap(parts: Sequence[np.ndarray], statistic: Statistic) -> Ends:
    """The BCa bootstrap over clusters (Efron, "Better bootstrap confidence intervals", 1987).

    From a fixed seed: the same runs give the same ends.
    """

    def of_some(places: np.ndarray) -> float:
        return statistic(np.concatenate([parts[place] for place in places]))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # degenerate: NaN, which says so
        found = stats.bootstrap(
            (np.arange(len(parts)),),
            of_some,
            vectorized=False,
            confidence_level=LEVEL,
            n_resamples=RESAMPLES,
            rng=np.random.default_rng(0),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if high - low > ROUNDING * max(1.0, abs(low)) else NONE


def of_share(hits: float, number: float) -> Ends:
    """Clopper and Pearson's exact interval (1934); both may be fractions, as an effective number is."""
    low = float(stats.beta.ppf(TAIL, hits, number - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - TAIL, hits + 1, number - hits)) if hits < number else 1.0
    return low, high


def effective_number(hits: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """The number of independent runs that tell as much about a share as these of few clusters.

    Korn and Graubard's ("Confidence intervals for proportions with small expected number of positive counts",
    1998): the variance between clusters over that between runs, and the few degrees of freedom of clusters.
    """
    number, clusters = len(hits), len(parts)
    share = hits.mean()
    plain = share * (1 - share) / (number - 1)
    between = sum(float((part - share).sum()) ** 2 for part in parts)
    effect = clusters / (clusters - 1) * between / number**2 / plain if plain > 0 else 1.0
    quantiles = stats.t.ppf(1 - TAIL, number - 1) / stats.t.ppf(1 - TAIL, clusters - 1)
    return number / max(effect, 1.0) * min(1.0, float(quantiles) ** 2)


def of_rank_correlation(value: float, number: int) -> Ends:
    """By Fisher's z with Bonett and Wright's error ("Sample size requirements for estimating correlations", 2000)."""
    if number <= FEWEST:
        return NONE
    bound = largest_rank_correlation(number)
    value = min(max(value, -bound), bound)
    reach = float(stats.norm.ppf(1 - TAIL)) * math.sqrt((1 + value**2 / 2) / (number - 3))
    return math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach)


def largest_rank_correlation(number: int) -> float:
    """Half a step below 1, the next value that so many pairs can have being 1 - 12 / (n³ - n)."""
    return 1 - 6 / (number**3 - number)


def of_median(values: np.ndarray) -> Ends:
    """From one order statistic to another, as the sign test has it: exact for independent values of any kind."""
    number = len(values)
    place = int(stats.binom.ppf(TAIL, number, 0.5))  # fewer than so many heads come up too seldom to be by chance
    if not place:
        return NONE
    ordered = np.sort(values)
    return float(ordered[place - 1]), float(ordered[number - place])
