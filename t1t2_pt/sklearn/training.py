"""Training of a population: epochs of batches and noise from the host, steps of a program.

Each network has its own samples of T1 and T2; levels are shared. Everything drawn follows from the seed. Noise is read
from a table of normal numbers, drawn once in a fit, at a place that is drawn for each step: to draw them anew would
take several times as long as the steps themselves.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from t1t2_pt.backends.interface import Arrays
from t1t2_pt.optimizers import OPTIMIZERS
from t1t2_pt.sklearn.calls import NOISE, clock_of, placed, program
from t1t2_pt.sklearn.design import Design, Vector
from t1t2_pt.sklearn.parameters import ParameterError

Rows = npt.NDArray[np.intp]


@dataclasses.dataclass(frozen=True)
class Samples:
    """Padded inputs [samples, features], targets [samples] or [samples, outputs], and weights [samples]."""

    inputs: Vector
    targets: npt.NDArray[Any]
    weights: Vector


@dataclasses.dataclass(frozen=True)
class Options:
    """How to train.

    Parameters
    ----------
    epochs
        At most.
    learning_rate, hyper_learning_rate
        Of the elementary parameters, and of the levels' logarithms; both by Adam.
    interval
        Every so many steps the levels move, too.
    patience, tol
        Stop after `patience` epochs in which the validation cost has not sunk by `tol`; None: never.
    seed
        Of everything drawn.
    backend
        Name of a backend.
    """

    epochs: int
    learning_rate: float
    hyper_learning_rate: float
    interval: int
    patience: int | None
    tol: float
    seed: int
    backend: str


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training has found.

    Parameters
    ----------
    theta
        [networks, parameters].
    levels
        Logarithms; where it stopped early those of the best epoch.
    epochs
        How many it took to `levels`.
    train_costs, validation_costs, paths
        Of each epoch: costs, and the levels after it.
    """

    theta: Vector
    levels: Vector
    epochs: int
    train_costs: list[float]
    validation_costs: list[float]
    paths: list[Vector]


def initial_theta(design: Design, seed: int) -> Vector:
    """Weights to start from, He's, [networks, parameters]."""
    made = []
    for place in range(design.networks):
        rng = np.random.Generator(np.random.Philox(key=[seed, place]))
        values = design.network.initial_parameters(rng, "he")
        made.append(np.concatenate([values[name].reshape(-1) for name in design.parameters]))
    return np.stack(made).astype(design.dtype)


def train(
    design: Design,
    constants: Arrays,
    samples: Samples,
    t1: Sequence[Rows],
    t2: Sequence[Rows] | None,
    theta: Vector,
    levels: Vector,
    options: Options,
    epochs: int | None = None,
) -> Trained:
    """Train a population; where there is T2 the levels move, else they stay.

    Parameters
    ----------
    constants
        See `StepGraphs.constants`.
    samples
        Of all networks.
    t1, t2
        Of each network the numbers of its samples.
    theta, levels
        To start from.
    epochs
        After how many to stop on a schedule for `options.epochs`; None: at its end.

    Raises
    ------
    ParameterError
        If a cost is not finite.
    """
    run = _Run(design, constants, samples, t1, t2, options, theta, levels)
    history = _History(options.learning_rate, options.tol, options.patience if t2 is not None else None)
    for found in run.calls((epochs or options.epochs) * run.per_epoch):
        history.add(found, run.per_epoch)
        if history.stalls:
            break
    reached = len(history.paths) if history.patience is None else history.best_epoch
    path = history.paths[reached - 1]
    return Trained(run.theta(), path, reached, history.train_costs, history.validation_costs, history.paths)


@dataclasses.dataclass
class _History:
    """What is recorded of each epoch, and when the best one was."""

    learning_rate: float
    tol: float
    patience: int | None
    train_costs: list[float] = dataclasses.field(default_factory=list)
    validation_costs: list[float] = dataclasses.field(default_factory=list)
    paths: list[Vector] = dataclasses.field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 1
    stalls: bool = False
    _pending: list[Vector] = dataclasses.field(default_factory=list)

    def add(self, rows: Vector, per_epoch: int) -> None:
        """Rows of further steps: training cost, validation cost or NaN, levels."""
        self._pending += list(rows)
        while len(self._pending) >= per_epoch and not self.stalls:
            self._add_epoch(np.stack(self._pending[:per_epoch]))
            del self._pending[:per_epoch]

    def _add_epoch(self, rows: Vector) -> None:
        tuned = rows[:, 1][~np.isnan(rows[:, 1])]
        validation = float(tuned.mean()) if len(tuned) else math.nan
        self.train_costs.append(float(rows[:, 0].mean()))
        self.validation_costs.append(validation)
        self.paths.append(rows[-1, 2:].copy())
        epoch, cost = len(self.paths), self.train_costs[-1]
        if not math.isfinite(cost):
            problem = f"the training cost was {cost:g} in epoch {epoch}"
            raise ParameterError("learning_rate_init", self.learning_rate, problem, "lower it")
        if validation < self.best - self.tol:
            self.best, self.best_epoch = validation, epoch
        self.stalls = self.patience is not None and epoch - self.best_epoch >= self.patience


class _Run:
    """A population on its way."""

    def __init__(
        self,
        design: Design,
        constants: Arrays,
        samples: Samples,
        t1: Sequence[Rows],
        t2: Sequence[Rows] | None,
        options: Options,
        theta: Vector,
        levels: Vector,
    ) -> None:
        self.design, self.samples, self.options = design, samples, options
        self._t1, self._t2 = t1, t2
        self._t1_means, self._t2_means = ([float(samples.weights[of].mean()) for of in rows or ()] for rows in (t1, t2))
        self.per_epoch = max(math.ceil(len(rows) / design.t1_batch) for rows in t1)
        self._interval = options.interval if t2 is not None else 0
        self._rng = np.random.Generator(np.random.SFC64(options.seed))
        self._step = self._hyper_step = 0
        self._batches = _Batches(max(map(len, t1)), self.per_epoch, design.t1_batch)
        table = self._rng.standard_normal(design.noise_table, dtype=np.dtype(design.dtype).type)
        self.constants = {**constants, NOISE: placed(table, options.backend)}
        self._waiting = np.zeros((design.networks, 0, design.t1_batch), int)
        self._state = placed(_first_state(design, theta, levels), options.backend)

    def theta(self) -> Vector:
        """The elementary parameters now."""
        return np.array(self._state["theta"])

    def calls(self, steps: int) -> Iterator[Vector]:
        """Train for so many steps; rows of them as they come: training cost, validation cost or NaN, levels.

        The next batches are made while the device is at work.
        """
        before: tuple[bool, int, Any] | None = None
        while self._step < steps:
            tunes, count = self._next(steps)
            now = tunes, count, self._call(tunes, count)
            if before is not None:
                yield _rows(*before)
            before = now
        if before is not None:
            yield _rows(*before)

    def _next(self, steps: int) -> tuple[bool, int]:
        """Whether the next call tunes, and how many steps it takes."""
        left = min(steps - self._step, self.design.slots)
        if self._interval < 2:
            return self._interval == 1, left
        before = self._interval - 1 - self._step % self._interval
        return (True, 1) if before == 0 else (False, min(left, before))

    def _call(self, tunes: bool, count: int) -> Any:
        slots = 1 if tunes and self._interval > 1 else self.design.slots
        steps = program(self.design, tunes, slots, self.options.backend)
        rates = self.options.learning_rate, self.options.hyper_learning_rate
        in_all = self.options.epochs * self.per_epoch
        clock = clock_of(self._step, self._hyper_step, in_all, rates, count, self.design.dtype)
        t2 = self._t2_batch() if tunes else {}
        self._state, rows = steps(self._state, self._t1_batches(count, slots), t2, self.constants, clock)
        self._step += count
        self._hyper_step += count if tunes else 0
        return rows

    def _t1_batches(self, count: int, slots: int) -> Arrays:
        while self._waiting.shape[1] < count:
            more = [self._batches.of_epoch(rows, self._rng) for rows in self._t1]
            self._waiting = np.concatenate([self._waiting, np.stack(more)], axis=1)
        rows, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        filled = np.full((slots, *rows.shape[::2]), -1)
        filled[:count] = rows.swapaxes(0, 1)
        found = _gathered(self.samples, filled, self._t1_means)
        last = self.design.noise_table - self.design.noise_numbers
        return {**found, NOISE: self._rng.integers(last, size=slots, endpoint=True, dtype=np.int32)}

    def _t2_batch(self) -> Arrays:
        assert self._t2 is not None
        rows = np.full((self.design.networks, self.design.t2_batch), -1)
        for place, of in enumerate(self._t2):
            size = min(len(of), self.design.t2_batch)
            rows[place, :size] = of if size == len(of) else self._rng.choice(of, size, replace=False, shuffle=False)
        return _gathered(self.samples, rows, self._t2_means)


def _rows(tunes: bool, count: int, found: Any) -> Vector:
    """Training cost, validation cost or NaN, and levels of each step of a call."""
    rows = np.asarray(found)[:count]
    return rows if tunes else np.insert(rows, 1, np.nan, axis=1)


def _gathered(samples: Samples, rows: Rows, mean_weights: Sequence[float]) -> Arrays:
    """Samples by number [..., networks, batch]; -1 is none, of weight 0."""
    there = rows >= 0
    sizes = np.maximum(there.sum(axis=-1, keepdims=True), 1)
    weights = np.where(there, samples.weights[rows] / (sizes * np.asarray(mean_weights)[:, None]), 0)
    return {
        "inputs": samples.inputs[rows],
        "targets": samples.targets[rows],
        "weights": weights.astype(samples.inputs.dtype),
    }


class _Batches:
    """How an epoch is cut into batches of about the same number of samples."""

    def __init__(self, longest: int, steps: int, size: int) -> None:
        self.steps, self.size = steps, size
        self._places = {n: self._cut(n) for n in (longest, longest - 1)}

    def of_epoch(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Batches [steps, size] of samples in another order each time; -1 fills them."""
        places = self._places.get(len(rows))
        places = self._cut(len(rows)) if places is None else places
        return np.append(rng.permutation(rows), -1)[places]

    def _cut(self, samples: int) -> Rows:
        ends = np.linspace(0, samples, self.steps + 1).round().astype(int)
        places = ends[:-1, None] + np.arange(self.size)
        return np.where(places < ends[1:, None], places, samples)


def _first_state(design: Design, theta: Vector, levels: Vector) -> Arrays:
    state = {}
    for name, value in (("theta", theta), ("levels", levels)):
        state[name] = np.asarray(value, design.dtype)
        state |= {f"{name}/{memory}": np.zeros_like(state[name]) for memory in OPTIMIZERS["adam"].memory}
    return state
