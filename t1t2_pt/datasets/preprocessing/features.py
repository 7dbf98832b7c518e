"""Each feature (a pixel of a channel, a column of a table) by itself: shifted and scaled by what it is on T1.

Grey levels, which are uint8, start in [0, 1]; other numbers as they are.
"""

from collections.abc import Mapping

import numpy as np

from t1t2_pt.datasets.preprocessing.fitting import Fitted, Numbers
from t1t2_pt.datasets.preprocessing.piecewise import pieces

WHITE = 255


def is_grey(samples: np.ndarray) -> bool:
    """Whether these are grey levels."""
    return samples.dtype == np.uint8


def plain(samples: np.ndarray) -> np.ndarray:
    """Grey levels in [0, 1], or other numbers as they are."""
    return samples.astype(np.float32) / np.float32(WHITE) if is_grey(samples) else samples.astype(np.float32)


def _plain(numbers: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    return plain(part)


def _mean(t1: np.ndarray) -> Numbers:
    if is_grey(t1):
        return {"mean": plain(t1).mean(axis=0, dtype=np.float64).astype(np.float32)}
    return {"mean": t1.mean(axis=0, dtype=np.float64)}


def _centred(numbers: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    if is_grey(part):
        return plain(part) - numbers["mean"]
    return _shifted_and_scaled({"shift": numbers["mean"], "scale": np.ones(())}, part)


def _mean_and_deviation(t1: np.ndarray) -> Numbers:
    if not is_grey(t1):
        mean = t1.mean(axis=0, dtype=np.float64)
        # Rounding would leave a constant feature a deviation.
        spread = np.where(t1.min(axis=0) == t1.max(axis=0), 0, t1.std(axis=0, dtype=np.float64))
        return _shift_and_scale(mean, spread)
    total = np.zeros(t1.shape[1:], np.int64)
    squares = np.zeros(t1.shape[1:], np.int64)
    for piece in pieces(len(t1)):
        levels = t1[piece].astype(np.int64)
        total += levels.sum(axis=0)
        squares += (levels**2).sum(axis=0)
    # n² times the variance: in whole numbers, so that a constant feature has exactly 0.
    spread = np.sqrt((len(t1) * squares - total**2).astype(np.float64)) / len(t1)
    return _shift_and_scale(total / len(t1), spread)


def _range(t1: np.ndarray) -> Numbers:
    low = t1.min(axis=0).astype(np.float64)
    return _shift_and_scale(low, t1.max(axis=0) - low)


def _shift_and_scale(shift: np.ndarray, width: np.ndarray) -> Numbers:
    return {"shift": shift, "scale": np.divide(1, width, out=np.zeros_like(width), where=width > 0)}


def _shifted_and_scaled(numbers: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    """(x - shift) * scale."""
    result = np.empty(part.shape, np.float32)
    for piece in pieces(len(part)):
        result[piece] = (part[piece] - numbers["shift"]) * numbers["scale"]
    return result


METHODS = {
    "none": Fitted(_plain),
    # Less the mean of T1 of each feature.
    "centre": Fitted(_centred, _mean),
    # Each feature with mean 0 and variance 1 on T1; features that are constant there are 0 everywhere.
    "standardise": Fitted(_shifted_and_scaled, _mean_and_deviation),
    # Each feature from 0 to 1 on T1, and beyond where others go beyond; features that are constant there are 0.
    "min-max": Fitted(_shifted_and_scaled, _range),
}
