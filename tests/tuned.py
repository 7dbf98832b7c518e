"""A small problem that the tests of the tuner share: noisy ridge regression with a penalty for each feature."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

FEATURES = 6
TRUE = np.where(np.arange(FEATURES) < 2, 2.0, 0.0)


def data(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, of which two features matter."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, FEATURES))
    return x, x @ TRUE + rng.standard_normal(samples)


T1, T2 = data(48, 0), data(24, 1)


class Ridge:
    """Symbols, shared variables and costs; ordinary ones, without static shapes."""

    def __init__(self, noisy: bool = True) -> None:
        self.x, self.y = pt.dmatrix("x"), pt.dvector("y")
        self.w = pytensor.shared(np.full(FEATURES, 0.3), name="w")
        self.b = pytensor.shared(np.zeros(()), name="b")
        self.l2 = pytensor.shared(np.full(FEATURES, 0.1), name="l2")
        self.noise = pytensor.shared(np.array(0.5), name="noise")
        self.rng = pytensor.shared(np.random.default_rng(7), name="rng")
        _, drawn = pt.random.normal(0.0, 1.0, size=self.x.shape, rng=self.rng, return_next_rng=True)
        self.train_cost = self.error(self.x + self.noise * drawn if noisy else self.x)
        self.train_cost += (self.l2 * self.w**2).sum()
        self.val_cost = self.error(self.x)
        self.params = [self.w, self.b]
        self.hyperparams = [self.l2, self.noise] if noisy else [self.l2]

    def error(self, x, y=None):
        return pt.sqr(x @ self.w + self.b - (self.y if y is None else y)).mean()

    def tuner(self, **options) -> Tuner:
        given = {"inputs": [self.x, self.y], "backend": "jax", "interval": 2, "learning_rate": 0.05, **options}
        costs = given.pop("train_cost", self.train_cost), given.pop("val_cost", self.val_cost)
        variables = given.pop("params", self.params), given.pop("hyperparams", self.hyperparams)
        return Tuner(*costs, *variables, **given)

    def values(self) -> dict[str, np.ndarray]:
        return {shared.name: shared.get_value() for shared in (*self.params, *self.hyperparams)}
