"""A ridge regression, whose every hypergradient has a closed form, in NumPy."""

import functools

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from t1t2_pt import hypergradient
from t1t2_pt.hypergradients import Problem

SAMPLES, FEATURES = 12, 3
HOST = {"cxx": ""}  # loops compile what is in them by their own linker: nothing here is worth it


def evaluated(graphs, inputs=(), values=()):
    """Graphs in plain Python."""
    with pytensor.config.change_flags(**HOST):
        return pytensor.function(list(inputs), graphs, mode=Mode(linker="py", optimizer="fast_compile"))(*values)


class Ridge:
    """A penalty for each weight (l, a vector) and for the bias (s, a scalar).

    Its training cost is (t - b)' M (t - b) / 2 + sum(lam t^2) + ... with t the weights and the bias, so that gradients
    are linear in t.
    """

    def __init__(self, seed=0, dtype="float64"):
        rng = np.random.default_rng(seed)
        x, v = rng.standard_normal((2, SAMPLES, FEATURES))
        self.y, self.u = rng.standard_normal((2, SAMPLES))
        self.a, self.b = np.c_[x, np.ones(SAMPLES)], np.c_[v, np.ones(SAMPLES)]
        self.theta, self.lam = rng.standard_normal(FEATURES + 1), rng.uniform(0.05, 0.4, FEATURES + 1)
        make = functools.partial(pt.tensor, dtype=dtype)
        self.w, self.bias = make("w", shape=(FEATURES,)), make("bias", shape=())
        self.l, self.s = make("l", shape=(FEATURES,)), make("s", shape=())
        self.params, self.hyperparams = [self.w, self.bias], [self.l, self.s]
        self.outputs = pt.dot(x.astype(dtype), self.w) + self.bias
        self.train = pt.sqr(self.outputs - self.y.astype(dtype)).mean() + (self.l * self.w**2).sum()
        self.train = self.train + self.s * self.bias**2
        self.val = pt.sqr(pt.dot(v.astype(dtype), self.w) + self.bias - self.u.astype(dtype)).mean()
        self.inputs = [*self.params, *self.hyperparams]
        parts = (*self.split(self.theta), *self.split(self.lam))
        self.values = [np.asarray(part, dtype) for part in parts]

    @staticmethod
    def split(vector):
        return [vector[:FEATURES], vector[FEATURES]]

    @property
    def problem(self):
        return Problem(self.train, self.val, self.params, self.hyperparams)

    def found(self, **options):
        """Ours, as one vector."""
        return self.value(hypergradient(self.train, self.val, self.params, self.hyperparams, **options))

    def value(self, graphs):
        return np.concatenate([np.ravel(g) for g in evaluated(graphs, self.inputs, self.values)])

    @property
    def hessian(self):
        return 2 * self.a.T @ self.a / SAMPLES + 2 * np.diag(self.lam)

    def train_gradient(self, theta):
        return self.hessian @ theta - 2 * self.a.T @ self.y / SAMPLES

    def val_gradient(self, theta):
        return 2 * self.b.T @ (self.b @ theta - self.u) / SAMPLES

    @property
    def minimum(self):
        return np.linalg.solve(self.hessian, 2 * self.a.T @ self.y / SAMPLES)

    def eq3(self, theta=None):
        return -self.val_gradient(self.theta if theta is None else theta) * 2 * self.theta

    def eq4(self, damping=0.0):
        ridge = damping * np.eye(FEATURES + 1)
        return -np.linalg.solve(self.hessian + ridge, self.val_gradient(self.theta)) * 2 * self.theta

    def unrolled(self, steps, eta, momentum=0.0):
        """dC2/dlambda / eta, with the derivative of the state carried forward."""
        theta, velocity = self.theta.copy(), np.zeros(FEATURES + 1)
        of_theta, of_velocity = np.zeros((2, FEATURES + 1, FEATURES + 1))
        for _ in range(steps):
            velocity = momentum * velocity + self.train_gradient(theta)
            of_velocity = momentum * of_velocity + self.hessian @ of_theta + 2 * np.diag(theta)
            theta, of_theta = theta - eta * velocity, of_theta - eta * of_velocity
        return self.val_gradient(theta) @ of_theta / eta
