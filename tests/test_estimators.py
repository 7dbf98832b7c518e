"""The estimators keep scikit-learn's conventions, tune, and say in one line what was wrong."""

import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from pytensor.compile.mode import Mode
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from t1t2_pt.backends import BACKENDS
from t1t2_pt.backends.exported import Exported
from t1t2_pt.backends.host import HostBackend
from t1t2_pt.sklearn import T1T2Classifier, T1T2Regressor, estimating
from t1t2_pt.system.errors import InputError

IRIS, NAMES = load_iris(as_frame=True, return_X_y=True)[0], load_iris().target_names[load_iris().target]
LEVELS = ("input_noise", "hidden_noise", "l2")
SMALL = {"hidden_layer_sizes": 8, "max_iter": 4, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    return T1T2Classifier(**SMALL).fit(IRIS, NAMES)


@pytest.fixture(scope="module")
def regressor():
    x, y = load_diabetes(return_X_y=True)
    return T1T2Regressor(**SMALL).fit(x, y)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [T1T2Classifier, T1T2Regressor])
def test_all_of_scikit_learns_checks(kind):
    found = estimator_checks.check_estimator(kind(), on_skip=None)
    assert {one["status"] for one in found} <= {"passed", "skipped"}
    assert {one["check_name"] for one in found if one["status"] == "skipped"} <= {"check_array_api_input"}


@pytest.mark.parametrize("kind", [T1T2Classifier, T1T2Regressor])
@pytest.mark.parametrize(
    "check",
    [
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_estimators_unfitted",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_sample_weights_shape",
        "check_dict_unchanged",
        "check_fit2d_1sample",
        "check_methods_subset_invariance",
    ],
)
def test_some_of_scikit_learns_checks(kind, check):
    estimator = kind() if "constructible" in check or "init" in check else kind(**SMALL)
    getattr(estimator_checks, check)(kind.__name__, estimator)


def test_attributes(fitted, regressor):
    assert fitted.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert fitted.n_features_in_ == 4
    assert fitted.feature_names_in_.tolist() == list(IRIS)
    assert fitted.n_iter_ == 4
    assert {name: np.shape(level) for name, level in fitted.hyperparameters_.items()} == {
        "input_noise": (),
        "hidden_noise": (1,),
        "l2": (2,),
    }
    assert all(len(column) == 4 for column in fitted.history_.values())
    assert set(fitted.predict(IRIS)) <= set(fitted.classes_)
    np.testing.assert_allclose(fitted.predict_proba(IRIS).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(IRIS)), fitted.predict_proba(IRIS))
    assert len(regressor.networks_) == 5
    assert regressor.networks_[0]["weights_0"].shape == (10, 8)
    assert regressor.networks_[0]["weights_1"].shape == (8, 1)


def test_it_tunes_from_strong_regularisation_and_learns():
    model = T1T2Classifier(hidden_layer_sizes=8, random_state=0, max_iter=150).fit(IRIS, NAMES)
    assert model.score(IRIS, NAMES) > 0.95
    assert model.hyperparameters_["l2"].max() < 0.05
    assert model.history_["validation_cost"][-1] < 0.3 * model.history_["validation_cost"][0]


def test_tables_of_any_kind_are_the_same_data(fitted):
    again = T1T2Classifier(**SMALL).fit(pl.from_pandas(IRIS), pl.Series(list(NAMES)))
    assert again.feature_names_in_.tolist() == list(IRIS)
    np.testing.assert_array_equal(again.predict_proba(pl.from_pandas(IRIS)), fitted.predict_proba(IRIS))
    shuffled = np.random.default_rng(0).permutation(len(IRIS))
    other = T1T2Classifier(**SMALL).fit(IRIS.iloc[shuffled], pd.Series(NAMES[shuffled]))
    np.testing.assert_allclose(other.predict_proba(IRIS), fitted.predict_proba(IRIS), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_have_the_dtype_of_what_is_given(fitted, regressor, dtype):
    assert fitted.predict_proba(IRIS.astype(dtype)).dtype == dtype
    assert regressor.predict(np.zeros((2, 10), dtype)).dtype == dtype


def test_copies_and_stored_ones_are_equal(fitted):
    stored = pickle.dumps(fitted)
    assert b"jax" not in stored
    np.testing.assert_array_equal(pickle.loads(stored).predict_proba(IRIS), fitted.predict_proba(IRIS))
    with pytest.raises(NotFittedError):
        clone(fitted).predict(IRIS)


def test_one_shape_compiles_once(monkeypatch):
    """Ten fits of shapes that are padded to the same: two programs, one that tunes and one that does not."""
    made, before = [], Exported.compiled

    def counted(self, *arguments):
        made.append(self)
        return before(self, *arguments)

    monkeypatch.setattr(Exported, "compiled", counted)
    rng = np.random.default_rng(0)
    for features in range(1, 11):
        x = rng.standard_normal((60 + features, features))
        T1T2Classifier(**{**SMALL, "max_iter": 1}).fit(x, x[:, 0] > 0)
    assert len(made) <= 2  # none, where other tests have made them


@pytest.mark.slow
def test_searches_in_parallel():
    grid = {"t1t2classifier__activation": ["relu"], "t1t2classifier__l2": [0.1, 0.01]}
    search = GridSearchCV(make_pipeline(StandardScaler(), T1T2Classifier(**SMALL)), grid, cv=2, n_jobs=2)
    assert search.fit(IRIS, NAMES).best_score_ > 0.3
    assert len(cross_val_score(T1T2Classifier(**SMALL), IRIS, NAMES, cv=2, n_jobs=2)) == 2


def test_metadata_is_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        model = T1T2Classifier(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"l2": [0.1]}, cv=2).fit(IRIS, NAMES, sample_weight=np.ones(150))
    assert np.isfinite(search.best_score_)


def test_weights_of_zero_are_no_samples_and_class_weights_count(fitted):
    weights = (NAMES != "setosa").astype(float)
    model = T1T2Classifier(**SMALL).fit(IRIS, NAMES, sample_weight=weights)
    assert model.classes_.tolist() == ["versicolor", "virginica"]
    heavy = T1T2Classifier(**SMALL, class_weight={"setosa": 1000, "versicolor": 1, "virginica": 1}).fit(IRIS, NAMES)
    assert (heavy.predict(IRIS) == "setosa").sum() > 100


def test_own_validation():
    model = T1T2Classifier(**SMALL).fit(IRIS[::2], NAMES[::2], X_val=IRIS[1::2], y_val=NAMES[1::2])
    assert len(model.networks_) == 1


@pytest.mark.slow
def test_holdout_by_intervals():
    held = T1T2Classifier(**SMALL, validation="holdout", interval=2, n_networks=2).fit(IRIS, NAMES)
    assert len(held.networks_) == 2
    assert np.isfinite(held.history_["validation_cost"]).all()


def test_levels_per_feature_fixed_and_none():
    model = T1T2Classifier(**SMALL, per_feature=True, tune=["input_noise"], hidden_noise=0).fit(IRIS, NAMES)
    found = model.hyperparameters_
    assert found["input_noise"].shape == found["l2_features"].shape == (4,)
    assert np.ptp(found["input_noise"]) > 0
    np.testing.assert_allclose(found["l2_features"], 0.1, rtol=1e-6)
    assert found["hidden_noise"] == 0


@pytest.mark.parametrize("given", [{"tune": False}, {"tune": np.False_}, dict.fromkeys(LEVELS, 0)])
def test_without_anything_to_tune_it_only_trains(given, monkeypatch):
    calls, before = [], estimating.train
    monkeypatch.setattr(estimating, "train", lambda *arguments: calls.append(arguments) or before(*arguments))
    model = T1T2Classifier(**{**SMALL, **given}).fit(IRIS, NAMES)
    assert len(calls) == 1
    assert list(model.history_) == ["refit_train_cost"]
    assert (model.n_iter_, len(model.networks_)) == (4, 5)
    for name, usual in zip(LEVELS, (1, 1, 0.1), strict=True):
        np.testing.assert_allclose(model.hyperparameters_[name], given.get(name, usual), rtol=1e-15)


def test_fixed_levels_stay_to_the_last_bit():
    model = T1T2Classifier(**SMALL, tune=False, early_stopping=True).fit(IRIS, NAMES)
    np.testing.assert_allclose(model.hyperparameters_["l2"], 0.1, rtol=1e-15)
    assert len(model.history_["validation_cost"]) == 4
    model = T1T2Classifier(**SMALL, tune="input_noise").fit(IRIS, NAMES)
    np.testing.assert_allclose(model.hyperparameters_["l2"], 0.1, rtol=1e-15)
    assert model.hyperparameters_["input_noise"] != 1


def test_bounds_hold():
    model = T1T2Classifier(**SMALL, bounds={"l2": (0.099, 1)}, hyper_learning_rate=1.0).fit(IRIS, NAMES)
    assert model.hyperparameters_["l2"].min() == pytest.approx(0.099, rel=1e-5)


def test_early_stopping_trains_again_up_to_the_best_epoch():
    model = T1T2Classifier(hidden_layer_sizes=8, random_state=0, max_iter=60, early_stopping=True, n_iter_no_change=1)
    model.set_params(tol=0.01).fit(IRIS, NAMES)
    tuned, trained = (len(model.history_[name]) for name in ("validation_cost", "refit_train_cost"))
    assert trained == model.n_iter_ == tuned - 1 < 59
    assert np.argmin(model.history_["validation_cost"]) + 1 in (trained, tuned)


def test_warm_start_goes_on():
    model = T1T2Classifier(**SMALL, warm_start=True).fit(IRIS, NAMES)
    first, cost = model.hyperparameters_["l2"].copy(), model.history_["refit_train_cost"][-1]
    model.fit(IRIS, NAMES)
    assert (model.hyperparameters_["l2"] < first).all()
    assert model.history_["refit_train_cost"][0] < cost * 1.1
    with pytest.raises(ValueError, match="other classes than before"):
        model.fit(IRIS[:100], NAMES[:100])


def test_warm_start_of_another_network_begins_its_weights_anew():
    model = T1T2Classifier(**SMALL, warm_start=True).fit(IRIS, NAMES)
    model.set_params(hidden_layer_sizes=(8, 6), max_iter=1).fit(IRIS, NAMES)
    assert [weights.shape for weights in model.networks_[0].values()] == [(4, 8), (8,), (8, 6), (6,), (6, 3), (3,)]


def test_weights_of_classes_are_those_of_own_validation_too():
    """A class of weight 0 is none there, either."""
    given, own = (IRIS[::2], NAMES[::2]), {"X_val": IRIS[1::2], "y_val": NAMES[1::2]}
    weights = {"versicolor": 2, "virginica": 1}
    weighted = T1T2Classifier(**SMALL, class_weight={**weights, "setosa": 0}).fit(*given, **own)
    there, there_own = given[1] != "setosa", own["y_val"] != "setosa"
    rest = {"X_val": own["X_val"][there_own], "y_val": own["y_val"][there_own]}
    model = T1T2Classifier(**SMALL, class_weight=weights).fit(given[0][there], given[1][there], **rest)
    assert weighted.predict_proba(IRIS)[:, 0].max() < 0.4  # nothing was learned of it
    np.testing.assert_allclose(weighted.input_mean_, model.input_mean_)


def test_numbers_of_any_size():
    """Whose squares are no numbers."""
    expected = T1T2Classifier(**SMALL).fit(IRIS.to_numpy(), NAMES)
    for scale in (1e200, 1e-200):
        model = T1T2Classifier(**SMALL).fit(IRIS.to_numpy() * scale, NAMES)
        np.testing.assert_allclose(model.input_scale_, expected.input_scale_ * scale)


@pytest.mark.slow
def test_several_targets():
    x, y = load_diabetes(return_X_y=True)
    model = T1T2Regressor(**SMALL).fit(x, np.stack([y, -y], axis=1))
    assert model.predict(x).shape == (442, 2)


class PlainBackend(HostBackend):
    """PyTensor's operations one by one, by NumPy."""

    name = "plain"

    def mode(self):
        return Mode(linker="py", optimizer="fast_compile")


def test_backends_agree(monkeypatch, fitted):
    """The loop of JAX, and that of the host."""
    monkeypatch.setitem(BACKENDS, "plain", PlainBackend())
    model = T1T2Classifier(**SMALL, backend="plain").fit(IRIS, NAMES)
    np.testing.assert_allclose(model.predict_proba(IRIS), fitted.predict_proba(IRIS), atol=1e-4)
    np.testing.assert_allclose(model.hyperparameters_["l2"], fitted.hyperparameters_["l2"], rtol=1e-3)


WRONG = {
    "l2": (-1, "at least 0"),
    "input_noise": ("much", "neither a number"),
    "hidden_noise": ([1, 2], "one for each layer"),
    "bounds": ({"l2": (1e-3, 1e-2)}, "starts outside its bounds"),
    "tune": ("momentum", "unknown"),
    "per_feature": ("hidden_noise", "unknown"),
    "max_iter": (0, "whole number of at least 1"),
    "validation": ("loo", "give one of auto, cv, holdout"),
    "n_folds": (1, "at least 2"),
    "validation_fraction": (1.0, "share above 0"),
    "backend": ("tpu", "unknown"),
    "hidden_layer_sizes": ((), "names no hidden layer"),
    "activation": ("swish", "give one of relu"),
    "learning_rate_init": (0, "above 0"),
    "hyper_learning_rate": (np.nan, "out of range"),
    "early_stopping": ("yes", "neither True nor False"),
    "n_networks": (0, "at least 1"),
    "interval": (1.5, "whole number"),
    "tol": (None, "is no number"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parameters_are_one_line(name):
    value, words = WRONG[name]
    with pytest.raises(ValueError, match=words) as caught:
        T1T2Classifier(**{**SMALL, name: value}).fit(IRIS, NAMES)
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("l2 =" if name == "bounds" else f"{name} =")


def test_wrong_data_is_one_line(fitted):
    holes = IRIS.copy()
    holes.iloc[3, 1] = np.nan
    for call in (lambda: T1T2Classifier(**SMALL).fit(holes, NAMES), lambda: fitted.predict(holes)):
        with pytest.raises(
            ValueError, match=r"^X = \(150, 4\): contains NaN in row 3, column 1 .*SimpleImputer"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="y_val = None: is missing"):
        T1T2Classifier(**SMALL).fit(IRIS, NAMES, X_val=IRIS)
    with pytest.raises(ValueError, match="a class that y does not have"):
        T1T2Classifier(**SMALL).fit(IRIS, NAMES, X_val=IRIS, y_val=["rose"] * 150)
    with pytest.raises(ValueError, match="y_val = None: is a class that y does not have"):
        T1T2Classifier(**SMALL).fit(IRIS, NAMES, X_val=IRIS, y_val=np.r_[[None], NAMES[1:]])
    with pytest.raises(ValueError, match=r"class_weight = .*: has weights below 0"):
        T1T2Classifier(**SMALL, class_weight=dict.fromkeys(set(NAMES), -1)).fit(IRIS, NAMES)
    with pytest.raises(ValueError, match=r"y = .*: is no type of numbers; give numbers, or use T1T2Classifier"):
        T1T2Regressor(**SMALL).fit(IRIS, NAMES)
    with pytest.raises(TypeError, match="dense data is required"):
        T1T2Classifier(**SMALL).fit(scipy.sparse.csr_array(IRIS.to_numpy()), NAMES)
    with pytest.raises(ValueError, match="training cost was nan in epoch 1; lower it"):
        T1T2Classifier(**SMALL, learning_rate_init=1e30).fit(IRIS, NAMES)


def test_without_scikit_learn_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for name in [name for name in sys.modules if name.startswith("t1t2_pt.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"needs scikit-learn.*pip install 't1t2_pt\[sklearn\]'"):
        import t1t2_pt.sklearn  # noqa: F401
