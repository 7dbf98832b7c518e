"""Prior scales of a PyMC model, one for each coefficient, on the likelihood of held-out samples (needs `pymc`).

The model is trained to its mode, by the joint density of what is drawn and observed; the scales go where held-out
samples are likelier. PyMC's graphs are PyTensor's: values and data are put into them as with any other.
"""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace

from t1t2_pt import Tuner

FEATURES, RELEVANT, SAMPLES = 40, 4, 60

rng = np.random.default_rng(0)
truth = np.where(np.arange(FEATURES) < RELEVANT, 2.0, 0.0)


def samples(number):
    """Rows of random numbers, and what a few of the columns make of them under noise of 1."""
    rows = rng.standard_normal((number, FEATURES))
    return rows, rows @ truth + rng.standard_normal(number)


t1, t2 = samples(SAMPLES), samples(300)
scales = pytensor.shared(np.full(FEATURES, 0.5), name="scales")
with pm.Model() as model:
    rows, seen = pm.Data("rows", t1[0]), pm.Data("seen", t1[1])
    w = pm.Normal("w", 0, scales, shape=FEATURES)
    spread = pm.HalfNormal("spread", 1)
    observed = pm.Normal("observed", rows @ w, spread, observed=seen)

# PyMC's symbols of values, of the logarithm where a number has to be above 0, become shared variables; data, inputs.
start = model.initial_point()
params = {value: pytensor.shared(np.asarray(start[value.name]), name=value.name) for value in model.value_vars}
x, y = pt.dmatrix("x"), pt.dvector("y")
joint, likelihood = clone_replace([model.logp(), model.logp(vars=[observed])], {**params, rows: x, seen: y})

tuner = Tuner(
    -joint / SAMPLES,
    -likelihood / x.shape[0],
    list(params.values()),
    [scales],
    inputs=[x, y],
    learning_rate=0.02,
    hyper_learning_rate=0.03,
    transforms="log",
    interval=1,
)
tuner.run(t1, t2, epochs=400, batch_size=SAMPLES, t2_batch_size=300)

scale, costs = tuner.hyperparams["scales"], tuner.history["val_cost"]
matter, other = np.median(scale[:RELEVANT]), np.median(scale[RELEVANT:])
print(f"median scale {matter:.2f} of relevant coefficients, {other:.2f} of others")
print(f"held-out log likelihood {-costs.iloc[-1]:.2f} a sample, {-costs.max():.2f} at worst")
