"""What the two estimators share: their parameters, what a fit does in order, and what it leaves behind."""

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from t1t2_pt.backends import get_backend
from t1t2_pt.sklearn import parameters as check
from t1t2_pt.sklearn.design import BY_FEATURE, CLASSIFICATION, L2_FEATURES, NAMES, Vector
from t1t2_pt.sklearn.estimating import AUTO, CV, HOLDOUT, Fitted, Plan, Problem, fit, networks_of
from t1t2_pt.sklearn.parameters import ParameterError
from t1t2_pt.sklearn.predicting import outputs
from t1t2_pt.sklearn.rows import merged
from t1t2_pt.sklearn.training import Options
from t1t2_pt.system.errors import InputError

Array = npt.NDArray[Any]


class T1T2Estimator(BaseEstimator):
    """A multilayer perceptron that tunes its own noise and penalties while it trains; see its subclasses."""

    _task: str

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
        validation: str = AUTO,
        n_folds: int = 5,
        validation_fraction: float = 0.2,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        n_networks: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        backend: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_noise = input_noise
        self.hidden_noise = hidden_noise
        self.l2 = l2
        self.tune = tune
        self.per_feature = per_feature
        self.bounds = bounds
        self.learning_rate_init = learning_rate_init
        self.hyper_learning_rate = hyper_learning_rate
        self.interval = interval
        self.max_iter = max_iter
        self.validation = validation
        self.n_folds = n_folds
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_networks = n_networks
        self.warm_start = warm_start
        self.random_state = random_state
        self.backend = backend

    # What differs by task.

    def _encoded(self, y: Array, weights: Array) -> Array:
        """Targets [samples, outputs] as numbers to train on."""
        raise NotImplementedError

    def _factors(self, targets: Array) -> Array:
        """What the weights of samples [samples] with these targets are multiplied by."""
        return np.ones(len(targets))

    def _encoded_validation(self, y: Any) -> Array:
        """Targets of own validation samples, by what `_encoded` has learned."""
        raise NotImplementedError

    def _outputs(self) -> int:
        """Classes, or targets."""
        raise NotImplementedError

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any]) -> Self:
        """Everything that `fit` does."""
        plan = self._plan()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X, y = validate_data(
            self,
            X,
            y,
            dtype=(np.float64, np.float32),
            multi_output=True,
            y_numeric=self._task != CLASSIFICATION,
            ensure_all_finite=False,
        )
        check_finite("X", X)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        targets = self._encoded(y, weights)
        kept, weights = merged(X, targets, weights * self._factors(targets))
        if len(kept) < 2:
            raise ParameterError(
                "X", X.shape, f"n_samples = {len(kept)} different ones with weight (one sample)", "give two or more"
            )
        inputs, targets = np.asarray(X[kept], np.float64), targets[kept]
        own = self._own_validation(validation)
        if own is not None:
            usual = (weights / self._factors(targets)).mean()
            inputs, targets = np.concatenate([inputs, own[0]]), np.concatenate([targets, own[1]])
            weights = np.concatenate([weights, usual * self._factors(own[1])])
        self.input_mean_, self.input_scale_ = standardisation(inputs, weights)
        problem = Problem(
            self._task,
            (inputs - self.input_mean_) / self.input_scale_,
            self._standardised(targets, weights),
            weights,
            0 if own is None else len(own[0]),
            self._outputs(),
        )
        before = getattr(self, "networks_", None) if self.warm_start else None
        fitted = fit(problem, plan, self._levels if before is not None else None, before)
        self._keep(fitted)
        return self

    def _standardised(self, targets: Array, weights: Vector) -> Array:
        """Targets to train on."""
        return targets[:, 0].astype(int)

    def _own_validation(self, validation: tuple[Any, Any]) -> tuple[Array, Array] | None:
        given, of = validation
        if given is None and of is None:
            return None
        if given is None or of is None:
            missing = "X_val" if given is None else "y_val"
            raise ParameterError(missing, None, "is missing where its other half is given", "give both, or neither")
        x = validate_data(self, given, reset=False, dtype=(np.float64, np.float32), ensure_all_finite=False)
        check_finite("X_val", x)
        y = self._encoded_validation(of)
        if len(y) != len(x):
            raise ParameterError("y_val", len(y), f"X_val has {len(x)} samples", "give as many targets")
        return np.asarray(x, np.float64), y

    def _keep(self, fitted: Fitted) -> None:
        """The attributes of a fit."""
        features, design = self.n_features_in_, fitted.tuning_design
        self.networks_ = networks_of(fitted.final_design, fitted.final.theta, features, self._outputs())
        self.n_iter_ = fitted.tuned.epochs
        self._levels = fitted.tuned.levels
        self._activation = fitted.final_design.activation
        self.hyperparameters_ = _readable(design.levels, np.exp(fitted.tuned.levels), features)
        self.history_ = {"refit_train_cost": np.array(fitted.final.train_costs)}
        if fitted.tuned.paths:
            paths = [_readable(design.levels, np.exp(path), features) for path in fitted.tuned.paths]
            self.history_ |= {
                "train_cost": np.array(fitted.tuned.train_costs),
                "validation_cost": np.array(fitted.tuned.validation_costs),
                **{name: np.array([path[name] for path in paths]) for name in design.levels},
            }

    def _plan(self) -> Plan:
        """The parameters, checked."""
        check.check_activation(self.activation)
        hidden = check.hidden_sizes(self.hidden_layer_sizes)
        counts = {"input_noise": 1, "hidden_noise": len(hidden), "l2": len(hidden) + 1}
        starts = {name: check.starting_level(name, getattr(self, name), count) for name, count in counts.items()}
        for name in ("learning_rate_init", "hyper_learning_rate"):
            check.check_number(name, getattr(self, name), 0, open_low=True)
        for name, low in (("interval", 1), ("max_iter", 1), ("n_folds", 2), ("n_iter_no_change", 1)):
            check.check_whole(name, getattr(self, name), low)
        check.check_number("tol", self.tol, 0)
        check.check_fraction("validation_fraction", self.validation_fraction)
        check.check_choice("validation", self.validation, (AUTO, CV, HOLDOUT))
        for name in ("early_stopping", "warm_start"):
            check.check_flag(name, getattr(self, name))
        if self.n_networks is not None:
            check.check_whole("n_networks", self.n_networks, 1)
        try:
            backend = get_backend(self.backend).name
        except (InputError, TypeError) as error:
            problem = error.problem if isinstance(error, InputError) else "is no name"
            raise ParameterError("backend", self.backend, problem, "give auto, jax, numba or c") from None
        return Plan(
            hidden,
            self.activation,
            starts,
            check.bounds_of(self.bounds, starts),
            check.names_of("tune", self.tune, NAMES),
            check.names_of("per_feature", self.per_feature, BY_FEATURE),
            self.validation,
            int(self.n_folds),
            float(self.validation_fraction),
            self.n_networks,
            Options(
                int(self.max_iter),
                float(self.learning_rate_init),
                float(self.hyper_learning_rate),
                int(self.interval),
                int(self.n_iter_no_change) if self.early_stopping else None,
                float(self.tol),
                int(check_random_state(self.random_state).randint(2**31 - 1)),
                backend,
            ),
        )

    def _raw(self, X: Any) -> tuple[npt.NDArray[np.float64], npt.DTypeLike]:
        """Outputs of each network, [networks, samples, outputs], and the dtype of X, which results take."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=(np.float64, np.float32), ensure_all_finite=False)
        check_finite("X", x)
        return outputs(self.networks_, self._activation, (x - self.input_mean_) / self.input_scale_), x.dtype


def standardisation(x: Vector, weights: Vector) -> tuple[Vector, Vector]:
    """Weighted mean and standard deviation of each column; 1 for a column that does not change."""
    mean = np.average(x, axis=0, weights=weights)
    largest = np.abs(x - mean).max(axis=0)
    constant = largest <= 1e-12 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    largest = np.where(constant, 1.0, largest)  # squares of very large and very small numbers are none
    deviation = largest * np.sqrt(np.average(np.square((x - mean) / largest), axis=0, weights=weights))
    return mean, np.where(constant, 1.0, deviation)


def _readable(levels: Mapping[str, slice], amounts: Vector, features: int) -> dict[str, Any]:
    """Levels by name, those of padding left out; a number where there is one."""
    found: dict[str, Any] = {}
    for name, place in levels.items():
        values = amounts[place].astype(float)
        if name == L2_FEATURES or (name == "input_noise" and len(values) > 1):
            values = values[:features]
        found[name] = values.item() if name == "input_noise" and len(values) == 1 else values
    return found


def check_finite(name: str, x: Array) -> None:
    """Check that there is neither NaN nor infinity.

    Raises
    ------
    ParameterError
        Naming the first.
    """
    if np.isfinite(x).all():
        return
    places = np.argwhere(~np.isfinite(x))
    first = tuple(int(place) for place in places[0])
    kind = "NaN" if np.isnan(x[first]) else "infinity (inf)"
    where = f"in row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
    remedy = "drop or fill them, for example by sklearn.impute.SimpleImputer in a pipeline"
    raise ParameterError(name, cast(Any, x.shape), f"contains {kind} {where} ({len(places)} not finite)", remedy)
