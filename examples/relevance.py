"""Logistic regression with one L2 penalty per feature: those of features that say nothing grow."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

FEATURES, RELEVANT = 1000, 10

rng = np.random.default_rng(0)
samples = rng.standard_normal((3000, FEATURES)).astype("float32")
truth = np.where(np.arange(FEATURES) < RELEVANT, 1.5, 0)
labels = (samples @ truth + rng.logistic(size=3000) > 0).astype("float32")
t1, t2, test = ((samples[part], labels[part]) for part in (slice(0, 1000), slice(1000, 2000), slice(2000, 3000)))

x, y = pt.fmatrix("x"), pt.fvector("y")
w = pytensor.shared(np.zeros(FEATURES, "float32"), name="w")
l2 = pytensor.shared(np.full(FEATURES, 1e-3, "float32"), name="l2")
logits = x @ w
cost = (pt.softplus(logits) - y * logits).mean()

tuner = Tuner(
    cost + (l2 * w**2).sum(),
    cost,
    [w],
    [l2],
    inputs=[x, y],
    learning_rate=0.01,
    hyper_learning_rate=0.1,
    transforms={"l2": "log"},
    interval=1,
)
tuner.run(t1, t2, epochs=200, batch_size=1000)

found = tuner.hyperparams["l2"]
largest = np.argsort(-np.abs(w.get_value()))[:RELEVANT]
error = np.mean((test[0] @ w.get_value() > 0) != test[1])
print(f"of the {RELEVANT} features of the largest weights {np.sum(largest < RELEVANT)} are relevant")
print(f"median penalty {np.median(found[:RELEVANT]):.1g} of relevant features, {np.median(found):.1g} of all")
print(f"test error {error:.1%}")
