"""Statistics against SciPy's, against what is known, and what they say of runs that are few or all alike."""

import math

import numpy as np
import pytest
from scipy import stats

from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import share_words, words
from t1t2_pt.plotting.statistics import Estimate

RNG = np.random.default_rng(0)
X = RNG.standard_normal(40)
Y = X + RNG.standard_normal(40)
GROUPS = np.repeat(np.arange(8), 5)


def test_values_are_scipys():
    assert statistics.rank_correlation(X, Y).value == pytest.approx(stats.spearmanr(X, Y).statistic)
    assert statistics.rank_correlation(X, Y, GROUPS).value == pytest.approx(stats.spearmanr(X, Y).statistic)
    assert statistics.slope(X, Y).value == pytest.approx(stats.linregress(X, Y).slope)
    assert statistics.mean(Y, GROUPS).value == Y.mean()
    assert statistics.median(Y).value == np.median(Y)
    assert statistics.share_removed([1, 3], [1, 1]).value == 0.5
    assert statistics.spearman(np.array([[1.0, 2.0], [1.0, 1.0], [2.0, 3.0]])) == pytest.approx(
        stats.spearmanr([1, 1, 2], [2, 1, 3]).statistic
    )


@pytest.mark.parametrize("of", [statistics.mean, statistics.share])
def test_clusters_that_are_alike_inside_widen_the_interval(of):
    values = np.repeat([True, False, True, True, False, True], 5)
    clusters = np.repeat(np.arange(6), 5)
    one, other = of(values, None), of(values, clusters)
    assert one.value == other.value
    assert other.high - other.low > one.high - one.low
    assert (one.count, one.clusters, other.count, other.clusters) == (30, 0, 30, 6)


def test_one_cluster_is_about_itself():
    """Runs of one setup and split: as independent ones."""
    assert statistics.mean(Y, ["a"] * 40) == statistics.mean(Y)
    assert statistics.rank_correlation(X, Y, ["a"] * 40) == statistics.rank_correlation(X, Y)
    assert statistics.share(X > 0, ["a"] * 40) == statistics.share(X > 0)


def test_within():
    found = statistics.within(np.column_stack([X, Y]), GROUPS.tolist(), statistics.spearman)
    assert list(found) == list(range(8))
    assert found[3] == pytest.approx(stats.spearmanr(X[15:20], Y[15:20]).statistic)


def test_few_runs_have_no_interval():
    for found in (statistics.rank_correlation([1, 2, 3], [1, 3, 2]), statistics.mean([1.0, 0.0])):
        assert found.value == 0.5
        assert math.isnan(found.low)
        assert found.above(0) is None
        assert words(found) == "0.50"
    assert math.isnan(statistics.median([1, 2, 3, 4, 5]).low)
    for nothing in (statistics.share([]), statistics.mean([]), statistics.median([]), statistics.slope([], [])):
        assert math.isnan(nothing.value)
        assert nothing.count == 0


def test_what_diverged_does_not_count():
    found = statistics.mean([1.0, math.nan, 3.0], ["a", "b", "c"])
    assert (found.value, found.count) == (2, 2)
    assert statistics.rank_correlation([1, 2, 3, 4], [1, 2, math.nan, 4]).count == 3
    assert statistics.median([1.0, math.inf, 3.0]).value == 2


def test_no_interval_is_a_point():
    """What agrees perfectly in a few runs is not certain."""
    found = statistics.rank_correlation(range(6), range(6))
    assert found.value == 1
    assert found.low < 0.7
    in_clusters = statistics.rank_correlation(range(30), range(30), np.repeat(np.arange(5), 6))
    assert in_clusters.value == 1
    assert math.isnan(in_clusters.low)
    assert math.isnan(statistics.mean([2.0, 2.0, 2.0]).low)
    for number in (9, 40):  # few, and enough for the bootstrap
        assert math.isnan(statistics.slope(range(number), range(number)).low)
        assert math.isnan(statistics.mean([0.1] * number).low)
    assert statistics.share([True] * 30).low < 0.9
    assert math.isnan(statistics.rank_correlation([1] * 9, [1] * 9).value)


def test_above():
    found = Estimate(1.0, 0.5, 1.5, 9)
    assert (found.above(0.4), found.above(1.0), found.above(1.6)) == (True, None, False)
    assert (found.below(0.4), found.below(1.0), found.below(1.6)) == (False, None, True)
    assert words(found, " points") == "1.00 points (0.50 to 1.50)"


def test_so_few_could_not_have_said_otherwise():
    """Three of three lie surely above a quarter; none of three would not surely have lain below."""
    three = statistics.share([True] * 3)
    assert three.low > 0.25
    assert three.above(0.25) is None
    assert statistics.share([True] * 20).above(0.25) is True
    assert statistics.share([False] * 3).below(0.75) is None
    assert statistics.share([False] * 20).below(0.75) is True


def test_share_in_words():
    assert share_words(statistics.share([True] * 22 + [False] * 8)) == "73% of 30 (54 to 88%)"
