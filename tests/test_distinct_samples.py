"""Equal samples are one of a greater weight, and samples are split evenly."""

import numpy as np
import pytest

from t1t2_pt.sklearn.rows import folds, holdout, merged, strata_of


def test_repeating_is_weighting_in_any_order():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), rng.integers(0, 2, (9, 1)).astype(float)
    weights = np.array([0, 1, 2, 3, 1, 1, 0, 2, 1.0])
    order = rng.permutation(9)
    kept, found = merged(x[order], y[order], weights[order])
    times = weights.astype(int)
    repeated = np.repeat(x, times, axis=0), np.repeat(y, times, axis=0)
    again, counted = merged(*repeated, np.ones(times.sum()))
    np.testing.assert_array_equal(x[order][kept], repeated[0][again])
    np.testing.assert_array_equal(found, counted)
    assert found.sum() == weights.sum()


def test_samples_of_other_targets_stay_apart_and_minus_zero_is_zero():
    x = np.array([[0.0], [-0.0], [0.0]])
    kept, weights = merged(x, np.array([[1.0], [1.0], [2.0]]), np.ones(3))
    assert sorted(weights) == [1, 2]
    assert len(kept) == 2


@pytest.mark.parametrize("samples", [2, 5, 23, 100])
def test_folds_share_all_samples(samples):
    strata = np.arange(samples) % 3
    parts = folds(strata, min(5, samples), np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(samples))
    assert np.ptp([len(part) for part in parts]) <= 1
    if samples >= 23:
        counts = [np.bincount(strata[part], minlength=3) for part in parts]
        assert np.ptp(counts, axis=0).max() <= 1


@pytest.mark.parametrize(("samples", "fraction", "size"), [(2, 0.2, 1), (10, 0.2, 2), (10, 0.99, 9), (200, 0.1, 20)])
def test_holdout_has_its_share_of_each_stratum(samples, fraction, size):
    strata = np.arange(samples) % 2
    t1, t2 = holdout(strata, fraction, np.random.default_rng(0))
    assert sorted(np.concatenate([t1, t2])) == list(range(samples))
    assert len(t2) == size
    if samples == 200:
        assert np.bincount(strata[t2]).tolist() == [10, 10]


def test_strata_of_numbers_are_ten_groups_by_size():
    found = strata_of(np.arange(50.0)[::-1, None], classes=False)
    assert np.bincount(found).tolist() == [5] * 10
    assert found[0] == 9
