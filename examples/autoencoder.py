"""A denoising autoencoder whose noise is tuned on clean data, as the paper suggests for unsupervised models."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

VISIBLE, HIDDEN, FACTORS = 40, 40, 4

rng = np.random.default_rng(0)
factors = rng.standard_normal((FACTORS, VISIBLE)) / 2
samples = rng.standard_normal((700, FACTORS)) @ factors + 0.5 * rng.standard_normal((700, VISIBLE))
t1, t2 = samples[:100].astype("float32"), samples[100:].astype("float32")


def weights(name, rows, columns):
    """A matrix of small random numbers."""
    return pytensor.shared((rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype("float32"), name=name)


def reconstruction(seen):
    """What the network makes of its input."""
    return pt.tanh(seen @ encoder + bias) @ decoder


x = pt.fmatrix("x")
# What is to be reconstructed: the sample without half of its values, from the other half.
half = pt.constant((np.arange(VISIBLE) % 2).astype("float32"))
encoder, decoder = weights("encoder", VISIBLE, HIDDEN), weights("decoder", HIDDEN, VISIBLE)
bias = pytensor.shared(np.zeros(HIDDEN, "float32"), name="bias")
noise = pytensor.shared(np.float32(0.05), name="noise")
draws = pt.random.shared_rng(seed=1)
_, normal = draws.normal(0, 1, size=x.shape)

noisy = x * half + noise * pt.cast(normal, "float32")
train_cost = ((reconstruction(noisy) - x) ** 2).mean()
val_cost = ((reconstruction(x * half) - x) ** 2).mean()

tuner = Tuner(
    train_cost,
    val_cost,
    [encoder, decoder, bias],
    [noise],
    inputs=[x],
    learning_rate=3e-3,
    hyper_learning_rate=0.02,
    interval=2,
)
tuner.run((t1,), (t2,), epochs=300, batch_size=100)

costs = tuner.history["val_cost"]
print(
    f"noise from 0.05 to {tuner.hyperparams['noise']:.2f}, validation cost {costs.iloc[0]:.3f} to {costs.iloc[-1]:.3f}"
)
