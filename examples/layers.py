"""Layers of pytensor-ml (needs `pytensor-ml`), with a penalty for each: that of the first has more to hold down."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor_ml.activations import Tanh
from pytensor_ml.layers import Input, Linear, Sequential
from pytensor_ml.model import Model
from pytensor_ml.pytensorf import collect_trainable_params

from t1t2_pt import Tuner

FEATURES = 12

rng = np.random.default_rng(0)


def samples(number):
    """Places in a cube, of which three coordinates matter, and a curved function of them under noise."""
    places = rng.uniform(-1, 1, (number, FEATURES))
    values = np.sin(3 * places[:, 0]) + places[:, 1] * places[:, 2]
    return places, (values + 0.2 * rng.standard_normal(number))[:, None]


x, y = Input("x", shape=(None, FEATURES)), pt.dmatrix("y")
network = Sequential(Linear("hidden", n_in=FEATURES, n_out=32), Tanh(), Linear("last", n_in=32, n_out=1))
Model(network(x)).initialize(seed=0)
params = collect_trainable_params(network(x))
penalties = {name: pytensor.shared(1e-4, name=name) for name in ("hidden", "last")}

val_cost = ((network(x) - y) ** 2).mean()
train_cost = val_cost + sum(penalties[param.layer_name] * (param**2).sum() for param in params if param.type.ndim == 2)

tuner = Tuner(
    train_cost,
    val_cost,
    params,
    [*penalties.values()],
    inputs=[x, y],
    learning_rate=0.01,
    hyper_learning_rate=0.05,
    transforms="log",
    interval=2,
)
tuner.run(samples(80), samples(400), epochs=400, batch_size=80, t2_batch_size=400)

found, costs = tuner.hyperparams, tuner.history["val_cost"]
print(f"penalties from 1e-04 to {found['hidden']:.0e} of the first layer, {found['last']:.0e} of the last")
print(f"validation cost {costs.iloc[0]:.2f} at first, {costs.iloc[-1]:.2f} at last")
