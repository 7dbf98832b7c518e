"""`T1T2Classifier`: classes, by cross-entropy."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from t1t2_pt.sklearn.base import Array, T1T2Estimator
from t1t2_pt.sklearn.described import described
from t1t2_pt.sklearn.design import CLASSIFICATION
from t1t2_pt.sklearn.parameters import ParameterError
from t1t2_pt.sklearn.predicting import softmax


class T1T2Classifier(ClassifierMixin, T1T2Estimator):
    """A multilayer perceptron for classes that tunes its own noise and penalties by T1-T2 in one fit."""

    _task = CLASSIFICATION
    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: str = "relu",
        input_noise: Any = 1.0,
        hidden_noise: Any = 1.0,
        l2: Any = 0.1,
        tune: Any = True,
        per_feature: Any = False,
        bounds: Any = None,
        learning_rate_init: float = 5e-3,
        hyper_learning_rate: float = 0.05,
        interval: int = 1,
        max_iter: int = 200,
        validation: str = "auto",
        n_folds: int = 5,
        validation_fraction: float = 0.2,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        n_networks: int | None = None,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation=activation,
            input_noise=input_noise,
            hidden_noise=hidden_noise,
            l2=l2,
            tune=tune,
            per_feature=per_feature,
            bounds=bounds,
            learning_rate_init=learning_rate_init,
            hyper_learning_rate=hyper_learning_rate,
            interval=interval,
            max_iter=max_iter,
            validation=validation,
            n_folds=n_folds,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            n_networks=n_networks,
            warm_start=warm_start,
            random_state=random_state,
            backend=backend,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Tune the hyperparameters, then train on all samples.

        Parameters
        ----------
        X
            [samples, features], dense and finite: arrays, or tables of pandas or polars.
        y
            [samples], labels of any kind.
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

    def predict_proba(self, X: Any) -> npt.NDArray[np.floating]:
        """Probabilities [samples, classes] in the order of `classes_`, means over the networks."""
        logits, dtype = self._raw(X)
        return softmax(logits).mean(axis=0).astype(dtype)

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.floating]:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample, [samples]."""
        numbers = np.argmax(self.predict_proba(X), axis=1)
        return self.classes_[numbers]

    def _encoded(self, y: Array, weights: Array) -> Array:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        there = weights > 0
        classes, found = np.unique(y[there], return_inverse=True)
        if self.warm_start and hasattr(self, "classes_") and not np.array_equal(classes, self.classes_):
            remedy = "fit the same classes, or set warm_start=False"
            raise ParameterError("y", list(classes), f"has other classes than before, {list(self.classes_)}", remedy)
        self.classes_ = classes
        numbers = np.zeros(len(y))
        numbers[there] = found
        self._class_factors = np.asarray(
            compute_class_weight(self.class_weight, classes=classes, y=y[there], sample_weight=weights[there]), float
        )
        if not (np.isfinite(self._class_factors).all() and (self._class_factors >= 0).all()):
            raise ParameterError("class_weight", self.class_weight, "has weights below 0", "give numbers of 0 or more")
        return numbers[:, None]

    def _factors(self, targets: Array) -> Array:
        return self._class_factors[targets[:, 0].astype(int)]

    def _encoded_validation(self, y: Any) -> Array:
        y = column_or_1d(y, warn=True)
        numbers = {label: number for number, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in y.tolist() if label not in numbers]
        if unknown:
            problem = f"is a class that y does not have ({', '.join(map(str, self.classes_))})"
            raise ParameterError("y_val", unknown[0], problem, "give samples of known classes")
        return np.array([numbers[label] for label in y.tolist()], float)[:, None]

    def _outputs(self) -> int:
        return len(self.classes_)


_CLASS_WEIGHT = """
    class_weight
        {class: weight}, "balanced", or None for 1."""
_CLASSES = """
    classes_ : array
        The labels, sorted."""
T1T2Classifier.__doc__ = described(T1T2Classifier.__doc__, class_weight=_CLASS_WEIGHT, classes=_CLASSES)
