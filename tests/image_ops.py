"""What the tests of convolution and pooling share: JAX's own, and derivatives of all orders."""

import numpy as np
import pytensor.tensor as pt

BORDERS = ["valid", "full", "same", 1, (2, 0), ((0, 2), (1, 0))]


def zeros(border, sizes, kernel, stride):
    """A border as JAX takes it."""
    if border == "full":
        return [(k - 1, k - 1) for k in kernel]
    if isinstance(border, str):
        return border.upper()
    border = (border, border) if isinstance(border, int) else border
    return [(side, side) if isinstance(side, int) else side for side in border]


def reference(x, w, stride, border):
    import jax

    strides = (stride, stride) if isinstance(stride, int) else stride
    padding = zeros(border, x.shape[2:], w.shape[2:], strides)
    return jax.lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=("NCHW", "OIHW", "NCHW"))


def orders(forward, grad, tanh, inputs, directions):
    """A non-linear scalar of `forward`, and its gradients of first to third order along directions.

    Written once for both libraries: `grad(cost, inputs)` differentiates a function or a graph.
    """
    functions = [lambda *v: tanh(forward(*v)).sum()]
    for _ in range(3):
        before = functions[-1]

        def along(*v, before=before):
            return sum((g * d).sum() for g, d in zip(grad(before, v), directions, strict=True))

        functions.append(along)
    return [grad(f, inputs) for f in functions[:3]]


def jax_orders(forward, inputs, directions):
    import jax
    import jax.numpy as jnp

    def grad(f, v):
        return jax.grad(f, argnums=tuple(range(len(v))))(*v)

    with jax.enable_x64(True):
        arrays = [jnp.asarray(v) for v in inputs]

        def everything(*v):
            return forward(*v), orders(forward, grad, jnp.tanh, v, directions)

        # XLA's simplifier aborts the process on some of these derivatives.
        compiled = jax.jit(everything).lower(*arrays).compile({"xla_disable_hlo_passes": "algsimp"})
        y, results = compiled(*arrays)
        return [np.asarray(y), *(np.asarray(g) for order in results for g in order)]


def graph_orders(forward, symbols, directions):
    def grad(f, v):
        return pt.grad(f(*v), list(v))

    results = orders(forward, grad, pt.tanh, symbols, [pt.constant(d) for d in directions])
    return [forward(*symbols), *(g for order in results for g in order)]


def symbols_of(values, static=True):
    return [
        pt.tensor(f"v{i}", shape=value.shape if static else (None,) * value.ndim, dtype="float64")
        for i, value in enumerate(values)
    ]


def make_case(rng, batch=2, maps=(3, 2), image=(7, 6), kernel=(3, 3)):
    shapes = [(batch, maps[0], *image), (maps[1], maps[0], *kernel)]
    return [rng.standard_normal(shape) for shape in shapes], [rng.standard_normal(shape) for shape in shapes]


def assert_same(ours, expected):
    for number, (a, b) in enumerate(zip(ours, expected, strict=True)):
        assert np.shape(a) == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * max(1, np.abs(b).max()), err_msg=str(number))
