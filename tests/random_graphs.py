"""Small random problems, and in plain NumPy what hypergradient methods claim to differentiate."""

import dataclasses

import numpy as np
import pytensor
import pytensor.tensor as pt
from bilevel import HOST
from hypothesis import strategies as st
from problems import PLAIN

SAMPLES, FEATURES = 6, 3
ACTIVATIONS = {"tanh": pt.tanh, "sigmoid": pt.sigmoid, "softplus": pt.softplus, "sin": pt.sin}


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is drawn of a problem: its layers, its penalties, and whether all hidden layers share their weights."""

    hidden: int
    activation: str
    per_unit: bool
    shares: bool
    seed: int


SHAPES = st.builds(
    Shape,
    hidden=st.integers(0, 2),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    per_unit=st.booleans(),
    shares=st.booleans(),
    seed=st.integers(0, 2**16),
)
CONVEX = st.builds(
    Shape,
    hidden=st.just(0),
    activation=st.just("tanh"),
    per_unit=st.booleans(),
    shares=st.just(False),
    seed=st.integers(0, 2**16),
)


class RandomProblem:
    """Regression by a small network: penalties `l`, tied or one for each unit, and a level `s` of input noise."""

    def __init__(self, shape: Shape) -> None:
        rng = np.random.default_rng(shape.seed)
        self.x, self.v, noise = rng.standard_normal((3, SAMPLES, FEATURES))
        self.y, self.u = rng.standard_normal((2, SAMPLES))
        count = min(1, shape.hidden) if shape.shares else shape.hidden
        shapes = [(FEATURES, FEATURES)] * count + [(FEATURES,)]
        self.theta = [0.7 * rng.standard_normal(one) for one in shapes]
        self.lam = [rng.uniform(0.1, 0.4, FEATURES if shape.per_unit else ()), np.array(rng.uniform(0.1, 0.5))]
        self.params, self.hyperparams = (
            [pt.tensor(f"{name}{place}", shape=np.shape(value), dtype="float64") for place, value in enumerate(values)]
            for name, values in (("w", self.theta), ("l", self.lam))
        )
        self.penalties, self.level = self.hyperparams

        def outputs(h):
            for layer in range(shape.hidden):
                h = ACTIVATIONS[shape.activation](h @ self.params[0 if shape.shares else layer])
            return h @ self.params[-1]

        self.outputs = outputs(pt.constant(self.x) + self.level * pt.constant(noise))
        penalty = sum((self.penalties * w**2).sum() for w in self.params)
        self.train = pt.sqr(self.outputs - self.y).mean() + penalty
        self.val = pt.sqr(outputs(pt.constant(self.v)) - self.u).mean()
        gradients = pt.grad(self.train, self.params)
        self._gradient = self._compiled([*self.params, *self.hyperparams], gradients)
        self._val = self._compiled(self.params, [self.val, *pt.grad(self.val, self.params)])

    @staticmethod
    def _compiled(inputs, graphs):
        with pytensor.config.change_flags(**HOST):
            return pytensor.function(inputs, graphs, mode=PLAIN)

    def value(self, graphs, theta=None):
        """Graphs as one vector."""
        function = self._compiled([*self.params, *self.hyperparams], graphs)
        return joined(function(*(theta or self.theta), *self.lam))

    def gradient(self, theta, lam):
        return self._gradient(*theta, *lam)

    def val_cost(self, theta):
        return float(self._val(*theta)[0])

    def val_gradient(self, theta):
        return self._val(*theta)[1:]

    def after(self, lam, optimizer, steps, rate):
        """The parameters after so many updates."""
        theta, memory = self.theta, [{} for _ in self.theta]
        for number in range(1, steps + 1):
            gradients = self.gradient(theta, lam)
            theta = [
                t - rate * RULES[optimizer](g, m, number) for t, g, m in zip(theta, gradients, memory, strict=True)
            ]
        return theta

    def minimum(self, lam):
        """Where the training cost of a model without hidden layers is lowest: a quadratic, one Newton step from 0."""
        zero, rows = np.zeros(FEATURES), np.eye(FEATURES)
        (start,) = self.gradient([zero], lam)
        hessian = np.stack([self.gradient([row], lam)[0] - start for row in rows])
        return [-np.linalg.solve(hessian, start)]

    def differences(self, function, delta=1e-4):
        """The derivative of a function of the hyperparameters, central, to fourth order."""
        found = []
        for place, value in enumerate(self.lam):
            for index in np.ndindex(np.shape(value)):

                def moved(step, place=place, index=index):
                    lam = [np.array(one) for one in self.lam]
                    lam[place][index] += step
                    return function(lam)

                near, far = ((moved(d) - moved(-d)) / (2 * d) for d in (delta, 2 * delta))
                found.append((4 * near - far) / 3)
        return np.array(found)


def joined(values):
    return np.concatenate([np.ravel(value) for value in values])


def _momentum(g, memory, number, decay=0.9):
    memory["v"] = decay * memory.get("v", 0) + g
    return memory["v"]


def _nesterov(g, memory, number):
    return g + 0.9 * _momentum(g, memory, number)


def _rmsprop(g, memory, number):
    memory["s"] = 0.9 * memory.get("s", 0) + 0.1 * g**2
    return g / (np.sqrt(memory["s"]) + 1e-8)


def _adam(g, memory, number):
    memory["m"], memory["s"] = 0.9 * memory.get("m", 0) + 0.1 * g, 0.999 * memory.get("s", 0) + 0.001 * g**2
    return np.sqrt(1 - 0.999**number) / (1 - 0.9**number) * memory["m"] / (np.sqrt(memory["s"]) + 1e-8)


def _adam_momentum(g, memory, number):
    return _momentum(_adam(g, memory, number), memory, number)


# What each optimiser subtracts from a parameter, per unit of the step size.
RULES = {
    "sgd": lambda g, memory, number: g,
    "sign": lambda g, memory, number: np.sign(g),
    "momentum": _momentum,
    "nesterov": _nesterov,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adam_momentum": _adam_momentum,
}
