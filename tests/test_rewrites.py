"""Re-association of products: the same values, fewer multiplications, and nothing where nothing is to be gained."""

import itertools

import jax
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import PLAIN
from pytensor.compile.mode import JAX, NUMBA, Mode
from pytensor.graph.fg import FunctionGraph

from t1t2_pt import hypergradient
from t1t2_pt.ops import norm
from t1t2_pt.rewrites import EXACT, FAST, ReassociateProducts, reassociated, reassociation
from t1t2_pt.rewrites.chains import is_product, node_count

RNG = np.random.default_rng(0)


def matrix(name, *shape, dtype="float64"):
    return pt.tensor(name, shape=shape, dtype=dtype)


def cost(graph):
    return sum(node_count(graph, node).guess for node in graph.toposort() if is_product(node))


def rewritten(inputs, outputs, precision=EXACT):
    """The graph after the rewrite alone, and its cost before."""
    graph = FunctionGraph(inputs, [reassociated(output, precision) for output in outputs], clone=True)
    before = cost(graph)
    ReassociateProducts().rewrite(graph)
    return graph, before


def value(graph, inputs, arrays):
    function = pytensor.function(graph.inputs, graph.outputs, mode=PLAIN, on_unused_input="ignore")
    return function(*(arrays[x.name] for x in inputs))


def arrays_for(inputs, seed=0):
    rng = np.random.default_rng(seed)
    return {x.name: rng.standard_normal(x.type.shape).astype(x.dtype) for x in inputs}


def assert_same_and_cheaper(inputs, outputs, expected_cost=None, rtol=1e-10):
    graph, before = rewritten(inputs, outputs)
    arrays = arrays_for(inputs)
    plain = value(FunctionGraph(inputs, outputs, clone=True), inputs, arrays)
    for ours, theirs in zip(value(graph, inputs, arrays), plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-12 * np.abs(theirs).max())
    assert cost(graph) < before
    if expected_cost is not None:
        assert cost(graph) == expected_cost
    return graph


n, k, r, m = 5, 40, 3, 30
x, left, right = matrix("x", n, k), matrix("left", k, r), matrix("right", r, m)
y, weights = matrix("y", n, m), matrix("weights", k, m)
s = pt.scalar("s", dtype="float64")
CHEAP = n * k * r + n * r * m


class TestProducts:
    @pytest.mark.parametrize(
        "product",
        [
            lambda v: x @ v,
            lambda v: (v.T @ x.T).T,
            lambda v: x @ (-v),
            lambda v: x @ (2.0 * v),
            lambda v: x @ (s * v),
            lambda v: x @ (v / s),
            lambda v: (s * x) @ (-(v / s)),
        ],
        ids=["plain", "transposed", "sign", "constant", "scalar", "quotient", "both"],
    )
    @pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
    def test_low_rank_factor(self, product, shared):
        """x (L R) as (x L) R, through whatever scales or transposes, whether L R is needed elsewhere or not."""
        v = left @ right
        outputs = [product(v)] + ([v] if shared else [])
        assert_same_and_cheaper([x, left, right, s], outputs, CHEAP + shared * k * r * m)

    def test_transposed_low_rank_factor(self):
        v = left @ right
        assert_same_and_cheaper([y, left, right], [y @ v.T], n * m * r + n * r * k)

    def test_three_and_four_factors(self):
        a, b, c, d = matrix("a", 20, 2), matrix("b", 2, 20), matrix("c", 20, 20), matrix("d", 20, 1)
        assert_same_and_cheaper([a, b, c, d], [((a @ b) @ c) @ d], 400 + 40 + 40)

    def test_sum_of_products(self):
        """A sum is multiplied term by term where that is cheaper."""
        left2, right2 = matrix("left2", k, r), matrix("right2", r, m)
        v = left @ right - s * (left2 @ right2)
        assert_same_and_cheaper([x, left, right, left2, right2, s], [x @ v], 2 * CHEAP)

    @pytest.mark.parametrize("turned", [False, True], ids=["left", "right"])
    def test_sum_that_is_cheaper_whole(self, turned):
        """(x + s y) (L R) is one chain, not a chain for x and one for y."""
        z = matrix("z", n, k)
        whole, v = x + s * z, left @ right
        assert_same_and_cheaper([x, z, left, right, s], [v.T @ whole.T if turned else whole @ v], CHEAP)

    def test_product_that_is_there_already(self):
        """x (L R + W) when x W is computed anyway costs only the low-rank part."""
        outputs = [x @ (left @ right + weights), x @ weights]
        assert_same_and_cheaper([x, left, right, weights], outputs, CHEAP + n * k * m)

    @pytest.mark.parametrize("batch", [(4, 4, 4), (4, 1, 4), (1, 4, 4), (4, 4, 1)])
    def test_batches(self, batch):
        shapes = [(n, k), (k, r), (r, m)]
        a, b, c = (matrix(name, size, *shape) for name, size, shape in zip("abc", batch, shapes, strict=True))
        assert_same_and_cheaper([a, b, c], [a @ (b @ c)])
        assert_same_and_cheaper([a, b, c], [a @ (-2.0 * (b @ c))])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_type_stays(self, dtype):
        a, b, c = matrix("a", n, k, dtype=dtype), matrix("b", k, r, dtype=dtype), matrix("c", r, m, dtype=dtype)
        graph, _ = rewritten([a, b, c], [a @ (b @ c)])
        assert graph.outputs[0].type == matrix("d", n, m, dtype=dtype).type

    def test_never_where_it_costs_more(self):
        wide_left, wide_right = matrix("wide_left", k, 60), matrix("wide_right", 60, m)
        v = wide_left @ wide_right
        for outputs in ([x @ v, v], [(x @ left) @ right]):
            inputs = [x, left, right, wide_left, wide_right]
            graph, before = rewritten(inputs, outputs)
            assert cost(graph) == before

    def test_an_unknown_size_that_does_not_matter(self):
        """Any number of rows times L R is cheaper from the left, also where they are known by another tensor alone."""
        a, b = pt.matrix("a", dtype="float64"), pt.tensor("b", shape=(None, k), dtype="float64")
        graph, _ = rewritten([a, b, left, right], [(a + b) @ (left @ right)])
        assert not any(node.outputs[0].type.shape == (k, m) for node in graph.toposort() if is_product(node))

    def test_unknown_sizes_that_matter_are_left_alone_and_warned_once(self, caplog):
        """x L R with an unknown rank of L R: which order is cheaper depends on it."""
        low, high = (
            pt.tensor("low", shape=(k, None), dtype="float64"),
            pt.tensor("high", shape=(None, m), dtype="float64"),
        )
        wide = matrix("wide", 500, k)
        reassociation._warned.clear()
        for _ in range(2):
            graph, _ = rewritten([wide, low, high], [wide @ (low @ high)])
            assert any(node.outputs[0].type.shape == (k, m) for node in graph.toposort() if is_product(node))
        graph, _ = rewritten([x, low, high], [x @ (low @ high)])
        assert any(node.outputs[0].type.shape == (k, m) for node in graph.toposort() if is_product(node))
        (record,) = caplog.records
        assert "not all sizes of" in record.message
        assert "low" in record.message

    def test_shared_variables_have_the_sizes_of_their_values(self):
        values = arrays_for([x, left, right])
        shared = [pytensor.shared(values[v.name], name=v.name) for v in (x, left, right)]
        assert shared[0].type.shape == (None, None)
        a, b, c = shared
        graph, _ = rewritten(shared, [a @ (b @ c), b @ c])
        assert cost(graph) == CHEAP + k * r * m
        function = pytensor.function([], [reassociated(a @ (b @ c)), b @ c], mode=PLAIN.including("fast_run"))
        for value_of in (lambda v: v, lambda v: np.ones((v.shape[0] + 1, v.shape[1]))):
            a.set_value(value_of(values["x"]))  # another shape is computed as well
            np.testing.assert_allclose(function()[0], a.get_value() @ values["left"] @ values["right"], rtol=1e-10)

    def test_elementwise_functions_are_not_looked_through(self):
        graph, before = rewritten([x, left, right], [x @ pt.tanh(left @ right)])
        assert cost(graph) == before

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_random_graphs(self, data):
        """Random trees of products, sums, transposes and scalings keep their values and never get dearer."""
        sizes = [2, 3, 9, 17]
        leaves, count = {}, 0

        def leaf(rows, columns):
            nonlocal count
            options = [v for v in leaves.values() if v.type.shape == (rows, columns)]
            if options and data.draw(st.booleans()):
                return options[0]
            count += 1
            leaves[f"m{count}"] = matrix(f"m{count}", rows, columns)
            return leaves[f"m{count}"]

        def tree(rows, columns, depth):
            kind = data.draw(st.sampled_from(["leaf", "product", "product", "sum", "transpose", "scale"]))
            if depth == 0 or kind == "leaf":
                return leaf(rows, columns)
            if kind == "product":
                inner = data.draw(st.sampled_from(sizes))
                return tree(rows, inner, depth - 1) @ tree(inner, columns, depth - 1)
            if kind == "sum":
                return tree(rows, columns, depth - 1) + tree(rows, columns, depth - 1)
            if kind == "transpose":
                return tree(columns, rows, depth - 1).T
            return data.draw(st.sampled_from([-1.0, 0.5])) * tree(rows, columns, depth - 1)

        rows, columns = data.draw(st.sampled_from(sizes)), data.draw(st.sampled_from(sizes))
        shared = tree(rows, columns, 3)
        outputs = [shared, shared.T @ tree(rows, 3, 2), (shared * tree(rows, columns, 2)).sum(), (shared**2).sum()]
        inputs = list(leaves.values())
        graph, before = rewritten(inputs, outputs)
        arrays = arrays_for(inputs, data.draw(st.integers(0, 99)))
        plain = value(FunctionGraph(inputs, outputs, clone=True), inputs, arrays)
        for ours, theirs in zip(value(graph, inputs, arrays), plain, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10 * (1 + np.abs(theirs).max()))
        # Sums may be had for more multiplications and fewer additions, up to the elements they spare.
        assert cost(graph) <= before + 2 * rows * columns


SQUARES = {
    "product": lambda v: (v * v).sum(),
    "square": lambda v: pt.sqr(v).sum(),
    "power": lambda v: (v**2).sum(),
    "norm": lambda v: norm(v) ** 2,
}


class TestSums:
    @pytest.mark.parametrize("square", SQUARES.values(), ids=SQUARES)
    def test_norm_of_a_product(self, square):
        """The square of the norm of L R from the products of L and of R with themselves, in float64."""
        a, b = matrix("left", k, r, dtype="float32"), matrix("right", r, m, dtype="float32")
        graph = assert_same_and_cheaper([a, b], [square(a @ b)], r * r * (k + m), rtol=1e-6)
        assert {node.outputs[0].dtype for node in graph.toposort() if is_product(node)} == {"float64"}
        assert graph.outputs[0].dtype == "float32"

    @pytest.mark.parametrize("square", SQUARES.values(), ids=SQUARES)
    def test_norm_in_float64_is_left_alone(self, square):
        """There is nothing more exact to compute it in."""
        graph, before = rewritten([left, right], [square(left @ right)])
        assert cost(graph) == before

    @pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
    def test_sum_with_a_matrix(self, axis):
        """sum(W * (L R)) with L^T W or W R^T, which the graph computes for others."""
        there = [left.T @ weights, weights @ right.T]
        total = (3.0 * weights * (left @ right)).sum(axis=axis)
        assert_same_and_cheaper([left, right, weights], [total, *there], 2 * k * m * r)

    def test_sum_of_several(self):
        total = (weights * (left @ right) + s * weights * (left @ right)).sum()
        assert_same_and_cheaper([left, right, weights, s], [total, left.T @ weights], k * m * r)

    def test_product_that_stays_anyway(self):
        wide_left, wide_right = matrix("wide_left", k, 60), matrix("wide_right", 60, m)
        v = wide_left @ wide_right
        graph, before = rewritten([wide_left, wide_right], [pt.sqr(v).sum(), v])
        assert cost(graph) == before

    def test_sum_over_a_batch(self):
        a, b = matrix("a", 4, k, r, dtype="float32"), matrix("b", 4, r, m, dtype="float32")
        assert_same_and_cheaper([a, b], [pt.sqr(a @ b).sum(axis=(1, 2))], rtol=1e-6)
        assert_same_and_cheaper([a, b], [pt.sqr(a @ b).sum()], rtol=1e-6)


def step(sizes, batch, dtype, penalty, products):
    """Hypergradients of a small network with clipping, as a graph of inputs."""
    h1, h2 = matrix("x1", batch, sizes[0], dtype=dtype), matrix("x2", batch, sizes[0], dtype=dtype)
    theta = [matrix(f"w{i}", a, b, dtype=dtype) for i, (a, b) in enumerate(itertools.pairwise(sizes))]
    sigma, strength = pt.vector("sigma", shape=(len(theta),), dtype=dtype), pt.scalar("strength", dtype=dtype)
    noise = [matrix(f"e{i}", batch, a, dtype=dtype) for i, a in enumerate(sizes[:-1])]
    inputs = [h1, h2, *theta, sigma, strength, *noise]

    def network(h, noisy):
        for i, w in enumerate(theta):
            h = h + sigma[i] * noise[i] if noisy else h
            z = h @ w
            h = pt.tanh(z - z.mean(axis=0)) if i < len(theta) - 1 else z
        return pt.sqr(h).mean()

    train_cost = network(h1, True) + strength * sum(pt.sqr(w).sum() for w in theta)
    hyper = [sigma, strength] if penalty else [sigma]
    gradients = hypergradient(train_cost, network(h2, False), theta, hyper, max_norm=0.01, products=products)
    return inputs, gradients


TOLERANCES = {"float32": 1e-5, "float64": 1e-10}


@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS")
@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types")  # PyTensor's sums under JAX
@pytest.mark.parametrize(
    ("linker", "dtype", "rtol"),
    [
        *[("jax", *one) for one in TOLERANCES.items()],
        *[
            pytest.param(linker, *one, marks=pytest.mark.slow)  # minutes to compile
            for linker in ("c", "numba")
            for one in TOLERANCES.items()
        ],
    ],
)
def test_hypergradients_stay_the_same(linker, dtype, rtol):
    """Over random networks with clipping on: with the rewrite and without, within PyTensor's own pipeline."""
    modes = {"c": Mode("cvm", "fast_run"), "numba": NUMBA, "jax": JAX}
    widths = np.random.default_rng(7)
    for trial in range(2):
        sizes = [*widths.integers(30, 80, size=3).tolist(), 4]
        inputs, gradients = step(sizes, 6, dtype, penalty=trial == 0, products=FAST if trial == 0 else EXACT)
        values = [a.astype(dtype) for a in arrays_for(inputs, trial).values()]
        values[-len(sizes)] = np.asarray(0.1, dtype)  # the strength
        with jax.enable_x64(True):  # whatever the tests before left it at; constants are converted when compiling
            functions = [
                pytensor.function(inputs, gradients, mode=mode, on_unused_input="ignore")
                for mode in (modes[linker], modes[linker].excluding("reassociate_products"))
            ]
            ours, plain = (function(*values) for function in functions)
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS")
@pytest.mark.parametrize("mode", [Mode("cvm", "fast_run"), NUMBA, JAX], ids=["c", "numba", "jax"])
@pytest.mark.parametrize("products", [EXACT, FAST])
def test_validation_gradient_is_never_formed(mode, products):
    """On for every linker: after the whole pipeline no product has the shape of a weight matrix but those of T1.

    With a penalty, of which the exact way would have to compute H2 W anew in float64, in the fast way only.
    """
    inputs, gradients = step([60, 50, 70, 4], 6, "float32", penalty=products == FAST, products=products)
    counts = []
    for excluded in ((), ("reassociate_products",)):
        # BLAS hides products in Ops of its own, so the count is taken before it.
        optimizer = mode.excluding("BlasOpt", "blas", *excluded).optimizer
        graph = FunctionGraph(inputs, gradients, clone=True)
        with jax.enable_x64(True):  # whatever the tests before left it at
            optimizer.rewrite(graph)
        shapes = [node.outputs[0].type.shape for node in graph.toposort() if is_product(node)]
        counts.append(sum(shape in ((60, 50), (50, 70)) or shape[::-1] in ((60, 50), (50, 70)) for shape in shapes))
    assert counts == [0, 2]
