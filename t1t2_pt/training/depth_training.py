"""Training of networks of continuous depth: a run at a time, a call of a compiled graph for each step."""

import dataclasses
import functools
import hashlib
import json
import math
import time
from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt

from t1t2_pt.backends import Arrays, Backend
from t1t2_pt.datasets import Split
from t1t2_pt.networks import costs
from t1t2_pt.networks.depth import DEPTH, DepthNetwork
from t1t2_pt.steps.depth_step import depth_t1_step, depth_t1t2_step, initial_depth_state
from t1t2_pt.steps.regularization import Tensors
from t1t2_pt.steps.step import Batch, Rates, state_inputs
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.batches import t1_rows, t2_rows

VERSION = 1  # of what a run computes: whoever changes that raises it
FLOAT = "float32"
RATES = ("elementary", *(f"{name}/rate" for name in DEPTH))

History = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class DepthConfig:
    """Every choice of a run.

    Parameters
    ----------
    hidden
        Widths of the hidden layers.
    mean, log_spread
        m and log v of the readouts' weights: at the start where they are tuned, else throughout.
    tune
        `DEPTH`, or nothing.
    learning_rate, depth_learning_rate
        Step sizes of the parameters, with momentum, and of m and log v, with Adam.
    data
        What names the content of the data set.

    Raises
    ------
    InputError
        Naming the field.
    """

    hidden: tuple[int, ...]
    t1_samples: int
    t2_samples: int
    epochs: int
    mean: float
    log_spread: float
    tune: tuple[str, ...] = ()
    seed: int = 0
    split_seed: int = 0
    batch_size: int = 100
    learning_rate: float = 3e-2
    depth_learning_rate: float = 1e-2
    dataset: str = "mnist"
    data: str = ""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise InputError("hidden", self.hidden, "is no list of widths", "give one above 0 for each hidden layer")
        if self.tune not in ((), DEPTH):
            raise InputError("tune", self.tune, "is unknown", f"give {DEPTH} or nothing")
        for name in DEPTH:
            if not math.isfinite(getattr(self, name)):
                raise InputError(name, getattr(self, name), "is not finite", "give a number")
        for name in ("learning_rate", "depth_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(name, getattr(self, name), "is out of range", "give a number above 0")
        for name in ("t1_samples", "t2_samples"):
            if not 1 <= self.batch_size <= getattr(self, name):
                problem = f"is no batch of {name} = {getattr(self, name)}"
                raise InputError("batch_size", self.batch_size, problem, "give a number from 1 to that")
        if self.epochs < 1:
            raise InputError("epochs", self.epochs, "is out of range", "give a whole number above 0")

    @property
    def samples_of_t2(self) -> int:
        """Samples in a batch of T2."""
        return self.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Updates in each epoch."""
        return self.t1_samples // self.batch_size

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def hyperparameter_steps(self) -> int:
        """Updates that move the depth, which is every one where it is tuned."""
        return self.steps if self.tune else 0

    def digest(self) -> str:
        """What names the run."""
        values = {"version": VERSION, **dataclasses.asdict(self)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class DepthTrained:
    """A finished run.

    Parameters
    ----------
    history
        Of a tuned run columns with a row for each epoch, from 0: `epoch`, `mean` and `log_spread` after it, and from
        1 the epoch's mean of `validation_cost` and of the sizes of `mean/direct` and so on, see `depth_t1t2_step`.
        Empty for a fixed run.
    final
        The last row's `mean` and `log_spread`, the last epoch's mean `train_cost`, and at the end `t2_cost`,
        `t2_error`, `test_cost` and `test_error`; what is not finite shows that the run diverged.
    """

    config: DepthConfig
    history: History
    final: dict[str, float]


class DepthProgram:
    """The compiled graphs of all runs with some widths and sizes, each made when it is first needed.

    Parameters
    ----------
    config
        Any of these runs.
    split
        Their data.
    """

    def __init__(self, config: DepthConfig, split: Split, backend: Backend):
        self.arrays = {
            name: array.reshape(len(array), -1) if name.endswith("inputs") else array
            for name, array in split.arrays.items()
        }
        features = self.arrays["t1_inputs"].shape[1]
        self.network = DepthNetwork(features, config.hidden, split.classes)
        self._backend, self._batch_size = backend, config.batch_size
        self._state = state_inputs(initial_depth_state(self.network, 0.0, 0.0, 0), FLOAT)
        self._rates = {name: pt.scalar(name, dtype=FLOAT) for name in (*RATES, "count")}

    @functools.cached_property
    def t1(self) -> Callable[[Arrays], Arrays]:
        """A T1 step: from state, rates, count and T1 batch to what is new in the state and the metrics."""
        batch, inputs = self._batch("t1", self._batch_size)
        return self._compiled(inputs, depth_t1_step(self.network, self._state, batch, *self._rates_and_count()))

    @functools.cached_property
    def t1t2(self) -> Callable[[Arrays], Arrays]:
        """A T1+T2 step likewise, of a T2 batch, too."""
        (t1, inputs), (t2, more) = (self._batch(name, self._batch_size) for name in ("t1", "t2"))
        step = depth_t1t2_step(self.network, self._state, t1, t2, *self._rates_and_count())
        return self._compiled({**inputs, **more}, step)

    @functools.cached_property
    def evaluations(self) -> dict[str, Callable[[Arrays], Arrays]]:
        """Cost and error, of T2 and of test: from parameters, m and log v."""
        return {name: self._evaluation(name) for name in ("t2", "test")}

    def rows(self, name: str, rows: np.ndarray) -> Arrays:
        """A batch of T1 or T2, as the steps take it."""
        return {kind: self.arrays[kind][rows] for kind in (f"{name}_inputs", f"{name}_labels")}

    def _batch(self, name: str, size: int) -> tuple[Batch, Tensors]:
        inputs = pt.tensor(f"{name}_inputs", shape=(size, self.network.features), dtype=FLOAT)
        labels = pt.tensor(f"{name}_labels", shape=(size,), dtype="int32")
        return Batch(inputs, labels), {f"{name}_inputs": inputs, f"{name}_labels": labels}

    def _rates_and_count(self) -> tuple[Rates, pt.TensorVariable]:
        hyper = {name: self._rates[f"{name}/rate"] for name in DEPTH}
        return Rates(self._rates["elementary"], hyper), self._rates["count"]

    def _compiled(self, batches: Tensors, step: tuple[Tensors, Tensors]) -> Callable[[Arrays], Arrays]:
        new_state, metrics = step
        return self._backend.function({**self._state, **self._rates, **batches}, {**new_state, **metrics})

    def _evaluation(self, name: str) -> Callable[[Arrays], Arrays]:
        batch, _ = self._batch(name, len(self.arrays[f"{name}_labels"]))
        state = {key: self._state[key] for key in (*self.network.shapes(), *DEPTH)}
        logits = self.network.logits(state, batch.inputs)
        measured = {
            f"{name}_cost": costs.cross_entropy(logits, batch.labels),
            f"{name}_error": costs.error_rate(logits, batch.labels),
        }
        return self._backend.function(
            {**state, f"{name}_inputs": batch.inputs, f"{name}_labels": batch.labels}, measured
        )


def step_times(config: DepthConfig, program: DepthProgram, steps: int = 10) -> tuple[float, float]:
    """Seconds that a T1 step and a T1+T2 step take, means over some steps in a row."""

    def seconds(tune: tuple[str, ...]) -> float:
        ends: list[float] = []
        some = dataclasses.replace(config, tune=tune, t1_samples=steps * config.batch_size, epochs=2)
        train_depth(some, program, lambda: ends.append(time.perf_counter()))
        return (ends[1] - ends[0]) / steps  # the first epoch compiles

    return seconds(()), seconds(DEPTH)


def train_depth(config: DepthConfig, program: DepthProgram, after_epoch: Callable[[], object]) -> DepthTrained:
    """Train a run; one that diverges ends after the epoch in which it did.

    Parameters
    ----------
    after_epoch
        Called after each; what it raises ends the training.
    """
    state = initial_depth_state(program.network, config.mean, config.log_spread, config.seed)
    rates = dict.fromkeys(RATES, config.depth_learning_rate) | {"elementary": config.learning_rate}
    constant = {name: np.asarray(rate, FLOAT) for name, rate in rates.items()}
    history: History = {"epoch": [0.0], **{name: [float(state[name])] for name in DEPTH}}
    sums: dict[str, float] = {}
    for epoch in range(1, config.epochs + 1):
        sums, first = {}, (epoch - 1) * config.steps_per_epoch
        for number, rows in enumerate(t1_rows(config, epoch), start=first):
            values = {**state, **constant, "count": np.asarray(number + 1, FLOAT), **program.rows("t1", rows)}
            if config.tune:
                found = program.t1t2(values | program.rows("t2", t2_rows(config, number)))
            else:
                found = program.t1(values)
            for name, value in found.items():
                if name in state:
                    state[name] = np.asarray(value)
                else:
                    sums[name] = sums.get(name, 0.0) + abs(float(value)) / config.steps_per_epoch
        row = {"epoch": float(epoch), **{name: float(state[name]) for name in DEPTH}, **sums}
        for name, measured in row.items():
            history.setdefault(name, [math.nan]).append(measured)
        after_epoch()
        if not math.isfinite(sums["train_cost"]):
            break
    final = {"train_cost": sums["train_cost"], **{name: float(state[name]) for name in DEPTH}}
    for name, evaluate in program.evaluations.items():
        whole = program.rows(name, np.arange(len(program.arrays[f"{name}_labels"])))
        final |= {key: float(value) for key, value in evaluate({**state, **whole}).items()}
    return DepthTrained(config, history if config.tune else {}, final)
