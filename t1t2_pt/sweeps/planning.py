"""What many runs would take on this machine, without training them: updates, hours and memory.

Of every kind of run some steps of a population like those that would train together are timed, on random data, and
its evaluation; the times are kept in the run store, unless the machine was busy with other things. Populations train
side by side where a backend has several lanes, but share the cores: their times are added.
"""

import dataclasses
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import psutil

from t1t2_pt.backends import Backend, Program, run_constants
from t1t2_pt.backends.memory import FLOAT, check_fits, run_bytes, usable_cores
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import DATASETS
from t1t2_pt.networks.network import Network
from t1t2_pt.steps.evaluation import CHUNK, KEPT, SETS
from t1t2_pt.steps.step import initial_state, make_network
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.reruns import rerun_config, untuned
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.timing import digest_here
from t1t2_pt.training.loop import NEVER

SAMPLES = {False: 1000, True: 200}  # of random data, by whether the network is convolutional
FEW, MANY = 2, 256  # steps in a call that is timed
PRODUCTS = 1_500_000_000  # of weights and activations, that a call has about
TURN, MOST = 0.5, 5  # seconds after which a call is not repeated, and how often it is at most
BASE = 600_000_000  # bytes of an interpreter with what it has imported and compiled
_TABLE = "CREATE TABLE IF NOT EXISTS step_times (digest TEXT PRIMARY KEY, times TEXT NOT NULL)"


@dataclasses.dataclass(frozen=True)
class StepTimes:
    """Seconds that the runs of a population take together.

    Parameters
    ----------
    t1, t1t2
        For a step of each kind; the same where nothing is tuned.
    sample
        For evaluating a sample.
    """

    t1: float
    t1t2: float
    sample: float


@dataclasses.dataclass(frozen=True)
class Planned:
    """Runs of one kind that are to be trained.

    Parameters
    ----------
    name
        What they are: data, network, epochs.
    runs, updates
        How many there are, and all of their updates.
    seconds
        That they take.
    size
        Bytes that those that train together take at most.
    """

    name: tuple[str, ...]
    runs: int
    updates: int
    seconds: float
    size: int


def plan(sweep: Sweep, wanted: Sequence[RunConfig], later: Iterable[RunConfig]) -> tuple[list[Planned], int]:
    """What is to be trained of some runs, by kind, and how many of them are in the store.

    Parameters
    ----------
    wanted
        The runs.
    later
        Tuned ones among them that are to be trained anew with what they found.

    Raises
    ------
    InputError
        If data cannot be found or read, or runs do not fit into memory.
    """
    settled = list(dict.fromkeys(sweep.settled(wanted, fetch=False)))
    tuned = list(dict.fromkeys(sweep.settled(later, fetch=False)))
    known = {} if sweep.recompute else sweep.store.get_all(settled)
    ended = sweep.settled([rerun_config(known[config]) for config in tuned if config in known], fetch=False)
    reruns = list(dict.fromkeys(ended))
    known |= {} if sweep.recompute else sweep.store.get_all(reruns)
    # How those will begin that are not tuned yet nobody knows; the time that they take does not depend on it.
    unknown = [untuned(config) for config in tuned if config not in known]
    planned: dict[tuple[str, ...], Planned] = {}
    for configs, absent in (
        (settled, [config for config in settled if config not in known]),
        ([*reruns, *unknown], [*(config for config in reruns if config not in known), *unknown]),
    ):
        for group in sweep.groups(configs, absent):
            one = _planned(group, sweep)
            before = planned.get(one.name)
            planned[one.name] = one if before is None else _both(before, one)
    return list(planned.values()), len(known)


def _both(one: Planned, other: Planned) -> Planned:
    sums = {name: getattr(one, name) + getattr(other, name) for name in ("runs", "updates", "seconds")}
    return dataclasses.replace(one, **sums, size=max(one.size, other.size))


def _planned(group: Group, sweep: Sweep) -> Planned:
    config, source = group.lacking[0], DATASETS[group.template.dataset]
    shape, classes = sweep.form(config.dataset)
    network = make_network(group.template, shape, classes)
    check_fits(group.template, network, group.at_once(sweep.backend), sweep.backend.available_memory())
    times = times_of(group, network, sweep)
    populations = 1 if sweep.backend.together else len(group.lacking)
    samples = config.t1_samples, config.t2_samples, source.samples(source.find(sweep.data_dir))[1]
    data = FLOAT * sum(samples) * math.prod(shape)
    memory = data + group.at_once(sweep.backend) * run_bytes(group.template, network)
    return Planned(
        name=describe(config),
        runs=len(group.lacking),
        updates=config.steps * len(group.lacking),
        seconds=populations * _seconds(config, times, sum(samples)),
        size=memory + _evaluation_bytes(network, samples),
    )


def describe(config: RunConfig) -> tuple[str, ...]:
    """Data, network and epochs of a run, for a reader."""
    network = "-".join(map(str, config.hidden)) if config.network == "mlp" else f"{config.network} x {config.width:g}"
    normalised = "batch norm" if config.batch_norm else "no batch norm"
    return config.dataset, f"{config.t1_samples:,}", f"{network}, {normalised}", str(config.epochs)


def _seconds(config: RunConfig, times: StepTimes, samples: int) -> float:
    """Of a population from its first step to its last evaluation."""
    tuned = sum(config.tunes_in(epoch) for epoch in range(1, config.epochs + 1)) * config.steps_per_epoch
    evaluations = config.epochs // config.evaluate_every if config.evaluate_every else 1
    hyper_steps = tuned / config.interval
    return config.steps * times.t1 + hyper_steps * (times.t1t2 - times.t1) + evaluations * samples * times.sample


def _evaluation_bytes(network: Network, samples: Sequence[int]) -> int:
    """Of the largest activations that an evaluation holds: into a layer and out of it, and of T1 what is kept."""
    largest = max(math.prod(shape) for shape in network.activations)
    kept = min(KEPT, samples[0] * largest) if network.batch_norm else 0
    return FLOAT * (2 * min(CHUNK, max(samples) * largest) + kept)


def times_of(group: Group, network: Network, sweep: Sweep) -> StepTimes:
    """The times of a group's steps: from the store, or measured on a machine like this anew."""
    size = group.size if sweep.backend.together else 1
    digest = digest_here(json.dumps([group.template.graph(), network.input_shape, size]), sweep.backend)
    if not sweep.recompute:
        for (text,) in sweep.store.rows("step_times", ("times",), [digest]):
            return StepTimes(**json.loads(text))
    sweep.display.log(f"timing steps of {', '.join(describe(group.template)[::2])}, {size} at once")
    times = measure(group.template, network, size, sweep.backend)
    sweep.backend.forget()
    if busy():
        return times
    with sweep.store.writing() as connection:
        connection.execute(_TABLE)
        row = digest, json.dumps(dataclasses.asdict(times))
        connection.execute("INSERT OR REPLACE INTO step_times VALUES (?, ?)", row)
    return times


def busy() -> bool:
    """Whether others use the machine's cores, and so lengthen what is timed."""
    return psutil.getloadavg()[0] > usable_cores() + 1


def measure(config: RunConfig, network: Network, size: int, backend: Backend, turn: float = TURN) -> StepTimes:
    """Time the steps and the evaluation of so many runs like this, with nothing else running."""
    rng = np.random.default_rng(0)
    count = max(SAMPLES[network.is_convolutional], config.batch_size, config.samples_of_t2)
    x = rng.standard_normal((count, *network.input_shape), dtype=np.float32)
    y = rng.integers(0, network.classes, count).astype(np.int32)
    data = {f"{name}_{kind}": array for name in SETS for kind, array in (("inputs", x), ("labels", y))}
    compiled = backend.compile(Program(config, network, dict.fromkeys(SETS, count)))
    population = compiled.populate(
        data, [initial_state(config, network)] * size, [run_constants(config, "float32")] * size
    )

    steps = FEW if network.is_convolutional else _steps_in_a_call(config, network, size)
    rows = rng.integers(0, count, (size, steps, config.batch_size)).astype(np.int32)
    second = rng.integers(0, count, (size, steps if config.tune else 0, config.samples_of_t2)).astype(np.int32)

    def epoch(interval: int) -> object:
        return population.epoch(0, 1 << 20, interval, rows, second)

    epoch(NEVER if not config.tune else 1)  # compiles
    t1 = _typical(lambda: epoch(NEVER), turn) / steps
    t1t2 = _typical(lambda: epoch(1), turn) / steps if config.tune else t1
    population.evaluate()  # compiles
    sample = _typical(population.evaluate, turn) / (len(SETS) * count)
    return StepTimes(t1, t1t2, sample)


def _steps_in_a_call(config: RunConfig, network: Network, size: int) -> int:
    """So many that what a call takes besides does not count."""
    products = network.parameter_count * config.batch_size * size
    return min(MANY, max(FEW, PRODUCTS // products))


def _typical(work: Callable[[], object], enough: float) -> float:
    """Seconds that work takes: the median of some times, or the only one where that took long enough."""
    found: list[float] = []
    while not found or (len(found) < MOST and found[0] < enough):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)
