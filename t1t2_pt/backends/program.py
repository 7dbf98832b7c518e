"""A step graph fed from data, generator and schedules: what a backend compiles.

The pure steps take batches, noise and step sizes as inputs. Here each of those inputs gets its
source, still as a graph: batches are rows gathered from resident data, noise comes from the
counter-based generator, step sizes from their schedules. What is left for a backend is to compile
three graphs (T1 step, T1+T2 step, evaluation) and to loop.
"""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.networks.network import Network
from t1t2_pt.optimizers import SCHEDULES, ScheduleOptions, between
from t1t2_pt.regularizers import HYPERPARAMETERS, STEP_SIZES
from t1t2_pt.steps import running_moments, step
from t1t2_pt.steps.evaluation import SETS, Plan, Stage, build_stages, make_plan
from t1t2_pt.steps.noise import random_numbers
from t1t2_pt.steps.regularization import Tensors, draw
from t1t2_pt.steps.step import Batch, Momentum, Rates

AHEAD = np.uint32(0x9E3779B9)  # between the seeds of noise and those of batches to come
STEP_SIZE_FIELDS = ("learning_rate", *STEP_SIZES)  # all: a run that tunes nothing may train by a program that does


@dataclasses.dataclass(frozen=True)
class Graph:
    """Outputs of one of a program's steps: the new state and metrics."""

    new_state: Tensors
    metrics: Tensors


@dataclasses.dataclass(frozen=True)
class Graphs:
    """The graphs of one structure of runs, with their inputs by kind.

    Parameters
    ----------
    state, parameters
        The state, different in each run; in it the elementary parameters, with the running statistics if any.
    per_run
        Constants of a run: `seed` (uint32) and the step sizes.
    data
        Inputs [samples, *input_shape] and labels [samples] of T1, T2 and test, shared by all runs.
    clock
        `step` (uint32, from 0), `steps` (floating point, of the whole run), `interval` (uint32), and `skipped`
        (uint32), how many T1+T2 steps there would have been by now but were not.
    rows
        `t1_rows` and `t2_rows`, int32 [batch]: the samples of this step.
    t1, t1t2
        The steps; `t1t2` is None where nothing is tuned.
    stages
        The evaluation.
    """

    state: Tensors
    parameters: Tensors
    per_run: Tensors
    data: Tensors
    clock: Tensors
    rows: Tensors
    t1: Graph
    t1t2: Graph | None
    stages: list[Stage]


@dataclasses.dataclass(frozen=True)
class Program:
    """What trains and evaluates every run of one structure; its graphs are built when they are first needed.

    Parameters
    ----------
    samples
        Sizes of `t1`, `t2` and `test`: every shape in the graphs is static.
    dtype
        float32 for training; float64 for tests.
    """

    config: RunConfig
    network: Network
    samples: Mapping[str, int]
    dtype: str = "float32"

    @property
    def identity(self) -> str:
        """Equal for programs that have the same graphs, also in other processes."""
        return repr((self.config.graph(), self.network, sorted(self.samples.items()), self.dtype))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the state of what evaluations depend on; known without the graphs."""
        return _evaluated(self.config, self.network)

    @property
    def plan(self) -> Plan:
        """How the evaluation goes through the data."""
        return make_plan(self.network, self.samples["t1"], self.config.test_statistics, self.config.batch_size)

    @functools.cached_property
    def graphs(self) -> Graphs:
        """The graphs."""
        with pytensor.config.change_flags(floatX=self.dtype, traceback__limit=0):
            return _build(self.config, self.network, self.samples, self.dtype)


def run_constants(config: RunConfig, dtype: str) -> dict[str, np.ndarray]:
    """Values of a program's `per_run` inputs."""
    rates = {name: np.asarray(getattr(config, name), dtype=dtype) for name in STEP_SIZE_FIELDS}
    return {"seed": np.asarray(config.seed, dtype="uint32"), **rates}


def _build(config: RunConfig, network: Network, samples: Mapping[str, int], dtype: str) -> Graphs:
    state = step.state_inputs(step.initial_state(config, network), dtype)
    per_run = {"seed": pt.scalar("seed", dtype="uint32")}
    per_run |= {name: pt.scalar(name, dtype=dtype) for name in STEP_SIZE_FIELDS}
    data = {}
    for name in SETS:
        shape = (samples[name], *network.input_shape)
        data[f"{name}_inputs"] = pt.tensor(f"{name}_inputs", shape=shape, dtype=dtype)
        data[f"{name}_labels"] = pt.tensor(f"{name}_labels", shape=(samples[name],), dtype="int32")
    clock = {"step": pt.scalar("step", dtype="uint32"), "interval": pt.scalar("interval", dtype="uint32")}
    clock["steps"] = pt.scalar("steps", dtype=dtype)
    clock["skipped"] = pt.scalar("skipped", dtype="uint32")
    sizes = {"t1_rows": config.batch_size, "t2_rows": config.samples_of_t2}
    rows = {name: pt.tensor(name, shape=(size,), dtype="int32") for name, size in sizes.items()}

    t1 = Batch(data["t1_inputs"][rows["t1_rows"]], data["t1_labels"][rows["t1_rows"]])
    t2 = Batch(data["t2_inputs"][rows["t2_rows"]], data["t2_labels"][rows["t2_rows"]])
    drawn = draw(config, network, per_run["seed"], clock["step"], dtype)
    rates = rates_of(config, per_run, clock, dtype)
    number = clock["step"] + pt.constant(np.uint32(1))
    count = pt.cast(number, dtype)
    if config.tune:
        hyper_count = pt.cast(number // clock["interval"] - clock["skipped"], dtype)
        ahead = functools.partial(_ahead, samples["t1"], per_run["seed"], clock["step"], rows["t1_rows"])
        t1t2_graph = Graph(*step.t1t2_step(config, network, state, t1, t2, drawn, rates, count, hyper_count, ahead))
        t1_graph = _without_hyperparameters(t1t2_graph, config, state)
    else:
        t1t2_graph = None
        t1_graph = Graph(*step.t1_step(config, network, state, t1, drawn, rates, count))
    parameters = {name: state[name] for name in _evaluated(config, network)}
    return Graphs(
        state=state,
        per_run=per_run,
        data=data,
        clock=clock,
        rows=rows,
        t1=t1_graph,
        t1t2=t1t2_graph,
        parameters=parameters,
        stages=build_stages(network, parameters, dtype, config.test_statistics),
    )


def _ahead(
    samples: int, seed: TensorVariable, number: TensorVariable, rows: TensorVariable, steps: int
) -> dict[TensorVariable, TensorVariable]:
    """Of so many updates from this one on the number, on which noise depends, and samples of T1: drawn but the first.

    The samples that will be used are not known here. These are drawn as the noise of another seed is.
    """
    numbers = number + pt.constant(np.arange(steps, dtype=np.uint32))
    (drawn,) = random_numbers(seed ^ pt.constant(AHEAD), number, [("uniform", (steps, *rows.type.shape))])
    chosen = pt.cast(drawn * np.float32(samples), rows.dtype)
    chosen = pt.minimum(chosen, np.asarray(samples - 1, rows.dtype))  # float32 may round up
    return {number: numbers, rows: pt.concatenate([rows[None], chosen[1:]])}


def _evaluated(config: RunConfig, network: Network) -> tuple[str, ...]:
    averages = running_moments.names(network).values() if config.has_running_statistics else ()
    return (*network.shapes(), *(name for pair in averages for name in pair))


def _without_hyperparameters(graph: Graph, config: RunConfig, state: Tensors) -> Graph:
    """The T1 step inside a T1+T2 step: the two move the elementary parameters alike.

    Taking it from there, and not building it again, lets a backend rewrite one graph for both.
    """
    held = {
        name: tensor
        for name, tensor in state.items()
        if name.split("/")[0] in config.tune or name.startswith(step.METHOD_MEMORY)
    }
    metrics = {name: graph.metrics[name] for name in step.T1_METRICS}
    return Graph({**graph.new_state, **held}, metrics)


def rates_of(config: RunConfig, per_run: Tensors, clock: Tensors, dtype: str) -> Rates:
    """The step sizes of a step and its momentum, by their schedules; inputs as in `Graphs`."""
    now, steps = pt.cast(clock["step"], dtype), clock["steps"]
    options = ScheduleOptions(hold=config.hold, half_life=config.half_life)

    def annealed(rate: TensorVariable, schedule: str) -> TensorVariable:
        return rate * SCHEDULES[schedule](now, steps, options)

    elementary = annealed(per_run["learning_rate"], config.schedule)
    hyper = {name: annealed(per_run[_step_size(name)], config.hyper_schedule) for name in config.tune}
    return Rates(elementary, hyper, _momentum(config, now, steps, options))


def _momentum(config: RunConfig, now: TensorVariable, steps: TensorVariable, options: ScheduleOptions) -> Momentum:
    if not isinstance(config.momentum, tuple):
        return config.momentum
    return between(*config.momentum, SCHEDULES[config.momentum_schedule](now, steps, options))


def _step_size(hyperparameter: str) -> str:
    step_size = HYPERPARAMETERS[hyperparameter].step_size
    assert step_size is not None  # or it could not be tuned
    return step_size.field
