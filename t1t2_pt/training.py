"""The loop: epochs, evaluations and the history of some runs that train together.

All random choices are functions of the run's seed and a count (epoch, pass or step), so that what a
run does next depends on nothing but its state and the number of its next epoch.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from t1t2_pt.backends import Arrays, Backend, Compiled, Population, Program, run_constants
from t1t2_pt.backends.base import is_hyper_step
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.networks import Network
from t1t2_pt.step import hyperparameter_values, initial_state, level_maps, make_network

History = dict[str, list[float]]

_T1_ORDER, _T2_ORDER = 1, 2


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished run.

    Parameters
    ----------
    history
        Columns of equal length, one row per epoch from 0 (before training): `epoch`, `seconds`
        (shared equally among runs trained together), every hyperparameter after the epoch, the
        epoch's mean metrics and step sizes, and the evaluations; NaN where not measured.
    diverged_at
        The first epoch whose training cost was not finite; None for a run that stayed finite.
    maps
        Where every hyperparameter per map ended, by the names of `map_columns`; the history has the
        mean of each layer.
    """

    config: RunConfig
    history: History
    diverged_at: int | None
    maps: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def final(self) -> dict[str, float]:
        """The last row of the history, and every level per map."""
        return {**{name: column[-1] for name, column in self.history.items()}, **self.maps}


Progress = Callable[[int], None]

_compiled: dict[tuple[str, str], Compiled] = {}


def train(
    configs: Sequence[RunConfig], split: Split, backend: Backend, on_epoch: Progress | None = None
) -> list[Trained]:
    """Train runs of one structure together.

    Parameters
    ----------
    configs
        Runs that agree in `RunConfig.structure()`.
    split
        Their data.
    on_epoch
        Called with the number of each finished epoch.

    Raises
    ------
    ValueError
        If the runs differ in structure.
    """
    if len({config.structure() for config in configs}) != 1:
        raise ValueError(f"configs: {len(configs)} runs of differing structure; train each structure by itself")
    first = configs[0]
    network = make_network(first, split.input_shape, split.classes)
    arrays = {name: _in_shape(name, array, network.input_shape) for name, array in split.arrays.items()}
    population = _compile(first, network, split, backend).populate(
        arrays,
        [initial_state(config, network) for config in configs],
        [run_constants(config, "float32") for config in configs],
    )
    histories = [[_initial_row(config, network)] for config in configs]
    for epoch in range(1, first.epochs + 1):
        start = time.perf_counter()
        rows = _epoch_rows(configs, network, epoch, population)
        if epoch == first.epochs or (first.evaluate_every and epoch % first.evaluate_every == 0):
            for row, metrics in zip(rows, _per_run(population.evaluate()), strict=True):
                row.update(metrics)
        seconds = (time.perf_counter() - start) / len(configs)
        for history, row in zip(histories, rows, strict=True):
            history.append({"epoch": epoch, "seconds": seconds, **row})
        if on_epoch is not None:
            on_epoch(epoch)
    states = _hyper_states(configs, network, population)
    return [_finish(*ended, network) for ended in zip(configs, histories, states, strict=True)]


def t1_rows(config: RunConfig, epoch: int) -> np.ndarray:
    """Samples of T1 in each step of an epoch (from 1): int32 [steps, batch], each used at most once."""
    used = config.steps_per_epoch * config.batch_size
    order = _generator(config.seed, _T1_ORDER, epoch).permutation(config.t1_samples)
    return order[:used].astype(np.int32).reshape(config.steps_per_epoch, config.batch_size)


def t2_rows(config: RunConfig, hyper_step: int) -> np.ndarray:
    """Samples of T2 in a hyperparameter step (from 0): int32 [batch], by passes over T2 in random order."""
    per_pass = config.t2_samples // config.batch_size
    number, place = divmod(hyper_step, per_pass)
    order = _generator(config.seed, _T2_ORDER, number).permutation(config.t2_samples)
    return order[place * config.batch_size : (place + 1) * config.batch_size].astype(np.int32)


def _generator(seed: int, stream: int, count: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed | stream << 32, count]))


def _in_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array.reshape(len(array), *shape) if name.endswith("inputs") else array


def _compile(config: RunConfig, network: Network, split: Split, backend: Backend) -> Compiled:
    program = Program(config, network, split.samples)
    key = (backend.name, program.identity)
    if key not in _compiled:
        _compiled[key] = backend.compile(program)
    return _compiled[key]


def _epoch_rows(
    configs: Sequence[RunConfig], network: Network, epoch: int, population: Population
) -> list[dict[str, float]]:
    """Train an epoch; means of the metrics and the hyperparameters after it, for each run."""
    first = configs[0]
    length = first.steps_per_epoch
    begin = (epoch - 1) * length
    hyper_steps = range(0)
    if first.tune:
        numbers = [n for n in range(begin, begin + length) if is_hyper_step(n, first.interval)]
        before = begin // first.interval
        hyper_steps = range(before, before + len(numbers))
    # A place for every hyper step that an epoch can have keeps the shape, and what is compiled for it.
    places = math.ceil(length / first.interval) if first.tune else 0
    second = np.zeros((len(configs), places, first.batch_size), np.int32)
    for run, config in enumerate(configs):
        for place, number in enumerate(hyper_steps):
            second[run, place] = t2_rows(config, number)
    sums = population.epoch(
        begin, first.steps, first.interval, np.stack([t1_rows(config, epoch) for config in configs]), second
    )
    rows = []
    for config, totals, state in zip(configs, _per_run(sums), _hyper_states(configs, network, population), strict=True):
        row = _hyper_columns(config, network, state)
        for name, total in totals.items():
            row[name] = total if name.startswith("repaired") else total / _steps_with(name, length, len(hyper_steps))
        rows.append(row)
    return rows


def _steps_with(metric: str, steps: int, hyper_steps: int) -> float:
    """How many steps of the epoch had this metric; NaN for none."""
    return (hyper_steps or math.nan) if "/" in metric or metric == "validation_cost" else steps


def _hyper_states(configs: Sequence[RunConfig], network: Network, population: Population) -> list[Arrays]:
    """Each run's hyperparameters."""
    values = population.state(tuple(hyperparameter_values(configs[0], network)))
    return [{name: value[run] for name, value in values.items()} for run in range(len(configs))]


def _per_run(stacked: Arrays) -> list[dict[str, float]]:
    runs = len(next(iter(stacked.values())))
    return [{name: float(values[run]) for name, values in stacked.items()} for run in range(runs)]


def _initial_row(config: RunConfig, network: Network) -> dict[str, float]:
    hyper = _hyper_columns(config, network, hyperparameter_values(config, network))
    return {"epoch": 0, "seconds": 0.0, **hyper}


def layer_columns(name: str, layers: int) -> list[str]:
    """History columns of a hyperparameter that has one number per layer: `hidden_noise_1`, ..., `l2_0`, ..."""
    first = 1 if name == "hidden_noise" else 0
    return [f"{name}_{layer}" for layer in range(first, first + layers)]


def map_columns(name: str, maps: Sequence[int]) -> list[str]:
    """Columns of a hyperparameter that has one number per map: `hidden_noise_1_0`, `hidden_noise_1_1`, ..."""
    layers = layer_columns(name, len(maps))
    return [f"{column}_{number}" for column, count in zip(layers, maps, strict=True) for number in range(count)]


def _hyper_columns(config: RunConfig, network: Network, values: Arrays) -> dict[str, float]:
    """One number per layer, or one for all; of those per map the mean of each layer."""
    columns = {}
    for name in config.hyperparameters:
        value = np.asarray(values[name])
        if name in config.per_map:
            ends = np.cumsum(level_maps(network)[name])[:-1]
            value = np.array([part.mean() for part in np.split(value, ends)])
        names = [name] if value.ndim == 0 else layer_columns(name, len(value))
        columns |= dict(zip(names, value.reshape(-1).tolist(), strict=True))
    return columns


def _finish(config: RunConfig, rows: list[dict[str, float]], state: Arrays, network: Network) -> Trained:
    names = dict.fromkeys(name for row in rows for name in row)
    history = {name: [row.get(name, math.nan) for row in rows] for name in names}
    costs = history["train_cost"][1:]
    diverged = next((epoch for epoch, cost in enumerate(costs, start=1) if not math.isfinite(cost)), None)
    maps = {}
    for name in config.per_map:
        columns = map_columns(name, level_maps(network)[name])
        maps |= dict(zip(columns, np.asarray(state[name]).tolist(), strict=True))
    return Trained(config, history, diverged, maps)
