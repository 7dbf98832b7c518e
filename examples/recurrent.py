"""A recurrent network by PyTensor's scan, with noise in its state: the noise is tuned on clean sequences.

Numbers are drawn before the scan and it goes over them: PyTensor has no derivative through draws inside of one.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

LENGTH, HIDDEN = 12, 24

rng = np.random.default_rng(0)


def sequences(number):
    """Waves of any frequency and phase, hard to see, and what comes next [number, 1]."""
    places = rng.uniform(0, 2 * np.pi, (number, 1)) + rng.uniform(0.4, 0.9, (number, 1)) * np.arange(LENGTH + 1)
    waves = np.sin(places).astype("float32")
    return waves[:, :-1] + 0.3 * rng.standard_normal((number, LENGTH)).astype("float32"), waves[:, -1:]


def weights(name, rows, columns):
    """A matrix of small random numbers."""
    return pytensor.shared((rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype("float32"), name=name)


x, y = pt.fmatrix("x"), pt.fmatrix("y")
seen, kept, said = weights("seen", 1, HIDDEN), weights("kept", HIDDEN, HIDDEN), weights("said", HIDDEN, 1)
params = [seen, kept, said]
noise = pytensor.shared(np.float32(0.02), name="noise")
_, normal = pt.random.shared_rng(seed=1).normal(0, 1, size=(LENGTH, x.shape[0], HIDDEN))


def error(level=None):
    """Mean square of what the last state makes of a sequence, without and with noise of a level in the states."""

    def step(now, *before):
        *drawn, state = before
        state = pt.tanh(now[:, None] @ seen + state @ kept)
        return state + level * drawn[0] if drawn else state

    given = [x.T] if level is None else [x.T, pt.cast(normal, "float32")]
    start = pt.zeros((x.shape[0], HIDDEN), "float32")
    states = pytensor.scan(step, sequences=given, outputs_info=start, return_updates=False)
    return ((states[-1] @ said - y) ** 2).mean()


tuner = Tuner(
    error(level=noise),
    error(),
    params,
    [noise],
    inputs=[x, y],
    learning_rate=0.01,
    hyper_learning_rate=0.02,
    interval=2,
)
t1, t2 = sequences(50), sequences(500)
tuner.run(t1, t2, epochs=300, batch_size=50, t2_batch_size=500)

costs = tuner.history["val_cost"]
print(f"noise from 0.02 to {tuner.hyperparams['noise']:.2f}")
print(f"validation cost {costs.iloc[0]:.3f} at first, {costs.min():.3f} at best, {costs.iloc[-1]:.3f} at last")
