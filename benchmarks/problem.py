"""The task that all contenders do, in NumPy alone: sizes, data, starting point, and a step to compare.

A noisy MLP with batch normalisation, its noise levels tuned by T1-T2: the network, the batch and the
optimiser of the paper's MNIST experiments. The data are random, since only their shape takes time.
"""

import dataclasses

import numpy as np

CLASSES = 10
LEARNING_RATE, HYPER_RATE, NOISE_LEVEL, LARGEST_NORM = 1e-3, 1e-4, 0.3, 3.0
BETA1, BETA2, EPSILON, NORM_EPSILON = 0.9, 0.999, 1e-8, 1e-6


class Task:
    """What the problems have in common: data, batches and noise, from the shapes of their activations."""

    samples: int
    batch: int
    activations: list[tuple[int, ...]]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [samples, ...] and labels [samples]."""
        rng = np.random.default_rng(2)
        return (
            rng.standard_normal((self.samples, *self.activations[0]), dtype=np.float32),
            rng.integers(0, CLASSES, self.samples).astype(np.int32),
        )

    def rows(self, steps: int, stream: int) -> np.ndarray:
        """Samples of each step's batch: int32 [steps, batch]."""
        return np.random.default_rng(stream).integers(0, self.samples, (steps, self.batch)).astype(np.int32)

    def noise(self) -> list[np.ndarray]:
        """Standard normal noise of one step, [batch, ...] for what enters each layer."""
        rng = np.random.default_rng(5)
        return [rng.standard_normal((self.batch, *shape), dtype=np.float32) for shape in self.activations]

    def first_step(self) -> tuple:
        """(x1, y1, x2, y2, noise) of the step on which contenders must agree."""
        x, y = self.data()
        one, two = self.rows(1, 3)[0], self.rows(1, 4)[0]
        return x[one], y[one], x[two], y[two], self.noise()


@dataclasses.dataclass(frozen=True)
class Problem(Task):
    """A network of fully connected layers on `features` inputs, trained in minibatches."""

    features: int = 784
    hidden: tuple[int, ...] = (1000, 1000, 1000)
    batch: int = 100
    samples = 5000

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.features, *self.hidden, CLASSES)

    @property
    def activations(self) -> list[tuple[int]]:
        """Features that enter each layer."""
        return [(n,) for n in self.sizes[:-1]]

    @property
    def levels(self) -> int:
        """Noise levels: one for each layer."""
        return len(self.activations)

    @property
    def parameters(self) -> int:
        """Number of elementary parameters."""
        return sum(n * m + m for n, m in zip(self.sizes, self.sizes[1:], strict=False))

    def start(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and bias of each layer."""
        rng = np.random.default_rng(1)
        layers = []
        for n, m in zip(self.sizes, self.sizes[1:], strict=False):
            scale = np.sqrt(12 / (n + m)) if m != CLASSES else 0.05
            layers.append((np.float32(scale) * rng.standard_normal((n, m), dtype=np.float32), np.zeros(m, np.float32)))
        return layers


# Maps, size, stride and padding of All-CNN-C's convolutions in the paper's variant, at a width of 1.
ALL_CNN_C = (
    (96, 3, 1, 0),
    (96, 3, 1, 2),
    (96, 3, 2, 0),
    (192, 3, 1, 0),
    (192, 3, 1, 2),
    (192, 3, 2, 0),
    (192, 3, 1, 0),
    (192, 1, 1, 0),
    (CLASSES, 1, 1, 0),
)


@dataclasses.dataclass(frozen=True)
class ImageProblem(Task):
    """All-CNN-C on colour images of 32 x 32; noise in the input and in each hidden layer, two levels."""

    width: float = 0.25
    batch: int = 100
    size: int = 32
    samples = 500
    levels = 2  # of the input, and of all hidden layers

    @property
    def layers(self) -> list[tuple[int, int, int, int]]:
        """Maps, size, stride and padding of each convolution."""
        scaled = [(round(maps * self.width), *rest) for maps, *rest in ALL_CNN_C]
        scaled[-1] = ALL_CNN_C[-1]
        return scaled

    @property
    def activations(self) -> list[tuple[int, int, int]]:
        """Height, width and maps of what enters each convolution."""
        shapes = [(self.size, self.size, 3)]
        for maps, size, stride, around in self.layers[:-1]:
            side = (shapes[-1][0] + 2 * around - size) // stride + 1
            shapes.append((side, side, maps))
        return shapes

    def start(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Filters [height, width, maps in, maps out] and bias of each convolution."""
        rng, result = np.random.default_rng(1), []
        for (maps, size, _, _), (_, _, before) in zip(self.layers, self.activations, strict=True):
            scale = np.float32(np.sqrt(12 / (size * size * (before + maps))))
            filters = scale * rng.standard_normal((size, size, before, maps), dtype=np.float32)
            result.append((filters, np.zeros(maps, np.float32)))
        return result


PROBLEMS = {"mlp": Problem, "cnn": ImageProblem}


def digest(hypergradients, weights) -> dict[str, list[float]]:
    """What is compared after the first T1+T2 step: the hypergradients, and each new weight matrix's sums."""
    return {
        "hypergradients": [float(g) for g in hypergradients],
        "weights": [float(np.abs(np.asarray(w, dtype=np.float64)).sum()) for w in weights],
    }
