"""A small convolutional network on MNIST: noise on the pictures, noise on the maps, and a penalty, all tuned."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner
from t1t2_pt.datasets import load_split
from t1t2_pt.ops import conv2d, max_pool2d

MAPS = 8, 16  # of the two convolutions

rng = np.random.default_rng(0)
data = load_split("mnist", 400, 2000, split_seed=0).arrays


def part(name):
    """Pictures [number, channels, 14, 14], each the mean of 2 by 2 pixels, and labels."""
    whole = data[f"{name}_inputs"]
    small = whole.reshape(len(whole), 1, 14, 2, 14, 2).mean(axis=(3, 5))
    return small.astype("float32"), data[f"{name}_labels"]


def weights(name, *shape):
    """Random numbers, the smaller the more inputs an output has: all but the first axis."""
    scale = np.sqrt(2 / np.prod(shape[1:]))
    return pytensor.shared((scale * rng.standard_normal(shape)).astype("float32"), name=name)


def shared(name, value):
    """A hyperparameter."""
    return pytensor.shared(np.float32(value), name=name)


x, y = pt.ftensor4("x"), pt.ivector("y")
first, second = weights("first", MAPS[0], 1, 5, 5), weights("second", MAPS[1], MAPS[0], 3, 3)
last = weights("last", 10, MAPS[1] * 9)
of_pictures, of_maps, l2 = shared("noise of pictures", 0.02), shared("noise of maps", 0.02), shared("l2", 1e-4)
draws = pt.random.shared_rng(seed=1)


def noisy(level, h):
    """With noise of a level; the generator goes on from draw to draw."""
    global draws
    draws, normal = draws.normal(0, 1, size=h.shape)
    return h + level * pt.cast(normal, "float32")


def cross_entropy(noise):
    """Of the class scores, with noise or without."""
    h = noise(of_pictures, x)
    h = max_pool2d(pt.maximum(0, conv2d(h, first)), 2)  # 14 - 4 = 10, then 5
    h = noise(of_maps, h)
    h = pt.maximum(0, conv2d(h, second))  # 5 - 2 = 3
    log_p = pt.special.log_softmax(h.flatten(2) @ last.T, axis=1)
    return -log_p[pt.arange(y.shape[0]), y].mean()


params = [first, second, last]
val_cost = cross_entropy(lambda level, h: h)
train_cost = cross_entropy(noisy) + l2 * sum((w**2).sum() for w in params)

tuner = Tuner(
    train_cost,
    val_cost,
    params,
    [of_pictures, of_maps, l2],
    inputs=[x, y],
    learning_rate=5e-3,
    hyper_learning_rate={"noise of pictures": 0.02, "noise of maps": 0.02, "l2": 0.1},
    transforms={"l2": "log"},
    interval=2,
)
tuner.run(part("t1"), part("t2"), epochs=60, batch_size=100, t2_batch_size=200)

found, costs = tuner.hyperparams, tuner.history["val_cost"]
print(f"noise {found['noise of pictures']:.2f} of pictures, {found['noise of maps']:.2f} of maps, L2 {found['l2']:.1e}")
print(f"validation cost {costs.head(10).mean():.2f} in the first steps, {costs.tail(10).mean():.2f} in the last")
