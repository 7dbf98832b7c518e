"""What the code computes is what its algorithm version says: golden runs of every structure, trained again."""

import math

import golden_runs
import pytest
from conftest import each_backend, need

from t1t2_pt import config
from t1t2_pt.config import ALGORITHM
from t1t2_pt.datasets.preprocessing import contrast_normalisation, whitening
from t1t2_pt.networks import activations, layers
from t1t2_pt.networks import network as networks
from t1t2_pt.optimizers import rules
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.steps import noise
from t1t2_pt.sweeps import verification
from t1t2_pt.sweeps.verification import check_of, verify
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.training import batches, loop

AGAIN = "if results change by more than rounding, raise ALGORITHM, and then run `python tests/golden_runs.py`"
RUNS = read_runs(golden_runs.FILE)
LONG = 10, 11, 12, 14  # whitened, or of deep networks: ten seconds and more each


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> Splits:
    folder = tmp_path_factory.mktemp("golden") / "data"
    golden_runs.write_data(folder)
    return Splits(folder)


@pytest.fixture(autouse=True)
def close(monkeypatch):
    """In a few updates rounding does little: of 10,000 test samples it may move two across a border."""
    absolute = {"test_error": 2e-4}
    monkeypatch.setattr(verification, "tolerance", lambda column: (absolute.get(column, 2e-5), 2e-4))


def problems(runs, backend, splits) -> list[str]:
    return [verdict.problem for verdict in verify([check_of(run, backend) for run in runs], splits, lambda steps: None)]


def test_they_are_of_this_algorithm():
    assert {run.config.algorithm for run in RUNS} == {ALGORITHM}, AGAIN


def test_every_structure_is_there(splits):
    settled = [config.replace(one, data=splits.fingerprint(one.dataset)) for one in golden_runs.configs()]
    assert [run.digest for run in RUNS] == [one.digest() for one in settled], AGAIN


@pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]))
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=[pytest.mark.slow] if place in LONG else []) for place in range(len(RUNS))]
)
def test_golden_run(place, backend, splits):
    assert problems([RUNS[place]], need(backend), splits) == [""], AGAIN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "module", "name", "value"),
    [
        (0, rules, "BETA1", 0.91),
        (0, rules, "BETA2", 0.99),
        (0, rules, "EPSILON", 1e-6),
        (3, rules, "MOMENTUM", 0.91),
        (0, layers, "EPSILON", 1e-3),
        (0, networks, "SOFTMAX_SCALE", 1e-3),
        (2, activations, "LEAK", 0.02),
        (0, noise, "_PARITY", 0x1BD11BDB),
        (0, batches, "_T1_ORDER", 3),
        (0, batches, "_T2_ORDER", 3),
        (10, contrast_normalisation, "SCALE", 50.0),
        (11, whitening, "RIDGE", 0.2),
    ],
    ids=str,
)
def test_what_no_field_says_is_seen(place, module, name, value, tmp_path, monkeypatch):
    """These tests can fail: each constant shows in a golden run."""
    assert math.isfinite(getattr(module, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where programs made of other constants lie
    monkeypatch.setattr(loop, "_programs", {})
    monkeypatch.setattr(module, name, value)
    folder = tmp_path / "data"
    golden_runs.write_data(folder)
    (problem,) = problems([RUNS[place]], need("jax"), Splits(folder))
    assert " was " in problem
