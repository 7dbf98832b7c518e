"""The backends against each other: one graph, one noise, the same numbers."""

import functools

import numpy as np
import pytest
from conftest import TINY, make_tiny_split, need

from t1t2_pt.backends import BACKENDS, Program, get_backend, run_constants
from t1t2_pt.config import run_config
from t1t2_pt.steps.step import initial_state, make_network
from t1t2_pt.system.errors import InputError

STEPS = 20
NEVER = 10**6
T1T2_METRICS = {
    *("validation_cost", "repaired_hypergradients"),
    *(f"{name}/learning_rate" for name in ("input_noise", "hidden_noise", "l2")),
}
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


def config(seed=0):
    return run_config(
        **TINY,  # of two layers, and of one level a layer, are the golden runs
        input_noise=0.3,
        hidden_noise=0.2,
        l2=1e-3,
        tune=("input_noise", "hidden_noise", "l2"),
        hyper_optimizer="adam",
        noise_learning_rate=0.01,
        l2_learning_rate=1e-4,
        seed=seed,
    )


@functools.cache
def trained(name, dtype, interval):
    """Two runs after 20 steps on a backend: summed metrics, state, evaluation."""
    configs = [config(seed) for seed in (0, 1)]
    split = make_tiny_split(dtype)
    population = compiled(name, dtype).populate(
        split.arrays,
        [{k: v.astype(dtype) for k, v in initial_state(c, network(split)).items()} for c in configs],
        [run_constants(c, dtype) for c in configs],
    )
    rng = np.random.default_rng(0)
    t1_rows = rng.integers(0, 60, (2, STEPS, 10)).astype("int32")
    t2_rows = rng.integers(0, 30, (2, STEPS, 10)).astype("int32")
    sums = population.epoch(0, 2 * STEPS, interval, t1_rows, t2_rows)
    return sums, population.state(), population.evaluate()


@functools.cache
def compiled(name, dtype):
    split = make_tiny_split(dtype)
    return BACKENDS[name].compile(Program(config(), network(split), split.samples, dtype))


def network(split):
    return make_network(config(), split.input_shape, split.classes)


def cases():
    """Every backend, dtype and kind of step; those that do not compile for a minute or more, in every test run."""
    for name in (name for name in BACKENDS if name != "jax"):
        for dtype in TOLERANCE:
            for kind, interval in {"t1": NEVER, "t1t2": 1, "mixed": 3}.items():
                quick = kind == "mixed" and dtype == "float32"  # as the tests of populations below
                marks = [pytest.mark.xdist_group(name), *([] if quick else [pytest.mark.slow])]
                yield pytest.param(name, interval, dtype, marks=marks, id=f"{name}-{kind}-{dtype}")


@pytest.mark.parametrize(("name", "interval", "dtype"), [*cases()])
def test_agrees_with_jax(name, interval, dtype):
    need("jax")
    need(name)
    tolerance = TOLERANCE[dtype]
    for ours, reference in zip(trained(name, dtype, interval), trained("jax", dtype, interval), strict=True):
        # With no T1+T2 step a host loop has no sums of its metrics, and JAX has zeros.
        lacking = set(reference) - set(ours)
        assert lacking == (T1T2_METRICS if interval == NEVER and "train_cost" in reference else set())
        assert not any(np.any(reference[key]) for key in lacking)
        assert set(ours) <= set(reference)
        for key in ours:
            assert np.asarray(ours[key]).shape == np.asarray(reference[key]).shape
            scale = np.abs(reference[key]).max()
            np.testing.assert_allclose(ours[key], reference[key], rtol=tolerance, atol=tolerance * scale, err_msg=key)
            assert np.isfinite(ours[key]).all()


@pytest.mark.xdist_group("jax")
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_steps_move_what_they_should(dtype):
    need("jax")
    before = initial_state(config(), network(make_tiny_split()))
    _, t1, _ = trained("jax", dtype, NEVER)
    _, t1t2, _ = trained("jax", dtype, 1)
    for name in ("input_noise", "hidden_noise", "l2"):
        np.testing.assert_array_equal(t1[name][0], before[name].astype(dtype))
        assert not np.isclose(t1t2[name][0], before[name], rtol=1e-6).any()
    for name in ("weights_0", "bias_1"):
        assert np.abs(t1[name][0] - before[name]).max() > 1e-3
        assert t1[name].dtype == dtype


def test_a_step_is_in_float32_throughout():
    """Nothing of a float32 program but single numbers, such as squares of norms, is float64, on any path through it."""
    from pytensor.compile.mode import JAX
    from pytensor.graph.fg import FunctionGraph

    from t1t2_pt.rewrites import accumulate_in_output_dtype

    split = make_tiny_split()
    program = Program(config(), network(split), split.samples).graphs
    inputs = {**program.state, **program.per_run, **program.data, **program.clock, **program.rows}
    outputs = [*program.t1t2.new_state.values(), *program.t1t2.metrics.values()]
    graph = FunctionGraph(list(inputs.values()), outputs, clone=True)
    JAX.optimizer.rewrite(graph)
    accumulate_in_output_dtype.rewrite(graph)
    double = [v for v in graph.variables if v.dtype == "float64"]
    assert [v for v in double if not all(v.type.broadcastable)] == []
    assert len(double) < 40  # squares of norms and what limits follow from them
    assert "float64" not in {output.dtype for output in graph.outputs}
    accumulators = {getattr(node.op, "acc_dtype", None) for node in graph.apply_nodes}
    assert "float64" not in accumulators


def test_runs_of_a_population_do_not_touch_each_other(backend):
    """Each of two runs ends as it does alone."""
    split = make_tiny_split()
    program = compiled(backend.name, "float32")
    rng = np.random.default_rng(1)
    t1_rows = rng.integers(0, 60, (2, 6, 10)).astype("int32")
    t2_rows = rng.integers(0, 30, (2, 2, 10)).astype("int32")
    states = [initial_state(config(seed), network(split)) for seed in (0, 1)]
    constants = [run_constants(config(seed), "float32") for seed in (0, 1)]

    def train(runs):
        population = program.populate(split.arrays, [states[r] for r in runs], [constants[r] for r in runs])
        population.epoch(0, 6, 3, t1_rows[runs], t2_rows[runs])
        return population.state(("weights_0", "input_noise"))

    together = train([0, 1])
    for run in (0, 1):
        alone = train([run])
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][run], value[0], rtol=2e-5, atol=1e-6)


def test_state_given_is_not_changed(backend):
    split = make_tiny_split()
    state = initial_state(config(), network(split))
    copy = {name: value.copy() for name, value in state.items()}
    population = compiled(backend.name, "float32").populate(split.arrays, [state], [run_constants(config(), "float32")])
    population.epoch(0, 6, 3, np.zeros((1, 2, 10), "int32"), np.zeros((1, 1, 10), "int32"))
    for name, value in state.items():
        np.testing.assert_array_equal(value, copy[name])


class TestChoice:
    def test_auto_takes_the_first_that_is_there(self, monkeypatch):
        assert get_backend("auto").name == next(n for n, b in BACKENDS.items() if b.missing() is None)
        monkeypatch.setattr(type(BACKENDS["jax"]), "missing", lambda self: "JAX")
        assert get_backend("auto").name == "numba"

    def test_missing_backend(self, monkeypatch):
        monkeypatch.setattr(type(BACKENDS["jax"]), "missing", lambda self: "JAX (`pip install jax`)")
        with pytest.raises(InputError, match=r"backend = 'jax': is not installed; install JAX"):
            get_backend("jax")

    def test_c_without_compiler(self, monkeypatch):
        import pytensor

        monkeypatch.setattr(pytensor.config, "cxx", "")
        with pytest.raises(InputError, match=r"backend = 'c': is not installed; install a C\+\+ compiler"):
            get_backend("c")

    def test_unknown_backend(self):
        with pytest.raises(InputError, match=r"backend = 'tpu': is unknown; give auto, jax, numba, c"):
            get_backend("tpu")


def test_jax_float64_setting_is_left_alone():
    """PyTensor's JAX dispatch switches it globally when imported; this package must not."""
    import subprocess
    import sys

    need("jax")
    code = """
import jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", {before})
from t1t2_pt.backends.jax_functions import dispatch
dispatch()
assert jax.config.jax_enable_x64 is {before}
assert jnp.ones(1).dtype == "{dtype}"
"""
    for before, dtype in ((True, "float64"), (False, "float32")):
        subprocess.run([sys.executable, "-c", code.format(before=before, dtype=dtype)], check=True)


def test_jax_compiles_an_epoch_once():
    """The state that an epoch returns fits what was compiled for the state that it started with."""
    need("jax")
    split = make_tiny_split()
    program = compiled("jax", "float32")
    population = program.populate(
        split.arrays, [initial_state(config(), network(split))], [run_constants(config(), "float32")]
    )
    rows = np.zeros((1, 2, 10), np.int32)
    population.epoch(0, STEPS, NEVER, rows, rows)
    known = len(program.epoch._compiled)
    for first in (2, 4):
        population.epoch(first, STEPS, NEVER, rows, rows)
    assert len(program.epoch._compiled) == known
