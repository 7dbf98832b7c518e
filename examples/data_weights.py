"""Hyper-cleaning: a weight for each training sample, tuned on few clean ones; corrupted labels lose theirs."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

SAMPLES, FEATURES, CLASSES = 400, 20, 4

rng = np.random.default_rng(0)
centres = rng.standard_normal((CLASSES, FEATURES))
labels = rng.integers(0, CLASSES, SAMPLES + 200)
data = (centres[labels] + rng.standard_normal((SAMPLES + 200, FEATURES))).astype("float32")
corrupted = np.arange(SAMPLES) < SAMPLES // 2
given = np.where(corrupted, (labels[:SAMPLES] + rng.integers(1, CLASSES, SAMPLES)) % CLASSES, labels[:SAMPLES])

x, y, sample = pt.fmatrix("x"), pt.ivector("y"), pt.ivector("sample")
w = pytensor.shared(np.zeros((FEATURES, CLASSES), "float32"), name="w")
trust = pytensor.shared(np.full(SAMPLES, 0.5, "float32"), name="trust")
losses = -pt.special.log_softmax(x @ w, axis=1)[pt.arange(y.shape[0]), y]

tuner = Tuner(
    (trust[sample] * losses).mean(),
    losses.mean(),
    [w],
    [trust],
    inputs=([x, y, sample], [x, y]),
    learning_rate=0.01,
    hyper_learning_rate=0.02,
    transforms="none",
    bounds={"trust": (0, 1)},
    interval=1,
)
t1 = {"x": data[:SAMPLES], "y": given.astype("int32"), "sample": np.arange(SAMPLES, dtype="int32")}
t2 = {"x": data[SAMPLES:], "y": labels[SAMPLES:].astype("int32")}  # the validation cost takes no `sample`
tuner.run(t1, t2, epochs=100, batch_size=200)

found = tuner.hyperparams["trust"]
print(f"mean weight {found[corrupted].mean():.2f} of corrupted labels, {found[~corrupted].mean():.2f} of others")
print(f"{np.mean((found < 0.5) == corrupted):.1%} told apart")
