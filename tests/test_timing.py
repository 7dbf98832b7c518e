"""The times of Section 2.2: what is measured, what follows from it, and that it is measured once."""

import json

import numpy as np
import pytest
from conftest import need

from t1t2_pt.backends import get_backend
from t1t2_pt.backends.program import Program
from t1t2_pt.config import replace, run_config
from t1t2_pt.runs import provenance
from t1t2_pt.steps.step import make_network
from t1t2_pt.sweeps import timing as module
from t1t2_pt.sweeps.timing import Timing, export_timing, measure, store_timing, stored_timing, timed
from t1t2_pt.system.errors import InputError

pytestmark = pytest.mark.xdist_group("timing")
CONFIG = run_config(
    hidden=(8,),
    input_noise=0.3,
    hidden_noise=0.2,
    tune=("input_noise", "hidden_noise"),
    t1_samples=1000,
    t2_samples=500,
)
TIMING = Timing(10.0, 7.0, 13.0, 26.0, (8,), {"backend": "jax"})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "numba"])
def test_measures_on_a_backend(name):
    found = measure(CONFIG, need(name), rounds=1, turn=0.01)
    assert min(found.backpropagation, found.c2_pass, found.t1, found.t1t2) > 0
    assert found.network == (8,)
    assert found.environment["backend"] == name


def test_what_follows():
    assert TIMING.added == pytest.approx(1.3)
    assert TIMING.overhead(1) == pytest.approx(1.0)
    assert TIMING.overhead(10) == pytest.approx(0.1)


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_parts_compute_what_they_say(statistics):
    """The plain backpropagation is the T1 step with the plainest update; the pass over T2 sees no noise."""
    backend = need("jax")
    config = replace(CONFIG, validation_statistics=statistics)
    network = make_network(config, (784,), 10)
    samples = dict.fromkeys(("t1", "t2", "test"), module.SAMPLES)
    part = module._Part(config, network, samples, part="backpropagation")
    whole = Program(config, network, samples)
    assert part.identity != whole.identity
    assert part.graphs.t1t2 is None
    graphs = part.graphs
    inputs = {**graphs.state, **graphs.per_run, **graphs.data, **graphs.clock, **graphs.rows}
    moved = {name: graphs.t1.new_state[name] for name in ("weights_0", "weights_1", "bias_0", "input_noise")}
    step = backend.function(inputs, {**moved, "cost": graphs.t1.metrics["train_cost"]})
    rng = np.random.default_rng(0)
    values = {name: np.zeros(v.type.shape, v.dtype) for name, v in inputs.items()}
    values |= {name: module.step.initial_state(config, network)[name] for name in graphs.state}
    values["t1_inputs"] = rng.standard_normal(values["t1_inputs"].shape).astype("float32")
    values["t1_rows"] = np.arange(100, dtype="int32")
    values["steps"] = np.float32(1)
    values["interval"] = np.uint32(1)
    before = step(values)
    assert before["input_noise"] == values["input_noise"]
    downhill = {**values, "weights_1": values["weights_1"] + 1e5 * (before["weights_1"] - values["weights_1"])}
    assert step(downhill)["cost"] < before["cost"]  # the same noise, a step of 0.1 down the gradient


def test_is_measured_once(store, monkeypatch):
    said, measured = [], []
    monkeypatch.setattr(module, "measure", lambda config, backend: measured.append(config) or TIMING)
    backend = get_backend("auto")
    for again in (False, False, True):
        assert timed(CONFIG, backend, store, said.append, again) == TIMING
    assert measured == [CONFIG] * 2
    assert len(said) == 2
    other = run_config(**{**CONFIG.as_dict(), "hidden": (9,)})
    assert stored_timing(other, backend, store) is None
    assert store.all() == []


@pytest.mark.parametrize(("name", "value"), [("_processor", "an abacus"), ("usable_cores", 64)])
def test_another_machine_measures_anew(store, monkeypatch, name, value):
    backend = get_backend("auto")
    store_timing(TIMING, CONFIG, backend, store)
    monkeypatch.setattr(provenance, name, lambda: value)
    assert stored_timing(CONFIG, backend, store) is None


def test_damaged_timing_is_told(store):
    backend = get_backend("auto")
    store_timing(TIMING, CONFIG, backend, store)
    with store.writing() as connection, connection:
        connection.execute("UPDATE timings SET timing = '{}'")
    with pytest.raises(InputError, match=r"is damaged: a timing in it cannot be read .*; add --recompute"):
        stored_timing(CONFIG, backend, store)


def test_export(tmp_path):
    path = export_timing(TIMING, tmp_path)
    assert Timing.from_dict(json.loads(path.read_text())) == TIMING
