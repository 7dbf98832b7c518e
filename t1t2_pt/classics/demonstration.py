"""What every demonstration is: its choices, which name its run, and a function from data and a backend to results."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend
from t1t2_pt.backends.shared_steps import SharedStep
from t1t2_pt.datasets import Split
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import Network, mlp
from t1t2_pt.tuning import updates

VERSION = 1  # of what a run computes: whoever changes that raises it
DIGITS = 6  # of a stored number
FLOAT = "float32"

Array = npt.NDArray[Any]
Results = dict[str, Any]  # numbers, texts and lists of them, as JSON has


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demonstration:
    """Every choice of a run; a part's own are fields of its class.

    Parameters
    ----------
    t1_samples, t2_samples
        Sizes of T1 and T2.
    hidden
        Widths of the hidden layers; none: a softmax regression.
    epochs
        Passes over T1 of each training.
    data
        What names the content of the data set.
    """

    part: ClassVar[str]
    tune: ClassVar[tuple[str, ...]]

    t1_samples: int
    t2_samples: int
    hidden: tuple[int, ...] = ()
    epochs: int = 1
    seed: int = 0
    split_seed: int = 0
    dataset: str = "mnist"
    data: str = ""

    @property
    def network(self) -> str:
        """What it is called where it has no hidden layers."""
        return "softmax regression"

    @property
    def hyperparameter_steps(self) -> int:
        """How often hyperparameters are moved."""
        raise NotImplementedError

    def run(self, split: Split, backend: Backend) -> Results:
        """Train and tune."""
        raise NotImplementedError

    def digest(self) -> str:
        """What names the run."""
        values = {"version": VERSION, "part": self.part, **dataclasses.asdict(self)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Samples:
    """Inputs [samples, features] and labels [samples], as shared variables or symbols."""

    inputs: TensorVariable
    labels: TensorVariable

    @classmethod
    def held(cls, inputs: Array, labels: Array, name: str) -> "Samples":
        """In shared variables."""
        return cls(shared(inputs, f"{name}_inputs"), shared(labels, f"{name}_labels"))


def flat(split: Split, name: str) -> tuple[Array, Array]:
    """A part of the data, `t1`, `t2` or `test`, with a row for each sample."""
    inputs = split.arrays[f"{name}_inputs"]
    return inputs.reshape(len(inputs), -1), split.arrays[f"{name}_labels"]


def shared(value: Any, name: str) -> Any:
    """A shared variable of static shape, which is a tensor too; no type says both."""
    return pytensor.shared(np.asarray(value), name=name, shape=np.shape(value))


class Model:
    """A network without batch normalisation around shared parameters.

    Parameters
    ----------
    initialization
        One of `INITIALIZATIONS`; the softmax layer starts near 0.
    """

    def __init__(self, config: Demonstration, split: Split, activation: str = "relu", initialization: str = "he"):
        features = int(np.prod(split.input_shape))
        self._network = Network((features,), mlp(config.hidden), split.classes, False, activation)
        self._initialization = initialization
        start = self._values(config.seed)
        self.params = {name: shared(value, name) for name, value in start.items()}

    def _values(self, seed: int) -> Mapping[str, Array]:
        return self._network.initial_parameters(np.random.default_rng(seed), self._initialization)

    def reset(self, seed: int) -> None:
        """Start from other weights."""
        for name, value in self._values(seed).items():
            self.params[name].set_value(value)

    def logits(self, inputs: TensorVariable) -> TensorVariable:
        """[samples, classes]."""
        return self._network.logits(self.params, inputs)

    def cost(self, samples: Samples) -> TensorVariable:
        """Mean cross-entropy in nats."""
        return costs.cross_entropy(self.logits(samples.inputs), samples.labels)

    def error(self, samples: Samples) -> TensorVariable:
        """Share of mistakes."""
        return costs.error_rate(self.logits(samples.inputs), samples.labels)

    @property
    def weights(self) -> list[Any]:
        """Without biases, layer by layer."""
        return [self.params[name] for name in self._network.weight_names]


def evaluated(outputs: Mapping[str, TensorVariable], backend: Backend) -> dict[str, float]:
    """Graphs of shared variables, as numbers."""
    found = backend.steps()(SharedStep({}, dict(outputs), {}), {})
    return {name: float(value) for name, value in found.items()}


def train(model: Model, inputs: Array, labels: Array, rows: Array, learning_rate: float, backend: Backend) -> None:
    """Train a model by Adam, without tuning anything, on these rows of the data [updates, batch]."""
    x = pt.tensor("x", shape=(rows.shape[1], inputs.shape[1]), dtype=inputs.dtype)
    y = pt.tensor("y", shape=(rows.shape[1],), dtype=labels.dtype)
    cost, params = model.cost(Samples(x, y)), list(model.params.values())
    changes: Mapping[SharedVariable, Variable] = updates(cost, cost, params, [], learning_rate=learning_rate)
    taken, step = backend.steps(), SharedStep({"x": x, "y": y}, {}, changes)
    for some in rows:
        taken(step, {"x": inputs[some], "y": labels[some]})
    taken.write_back(params)


def rounded(values: Any) -> Any:
    """Numbers as lists of so many digits, to be stored."""
    array = np.asarray(values, "float64")
    return [rounded(row) for row in array] if array.ndim else float(f"{array:.{DIGITS}g}")
