"""The loop: epochs, evaluations and the history of some runs that train together.

All random choices are functions of the run's seed and a count (epoch, pass or step), so that what a
run does next depends on nothing but its state and the number of its next epoch.
"""

import dataclasses
import functools
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from t1t2_pt.backends import Arrays, Backend, Compiled, Population, Program, run_constants
from t1t2_pt.backends.interface import is_hyper_step
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.networks.network import Network
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.steps.columns import EVALUATION, epoch_columns
from t1t2_pt.steps.regularization import level_values
from t1t2_pt.steps.step import initial_state, make_network
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.batches import t1_rows, t2_rows
from t1t2_pt.training.snapshots import Histories, Snapshot
from t1t2_pt.training.watching import watch

History = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished run.

    Parameters
    ----------
    history
        Columns of equal length, one row per epoch from 0 (before training): `epoch`, `seconds`
        (of the clock, shared equally among runs trained together), every hyperparameter after the epoch, the
        epoch's mean metrics and step sizes, and the evaluations; NaN where not measured.
    diverged_at, reason
        The first epoch with a cost that was not finite, and what was seen; None and nothing for a sound run.
    units
        Where every hyperparameter per unit ended, by `Levels.unit_columns`; the history has the mean of
        each layer.
    """

    config: RunConfig
    history: History
    diverged_at: int | None
    reason: str = ""
    units: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def final(self) -> dict[str, float]:
        """The last row of the history, and every level per unit."""
        return {**{name: column[-1] for name, column in self.history.items()}, **self.units}


Rows = list[dict[str, float]]
AfterEpoch = Callable[[int, Callable[[], Snapshot]], None]

COSTS = ("train_cost", "t1_cost", "t2_cost", "test_cost")
NEVER = 1 << 30  # an interval that no run reaches
KEPT_PROGRAMS = 8

_programs: dict[tuple[str, str], Compiled] = {}
_programs_lock = threading.Lock()


def train(
    configs: Sequence[RunConfig],
    split: Split,
    backend: Backend,
    after_epoch: AfterEpoch | None = None,
    *,
    template: RunConfig | None = None,
    size: int = 1,
    start: Snapshot | None = None,
    at_end: Callable[[Arrays], None] | None = None,
    on_rows: Callable[[int, Rows], None] | None = None,
) -> list[Trained]:
    """Train runs of one structure together.

    Parameters
    ----------
    configs
        Runs that agree in `RunConfig.structure()`.
    split
        Their data.
    after_epoch
        Called with the number of each finished epoch and a function that takes a snapshot; what it
        raises ends the training.
    template
        A run whose program trains these too; for runs that tune nothing it may be one that does, whose
        T1 step is theirs. None: a program of their own.
    size
        Train a population of at least so many, filled up with copies of the last run, so that
        populations of several sizes share what is compiled.
    start
        Go on from here.
    at_end
        Called with the whole state of the runs after the last epoch, every array [runs, ...].
    on_rows
        Called with the number of each finished epoch and what was measured in it of each run.

    Raises
    ------
    ValueError
        If the runs differ in structure.
    InputError
        If the split is not the one that the configs speak of, or has labels beyond its classes or numbers
        that are not finite.
    """
    if len({config.structure() for config in configs}) != 1:
        raise ValueError(f"configs: {len(configs)} runs of differing structure; train each structure by itself")
    asked, configs = configs, [config.canonical for config in configs]  # programs are kept by what is canonical
    first = configs[0]
    _check_split(first, split)
    template = (template or first).canonical
    network = make_network(first, split.input_shape, split.classes)
    start = start or initial_snapshot(configs, split, template)
    filled = [*configs, *[configs[-1]] * (size - len(configs) if backend.together else 0)]
    population = _compile(template, network, split, backend).populate(
        {name: _in_shape(name, array, network.input_shape) for name, array in split.arrays.items()},
        [_state_of(start.state, min(run, len(configs) - 1)) for run in range(len(filled))],
        [run_constants(config, "float32") for config in filled],
    )
    epoch, histories = start.epoch, start.histories.copy()
    over = "train_cost" in histories.names and _all_diverged(histories.column("train_cost")[:, -1])
    while not over:
        epoch += 1
        began = time.perf_counter()
        rows = _epoch_rows(configs, filled, template, network, epoch, population)
        over = epoch == first.epochs or _all_diverged(row["train_cost"] for row in rows)
        if epoch == first.epochs or (first.evaluate_every and epoch % first.evaluate_every == 0):
            for row, metrics in zip(rows, _per_run(population.evaluate()), strict=False):
                row.update(metrics)
        if first.monitor:
            _watch(configs, split, backend, network, epoch, population, rows)
        seconds = (time.perf_counter() - began) / len(configs)
        histories.append([{"seconds": seconds, **row} for row in rows])
        if on_rows is not None:
            on_rows(epoch, rows)
        if after_epoch is not None:
            after_epoch(epoch, functools.partial(_snapshot, epoch, population, histories))
    if at_end is not None:
        at_end(_snapshot(epoch, population, histories).state)
    states = _hyper_states(configs, network, population)
    return [
        _finish(config, _up_to_divergence(histories.of_run(run)), _divergence(histories, run), state, network)
        for run, (config, state) in enumerate(zip(asked, states, strict=True))
    ]


def _check_split(config: RunConfig, split: Split) -> None:
    """A compiled program would read past the end of arrays that are too short, and take a label for another."""
    if config.data and split.fingerprint and config.data != split.fingerprint:
        problem = (
            f"are not the {config.dataset} of this run: their content is {split.fingerprint[:12]}, "
            f"and it is of {config.data[:12]}"
        )
        remedy = "have the same data wherever it is trained, see `t1t2 data list`, and run it again"
        raise InputError("data", split.provenance, problem, remedy)
    expected = {"t1": config.t1_samples, "t2": config.t2_samples}
    for name in ("t1", "t2", "test"):
        inputs, labels = split.arrays[f"{name}_inputs"], split.arrays[f"{name}_labels"]
        if len(inputs) != len(labels) or not len(labels):
            raise InputError("split", name, f"has {len(inputs)} inputs and {len(labels)} labels", "give one for each")
        if len(labels) != expected.get(name, len(labels)):
            problem = f"has {len(labels)} samples, where the config says {expected[name]}"
            raise InputError("split", name, problem, f"give them by {name}_samples")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= split.classes:
            problem = f"has labels from {labels.min()} to {labels.max()}"
            raise InputError("split", name, problem, f"give whole numbers from 0 to {split.classes - 1}")
        if not np.isfinite(inputs).all():
            raise InputError("split", name, "has inputs that are not finite", "leave those samples out")


def initial_snapshot(configs: Sequence[RunConfig], split: Split, template: RunConfig) -> Snapshot:
    """Runs before their first epoch, in the form that the program of `template` has."""
    network = make_network(configs[0], split.input_shape, split.classes)
    states = [initial_state(_like(template, config), network) for config in configs]
    state = {name: np.stack([one[name] for one in states]) for name in states[0]}
    levels = [_hyper_columns(config, network, level_values(config, network)) for config in configs]
    return Snapshot(0, state, Histories.of([{"seconds": 0.0, **row} for row in levels]))


def _like(template: RunConfig, config: RunConfig) -> RunConfig:
    """The template with what is this run's own in its first state."""
    own: dict[str, Any] = {name: config.level(name) for name in HYPERPARAMETERS}
    return dataclasses.replace(template, seed=config.seed, **own)


def _snapshot(epoch: int, population: Population, histories: Histories) -> Snapshot:
    state = {name: array[: len(histories.values)] for name, array in population.state().items()}
    return Snapshot(epoch, state, histories.copy())


def _state_of(state: Arrays, run: int) -> Arrays:
    return {name: array[run] for name, array in state.items()}


def _all_diverged(costs: Iterable[float]) -> bool:
    """Whether no run has a finite cost any more, from which none comes back."""
    return not any(map(math.isfinite, costs))


def _in_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array.reshape(len(array), *shape) if name.endswith("inputs") else array


def _compile(template: RunConfig, network: Network, split: Split, backend: Backend) -> Compiled:
    """The program of this run, compiled; those used last are kept."""
    program = Program(template, network, split.samples)
    key = (backend.name, program.identity)
    with _programs_lock:
        compiled = _programs.pop(key, None) or backend.compile(program)
        _programs[key] = compiled
        if len(_programs) > KEPT_PROGRAMS:
            del _programs[next(iter(_programs))]
            backend.forget()
    return compiled


def _epoch_rows(
    configs: Sequence[RunConfig],
    filled: Sequence[RunConfig],
    template: RunConfig,
    network: Network,
    epoch: int,
    population: Population,
) -> Rows:
    """Train an epoch; means of the metrics and the hyperparameters after it, for each run."""
    first = configs[0]
    length = first.steps_per_epoch
    begin = (epoch - 1) * length
    interval = first.interval if first.tunes_in(epoch) else NEVER
    numbers = [n for n in range(begin, begin + length) if is_hyper_step(n, interval)]
    before = begin // interval
    hyper_steps = range(before, before + len(numbers))
    # A place for every hyper step that an epoch can have keeps the shape, and what is compiled for it.
    places = math.ceil(length / template.interval) if template.tune else 0
    second = np.zeros((len(filled), places, template.samples_of_t2), np.int32)
    for run, config in enumerate(filled):
        for place, number in enumerate(hyper_steps):
            second[run, place] = t2_rows(config, number)
    order = np.stack([t1_rows(config, epoch) for config in filled])
    skipped = _skipped(first, epoch) if first.tune else 0
    sums = population.epoch(begin, first.steps, interval, order, second, skipped)
    rows = []
    states = _hyper_states(configs, network, population)
    for config, totals, state in zip(configs, _per_run(sums), states, strict=False):
        row = _hyper_columns(config, network, state)
        for name in epoch_columns(config):
            total = totals.get(name, 0.0)  # which some backends leave out where no step of the epoch has it
            row[name] = total if name.startswith("repaired") else total / _steps_with(name, length, len(hyper_steps))
        rows.append(row)
    return rows


def _watch(
    configs: Sequence[RunConfig],
    split: Split,
    backend: Backend,
    network: Network,
    epoch: int,
    population: Population,
    rows: Rows,
) -> None:
    """Add what the monitor sees of each run after an epoch, in updates on its last two batches again."""
    states = population.state()
    for run, (config, row) in enumerate(zip(configs, rows, strict=True)):
        batches = t1_rows(config, epoch)
        pair = batches[[max(0, len(batches) - 2), len(batches) - 1]]
        number = max(0, epoch * config.steps_per_epoch - 2)
        row |= watch(config, network, split, backend, _state_of(states, run), pair, number)


def _skipped(config: RunConfig, epoch: int) -> int:
    """T1+T2 steps of the epochs before, by the interval, in which the hyperparameters did not move."""
    ends = np.arange(epoch) * config.steps_per_epoch // config.interval
    tuned = range(config.tune_after + 1, epoch, config.tune_every)  # see `RunConfig.tunes_in`
    return int(ends[-1] - np.diff(ends)[np.array(tuned, dtype=int) - 1].sum())


def _steps_with(metric: str, steps: int, hyper_steps: int) -> float:
    """How many steps of the epoch had this metric; NaN for none."""
    return (hyper_steps or math.nan) if "/" in metric or metric == "validation_cost" else steps


def _hyper_states(configs: Sequence[RunConfig], network: Network, population: Population) -> list[Arrays]:
    """Each run's hyperparameters."""
    values = population.state(tuple(level_values(configs[0], network)))
    return [_state_of(values, run) for run in range(len(configs))]


def _per_run(stacked: Arrays) -> list[dict[str, float]]:
    runs = len(next(iter(stacked.values())))
    return [{name: float(values[run]) for name, values in stacked.items()} for run in range(runs)]


def _hyper_columns(config: RunConfig, network: Network, values: Arrays) -> dict[str, float]:
    """What a history has of every hyperparameter."""
    columns: dict[str, float] = {}
    for name in config.hyperparameters:
        columns |= config.levels(name, network).row(values[name])
    return columns


def _finish(
    config: RunConfig, history: History, divergence: tuple[int | None, str], state: Arrays, network: Network
) -> Trained:
    units: dict[str, float] = {}
    for name in config.per_unit:
        units |= config.levels(name, network).unit_row(state[name])
    return Trained(config, history, *divergence, units)


def _up_to_divergence(history: History) -> History:
    """The history without what came after a cost of training that was not finite: how long others went on."""
    rows = len(history["epoch"])
    broken = (epoch for epoch in range(1, rows) if not math.isfinite(history["train_cost"][epoch]))
    end = next(broken, rows - 1) + 1
    unmeasured = {name: [math.nan] * rows for name in EVALUATION if name not in history}
    return {name: column[:end] for name, column in (history | unmeasured).items()}


def _divergence(histories: Histories, run: int) -> tuple[int | None, str]:
    """The first epoch with a cost that is not finite, and which cost that was; None for a sound run."""
    costs = {name: histories.column(name, unmeasured=0.0)[run] for name in COSTS if name in histories.names}
    for epoch in range(1, len(histories.measured)):
        for name, column in costs.items():
            if not math.isfinite(column[epoch]):
                return epoch, f"{name} was {column[epoch]:g} in epoch {epoch}"
    return None, ""
