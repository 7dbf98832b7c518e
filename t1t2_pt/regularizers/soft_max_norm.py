"""Soft max-norm: slope * sum over units of max(0, |w| - cutoff)**2, w the weights that lead to a unit.

Both the cutoff and the slope can be tuned. Where no unit's norm exceeds the cutoff there is no hypergradient.
"""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import WEIGHTS
from t1t2_pt.regularizers.regularizer import Hyperparameter, Regularizer, StepSize, sum_by_unit

TINY = 1e-30  # under the root, so that its derivative at 0 is finite


class SoftMaxNorm(Regularizer):
    """The authors' program has it as LmaxCutoff and LmaxSlope."""

    def penalty(self, weights: Sequence[TensorVariable], *levels: Sequence[TensorVariable]) -> TensorVariable:
        """A scalar; cutoff and slope of each layer are scalars or [units]."""
        terms = []
        for w, cutoff, slope in zip(weights, *levels, strict=True):
            tiny, zero = (np.asarray(value, dtype=w.dtype) for value in (TINY, 0))
            norms = pt.sqrt(sum_by_unit(pt.sqr(w)) + tiny)
            terms.append((slope * pt.sqr(pt.maximum(norms - cutoff, zero))).sum())
        return sum(terms[1:], terms[0])


REGULARIZERS = (
    SoftMaxNorm(
        (
            Hyperparameter(
                name="soft_max_norm_cutoff",
                symbol="cutoff",
                help="norm of a unit's weights above which soft max-norm penalises it (needs soft_max_norm_slope)",
                label="cutoff of the soft max-norm",
                places=WEIGHTS,
                step_size=StepSize("cutoff_learning_rate", 1e-2, "soft max-norm cutoff"),
            ),
            Hyperparameter(
                name="soft_max_norm_slope",
                symbol="slope",
                help="strength of soft max-norm, slope * sum(max(0, |w| - cutoff)**2) (needs soft_max_norm_cutoff)",
                label="slope of the soft max-norm",
                places=WEIGHTS,
                step_size=StepSize("slope_learning_rate", 1e-4, "soft max-norm slope"),
                margin=(1e-4, 0.2),
            ),
        )
    ),
)
