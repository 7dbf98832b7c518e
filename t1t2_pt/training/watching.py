"""The monitor of a run: watches two updates after an epoch, which are not kept, and gives columns of the history.

It is a function of its own beside the program, so that runs that are not watched pay nothing, and others
two updates an epoch.
"""

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytensor
import pytensor.tensor as pt

from t1t2_pt.backends import Arrays, Backend, run_constants
from t1t2_pt.backends.program import STEP_SIZE_FIELDS, rates_of
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.networks.network import Network
from t1t2_pt.steps import step
from t1t2_pt.steps.monitoring import monitored
from t1t2_pt.steps.regularization import Tensors, draw

DTYPE = "float32"
KEPT = 8  # compiled monitors
T2_SAMPLES = 1000  # at most, of which C2 is watched: all of a large T2 would take as long as many updates

Monitor = tuple[Callable[[Arrays], Arrays], tuple[str, ...]]  # a function, and the names of its inputs

_functions: dict[tuple[str, str, str], Monitor] = {}
_lock = threading.Lock()


def watch(
    config: RunConfig,
    network: Network,
    split: Split,
    backend: Backend,
    state: Arrays,
    rows: npt.NDArray[np.int32],
    number: int,
) -> dict[str, float]:
    """Columns of one run in a state.

    Parameters
    ----------
    rows
        [2, batch]: samples of T1 of the two updates.
    number
        Of the first of them among the run's, from 0.
    """
    given = {**state, **run_constants(config, DTYPE)}
    given |= {"step": np.asarray(number, "uint32"), "steps": np.asarray(config.steps, DTYPE)}
    for place, chosen in enumerate(rows):
        inputs = split.arrays["t1_inputs"][chosen].reshape(len(chosen), *network.input_shape)
        given |= {f"inputs_{place}": inputs, f"labels_{place}": split.arrays["t1_labels"][chosen]}
    few = slice(_of_t2(config))
    given["t2_inputs"] = split.arrays["t2_inputs"][few].reshape(-1, *network.input_shape)
    given["t2_labels"] = split.arrays["t2_labels"][few]
    function, names = _function(config, network, backend)
    found = function({name: given[name] for name in names})
    return {name: float(value) for name, value in found.items()}


def _of_t2(config: RunConfig) -> int:
    """How many samples of T2 the gradient of C2 is of."""
    return min(config.t2_samples, T2_SAMPLES)


def _function(config: RunConfig, network: Network, backend: Backend) -> Monitor:
    """The compiled monitor of runs of one structure, and the names of its inputs."""
    key = (backend.name, config.graph(), repr(network))
    with _lock:
        if key not in _functions:
            with pytensor.config.change_flags(floatX=DTYPE, traceback__limit=0):
                inputs = _inputs(config, network)
                _functions[key] = backend.function(inputs, _outputs(config, network, inputs)), tuple(inputs)
            if len(_functions) > KEPT:
                del _functions[next(iter(_functions))]
        return _functions[key]


def _inputs(config: RunConfig, network: Network) -> Tensors:
    inputs = step.state_inputs(step.initial_state(config, network), DTYPE)
    inputs |= {name: pt.scalar(name, dtype=DTYPE) for name in (*STEP_SIZE_FIELDS, "steps")}
    inputs |= {name: pt.scalar(name, dtype="uint32") for name in ("seed", "step")}
    for place in range(2):
        shape = (config.batch_size, *network.input_shape)
        inputs[f"inputs_{place}"] = pt.tensor(f"inputs_{place}", shape=shape, dtype=DTYPE)
        inputs[f"labels_{place}"] = pt.tensor(f"labels_{place}", shape=shape[:1], dtype="int32")
    shape = (_of_t2(config), *network.input_shape)
    inputs["t2_inputs"] = pt.tensor("t2_inputs", shape=shape, dtype=DTYPE)
    inputs["t2_labels"] = pt.tensor("t2_labels", shape=shape[:1], dtype="int32")
    return inputs


def _outputs(config: RunConfig, network: Network, inputs: Tensors) -> Tensors:
    batches = [step.Batch(inputs[f"inputs_{place}"], inputs[f"labels_{place}"]) for place in range(2)]
    numbers = [inputs["step"] + pt.constant(np.uint32(place)) for place in range(2)]
    drawn = [draw(config, network, inputs["seed"], number, DTYPE) for number in numbers]
    count = pt.cast(numbers[1], DTYPE)  # of the first update, from 1
    t2, rates = step.Batch(inputs["t2_inputs"], inputs["t2_labels"]), rates_of(config, inputs, inputs, DTYPE)
    return monitored(config, network, inputs, batches, drawn, t2, rates, count)
