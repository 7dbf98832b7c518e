"""Runs of a few updates that hold what the code computes: one for every structure that a config can ask for.

`python tests/golden_runs.py` trains them anew and writes `golden/runs.jsonl.gz`: only after a change of
`t1t2_pt.config.ALGORITHM`, or when a structure is added.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.io

from t1t2_pt.backends import get_backend
from t1t2_pt.config import RunConfig, replace, run_config
from t1t2_pt.datasets import cifar10, svhn
from t1t2_pt.runs.exchange import export_runs
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.sweep import Sweep

FILE = Path(__file__).resolve().parent / "golden" / "runs.jsonl.gz"

SHORT = {"t1_samples": 40, "t2_samples": 20, "batch_size": 10, "epochs": 3, "interval": 2, "hold": 0.5, "seed": 11}
SHORT |= {"learning_rate": 0.03}  # so that few updates change much
LAYERS = {**SHORT, "hidden": (9, 8, 7)}
ALL = ("input_noise", "hidden_noise", "l2")
LEVELS = {"input_noise": 0.4, "hidden_noise": 0.3, "l2": 0.02}

OTHER_WEIGHTS = {"batch_norm": False, "activation": ("tanh", "elu", "sigmoid"), "initialization": "glorot"}
OTHER_NOISE = {"noise_at": "preactivation", "batch_norm_scale": True, "test_statistics": "batches", "hyper_decay": 0.1}
OTHER_TUNING = {"validation_statistics": "running", "test_statistics": "running", "tune_after": 1, "t2_batch_size": 5}
OTHER_TUNING |= {"hyper_cost": "validation-training", "hypergradient_limits": "rescale-each-clip"}
OTHER_TUNING |= {"schedule": "trapezoid", "hyper_schedule": "exponential", "half_life": 0.4}
OTHER_DATA = {"preprocessing": "standardise", "contrast": "arcsinh", "t2_from": "t1", "hyper_cost": "penalised"}


def configs() -> list[RunConfig]:
    """A run of each structure."""
    tied = run_config(**LAYERS, **LEVELS, tune=ALL)
    per_layer = {"input_noise": 0.2, "hidden_noise": (0.5, 0.1, 0.3), "l2": (0.01, 0.02, 0.0, 0.03)}
    # Adam tunes the noise alone: behind batch norm a cost does not change with the weights' scale, so that
    # the penalty's hypergradient is the rounding of 0, and Adam would make steps of that.
    by_adam = replace(tied, tune=("input_noise", "hidden_noise"), hyper_optimizer="adam", hyper_schedule="linear")
    plain = replace(tied, batch_norm=False, optimizer="sgd", schedule="linear", validation_gradient_at="next")
    fixed = replace(tied, tune=())
    convolutional = {**SHORT, "dataset": "cifar10", "hidden": (), "width": 0.03, **LEVELS}
    # It learns slowly, or rounding decides which of two activations a pool takes.
    pooled = run_config(**convolutional, network="ladder-baseline", tune=("hidden_noise",), activation="leaky-relu")
    apart = {"l1": (0.01, 0.002), "soft_max_norm_cutoff": 0.5, "soft_max_norm_slope": 0.02, "max_norm": 1.5}
    penalties = run_config(**{**LAYERS, **apart}, first_apart=("l1",), tune=tuple(apart)[:3], **OTHER_WEIGHTS)
    noises = {"hidden_multiplicative_noise": 0.3, "input_gaussian_dropout": 0.2, "hidden_noise": (0.1, 0.2, 0.3)}
    chances = {"input_batch_dropout": 0.1, "hidden_dropout": 0.2, "input_product_noise": 0.9}
    perturbed = run_config(**{**LAYERS, **noises}, **chances, tune=tuple(noises), **OTHER_NOISE)
    # Signs and RMSprop are left out, for rounding decides what they make of a gradient near 0.
    by_momentum = replace(tied, tune=("input_noise", "hidden_noise"), hyper_optimizer="momentum", optimizer="momentum")
    return [
        tied,
        replace(tied, seed=12, learning_rate=0.01, l2_learning_rate=1e-2),
        replace(by_adam, **per_layer, activation="leaky-relu"),
        replace(tied, tune=("hidden_noise",), per_unit=("input_noise", "hidden_noise"), optimizer="momentum"),
        replace(plain, **per_layer),
        replace(tied, noise_before_softmax="fixed", gradient_norm=None, hypergradient_norm=None),
        replace(tied, noise_before_softmax="none", hyper_optimizer="momentum", hypergradient_clip=1e-3),
        replace(tied, gradient_norm=0.05, hypergradient_norm=0.01, schedule="constant", interval=1),
        fixed,
        run_config(**LAYERS, tune=()),
        replace(tied, dataset="svhn"),
        run_config(**convolutional, network="all-cnn-c", tune=("input_noise", "l2")),
        replace(pooled, learning_rate=0.003),
        penalties,
        perturbed,
        replace(tied, method="averaged(rule=adam)", optimizer="nesterov", momentum=(0.8, 0.4), **OTHER_TUNING),
        replace(by_momentum, method="finite-difference", **OTHER_DATA),
    ]


def write_data(folder: Path) -> None:
    """CIFAR-10 and SVHN of a few invented pictures, as the official files hold them."""
    places = {name: folder / name for name in ("cifar10", "svhn")}
    for place in places.values():
        place.mkdir(parents=True)
        (place / "PROVENANCE").write_text("pictures invented for tests")
    for number, name in enumerate(cifar10.BATCHES):
        images, labels = _pictures(16, number)
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (places["cifar10"] / name).write_bytes(np.column_stack([labels, planes]).tobytes())
    for number, name in enumerate(svhn.SAMPLES):
        images, labels = _pictures(80, 10 + number)
        held = {"X": images.transpose(1, 2, 3, 0), "y": np.where(labels == 0, 10, labels)[:, None]}
        scipy.io.savemat(places["svhn"] / name, held)


def _pictures(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 pictures [samples, 32, 32, 3] whose colours tell their labels, and the labels, by integers alone."""
    noise = np.random.Philox(seed).random_raw(samples * 32 * 32 * 3) % 97
    labels = (np.arange(samples) * 7 + seed) % 10
    colours = 15 * labels[:, None] + np.array([0, 7, 14]) * (1 + labels[:, None] % 3)
    images = noise.reshape(samples, 32, 32, 3) + colours[:, None, None, :] % 159
    return images.astype(np.uint8), labels.astype(np.uint8)


def main() -> int:
    """Train them and write the file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "data")
        sweep = Sweep(RunStore(folder / "runs.sqlite"), get_backend("jax"), folder / "data", quiet=True)
        export_runs(sweep.run(configs()), FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
