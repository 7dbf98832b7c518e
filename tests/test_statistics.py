"""Statistics against SciPy's and against what is known."""

import math

import numpy as np
import pytest
from scipy import stats

from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import decide, words

RNG = np.random.default_rng(0)
X = RNG.standard_normal(40)
Y = X + RNG.standard_normal(40)


def test_spearman():
    found = statistics.spearman(X, Y)
    assert found.value == pytest.approx(stats.spearmanr(X, Y).statistic)
    theirs = stats.bootstrap(
        (X, Y),
        lambda x, y: stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.03)
    assert statistics.spearman(X, Y) == found


def test_mean_and_median():
    for ours, theirs in ((statistics.mean, np.mean), (statistics.median, np.median)):
        found = ours(Y)
        assert found.value == theirs(Y)
        assert found.low < found.value < found.high
    error = Y.std() / math.sqrt(len(Y))
    assert statistics.mean(Y).high == pytest.approx(Y.mean() + 1.96 * error, abs=0.4 * error)


def test_interval_covers_the_truth_as_often_as_it_says():
    """95% of normal samples less what the percentile method lacks at n = 30, 2 points; within three standard errors."""
    trials = 400
    found = [statistics.mean(np.random.default_rng(seed).standard_normal(30)) for seed in range(trials)]
    covered = sum(one.low <= 0 <= one.high for one in found)
    error = math.sqrt(0.93 * 0.07 / trials)
    assert covered / trials == pytest.approx(0.93, abs=3 * error)
    # It can fail: intervals three quarters as wide cover too seldom.
    narrower = sum(abs(one.value) <= 0.75 * (one.high - one.low) / 2 for one in found)
    assert narrower / trials < 0.93 - 3 * error


def test_share():
    found = statistics.share([True] * 9 + [False])
    assert found.value == 0.9
    assert (found.low, found.high) == pytest.approx((0.596, 0.982), abs=0.001)  # Wilson's interval
    assert statistics.share([True] * 3).high == 1
    assert math.isnan(statistics.share([]).value)


def test_few_runs_have_no_interval():
    found = statistics.spearman([1, 2, 3], [1, 3, 2])
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert found.above(0) is None
    assert words(found) == "0.50"


def test_what_diverged_does_not_count():
    assert statistics.mean([1.0, math.nan, 3.0]).value == 2
    assert statistics.mean([1.0, math.nan, 3.0]).count == 2


def test_runs_that_are_all_alike():
    assert math.isnan(statistics.spearman([1] * 9, [1] * 9).value)


@pytest.mark.parametrize(("outcome", "verdict"), [(True, "holds"), (False, "does not hold"), (None, "undecided")])
def test_verdicts(outcome, verdict):
    assert decide(outcome) == verdict


def test_above():
    found = statistics.Estimate(1.0, 0.5, 1.5, 9)
    assert (found.above(0.4), found.above(1.0), found.above(1.6)) == (True, None, False)
    assert (found.below(0.4), found.below(1.0), found.below(1.6)) == (False, None, True)
    assert words(found, " points") == "1.00 points (0.50 to 1.50)"
