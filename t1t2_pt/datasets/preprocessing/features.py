"""Each feature (a pixel of a channel) by itself: shifted and scaled by what it is on T1.

All start from grey levels in [0, 1].
"""

import numpy as np

from t1t2_pt.datasets.preprocessing.piecewise import pieces

WHITE = 255


def none(*parts: np.ndarray) -> list[np.ndarray]:
    """Grey levels in [0, 1]."""
    return [part.astype(np.float32) / np.float32(WHITE) for part in parts]


def centre(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Grey levels in [0, 1], less the mean of T1 of each feature."""
    parts = none(t1, *others)
    mean = parts[0].mean(axis=0, dtype=np.float64).astype(np.float32)
    return [part - mean for part in parts]


def standardise(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Each feature with mean 0 and variance 1 on T1; features that are constant there are 0 everywhere."""
    total = np.zeros(t1.shape[1:], np.int64)
    squares = np.zeros(t1.shape[1:], np.int64)
    for piece in pieces(len(t1)):
        levels = t1[piece].astype(np.int64)
        total += levels.sum(axis=0)
        squares += (levels**2).sum(axis=0)
    # n² times the variance: in whole numbers, so that a constant feature has exactly 0.
    spread = np.sqrt((len(t1) * squares - total**2).astype(np.float64)) / len(t1)
    return _shift_and_scale(total / len(t1), spread, t1, *others)


def min_max(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Each feature from 0 to 1 on T1, and beyond where others go beyond; features that are constant there are 0."""
    low = t1.min(axis=0).astype(np.float64)
    return _shift_and_scale(low, t1.max(axis=0) - low, t1, *others)


def _shift_and_scale(shift: np.ndarray, width: np.ndarray, *parts: np.ndarray) -> list[np.ndarray]:
    """(x - shift) / width, and 0 where the width is."""
    scale = np.divide(1, width, out=np.zeros_like(width), where=width > 0)
    results = []
    for part in parts:
        result = np.empty(part.shape, np.float32)
        for piece in pieces(len(part)):
            result[piece] = (part[piece] - shift) * scale
        results.append(result)
    return results


METHODS = {"none": none, "centre": centre, "standardise": standardise, "min-max": min_max}
