"""How often intervals cover the truth, by simulation; and intervals against published ones and SciPy's.

Allowed is what 95% would give within three standard errors of the simulation. Coverage above that is allowed
where a method is known to be cautious, and coverage below nowhere but where it says so.
"""

import math

import numpy as np
import pytest
from scipy import stats

from t1t2_pt.plotting import intervals, statistics

TRIALS = 400
LEAST = 0.95 - 3 * math.sqrt(0.95 * 0.05 / TRIALS)  # 0.917
TIED = 0.5  # variance between clusters, where that between runs is 1


def normal_clusters(rng, number, each, correlation, shared=TIED):
    """Pairs [number * each, 2] with a part of their own and one that their cluster shares, and their clusters."""
    of_run, of_cluster = ([[1, r], [r, 1]] for r in (correlation, 0.5))
    own = rng.multivariate_normal([0, 0], of_run, (number, each))
    common = rng.multivariate_normal([0, 0], of_cluster, number)
    return (own + math.sqrt(shared) * common[:, None]).reshape(-1, 2), np.repeat(np.arange(number), each)


def coverage(interval, truth, trials=TRIALS):
    """The share of intervals, of data drawn by a generator each, that hold the truth."""
    found = [interval(np.random.default_rng(seed)) for seed in range(trials)]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.parametrize(("number", "each"), [(5, 6), (7, 10), (10, 6)])
class TestClusters:
    """As many clusters and runs as Figures 4 to 6 have at the quick and the laptop preset."""

    def test_mean(self, number, each):
        def interval(rng):
            pairs, clusters = normal_clusters(rng, number, each, 0.5)
            return statistics.mean(pairs[:, 0], clusters)

        assert coverage(interval, 0.0) >= LEAST

    def test_runs_taken_for_independent_would_cover_too_seldom(self, number, each, monkeypatch):
        """It can fail: without its clusters, the same interval does."""
        monkeypatch.setattr(intervals, "ENOUGH", math.inf)
        assert coverage(lambda rng: statistics.mean(normal_clusters(rng, number, each, 0.5)[0][:, 0]), 0.0) < 0.85

    @pytest.mark.parametrize("correlation", [0.5, 0.8])
    def test_rank_correlation(self, number, each, correlation):
        # Of all pairs: covariances of a run and of its cluster add up.
        truth = 6 / math.pi * math.asin((correlation + 0.5 * TIED) / (1 + TIED) / 2)

        def interval(rng):
            pairs, clusters = normal_clusters(rng, number, each, correlation)
            return statistics.rank_correlation(*pairs.T, clusters)

        assert coverage(interval, truth) >= LEAST

    def test_slope(self, number, each):
        def interval(rng):
            pairs, clusters = normal_clusters(rng, number, each, 0.5)
            return statistics.slope(*pairs.T, clusters)

        assert coverage(interval, 0.5) >= LEAST

    @pytest.mark.parametrize(("share", "tied"), [(0.5, 0.2), (0.7, 0.2), (0.95, 0.2), (0.95, 0.01)])
    def test_share(self, number, each, share, tied):
        """Beta-binomial hits: `tied` is the correlation of two runs of a cluster."""

        def interval(rng):
            of_cluster = rng.beta(share * (1 / tied - 1), (1 - share) * (1 / tied - 1), number)
            hits = rng.random((number, each)) < of_cluster[:, None]
            return statistics.share(hits.ravel(), np.repeat(np.arange(number), each))

        assert coverage(interval, share) >= LEAST


class TestIndependent:
    @pytest.mark.parametrize("number", [3, 5, 10])
    def test_mean_has_the_t_interval(self, number):
        values = np.random.default_rng(number).standard_normal(number)
        found = statistics.mean(values)
        theirs = stats.ttest_1samp(values, 0).confidence_interval()
        assert (found.low, found.high) == pytest.approx(tuple(theirs))

    def test_share_removed(self):
        """A ratio of sums, of five runs."""

        def interval(rng):
            before = rng.gamma(4, 1, 5)
            return statistics.share_removed(before, 0.2 * before + 0.3 * rng.standard_normal(5))

        assert coverage(interval, 0.8) >= LEAST

    @pytest.mark.parametrize("number", [6, 10, 24])
    @pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
    def test_rank_correlation(self, number, correlation):
        truth = 6 / math.pi * math.asin(correlation / 2)

        def interval(rng):
            return statistics.rank_correlation(
                *rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], number).T
            )

        assert coverage(interval, truth) >= LEAST

    @pytest.mark.parametrize("number", [6, 10, 16])
    def test_median_of_what_is_skewed(self, number):
        assert coverage(lambda rng: statistics.median(rng.exponential(size=number)), math.log(2)) >= LEAST

    @pytest.mark.parametrize(("hits", "number"), [(0, 4), (3, 10), (29, 30), (30, 30)])
    def test_share_is_clopper_and_pearsons(self, hits, number):
        found = statistics.share([True] * hits + [False] * (number - hits))
        theirs = stats.binomtest(hits, number).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


class TestManyClusters:
    """From `ENOUGH` on, SciPy's BCa bootstrap over clusters."""

    def test_is_scipys(self):
        rng = np.random.default_rng(0)
        values = rng.exponential(size=30)
        found = statistics.mean(values)
        theirs = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(1)).confidence_interval
        assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.05)
        assert found == statistics.mean(values)
        assert found.high - found.value > found.value - found.low  # skewed, as the values are

    def test_coverage(self, monkeypatch):
        monkeypatch.setattr(intervals, "RESAMPLES", 300)
        trials = 200

        def interval(rng):
            pairs, clusters = normal_clusters(rng, intervals.ENOUGH, 4, 0.5)
            return statistics.slope(*pairs.T, clusters)

        # A bootstrap of 20 clusters is known to be a little narrow: 93%.
        assert coverage(interval, 0.5, trials) >= 0.93 - 3 * math.sqrt(0.93 * 0.07 / trials)

    def test_few_would_be_covered_too_seldom(self, monkeypatch):
        """Why few clusters are not bootstrapped."""
        monkeypatch.setattr(intervals, "RESAMPLES", 300)
        monkeypatch.setattr(intervals, "ENOUGH", 0)

        def interval(rng):
            pairs, clusters = normal_clusters(rng, 5, 6, 0.5)
            return statistics.mean(pairs[:, 0], clusters)

        assert coverage(interval, 0.0, 200) < LEAST


def test_effective_number():
    """Runs that tell nothing about each other count whole, but for the clusters' few degrees of freedom."""
    alike = [np.repeat(hit, 10) for hit in (1.0, 1.0, 1.0, 0.0, 0.0)]
    assert intervals.effective_number(np.concatenate(alike), alike) < 5
    apart = [np.array([1.0, 0.0] * 5)] * 5
    quantiles = stats.t.ppf(0.975, 49) / stats.t.ppf(0.975, 4)
    assert intervals.effective_number(np.concatenate(apart), apart) == pytest.approx(50 * quantiles**2)
