"""Distinct samples, and how they are split.

A sample that is there twice is a sample of twice the weight: equal rows are merged before anything else, in an order
that does not depend on how they were given. So repeating a sample and weighting it are the same to the last bit, and no
sample lies in T1 and in T2 at once.
"""

import numpy as np
import numpy.typing as npt

from t1t2_pt.sklearn.training import Rows


def merged(
    inputs: npt.NDArray[np.floating], targets: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]
) -> tuple[Rows, npt.NDArray[np.floating]]:
    """The first of each group of equal samples of weight above 0, in an order of their own, and the groups' weights.

    Parameters
    ----------
    inputs, targets, weights
        [samples, features], [samples, outputs], [samples].
    """
    kept = np.flatnonzero(weights > 0)
    together = np.concatenate([targets[kept], inputs[kept]], axis=1).astype(np.float64) + 0.0  # -0 is 0
    # By their bytes: sorting real rows column by column takes ten times as long.
    whole = np.ascontiguousarray(together).view([("row", f"V{together.shape[1] * together.itemsize}")])["row"][:, 0]
    _, first, groups = np.unique(whole, return_index=True, return_inverse=True)
    return kept[first], np.bincount(groups.reshape(-1), weights[kept], minlength=len(first))


def folds(strata: npt.NDArray[np.integer], count: int, rng: np.random.Generator) -> list[Rows]:
    """Numbers of samples in `count` parts of about one size, each stratum spread evenly over them."""
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    return [np.sort(order[place::count]) for place in range(count)]


def holdout(strata: npt.NDArray[np.integer], fraction: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """T1 and T2: of each stratum about this share is T2, of all at least one sample, and one is left."""
    samples = len(strata)
    size = min(max(1, round(fraction * samples)), samples - 1)
    shuffled = rng.permutation(samples)
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    chosen = order[(np.arange(size) * samples + samples // 2) // size]
    return np.setdiff1d(np.arange(samples), chosen), np.sort(chosen)


def strata_of(targets: npt.NDArray[np.floating], classes: bool) -> npt.NDArray[np.integer]:
    """The classes; of numbers ten groups by their size."""
    if classes:
        return targets[:, 0].astype(np.intp)
    ranks = np.argsort(np.argsort(targets[:, 0], kind="stable"), kind="stable")
    return ranks * 10 // len(ranks)
