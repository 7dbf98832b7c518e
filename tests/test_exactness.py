"""Reordered products are as exact as those that are written, over numbers that make rounding show.

Errors are against the same graph in float64. Where the written order happens to round to nothing, as sums of
a few whole numbers do, the other is allowed one unit in the last place of the result, and in products of two
matrices that may both be small by cancellation the square of one unit of what cancels.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import need
from problems import PLAIN
from pytensor.compile.mode import JAX
from pytensor.graph.fg import FunctionGraph

from t1t2_pt import hypergradient
from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.datasets import load_split
from t1t2_pt.networks import costs
from t1t2_pt.ops import norm
from t1t2_pt.rewrites import EXACT, FAST, ReassociateProducts, reassociated
from t1t2_pt.steps import regularization
from t1t2_pt.steps.step import Batch, initial_state, make_network, state_inputs, train_pass
from t1t2_pt.training.loop import train

WORSE = 4
N, K, R, M = 3, 60, 8, 50
LAST_PLACE = float(np.finfo("float32").eps)


def draws(kind: str, seed: int) -> dict[str, np.ndarray]:
    """x [N, K], L [K, R], R [R, M], W [K, M] and a number s, of a kind that is hard to add up."""
    rng = np.random.default_rng(seed)
    x, left, right, w = (rng.standard_normal(shape) for shape in ((N, K), (K, R), (R, M), (K, M)))
    s, half = rng.uniform(0.5, 2), R // 2
    if kind == "near-cancelling product":  # L R is small because its halves cancel
        left[:, half:] = left[:, :half] * (1 + 1e-4 * rng.standard_normal((K, half)))
        right[half:] = -right[:half]
    elif kind == "at an optimum":  # one-hot features, and residuals that add up to nothing in each category
        left = np.eye(K)[:, np.arange(R) % 2]
        right = rng.standard_normal((R, M))
        right -= np.stack([right[c::2].mean(0) for c in range(2)])[np.arange(R) % 2]
    elif kind == "positive and centred":  # activations after a ReLU, errors after batch normalisation
        x, left, right = np.abs(x) + 1, np.abs(left) + 1, right - right.mean(0)
    elif kind == "nearly constant":
        x, left, right = 1 + 0.01 * x, 1 + 0.01 * left, right - right.mean(0)
    elif kind == "rank 1":
        left, right = left[:, :1] * np.ones((1, R)), rng.standard_normal((R, 1)) * right[:1]
    elif kind == "rank 0":
        left, right = np.zeros((K, R)), right
    elif kind == "wide range":
        x, left, right, w = (a * 10 ** rng.uniform(-6, 6, a.shape) for a in (x, left, right, w))
    elif kind == "wide range of rows":
        x, left, right, w = (a * 10 ** rng.uniform(-8, 8, (len(a), 1)) for a in (x, left, right, w))
    elif kind == "small times large":
        x, left, right, s = 1e-18 * x, 1e-18 * left, 1e10 * right, 1e18
    else:
        assert kind == "ordinary"
    values = {"x": x, "left": left, "right": right, "w": w, "s": np.asarray(s)}
    return {name: value.astype("float32") for name, value in values.items()}


KINDS = (
    "ordinary",
    "near-cancelling product",
    "at an optimum",
    "positive and centred",
    "nearly constant",
    "rank 1",
    "rank 0",
    "wide range",
    "wide range of rows",
    "small times large",
)
EXPRESSIONS = {
    "x (L R)": lambda x, left, right, w, s: x @ (left @ right),
    "x (s L R)": lambda x, left, right, w, s: x @ (s * (left @ right)),
    "(s x) (L R)": lambda x, left, right, w, s: (s * x) @ (left @ right),
    "(x / s) (L R / s)": lambda x, left, right, w, s: (x / s) @ ((left @ right) / s),
    "x (W + L R)": lambda x, left, right, w, s: x @ (w + left @ right),
    "L^T (L R - W)": lambda x, left, right, w, s: left.T @ (left @ right - w),
    "sum W L R": lambda x, left, right, w, s: (w * (left @ right)).sum(),
    "sum s W L R": lambda x, left, right, w, s: (s * w * (left @ right)).sum(),
    "sum (L R)^2": lambda x, left, right, w, s: ((left @ right) ** 2).sum(),
    "sum over rows of (L R)^2": lambda x, left, right, w, s: pt.sqr(left @ right).sum(axis=0),
    "norm L R": lambda x, left, right, w, s: norm(left @ right),
    "inner product of two": lambda x, left, right, w, s: ((left @ right) * (left @ (right * 1.5))).sum(),
}
QUADRATIC = ("sum (L R)^2", "sum over rows of (L R)^2", "inner product of two")


def functions(expression, precision):
    """In the order written, in the reordered one, and in float64; and whether the reordered one is another."""
    inputs, results = [], []
    for dtype in ("float32", "float64"):
        shapes = {"x": (N, K), "left": (K, R), "right": (R, M), "w": (K, M), "s": ()}
        given = [pt.tensor(name, shape=shape, dtype=dtype) for name, shape in shapes.items()]
        inputs.append(given)
        results.append(expression(*given))
    reordered = FunctionGraph(inputs[0], [reassociated(results[0], precision)], clone=True)
    ReassociateProducts().rewrite(reordered)
    plain = FunctionGraph(inputs[0], [results[0]], clone=True)
    compiled = [
        pytensor.function(graph.inputs, graph.outputs, mode=PLAIN, on_unused_input="ignore")
        for graph in (plain, reordered)
    ]
    truth = pytensor.function(inputs[1], results[1], mode=PLAIN, on_unused_input="ignore")
    return *compiled, truth, str(plain) != str(reordered)


def spared(name, truth, values, expected):
    """What the reordered expression may be off by even if the written one is exact."""
    one = LAST_PLACE * np.linalg.norm(expected)
    if name not in QUADRATIC:
        return one
    sizes = truth(*(np.abs(value).astype("float64") for value in values.values()))
    return one + LAST_PLACE**2 * np.linalg.norm(sizes)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_exact_is_as_good_as_what_is_written(name):
    plain, reordered, truth, _ = functions(EXPRESSIONS[name], EXACT)
    for kind in KINDS:
        for seed in range(5):
            values = draws(kind, seed)
            expected = truth(*(value.astype("float64") for value in values.values()))
            if not np.all(np.abs(expected) < np.finfo("float32").max):
                continue
            errors = [np.linalg.norm(f(*values.values())[0] - expected) for f in (plain, reordered)]
            allowed = WORSE * errors[0] + spared(name, truth, values, expected)
            assert errors[1] <= allowed or not np.isfinite(errors[0]), (kind, seed, errors)


def test_the_cases_are_reordered():
    """Most of them, or the tests here would say nothing."""
    changed = {name for name, expression in EXPRESSIONS.items() if functions(expression, EXACT)[3]}
    assert changed >= {
        "x (L R)",
        "x (s L R)",
        "(s x) (L R)",
        "(x / s) (L R / s)",
        "x (W + L R)",
        "sum (L R)^2",
        "norm L R",
    }
    changed = {name for name, expression in EXPRESSIONS.items() if functions(expression, FAST)[3]}
    assert changed >= {"x (L R)", "sum (L R)^2", "norm L R"}


@pytest.mark.parametrize("precision", [EXACT, FAST])
@pytest.mark.parametrize("name", [name for name in EXPRESSIONS if name in (*QUADRATIC, "norm L R")])
def test_squares_are_exact_and_never_negative_in_both_ways(name, precision):
    plain, reordered, truth, _ = functions(EXPRESSIONS[name], precision)
    for kind in ("near-cancelling product", "at an optimum", "positive and centred", "nearly constant", "rank 0"):
        for seed in range(20):
            values = draws(kind, seed)
            expected = truth(*(value.astype("float64") for value in values.values()))
            errors = [np.linalg.norm(f(*values.values())[0] - expected) for f in (plain, reordered)]
            assert errors[1] <= WORSE * errors[0] + spared(name, truth, values, expected)
            assert np.all(reordered(*values.values())[0] >= 0)


def test_whole_numbers_and_truth_values_are_left_alone():
    for dtype in ("bool", "int8", "uint8", "int64"):
        a, b, c = (pt.tensor(n, shape=s, dtype=dtype) for n, s in zip("abc", ((3, 40), (40, 2), (2, 30)), strict=True))
        graph = FunctionGraph([a, b, c], [reassociated(a @ (b @ c))], clone=True)
        before = [node.op for node in FunctionGraph([a, b, c], [a @ (b @ c)], clone=True).toposort()]
        ReassociateProducts().rewrite(graph)
        assert [node.op for node in graph.toposort()] == before


def test_scalars_that_raise_the_dtype_are_not_looked_through():
    """float32 matrices times a float64 number make a float64 product."""
    rng = np.random.default_rng(0)
    shapes = {"a": (3, 40), "b": (40, 2), "c": (2, 30)}
    a, b, c = (pt.tensor(name, shape=shape, dtype="float32") for name, shape in shapes.items())
    t = pt.scalar("t", dtype="float64")
    output = a.astype("float64") @ (t * (b @ c))
    graph = FunctionGraph([a, b, c, t], [reassociated(output)], clone=True)
    ReassociateProducts().rewrite(graph)
    values = [rng.standard_normal(shape).astype("float32") for shape in shapes.values()]
    ours, plain = (
        pytensor.function(g.inputs, g.outputs, mode=PLAIN)(*values, np.float64(1 / 3))[0]
        for g in (graph, FunctionGraph([a, b, c, t], [output], clone=True))
    )
    np.testing.assert_allclose(ours, plain, rtol=1e-14)


@pytest.mark.slow
def test_the_training_step_is_as_exact_fast_as_written():
    """Hypergradients of our own networks, before and during training, with and without a limit that binds."""
    need("jax")
    config = run_config(
        hidden=(300, 200),
        input_noise=0.3,
        hidden_noise=(0.3, 0.3),
        l2=1e-4,
        tune=("input_noise", "hidden_noise", "l2"),
        t1_samples=2000,
        t2_samples=500,
        batch_size=50,
        epochs=3,
    )
    split = load_split("mnist", 2000, 500, 0)
    network = make_network(config, split.input_shape, split.classes)
    states = [initial_state(config, network)]

    def after(epoch, snapshot):
        if epoch < 3:
            states.append({name: array[0] for name, array in snapshot().state.items()})

    train([config], split, get_backend("jax"), after)
    rng = np.random.default_rng(0)
    for max_norm in (None, 3.0, 0.05):
        truth, plain, fast = (
            hypergradients_of(config, network, dtype, max_norm, excluded)
            for dtype, excluded in (("float64", True), ("float32", True), ("float32", False))
        )
        errors = {name: [] for name in config.tune}
        for state in states:
            for _ in range(4):
                values = {**state, **batches(split, config, network, rng)}
                expected, *found = (function(values) for function in (truth, plain, fast))
                for name in config.tune:
                    size = np.linalg.norm(expected[name])
                    errors[name].append([np.linalg.norm(one[name] - expected[name]) / size for one in found])
        for name, pairs in errors.items():
            written, ours = np.median(pairs, axis=0)
            assert ours <= WORSE * written, (max_norm, name, written, ours)


def hypergradients_of(config, network, dtype, max_norm, plain):
    """A function from state, batches and noise to the hypergradients, with our rewrite or without."""
    with pytensor.config.change_flags(floatX=dtype):
        state = state_inputs(initial_state(config, network), dtype)
        inputs = {name: pt.tensor(name, shape=(config.batch_size, 784), dtype=dtype) for name in ("x1", "x2")}
        labels = {name: pt.tensor(name, shape=(config.batch_size,), dtype="int32") for name in ("y1", "y2")}
        noise = {
            draw: pt.tensor(f"noise{draw.position}", shape=draw.shape, dtype=dtype)
            for draw in regularization.draws(config, network)
        }
        passed = train_pass(config, network, state, Batch(inputs["x1"], labels["y1"]), noise)
        theta = {name: state[name] for name in network.shapes()}
        gradients = hypergradient(
            passed.cost,
            costs.cross_entropy(network.logits(theta, inputs["x2"]), labels["y2"]),
            list(theta.values()),
            [state[name] for name in config.tune],
            max_norm=max_norm,
            products=FAST,
        )
    given = {**state, **inputs, **labels, **{tensor.name: tensor for tensor in noise.values()}}
    excluded = ("reassociate_products",) if plain else ()
    import jax

    with jax.enable_x64(True):
        function = pytensor.function(
            list(given.values()), gradients, mode=JAX.excluding(*excluded), on_unused_input="ignore"
        )

    def call(values):
        with jax.enable_x64(True):
            results = function(*(np.asarray(values[name], tensor.dtype) for name, tensor in given.items()))
        return dict(zip(config.tune, map(np.asarray, results), strict=True))

    return call


def batches(split, config, network, rng):
    """A batch of T1, one of T2, and noise."""
    values = {}
    for number, name in ((1, "t1"), (2, "t2")):
        rows = rng.choice(split.samples[name], config.batch_size, replace=False)
        values[f"x{number}"] = split.arrays[f"{name}_inputs"][rows].reshape(config.batch_size, -1)
        values[f"y{number}"] = split.arrays[f"{name}_labels"][rows]
    for draw in regularization.draws(config, network):
        values[f"noise{draw.position}"] = rng.standard_normal(draw.shape)
    return values
