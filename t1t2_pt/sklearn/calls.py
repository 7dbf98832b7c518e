"""Steps of a population, compiled: some of them in one call, kept for all fits of a process and on disk.

On JAX the loop over the steps is part of the program, and what PyTensor and XLA make of it lies in the user's cache;
other backends call one step after another.
"""

import collections
import dataclasses
import functools
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from t1t2_pt.backends import get_backend
from t1t2_pt.backends.exported import Exported, Traceable
from t1t2_pt.backends.interface import Arrays, Backend
from t1t2_pt.sklearn.design import Design
from t1t2_pt.sklearn.graphs import StepGraphs, step_graphs
from t1t2_pt.steps.regularization import Tensors

NOISE = "noise"  # the table of normal numbers, and where in it a step begins to read
KEPT = 32  # programs in memory; those used last

# (state, batches of T1 [slots, ...], a batch of T2, constants, clock) -> state, rows [slots, metrics and levels]
State = Mapping[str, Any]
Steps = Callable[[State, Arrays, Arrays, Arrays, Arrays], tuple[State, Any]]

_kept: "collections.OrderedDict[tuple[str, Design, bool, int], Steps]" = collections.OrderedDict()
_lock = threading.Lock()
_building = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Call:
    """What one of a program's steps takes and gives."""

    graphs: StepGraphs
    tunes: bool

    @property
    def inputs(self) -> Tensors:
        """Without T2 where nothing is tuned."""
        return {name: x for name, x in self.graphs.inputs.items() if self.tunes or not name.startswith("t2_")}

    @property
    def outputs(self) -> tuple[Tensors, Tensors]:
        """New state, metrics."""
        if self.tunes:
            return self.graphs.new_t1t2, self.graphs.metrics
        return self.graphs.new_t1, {"train_cost": self.graphs.metrics["train_cost"]}


def program(design: Design, tunes: bool, slots: int, backend: str) -> Steps:
    """The T1 steps, or the T1+T2 steps, of a design; `slots` of them at most in a call."""
    key = (backend, design, tunes, slots)
    with _lock:
        if key not in _kept:
            make = _jax_steps if backend == "jax" else functools.partial(_host_steps, get_backend(backend))
            _kept[key] = make(design, tunes, slots)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def placed(values: Any, backend: str) -> Any:
    """Arrays where the backend wants them."""
    if backend != "jax":
        return values
    import jax

    with jax.enable_x64(True):
        return jax.device_put(values, jax.sharding.SingleDeviceSharding(jax.local_devices()[0]))


def _call(design: Design, tunes: bool) -> Call:
    with _building:
        return Call(_graphs(design), tunes)


@functools.lru_cache(maxsize=4)
def _graphs(design: Design) -> StepGraphs:
    return step_graphs(design)


def _jax_steps(design: Design, tunes: bool, slots: int) -> Steps:
    identity = f"{slots} {'T1+T2' if tunes else 'T1'} steps of {design}"
    exported = Exported(identity, lambda: _loop(design, _call(design, tunes), slots), donated=(0,))
    compiled: list[Traceable] = []  # a program is asked for one shape only

    def steps(*arguments: Any) -> tuple[State, Any]:
        import jax

        with jax.enable_x64(True):
            if not compiled:
                compiled.append(exported.compiled(*arguments))
            return compiled[0](*arguments)

    return steps


def _loop(design: Design, call: Call, slots: int) -> Traceable:
    """The steps as one JAX function, with a bound known at run time."""
    import jax
    import jax.numpy as jnp

    from t1t2_pt.backends.jax import FLOAT32
    from t1t2_pt.backends.jax_functions import jax_functions

    (step,) = jax_functions(call.inputs, [call.outputs], FLOAT32)
    width, numbers = _width(call), design.noise_numbers

    def steps(state: Any, t1: Any, t2: Any, constants: Any, clock: Any) -> Any:
        dtype = clock["step"].dtype
        read = functools.partial(jax.lax.dynamic_slice_in_dim, constants[NOISE], slice_size=numbers)

        def body(place: jax.Array, carry: Any) -> Any:
            state, rows = carry
            values = _values(state, t1, t2, constants, clock, place, place.astype(dtype))
            new, metrics = step({**values, **_noise(read(t1[NOISE][place]), design)})
            return new, rows.at[place].set(jnp.concatenate([jnp.stack([*metrics.values()]), new["levels"]]))

        rows = jnp.zeros((slots, width), dtype)
        return jax.lax.fori_loop(jnp.int32(0), clock["length"], body, (state, rows))

    return steps


def _host_steps(backend: Backend, design: Design, tunes: bool, slots: int) -> Steps:
    call = _call(design, tunes)
    new_state, metrics = call.outputs
    outputs = {**{f"new {name}": x for name, x in new_state.items()}, **metrics}
    function = backend.function(call.inputs, outputs)

    def steps(state: State, t1: Arrays, t2: Arrays, constants: Arrays, clock: Arrays) -> tuple[State, Any]:
        rows = np.zeros((slots, _width(call)), design.dtype)
        for place in range(int(clock["length"])):
            now = _values(state, t1, t2, constants, clock, place, np.asarray(place, design.dtype))
            start = int(t1[NOISE][place])
            now |= _noise(constants[NOISE][start : start + design.noise_numbers], design)
            found = function({name: np.asarray(now[name]) for name in call.inputs})
            state = {name: np.array(found[f"new {name}"]) for name in new_state}
            rows[place] = [*(found[name] for name in metrics), *state["levels"]]
        return state, rows

    return steps


def _noise(numbers: Any, design: Design) -> dict[str, Any]:
    """Normal numbers of one step, as the step takes them."""
    found, start = {}, 0
    for place, units in enumerate((design.features, *design.hidden)):
        shape = (design.networks, design.t1_batch, units)
        end = start + math.prod(shape)
        found[f"t1_noise_{place}"] = numbers[start:end].reshape(shape)
        start = end
    return found


def _width(call: Call) -> int:
    """Numbers in a row: metrics and levels."""
    (levels,) = call.graphs.state["levels"].type.shape
    return len(call.outputs[1]) + levels


def _values(state: State, t1: Any, t2: Any, constants: Any, clock: Any, place: Any, number: Any) -> dict[str, Any]:
    """The inputs of the step in one of the slots."""
    now = {name: clock[name] + number for name in ("step", "hyper_step")}
    held = {name: clock[name] for name in ("steps", "learning_rate", "hyper_learning_rate")}
    batches = {f"t1_{name}": x[place] for name, x in t1.items() if name != NOISE}
    batches |= {f"t2_{name}": x for name, x in t2.items()}
    return {**state, **constants, **held, **now, **batches}


def clock_of(step: int, hyper_step: int, steps: int, rates: tuple[float, float], length: int, dtype: str) -> Arrays:
    """A clock before a call of so many steps."""
    values: dict[str, float] = {"step": step, "hyper_step": hyper_step, "steps": steps}
    values |= dict(zip(("learning_rate", "hyper_learning_rate"), rates, strict=True))
    clock: dict[str, npt.NDArray[Any]] = {name: np.asarray(value, dtype) for name, value in values.items()}
    return {**clock, "length": np.asarray(length, "int32")}
