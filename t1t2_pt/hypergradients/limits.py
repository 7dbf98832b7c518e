"""Limits on the size of gradients."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops import norm


def rescale(gradient: TensorVariable, max_norm: float, square: TensorVariable | None = None) -> TensorVariable:
    """The gradient, shrunk to a Euclidean norm of at most `max_norm` where it is larger.

    Parameters
    ----------
    square
        The norm's square as `finite_squares` gives it, where the caller has it already.
    """
    # The square of a norm in float64 can be beyond float64, and nothing is gained by having it.
    known = square is not None and gradient.dtype != "float64"
    length = pt.sqrt(square) if known else norm(gradient)
    limit, one = (np.asarray(value, dtype=length.dtype) for value in (max_norm, 1))
    return gradient * pt.cast(pt.switch(length > limit, limit / length, one), gradient.dtype)
