"""Backends that call PyTensor's own functions, with the state in shared variables; each linker is a file beside this.

Runs are trained one after another; a step is one call that updates the state in place.
"""

import functools
import gc
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytensor
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import blas
from t1t2_pt.backends.generated import generated_sources
from t1t2_pt.backends.interface import Arrays, Rows, is_hyper_step
from t1t2_pt.backends.memory import available_memory, host_memory
from t1t2_pt.backends.program import Graph, Program
from t1t2_pt.backends.shared_steps import HostSteps, SharedStep
from t1t2_pt.steps.evaluation import Stage, evaluate
from t1t2_pt.steps.regularization import Tensors


class HostBackend:
    """A linker of PyTensor's on the CPU, called in a loop of Python; a subclass has its name and its mode."""

    name: str
    together = False
    lanes = 1  # shared variables hold the state of one run at a time

    def mode(self) -> Mode:
        """How PyTensor rewrites, links and compiles a graph."""
        raise NotImplementedError

    def missing(self) -> str | None:
        return None

    def versions(self) -> Mapping[str, str]:
        return {"device": "cpu", "blas": blas.kernels()}

    def memory(self) -> int:
        return host_memory()

    def available_memory(self) -> int:
        return available_memory()

    def parameters_at_once(self) -> float:
        return math.inf  # they train one after another in any case

    def devices(self) -> int:
        return 1

    def forget(self) -> None:
        gc.collect()

    def compile(self, program: Program) -> "HostProgram":
        return HostProgram(program, self.mode())

    def function(self, inputs: Tensors, outputs: Tensors) -> Callable[[Arrays], Arrays]:
        function = _compile(list(inputs.values()), outputs, self.mode())
        return lambda values: function(*(values[name] for name in inputs))

    def steps(self) -> HostSteps:
        def compiled(step: SharedStep) -> Callable[..., Arrays]:
            return _compile(list(step.inputs.values()), step.outputs, self.mode(), updates=step.updates)

        return HostSteps(compiled)


class HostProgram:
    """A program whose graphs are compiled as they are first needed, around shared variables."""

    def __init__(self, program: Program, mode: Mode) -> None:
        self._graphs, self._plan, self._mode = program.graphs, program.plan, mode
        inputs = {**self._graphs.state, **self._graphs.per_run, **self._graphs.data}
        self._shared = {name: _shared(name, variable) for name, variable in inputs.items()}

    def populate(self, data: Arrays, states: Sequence[Arrays], per_run: Sequence[Arrays]) -> "HostPopulation":
        return HostPopulation(self, data, states, per_run)

    @property
    def clock(self) -> tuple[str, ...]:
        """Names of the clock's values, in the order that the steps take them."""
        return tuple(self._graphs.clock)

    def set(self, values: Arrays) -> None:
        """Give shared variables new values, without copying."""
        for name, value in values.items():
            self._shared[name].set_value(value, borrow=True)

    def state(self) -> Arrays:
        """The state held by the shared variables, without copying."""
        return {name: self._shared[name].get_value(borrow=True) for name in self._graphs.state}

    @functools.cached_property
    def t1(self) -> Callable[..., Arrays]:
        """T1 step: (clock, t1_rows) -> metrics."""
        return self._function(self._graphs.t1, ("t1_rows",))

    @functools.cached_property
    def t1t2(self) -> Callable[..., Arrays]:
        """T1+T2 step: (clock, t1_rows, t2_rows) -> metrics."""
        assert self._graphs.t1t2 is not None, "is asked for where something is tuned"
        return self._function(self._graphs.t1t2, ("t1_rows", "t2_rows"))

    @functools.cached_property
    def stages(self) -> list[Callable[[Mapping[str, Any]], Arrays]]:
        """The evaluation's stages, from values by name to values by name."""
        return [self._stage(stage) for stage in self._graphs.stages]

    def _stage(self, stage: Stage) -> Callable[[Mapping[str, Any]], Arrays]:
        givens = {tensor: self._shared[name] for name, tensor in stage.parameters.items()}
        function = _compile(list(stage.inputs.values()), stage.outputs, self._mode, givens=givens)
        return lambda values: function(*(values[name] for name in stage.inputs))

    def evaluate(self, data: Arrays) -> dict[str, float]:
        """Cost and error of the state that the shared variables hold."""
        return evaluate(self.stages, self._plan, data)

    def _function(self, graph: Graph, rows: tuple[str, ...]) -> Callable[..., Arrays]:
        graphs = self._graphs
        inputs = [*graphs.clock.values(), *(graphs.rows[name] for name in rows)]
        givens = {v: self._shared[k] for k, v in {**graphs.state, **graphs.per_run, **graphs.data}.items()}
        updates = {self._shared[k]: v for k, v in graph.new_state.items() if v is not graphs.state[k]}
        return _compile(inputs, graph.metrics, self._mode, updates=updates, givens=givens)


class HostPopulation:
    """Runs whose states take turns in the program's shared variables."""

    def __init__(self, program: HostProgram, data: Arrays, states: Sequence[Arrays], per_run: Sequence[Arrays]) -> None:
        self._program, self._data, self._per_run = program, data, list(per_run)
        self._states = [{name: value.copy() for name, value in state.items()} for state in states]

    def epoch(
        self, first_step: int, steps: int, interval: int, t1_rows: Rows, t2_rows: Rows, skipped: int = 0
    ) -> Arrays:
        program = self._program
        constant = {
            "interval": np.asarray(interval, "uint32"),
            "steps": np.asarray(steps, self._per_run[0]["learning_rate"].dtype),
            "skipped": np.asarray(skipped, "uint32"),
        }
        tuned = t2_rows.shape[1] > 0
        totals = []
        for run in range(len(self._states)):
            self._load(run)
            sums: dict[str, float] = {}
            hyper_steps = 0
            for j in range(t1_rows.shape[1]):
                clock = {"step": np.asarray(first_step + j, "uint32"), **constant}
                arguments = [*(clock[name] for name in program.clock), t1_rows[run, j]]
                if tuned and is_hyper_step(first_step + j, interval):
                    metrics = program.t1t2(*arguments, t2_rows[run, hyper_steps])
                    hyper_steps += 1
                else:
                    metrics = program.t1(*arguments)
                for name, value in metrics.items():
                    sums[name] = sums.get(name, 0.0) + float(value)
            self._states[run] = program.state()
            totals.append(sums)
        return {name: np.array([sums[name] for sums in totals]) for name in totals[0]}

    def evaluate(self) -> Arrays:
        results = []
        for run in range(len(self._states)):
            self._load(run)
            results.append({name: float(value) for name, value in self._program.evaluate(self._data).items()})
        return {name: np.array([result[name] for result in results]) for name in results[0]}

    def state(self, names: Sequence[str] | None = None) -> Arrays:
        wanted = self._states[0] if names is None else names
        return {name: np.stack([np.asarray(state[name]) for state in self._states]) for name in wanted}

    def _load(self, run: int) -> None:
        self._program.set({**self._data, **self._states[run], **self._per_run[run]})


def _shared(name: str, variable: TensorVariable) -> SharedVariable:
    value = np.zeros(variable.type.shape, dtype=variable.dtype)
    return pytensor.shared(value, name=name, shape=variable.type.shape)


def _compile(inputs: Sequence[TensorVariable], outputs: Tensors, mode: Mode, **options: Any) -> Callable[..., Arrays]:
    """A PyTensor function that returns its outputs by name."""

    def make(**flags: Any) -> Callable[..., list[npt.NDArray[Any]]]:
        with warnings.catch_warnings():
            # Without any BLAS to link, C falls back on NumPy's: `t1t2 doctor` reports it.
            warnings.filterwarnings("ignore", message=blas.NO_BLAS)
            flags |= blas.compiler_flags()
            # Numba's fast arithmetic adds in another order where functions are inlined, which they are only the
            # first time, before they come from its cache: bits would depend on that, and nothing is faster by it.
            with pytensor.config.change_flags(numba__fastmath=False, **flags), generated_sources(read_again=True):
                return pytensor.function(
                    list(inputs),
                    list(outputs.values()),
                    mode=mode,
                    on_unused_input="ignore",
                    trust_input=True,
                    **options,
                )

    function = make()

    def call(*arguments: Any) -> Arrays:
        nonlocal function
        try:
            values = function(*arguments)
        except OSError:  # Numba compiles now, and has found no room to keep what it compiled
            function = make(numba__cache=False)
            values = function(*arguments)
        return dict(zip(outputs, values, strict=True))

    return call
