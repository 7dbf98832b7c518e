"""`Tuner` against steps by hand, its batches, states and history; on every backend where that is marked slow."""

import itertools
import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from bilevel import HOST
from conftest import each_backend, need
from problems import PLAIN
from pytensor.compile.mode import Mode
from tuned import FEATURES, T1, T2, Ridge, data

from t1t2_pt import Tuner, hypergradient, updates
from t1t2_pt.hypergradients import METHODS
from t1t2_pt.system.errors import InputError
from t1t2_pt.tuning import load_state, save_state
from t1t2_pt.tuning.generators import next_states

BATCH, VAL = (T1[0][:12], T1[1][:12]), (T2[0][:8], T2[1][:8])


def adam(steps, rate):
    """Adam in NumPy, as a function of a value and a gradient."""
    state = {"m": 0.0, "v": 0.0, "n": 0}

    def update(value, gradient):
        state["n"] += 1
        state["m"] = 0.9 * state["m"] + 0.1 * gradient
        state["v"] = 0.999 * state["v"] + 0.001 * gradient**2
        corrected = rate * np.sqrt(1 - 0.999 ** state["n"]) / (1 - 0.9 ** state["n"])
        return value - corrected * state["m"] / (np.sqrt(state["v"]) + 1e-8)

    return update


def by_hand(steps, rate=0.05, hyper_rate=0.02):
    """Ridge regression without noise: derivatives written down, Adam in NumPy; T1+T2 every second step."""
    w, b, l2 = np.full(FEATURES, 0.3), 0.0, np.full(FEATURES, 0.1)
    (x, y), (v, u) = BATCH, VAL
    move_w, move_b, move_l2 = adam(steps, rate), adam(steps, rate), adam(steps, hyper_rate)
    costs = []
    for number in range(steps):
        r, s = x @ w + b - y, v @ w + b - u
        costs.append(((r**2).mean() + (l2 * w**2).sum(), (s**2).mean() if number % 2 else None))
        g_w, g_b = 2 * x.T @ r / len(y) + 2 * l2 * w, 2 * r.mean()
        g_l2 = -(2 * v.T @ s / len(u)) * 2 * w
        w, b = move_w(w, g_w), move_b(b, g_b)
        if number % 2:
            l2 = np.maximum(0, move_l2(l2, g_l2))
    return costs, {"w": w, "b": b, "l2": l2}


@pytest.mark.parametrize("backend", each_backend(slow=("c", "numba")))
def test_steps_are_those_by_hand(backend):
    need(backend)
    ridge = Ridge(noisy=False)
    tuner = ridge.tuner(backend=backend, hyper_learning_rate=0.02)
    costs, expected = by_hand(12)
    for number, (train, val) in enumerate(costs):
        assert tuner.due == bool(number % 2)
        found = tuner.step(BATCH, VAL if tuner.due else None)
        np.testing.assert_allclose(found.train, train, rtol=1e-12)
        assert (found.val is None) == (val is None)
        if val is not None:
            np.testing.assert_allclose(found.val, val, rtol=1e-12)
    for name, value in ridge.values().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12)
    assert (expected["l2"] == 0).any()  # some came to their bound
    np.testing.assert_array_equal(tuner.hyperparams["l2"], ridge.l2.get_value())


def test_updates_are_those_by_hand():
    ridge = Ridge(noisy=False)
    v, u = pt.dmatrix("v"), pt.dvector("u")
    val_cost = ridge.error(v, u)
    both = updates(
        ridge.train_cost, val_cost, ridge.params, ridge.hyperparams, learning_rate=0.05, hyper_learning_rate=0.02
    )
    t1t2 = pytensor.function([ridge.x, ridge.y, v, u], [ridge.train_cost, val_cost], updates=both, mode=PLAIN)
    t1 = pytensor.function([ridge.x, ridge.y], ridge.train_cost, updates=both.t1, mode=PLAIN)
    _, expected = by_hand(12)
    for number in range(12):
        t1t2(*BATCH, *VAL) if number % 2 else t1(*BATCH)
    for name, value in ridge.values().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12)
    assert both.memory["steps"].get_value() == 12
    assert both.memory["hyper_steps"].get_value() == 6


def test_both_costs_may_have_inputs_of_their_own():
    """The same steps where the costs share inputs, have their own, and where one has more."""
    results = []
    for kind in ("shared", "apart", "more"):
        ridge = Ridge(noisy=False)
        v, u, scale = pt.dmatrix("v"), pt.dvector("u"), pt.dvector("scale")
        options, batch = {}, BATCH
        if kind == "apart":
            options = {"inputs": ([ridge.x, ridge.y], [v, u]), "val_cost": ridge.error(v, u)}
        if kind == "more":
            weighed = (scale * pt.sqr(ridge.x @ ridge.w + ridge.b - ridge.y)).mean() + (ridge.l2 * ridge.w**2).sum()
            options = {"inputs": ([ridge.x, ridge.y, scale], [ridge.x, ridge.y]), "train_cost": weighed}
            batch = (*BATCH, np.ones(12))
        tuner = ridge.tuner(**options)
        tuner.step(batch, VAL)
        results.append(ridge.values())
    for other in results[1:]:
        for name, value in other.items():
            np.testing.assert_allclose(value, results[0][name], rtol=1e-12)


def test_batches_by_name_and_data_in_shared_variables():
    ridge, other = Ridge(noisy=False), Ridge(noisy=False)
    first = ridge.tuner().step({"y": BATCH[1], "x": BATCH[0]}, dict(zip("xy", VAL, strict=True)))
    costs = other.error(*map(pt.constant, BATCH)) + (other.l2 * other.w**2).sum(), other.error(*map(pt.constant, VAL))
    second = other.tuner(inputs=[], train_cost=costs[0], val_cost=costs[1]).step((), ())
    np.testing.assert_allclose(first, second, rtol=1e-12)
    np.testing.assert_allclose(ridge.w.get_value(), other.w.get_value(), rtol=1e-12)


@pytest.mark.parametrize("backend", each_backend(slow=("c", "numba")))
@pytest.mark.parametrize("method", ["averaged", pytest.param("t1t2", marks=pytest.mark.slow)])
def test_a_run_resumed_equals_one_never_stopped(backend, method, tmp_path):
    need(backend)
    whole, part, rest = Ridge(), Ridge(), Ridge()
    options = {"backend": backend, "method": method, "optimizer": "momentum"}
    run = {"batch_size": 10, "t2_batch_size": 7, "seed": 3, "progress": False}
    expected = whole.tuner(**options).run(T1, T2, 5, **run)
    stopped = part.tuner(**options)
    stopped.run(T1, T2, 2, **run)
    json.dumps({key: value for key, value in stopped.state().items() if key != "arrays"})
    save_state(tmp_path / "state.npz", stopped.state())
    going_on = rest.tuner(**options)
    going_on.restore(load_state(tmp_path / "state.npz"))
    history = going_on.run(T1, T2, 3, **run)
    assert history.equals(expected)
    for name, value in whole.values().items():
        np.testing.assert_array_equal(rest.values()[name], value)
    assert rest.rng.get_value().bit_generator.state == whole.rng.get_value().bit_generator.state


@pytest.mark.parametrize("name", METHODS)
def test_each_method_tunes(name):
    """All that there are, with their defaults, as soon as they are found."""
    ridge = Ridge(noisy=False)
    outputs = {"outputs": ridge.x @ ridge.w + ridge.b} if name == "gauss-newton" else {}
    if outputs:
        ridge.train_cost = pt.sqr(outputs["outputs"] - ridge.y).mean() + (ridge.l2 * ridge.w**2).sum()
    method = METHODS[name](**outputs)
    both = updates(ridge.train_cost, ridge.error(*VAL), ridge.params, ridge.hyperparams, method=method)
    with pytensor.config.change_flags(**HOST):
        step = pytensor.function([ridge.x, ridge.y], [], updates=both, mode=PLAIN)
        step(*BATCH)
        step(*BATCH)
    assert np.isfinite(ridge.l2.get_value()).all()
    assert (ridge.l2.get_value() != 0.1).all()


@pytest.fixture(scope="module")
def tuned():
    """A run of four epochs, and the values after each of them."""
    ridge = Ridge()
    tuner = ridge.tuner(interval=3, hyper_learning_rate={"l2": 0.01, "noise": 0.0})
    seen = []
    tuner.run(T1, T2, 4, batch_size=10, seed=1, progress=False, callback=lambda t: seen.append(ridge.values()))
    return ridge, tuner, seen


class TestRun:
    def test_every_interval_th_step_has_a_row(self, tuned):
        _, tuner, _ = tuned
        assert tuner.steps == 16  # four batches of ten an epoch, what is left over is not used
        assert tuner.history["step"].tolist() == [3, 6, 9, 12, 15]
        assert tuner.history["epoch"].tolist() == [1, 2, 3, 3, 4]

    def test_history_has_the_hyperparameters_after_the_step(self, tuned):
        ridge, tuner, _ = tuned
        last = tuner.history.iloc[-1]
        assert list(tuner.history) == [
            *("step", "epoch", "train_cost", "val_cost", "l2/mean", "l2/min", "l2/max", "noise")
        ]
        l2 = ridge.l2.get_value()
        assert (last["l2/mean"], last["l2/min"], last["l2/max"]) == (l2.mean(), l2.min(), l2.max())
        assert set(tuner.history["noise"]) == {0.5}  # its step size is 0

    def test_callback_sees_new_values_in_shared_variables(self, tuned):
        _, _, seen = tuned
        assert len(seen) == 4
        assert all((a["w"] != b["w"]).all() for a, b in itertools.pairwise(seen))
        assert all(type(values["w"]) is np.ndarray and values["w"].flags.writeable for values in seen)

    def test_values_that_are_set_count(self, tuned):
        ridge, tuner, _ = tuned
        ridge.w.set_value(np.zeros(FEATURES))
        ridge.b.set_value(np.zeros(()))
        tuner.learning_rate = 0.0
        x, y = T1[0][:10], T1[1][:10]
        np.testing.assert_allclose(tuner.step((x, y)).train, (y**2).mean(), rtol=1e-12)
        assert tuner.learning_rate == 0
        ridge.b.set_value(np.array(3.0))
        np.testing.assert_allclose(tuner.step((x, y)).train, ((y - 3) ** 2).mean(), rtol=1e-12)

    def test_a_callback_ends_it(self, tuned):
        _, tuner, _ = tuned
        before = tuner.steps
        tuner.run(T1, T2, 5, batch_size=10, progress=False, callback=lambda t: True)
        assert tuner.steps == before + 4


def products(tuner, batch, val):
    """Matrix products in a T1+T2 step as it is compiled."""
    t1, t2 = tuner._t1.arrays(batch), tuner._t2.arrays(val)
    given = {f"t1_batch: {k}": v for k, v in t1.items()} | {f"t2_batch: {k}": v for k, v in t2.items()}
    step = tuner._stepper._step(given, True)
    mode = Mode("py", "fast_run").excluding("BlasOpt")
    function = pytensor.function([*step.inputs.values()], [*step.outputs.values()], updates=step.updates, mode=mode)
    shapes = [node.outputs[0].type.shape for node in function.maker.fgraph.toposort() if "dot" in str(node.op).lower()]
    return [shape for shape in shapes if len(shape) == 2]


def test_products_are_reordered_without_shapes_from_the_user():
    """The validation gradient, 30 x 20, is not formed where sizes are known from values and batches."""
    rng = np.random.default_rng(0)
    found = {}
    for static in (True, False):
        x, y = pt.dmatrix("x"), pt.dmatrix("y")
        w = pytensor.shared(rng.standard_normal((30, 20)), name="w")
        l2 = pytensor.shared(0.1, name="l2")
        val_cost = pt.sqr(x @ w - y).mean()
        tuner = Tuner(val_cost + l2 * pt.sqr(w).sum(), val_cost, [w], [l2], inputs=[x, y], backend="jax", static=static)
        batch = rng.standard_normal((5, 30)), rng.standard_normal((5, 20))
        found[static] = products(tuner, batch, batch)
    assert sorted(found[True]) == [(5, 20), (5, 20), (30, 20)]  # which is the training gradient
    assert len(found[False]) == 4


class TestConstraints:
    @pytest.mark.parametrize("kind", ["log", "logit", "bounds", "none"])
    def test_moves_on_its_scale(self, kind):
        """One step of plain gradient descent, by the chain rule."""
        w, s = pytensor.shared(np.array([1.0, -2.0]), name="w"), pytensor.shared(0.4, name="s")
        train, val = (s * w**2).sum(), ((w - 1) ** 2).sum()
        (g,) = (float(g.eval(mode=PLAIN)) for g in hypergradient(train, val, [w], [s]))
        options = {"bounds": {"s": (0.3, 0.6)}} if kind == "bounds" else {"transforms": {s: kind}}
        both = updates(train, val, [w], [s], hyper_optimizer="sgd", hyper_learning_rate=0.1, **options)
        pytensor.function([], [], updates=both, mode=PLAIN)()
        assert abs(g) > 3  # over the bound
        expected = {
            "log": 0.4 * np.exp(-0.1 * g * 0.4),
            "logit": 1 / (1 + np.exp(-(np.log(0.4 / 0.6) - 0.1 * g * 0.4 * 0.6))),
            "bounds": np.clip(0.4 - 0.1 * g, 0.3, 0.6),
            "none": 0.4 - 0.1 * g,
        }
        np.testing.assert_allclose(s.get_value(), expected[kind], rtol=1e-12)

    @pytest.mark.parametrize(("kind", "sign"), [("log", 1), ("logit", 1), ("logit", -1)])
    def test_is_never_lost_at_an_end(self, kind, sign):
        """A step to beyond what the dtype has ends where the next can come back from."""
        w, s = pytensor.shared(np.ones(2, "float32"), name="w"), pytensor.shared(np.float32(0.5), name="s")
        for direction in (sign, -sign):
            both = updates(
                *((s * w**2).sum(), np.float32(direction) * w.sum()),
                [w],
                [s],
                transforms=kind,
                learning_rate=0.0,
                hyper_optimizer="sgd",
                hyper_learning_rate=1e6 if direction == sign else 0.1,
            )
            pytensor.function([], [], updates=both, mode=PLAIN)()
            assert 0 < s.get_value() < (np.inf if kind == "log" else 1)


class TestGenerators:
    def test_noise_is_new_in_each_step_and_the_same_again(self):
        costs = []
        for _ in range(2):
            tuner = Ridge().tuner(learning_rate=0.0)
            costs.append([tuner.step(BATCH).train for _ in range(3)])
        assert costs[0] == costs[1]
        assert len(set(costs[0])) == 3

    def test_chains_and_draws_of_both_costs_are_followed(self):
        rng = pytensor.shared(np.random.default_rng(0), name="rng")
        w, s = pytensor.shared(np.ones(3), name="w"), pytensor.shared(0.5, name="s")
        second, a = rng.normal(size=(3,))
        third, b = second.normal(size=(4,))
        fourth, c = third.normal(size=(5,))
        train, val = pt.sqr(w + s * a).sum() + s * b.sum() * w.sum(), pt.sqr(w * c[0]).sum()
        both = updates(train, val, [w], [s])
        assert both[rng] is fourth
        assert both.t1[rng] is third

    def test_a_scan_may_hand_its_generator_on(self):
        rng = pytensor.shared(np.random.default_rng(0), name="rng")

        def walk(h, state):
            following, drawn = pt.random.normal(rng=state, return_next_rng=True)
            return h + drawn, following

        start = pt.constant(np.float64(1))
        (h, after) = pytensor.scan(walk, outputs_info=[start, rng], n_steps=4, return_updates=False)
        assert next_states([h[-1]]) == {rng: after}

    def test_a_scan_that_does_not_is_refused(self):
        rng = pytensor.shared(np.random.default_rng(0), name="rng")
        start = pt.constant(np.float64(1))
        h = pytensor.scan(
            lambda h: h + pt.random.normal(rng=rng, return_next_rng=True)[1],
            outputs_info=[start],
            n_steps=4,
            return_updates=False,
        )
        with pytest.raises(InputError, match=r"rng = 'Scan.*': draws from this generator and does not return its next"):
            next_states([h[-1]])

    def test_other_updates_are_taken_along(self):
        """A running average, in both kinds of steps, and in the state."""
        ridge = Ridge(noisy=False)
        mean = pytensor.shared(np.zeros(FEATURES), name="mean")
        tuner = ridge.tuner(updates={mean: 0.5 * mean + 0.5 * ridge.x.mean(axis=0)})
        tuner.step(BATCH)
        tuner.step(BATCH, VAL)
        np.testing.assert_allclose(mean.get_value(), 0.75 * BATCH[0].mean(axis=0), rtol=1e-12)
        assert any(name.endswith("mean") for name in tuner.state()["arrays"])


def test_batches_of_any_length_on_request():
    tuner = Ridge().tuner(static=False)
    tuner.step(BATCH)
    assert np.isfinite(tuner.step(data(5, 2)).train)


def test_a_float32_graph_that_is_float64_somewhere():
    """A number such as 1e-5 makes float64 of what follows it, and then of gradients of float32 parameters."""
    x, y = pt.fmatrix("x"), pt.fvector("y")
    w, l2 = (
        pytensor.shared(np.full(FEATURES, value, "float32"), name=name) for name, value in (("w", 0.3), ("l2", 0.1))
    )
    val_cost = pt.sqr((x / pt.sqrt(x.var(axis=0) + 1e-5)) @ w - y).mean()
    assert val_cost.dtype == "float64"
    tuner = Tuner(val_cost + (l2 * w**2).sum(), val_cost, [w], [l2], inputs=[x, y], backend="jax")
    before = w.get_value(), l2.get_value()
    tuner.step(*([part.astype("float32") for part in batch] for batch in (BATCH, VAL)))
    for shared, value in zip((w, l2), before, strict=True):
        assert shared.get_value().dtype == np.float32
        assert (shared.get_value() != value).all()
