"""The hyperparameters of a Gaussian process on the likelihood of held-out samples.

The elementary parameters are the weights of the samples in the mean, which training moves down the usual ridge cost.
The hyperparameters are in the validation cost itself, too, so T1-T2 is told the step size.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner
from t1t2_pt.hypergradients import T1T2

STEP_SIZE = 0.3
RIDGE = 1e-6

rng = np.random.default_rng(0)


def samples(number):
    """Places, and a wave with noise of 0.3 there."""
    places = np.sort(rng.uniform(-3, 3, number))
    return places, np.sin(2 * places) + 0.3 * rng.standard_normal(number)


def kernel(a, b):
    """Squared exponential, of variance 1."""
    return pt.exp(-0.5 * ((a[:, None] - b[None, :]) / length) ** 2)


(x, y), (v, u) = (map(pt.constant, samples(number)) for number in (40, 40))
length, sigma = pytensor.shared(2.0, name="length"), pytensor.shared(1.0, name="sigma")
whitened = pytensor.shared(np.zeros(40), name="whitened")  # the mean is K L^-T whitened, for K + ridge = L L^T

root = pt.linalg.cholesky(kernel(x, x) + RIDGE * pt.eye(40))
mean = root @ whitened
train_cost = ((y - mean) ** 2).sum() / 40 + sigma**2 * (whitened**2).sum() / 40

of_held_out = kernel(v, x) @ pt.linalg.solve_triangular(root.T, whitened, lower=False)
noisy = pt.linalg.cholesky(kernel(x, x) + sigma**2 * pt.eye(40))
explained = pt.linalg.solve_triangular(noisy, kernel(x, v), lower=True)
variance = 1 + sigma**2 - (explained**2).sum(axis=0)
val_cost = 0.5 * (pt.log(2 * np.pi * variance) + (u - of_held_out) ** 2 / variance).mean()

tuner = Tuner(
    train_cost,
    val_cost,
    [whitened],
    [length, sigma],
    inputs=[],
    optimizer="sgd",
    learning_rate=STEP_SIZE,
    hyper_learning_rate=0.01,
    method=T1T2(step_size=STEP_SIZE),
    transforms={"length": "log", "sigma": "log"},
    backend="jax",
)
for _ in range(1000):
    costs = tuner.step((), ())

found = tuner.hyperparams
print(f"length {found['length']:.2f}, noise {found['sigma']:.2f}, held-out log likelihood {-costs.val:.2f} a sample")
