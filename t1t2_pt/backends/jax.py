"""The `jax` backend: a whole epoch of all runs in one compiled call, on CPU or CUDA.

PyTensor rewrites each graph for JAX and turns it into a JAX function once; loops over the steps are
XLA's, runs are batched by `vmap`, data stay on the device and the state's memory is reused.
"""

import functools
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from t1t2_pt.backends.exported import Exported, Traceable, making
from t1t2_pt.backends.interface import Arrays, Rows
from t1t2_pt.backends.jax_functions import jax_functions
from t1t2_pt.backends.jax_steps import JaxSteps
from t1t2_pt.backends.memory import available_memory, give_memory_back, host_memory, usable_cores
from t1t2_pt.backends.program import Program
from t1t2_pt.steps.evaluation import BATCHES, Stage, evaluate
from t1t2_pt.steps.regularization import Tensors

if TYPE_CHECKING:  # JAX is imported when it is used
    import jax
    from jax.sharding import Mesh, Sharding

    Carry = tuple[jax.Array, jax.Array, "Traced", "Traced"]  # step, T1+T2 steps so far, state, sums of metrics

Traced = Mapping[str, Any]  # JAX's arrays by name, or what stands for them while it traces

# JAX's name for the precision of products: full float32, where a GPU would take TF32 by itself, or that.
FLOAT32, TF32 = "float32", "default"

# What CPUs keep in their caches: 784-h-h-h-10 was quickest with 16 runs at once for h = 64, 8 for 200, 4 for 250, 2 for
# 400, and 1 from 500 on, where 6 runs of h = 1000 took 1.4 times as long together.
CACHED_PARAMETERS = 2_000_000


class JaxBackend:
    """PyTensor graphs as JAX functions.

    Parameters
    ----------
    tf32
        Let GPUs compute products of float32 matrices in TF32.
    """

    together = True

    def __init__(self, tf32: bool = False) -> None:
        self.name = "jax+tf32" if tf32 else "jax"
        self._precision = TF32 if tf32 else FLOAT32

    @property
    def lanes(self) -> int:
        """One program is made, in Python, while another runs; the loops of a small network leave a core free."""
        return 1 if self.devices() > 1 else min(2, usable_cores())

    def missing(self) -> str | None:
        if importlib.util.find_spec("jax") is None:
            return "JAX (`pip install jax`, or `pip install 'jax[cuda13]'` for an NVIDIA GPU)"
        return None

    def versions(self) -> Mapping[str, str]:
        import jax

        products = "TF32 where the device has it" if self._precision == TF32 else "float32"
        return {"jax": jax.__version__, "device": jax.devices()[0].device_kind, "products": products}

    def memory(self) -> int:
        return self._statistics().get("bytes_limit", host_memory() // self.devices())

    def available_memory(self) -> int:
        statistics = self._statistics()
        if "bytes_limit" in statistics:
            return statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
        return available_memory() // self.devices()

    def parameters_at_once(self) -> float:
        return math.inf if self._statistics() else CACHED_PARAMETERS

    def _statistics(self) -> Mapping[str, int]:
        """What an accelerator tells of its memory; nothing for a CPU."""
        import jax

        return jax.local_devices()[0].memory_stats() or {}

    def devices(self) -> int:
        import jax

        return jax.local_device_count()

    def forget(self) -> None:
        # JAX keeps what it compiled for functions that are gone.
        import jax

        jax.clear_caches()
        give_memory_back()

    def compile(self, program: Program) -> "JaxProgram":
        return JaxProgram(program, self._precision)

    def function(self, inputs: Tensors, outputs: Tensors) -> Callable[[Arrays], Arrays]:
        import jax

        with making():
            (traceable,) = jax_functions(inputs, [(outputs,)], self._precision)
        compiled = jax.jit(lambda values: traceable(values)[0])

        def call(values: Arrays) -> Arrays:
            with jax.enable_x64(True):
                return jax.device_get(compiled(values))

        return call

    def steps(self) -> JaxSteps:
        return JaxSteps(self._precision)


class JaxProgram:
    """Epoch and evaluation as JAX functions, made or loaded for each size of population."""

    def __init__(self, program: Program, precision: str) -> None:
        self.parameters = program.parameters
        name = f"epoch of {program.identity} in {precision}"
        self.epoch = Exported(name, lambda: _epoch_of(program, precision), donated=(0,))
        whole = max(program.samples.values()) <= program.plan.chunk and program.plan.kind != BATCHES
        make = _whole_evaluation if whole else _evaluation_in_chunks
        self.evaluation = make(program, precision)

    def populate(self, data: Arrays, states: Sequence[Arrays], per_run: Sequence[Arrays]) -> "JaxPopulation":
        return JaxPopulation(self, data, states, per_run)


class JaxPopulation:
    """Runs stacked along a leading axis of every array, resident on the device."""

    def __init__(self, program: JaxProgram, data: Arrays, states: Sequence[Arrays], per_run: Sequence[Arrays]) -> None:
        import jax

        self._program = program
        with jax.enable_x64(True):
            to_all, by_run = _placements(len(states))
            self._data = jax.device_put(data, to_all)
            self._state = jax.device_put(_stack(states), by_run)
            self._per_run = jax.device_put(_stack(per_run), by_run)

    def epoch(
        self, first_step: int, steps: int, interval: int, t1_rows: Rows, t2_rows: Rows, skipped: int = 0
    ) -> Arrays:
        import jax

        clock = {
            "step": np.asarray(first_step, "uint32"),
            "steps": np.asarray(steps, self._per_run["learning_rate"].dtype),
            "interval": np.asarray(interval, "uint32"),
            "skipped": np.asarray(skipped, "uint32"),
        }
        with jax.enable_x64(True):
            self._state, sums = self._program.epoch(self._state, self._per_run, t1_rows, t2_rows, self._data, clock)
            return jax.device_get(sums)

    def evaluate(self) -> Arrays:
        import jax

        with jax.enable_x64(True):
            parameters = {name: self._state[name] for name in self._program.parameters}
            return jax.device_get(self._program.evaluation(parameters, self._data))

    def state(self, names: Sequence[str] | None = None) -> Arrays:
        import jax

        return jax.device_get({name: self._state[name] for name in (self._state if names is None else names)})


def _epoch_of(program: Program, precision: str) -> Traceable:
    """The epoch of a population: batched by `vmap`, or where there is one run without a batch.

    XLA does not fold transposes into products of a batch of one.
    """
    import jax

    graphs = program.graphs
    inputs = {**graphs.state, **graphs.per_run, **graphs.data, **graphs.clock, **graphs.rows}
    steps = [graph for graph in (graphs.t1, graphs.t1t2) if graph is not None]
    epoch = _epoch(*jax_functions(inputs, [(graph.new_state, graph.metrics) for graph in steps], precision))

    def of_every_run(
        state: Traced, per_run: Traced, t1_rows: jax.Array, t2_rows: jax.Array, data: Traced, clock: Traced
    ) -> tuple[Traced, Traced]:
        if len(t1_rows) > 1:
            return jax.vmap(epoch, in_axes=(0, 0, 0, 0, None, None))(state, per_run, t1_rows, t2_rows, data, clock)
        alone, back = (lambda tree, f=f: jax.tree.map(f, tree) for f in (lambda x: x[0], lambda x: x[None]))
        return back(epoch(*map(alone, (state, per_run, t1_rows, t2_rows)), data, clock))

    return _over_devices(of_every_run, shared=2)


def _over_devices(function: Traceable, shared: int) -> Traceable:
    """Spread the runs of a population, the leading axis of all arguments but the last few, over the devices.

    Runs do not depend on each other, so each device works on its own share alone.
    """
    import jax

    def spread(*arguments: Any) -> Any:
        mesh = _mesh(len(jax.tree.leaves(arguments[0])[0]))
        if mesh is None:
            return function(*arguments)
        by_run, to_all = jax.P("runs"), jax.P()
        specs = (by_run,) * (len(arguments) - shared) + (to_all,) * shared
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=by_run, check_vma=False)(*arguments)

    return spread


def _mesh(runs: int) -> "Mesh | None":
    """The devices that share so many runs evenly, as many as possible; None for a single one."""
    import jax

    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if runs % n == 0)
    if count == 1:
        return None
    return jax.make_mesh((count,), ("runs",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices[:count])


def _whole_evaluation(program: Program, precision: str) -> Traceable:
    """Evaluation of every run in one compiled call."""

    def make() -> Traceable:
        import jax

        stages = [_stage(stage, precision) for stage in program.graphs.stages]

        def evaluate_all(parameters: Traced, data: Traced) -> Traced:
            # One run after another: each pass over the whole of T1 fills the machine by itself.
            def evaluate_one(one: Traced) -> Traced:
                return evaluate([functools.partial(stage, one) for stage in stages], program.plan, data)

            return jax.lax.map(evaluate_one, parameters)

        return _over_devices(evaluate_all, shared=1)

    return Exported(f"evaluation of {program.identity} in {precision}", make)


def _evaluation_in_chunks(program: Program, precision: str) -> Traceable:
    """Evaluation of one run after another, a compiled call for each stage and chunk."""

    def exported(number: int) -> Exported:
        name = f"stage {number} of {program.identity} in {precision}"
        return Exported(name, lambda: _stage(program.graphs.stages[number], precision))

    stages = [exported(number) for number in range(program.plan.stages)]

    def evaluate_all(parameters: Traced, data: Traced) -> Arrays:
        runs = len(next(iter(parameters.values())))
        each = []
        for run in range(runs):
            one = {name: value[run] for name, value in parameters.items()}
            ready = [functools.partial(stage, one) for stage in stages]
            each.append(evaluate(ready, program.plan, data))
        return {name: np.array([metrics[name] for metrics in each]) for name in each[0]}

    return evaluate_all


def _placements(runs: int) -> "tuple[Sharding, Sharding]":
    """Where arrays go that all runs share, and those with a leading axis of runs.

    A single device is named too: left to JAX, an exported epoch would be compiled again for the state
    that its first call returns.
    """
    import jax

    mesh = _mesh(runs)
    if mesh is None:
        alone = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        return alone, alone
    return jax.NamedSharding(mesh, jax.P()), jax.NamedSharding(mesh, jax.P("runs"))


def _stack(values: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([value[name] for value in values]) for name in values[0]}


def _stage(stage: Stage, precision: str) -> Callable[[Traced, Traced], Traced]:
    """A stage of the evaluation as a traceable function of the parameters and of values by name."""
    (function,) = jax_functions({**stage.parameters, **stage.inputs}, [(stage.outputs,)], precision)

    def call(parameters: Traced, samples: Traced) -> Traced:
        return function({**parameters, **samples})[0]

    return call


def _epoch(t1: Traceable, t1t2: Traceable | None = None) -> Traceable:
    """One run's epoch: loops with bounds known at run time, so that no interval is compiled in."""
    import jax
    import jax.numpy as jnp

    def epoch(
        state: Traced, per_run: Traced, t1_rows: jax.Array, t2_rows: jax.Array, data: Traced, clock: Traced
    ) -> tuple[Traced, Traced]:
        length = t1_rows.shape[0]

        def take(step_function: Traceable, j: jax.Array, state: Traced, rows: jax.Array) -> tuple[Traced, Traced]:
            now = {**clock, "step": clock["step"] + j.astype("uint32")}
            return step_function({**state, **per_run, **data, **now, "t1_rows": t1_rows[j], "t2_rows": rows})

        # Shapes of the sums, without computing anything.
        nowhere = jnp.zeros(t1_rows.shape[1:], "int32")
        zero = jnp.int32(0)
        _, shapes = jax.eval_shape(lambda: take(t1t2 or t1, zero, state, nowhere))
        sums: Traced = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}

        def add(sums: Traced, metrics: Traced) -> Traced:
            return {name: total + metrics.get(name, 0) for name, total in sums.items()}

        def t1_at(j: jax.Array, carry: tuple[Traced, Traced]) -> tuple[Traced, Traced]:
            state, sums = carry
            state, metrics = take(t1, j, state, nowhere)
            return state, add(sums, metrics)

        if t1t2 is None:
            return jax.lax.fori_loop(zero, jnp.int32(length), t1_at, (state, sums))

        interval = clock["interval"].astype("int32")
        offset = (clock["step"] % clock["interval"]).astype("int32")

        def t1t2_at(j: jax.Array, hyper_steps: jax.Array, carry: tuple[Traced, Traced]) -> tuple[Traced, Traced]:
            state, sums = carry
            state, metrics = take(t1t2, j, state, t2_rows[hyper_steps])
            return state, add(sums, metrics)

        def block(carry: "Carry") -> "Carry":
            """T1 steps up to the next T1+T2 step or the end, then that step if it is there."""
            j, hyper_steps, state, sums = carry
            due = j + interval - 1 - (offset + j) % interval
            until = jnp.minimum(due, length)
            state, sums = jax.lax.fori_loop(j, until, t1_at, (state, sums))
            here = (due < length).astype("int32")
            # A loop of no or one turn keeps the state in place, where a conditional would copy it.
            state, sums = jax.lax.fori_loop(0, here, lambda _, c: t1t2_at(due, hyper_steps, c), (state, sums))
            return until + here, hyper_steps + here, state, sums

        _, _, state, sums = jax.lax.while_loop(lambda carry: carry[0] < length, block, (zero, zero, state, sums))
        return state, sums

    return epoch


BACKEND = JaxBackend()
VARIANTS = (JaxBackend(tf32=True),)
