"""JAX by hand: `jvp` of `grad`, a jitted loop over the batches on the device, the state donated.

Of the ways to write the mixed derivative, forward over reverse was the fastest. A jitted loop was as
fast as a jitted step called from Python, or faster, except with convolutions, which XLA for CPUs
computes 16 times slower inside loops: there each step is a call. It is compiled with the same XLA
options as ours, with which its T1 step is faster too; its T1+T2 step is on some processors.
"""

import functools

import jax
import jax.numpy as jnp

from benchmarks import problem as p
from benchmarks.problem import ImageProblem, Problem, digest
from t1t2_pt.backends.exported import compiler_options


class Contender:
    def __init__(self, problem: Problem | ImageProblem):
        self.problem = problem
        self.images = isinstance(problem, ImageProblem)
        logits = functools.partial(_image_logits, problem.layers) if self.images else _logits
        shapes = [(problem.batch, *shape) for shape in problem.activations]
        t1_step, self.t1t2_step = (functools.partial(step, logits) for step in (_t1_step, _t1t2_step))
        self.data = tuple(map(jax.device_put, problem.data()))
        self.step, self.state = 0, self._start()
        self._t1, self._t1t2 = (
            jax.jit(functools.partial(_epoch, step, shapes), donate_argnums=0, compiler_options=compiler_options())
            for step in (t1_step, self.t1t2_step)
        )

    def t1(self, steps: int) -> None:
        self._run(self._t1, steps)

    def t1t2(self, steps: int) -> None:
        self._run(self._t1t2, steps)

    def check(self) -> dict:
        x1, y1, x2, y2, noise = self.problem.first_step()
        state, hypergradients = jax.jit(self.t1t2_step)(self._start(), (x1, y1), (x2, y2), noise, 1.0)
        return digest(hypergradients, [weights for weights, _ in state[0]])

    def _run(self, epoch, steps: int) -> None:
        rows = self.problem.rows(steps, 3), self.problem.rows(steps, 4)
        if self.images:
            for i in range(steps):
                self.state = epoch(self.state, *(some[i : i + 1] for some in rows), self.data, self.step + i)
        else:
            self.state = epoch(self.state, *rows, self.data, self.step)
        jax.block_until_ready(self.state)
        self.step += steps

    def _start(self):
        parameters = jax.tree.map(jnp.asarray, self.problem.start())
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        levels = jnp.full(self.problem.levels, p.NOISE_LEVEL, "float32")
        return parameters, zeros, jax.tree.map(jnp.copy, zeros), levels


def _logits(parameters, x, levels=None, noise=None):
    *hidden, (last_weights, last_bias) = parameters

    def perturb(i, h):
        return h if levels is None else h + levels[i] * noise[i]

    h = x
    for i, (weights, bias) in enumerate(hidden):
        h = jax.nn.relu(_normalised(perturb(i, h) @ weights, 0) + bias)
    return perturb(len(hidden), h) @ last_weights + last_bias


def _image_logits(layers, parameters, x, levels=None, noise=None):
    h = x
    for i, ((filters, bias), (_, _, stride, around)) in enumerate(zip(parameters, layers, strict=True)):
        if levels is not None:
            h = h + levels[min(i, 1)] * noise[i]
        # Padded by hand: XLA for CPUs is slow on the derivative of a convolution that pads.
        h = jnp.pad(h, ((0, 0), (around, around), (around, around), (0, 0)))
        z = jax.lax.conv_general_dilated(
            h, filters, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        if i == len(layers) - 1:
            break
        h = jax.nn.relu(_normalised(z, (0, 1, 2)) + bias)
    return (z + bias).mean((1, 2))


def _normalised(z, axes):
    centred = z - z.mean(axes)
    return centred * jax.lax.rsqrt((centred * centred).mean(axes) + p.NORM_EPSILON)


def _cost(logits, parameters, x, y, levels=None, noise=None):
    log_p = jax.nn.log_softmax(logits(parameters, x, levels, noise))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


def _train_cost(parameters, levels, logits, x, y, noise):
    return _cost(logits, parameters, x, y, levels, noise)


def _clip(g):
    square = jnp.sum(g * g)
    return g * jnp.where(square > p.LARGEST_NORM**2, p.LARGEST_NORM / jnp.sqrt(square), 1.0)


def _adam(state, gradients, count):
    parameters, first, second, levels = state
    gradients = jax.tree.map(lambda g: _clip(jnp.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0)), gradients)
    rate = p.LEARNING_RATE * jnp.sqrt(1 - p.BETA2**count) / (1 - p.BETA1**count)
    first = jax.tree.map(lambda m, g: p.BETA1 * m + (1 - p.BETA1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: p.BETA2 * v + (1 - p.BETA2) * g * g, second, gradients)
    parameters = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + p.EPSILON), parameters, first, second)
    return parameters, first, second, levels


def _t1_step(logits, state, t1, t2, noise, count):
    gradients = jax.grad(_train_cost)(state[0], state[3], logits, *t1, noise)
    return _adam(state, gradients, count), None


def _t1t2_step(logits, state, t1, t2, noise, count):
    parameters, _, _, levels = state
    direction = jax.tree.map(_clip, jax.grad(functools.partial(_cost, logits))(parameters, *t2))

    def both(parameters):
        return jax.grad(_train_cost, argnums=(0, 1))(parameters, levels, logits, *t1, noise)

    (gradients, _), (_, mixed) = jax.jvp(both, (parameters,), (direction,))
    *moved, _ = _adam(state, gradients, count)
    return (*moved, jnp.maximum(0, levels + p.HYPER_RATE * mixed)), -mixed


def _epoch(step, shapes, state, t1_rows, t2_rows, data, first):
    x, y = data

    def one(i, state):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), first + i), len(shapes))
        noise = [jax.random.normal(key, shape, "float32") for key, shape in zip(keys, shapes, strict=True)]
        batches = [(x[rows[i]], y[rows[i]]) for rows in (t1_rows, t2_rows)]
        return step(state, *batches, noise, (first + i + 1).astype("float32"))[0]

    if len(t1_rows) == 1:
        return one(jnp.int32(0), state)
    return jax.lax.fori_loop(0, len(t1_rows), one, state)
