"""A penalty of one's own: how smooth a curve of coefficients is, beside their size."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

POINTS = 60

rng = np.random.default_rng(0)
truth = np.sin(np.linspace(0, 3, POINTS))


def samples(number):
    """Rows of random numbers, and their products with the true curve under noise."""
    rows = rng.standard_normal((number, POINTS))
    return rows, rows @ truth + 3 * rng.standard_normal(number)


x, y = pt.dmatrix("x"), pt.dvector("y")
w = pytensor.shared(np.zeros(POINTS), name="w")
size, roughness = pytensor.shared(0.1, name="size"), pytensor.shared(0.1, name="roughness")
cost = ((x @ w - y) ** 2).mean()
penalty = size * (w**2).sum() + roughness * (pt.diff(w, n=2) ** 2).sum()

tuner = Tuner(
    cost + penalty,
    cost,
    [w],
    [size, roughness],
    inputs=[x, y],
    learning_rate=0.02,
    hyper_learning_rate=0.03,
    transforms="log",
    interval=1,
)
tuner.run(samples(60), samples(60), epochs=500, batch_size=60)

found, error = tuner.hyperparams, np.sqrt(np.mean((w.get_value() - truth) ** 2))
print(f"penalty {found['size']:.3f} on size, {found['roughness']:.1f} on roughness, error of the curve {error:.3f}")
