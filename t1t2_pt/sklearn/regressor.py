"""`T1T2Regressor`: numbers, by squared error."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array

from t1t2_pt.sklearn.base import Array, T1T2Estimator, check_finite, standardisation
from t1t2_pt.sklearn.described import described
from t1t2_pt.sklearn.design import REGRESSION, Vector
from t1t2_pt.sklearn.parameters import ParameterError


class T1T2Regressor(RegressorMixin, T1T2Estimator):
    """A multilayer perceptron for numbers that tunes its own noise and penalties by T1-T2 in one fit.

    The cost is the squared error of standardised targets, summed over them.
    """

    _task = REGRESSION

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Tune the hyperparameters, then train on all samples.

        Parameters
        ----------
        X
            [samples, features], dense and finite: arrays, or tables of pandas or polars.
        y
            [samples], or [samples, targets].
        sample_weight
            [samples], none negative.
        X_val, y_val
            Samples to tune on in place of a part of X.

        Raises
        ------
        ParameterError
            A ValueError in one line that names the parameter, its value and what to do.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val))

    def predict(self, X: Any) -> npt.NDArray[np.floating]:
        """Targets [samples], or [samples, outputs] where y had two axes, means over the networks."""
        each, dtype = self._raw(X)
        found = each.mean(axis=0) * self.target_scale_ + self.target_mean_
        return (found[:, 0] if self._flat else found).astype(dtype)

    def _encoded(self, y: Array, weights: Array) -> Array:
        if y.dtype.kind not in "biuf":
            raise ParameterError("y", y.dtype, "is no type of numbers", "give numbers, or use T1T2Classifier")
        check_finite("y", y)
        self._flat = y.ndim == 1
        targets = y.reshape(len(y), -1).astype(np.float64)
        self._targets = targets.shape[1]
        return targets

    def _encoded_validation(self, y: Any) -> Array:
        y = check_array(y, ensure_2d=False, dtype=np.float64, ensure_all_finite=False)
        check_finite("y_val", y)
        if y.reshape(len(y), -1).shape[1] != self._targets:
            raise ParameterError("y_val", y.shape, f"has other targets than y, {self._targets}", "give as many columns")
        return y.reshape(len(y), -1)

    def _standardised(self, targets: Array, weights: Vector) -> Array:
        self.target_mean_, self.target_scale_ = standardisation(targets, weights)
        return (targets - self.target_mean_) / self.target_scale_

    def _outputs(self) -> int:
        return self._targets

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


_TARGETS = """
    target_mean_, target_scale_ : arrays
        Of the targets, which are standardised, too."""
T1T2Regressor.__doc__ = described(T1T2Regressor.__doc__, targets=_TARGETS)
