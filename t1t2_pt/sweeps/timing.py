"""What a T1+T2 step costs beside a T1 step, measured on this machine (Section 2.2 of the paper).

Four programs are timed in turns, so that a slow spell meets all alike: a plain backpropagation (the
gradient of the noisy cost on a T1 batch, with the plainest update), the pass that takes the gradient of
C2 on a T2 batch, the T1 step and the T1+T2 step. Times are kept in the run store.
"""

import dataclasses
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend, Program, run_constants
from t1t2_pt.backends.program import Graph, Graphs
from t1t2_pt.config import RunConfig
from t1t2_pt.networks import costs
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.runs.provenance import NOT_ARITHMETIC, environment
from t1t2_pt.runs.store import RunStore
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import Tensors
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import replacing
from t1t2_pt.training.loop import NEVER

SAMPLES = 1000  # of random data: a step takes the same time whatever the numbers are
FEATURES, CLASSES = 784, 10
FILE = "timing.json"
ROUNDS = 9
TURN = 0.25  # seconds that each program has in a round
_TABLE = "CREATE TABLE IF NOT EXISTS timings (digest TEXT PRIMARY KEY, timing TEXT NOT NULL)"


@dataclasses.dataclass(frozen=True)
class Timing:
    """Milliseconds of one step of each kind, medians over rounds.

    Parameters
    ----------
    backpropagation
        Gradient of the noisy cost on a T1 batch, and theta - eta * gradient.
    c2_pass
        Forward and backward pass over a T2 batch, and the norms of the gradients of C2.
    t1, t1t2
        The two steps.
    network
        Widths of the hidden layers.
    environment
        What measured it.
    """

    backpropagation: float
    c2_pass: float
    t1: float
    t1t2: float
    network: tuple[int, ...]
    environment: dict[str, str]

    @property
    def added(self) -> float:
        """What the hypergradient adds to a T1 step, in backpropagations."""
        return (self.t1t2 - self.t1) / self.backpropagation

    def overhead(self, interval: int) -> float:
        """The share by which tuning at every `interval`-th step makes training slower."""
        return (self.t1t2 - self.t1) / (interval * self.t1)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Timing":
        """The inverse of `as_dict`."""
        return cls(**{**values, "network": tuple(values["network"])})


def timed(config: RunConfig, backend: Backend, store: RunStore, log: Callable[[str], None], again: bool) -> Timing:
    """The times of a tuned run's steps: from the store, or measured on a machine like this anew.

    Parameters
    ----------
    config
        A tuned run of a fully connected network.
    log
        Called with a line for the user when it has to be measured.
    again
        Measure even if it is stored.
    """
    if not again and (found := stored_timing(config, backend, store)) is not None:
        return found
    log(f"timing the steps of {'-'.join(map(str, config.hidden))} on {backend.name}, for Section 2.2")
    timing = measure(config, backend)
    store_timing(timing, config, backend, store)
    return timing


def store_timing(timing: Timing, config: RunConfig, backend: Backend, store: RunStore) -> None:
    """Keep the times of a run's steps on a backend and a machine like this."""
    with store.writing() as connection:
        connection.execute(_TABLE)
        row = digest_here(config.digest(), backend), json.dumps(timing.as_dict())
        connection.execute("INSERT OR REPLACE INTO timings VALUES (?, ?)", row)


def stored_timing(config: RunConfig, backend: Backend, store: RunStore) -> Timing | None:
    """What `store_timing` kept, if it did."""
    for (text,) in store.rows("timings", ("timing",), [digest_here(config.digest(), backend)]):
        try:
            return Timing.from_dict(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            problem = f"is damaged: a timing in it cannot be read ({reason(error)})"
            raise InputError("store", str(store.path), problem, "add --recompute") from None
    return None


def export_timing(timing: Timing, folder: Path) -> Path:
    """Write a timing as `timing.json` into a folder."""
    with replacing(folder / FILE) as partial:
        partial.write_text(json.dumps(timing.as_dict(), indent=2) + "\n")
    return folder / FILE


def digest_here(what: str, backend: Backend) -> str:
    """What names a measurement of something on this backend and a machine like this."""
    where = {name: text for name, text in environment(backend).items() if name not in NOT_ARITHMETIC}
    identity = [what, where]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def measure(config: RunConfig, backend: Backend, rounds: int = ROUNDS, turn: float = TURN) -> Timing:
    """Time the four programs in turns, with nothing else running."""
    contenders = _contenders(config, backend)
    counts = {}
    for name, run in contenders.items():
        run(2)  # compiles
        counts[name] = max(3, int(turn / _seconds(run, 3) * 3))
        run(counts[name])  # compiled for this length
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            times[name].append(1e3 * _seconds(run, counts[name]) / counts[name])
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return Timing(**medians, network=config.hidden, environment=environment(backend))


def _seconds(run: Callable[[int], None], steps: int) -> float:
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def _contenders(config: RunConfig, backend: Backend) -> dict[str, Callable[[int], None]]:
    """A function for each program that does so many steps."""
    network = step.make_network(config, (FEATURES,), CLASSES)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES, FEATURES), dtype=np.float32)
    y = rng.integers(0, CLASSES, SAMPLES).astype(np.int32)
    samples = dict.fromkeys(("t1", "t2", "test"), SAMPLES)
    data = {f"{name}_{kind}": array for name in samples for kind, array in (("inputs", x), ("labels", y))}
    whole = Program(config, network, samples)
    programs = {
        "backpropagation": _Part(config, network, samples, part="backpropagation"),
        "c2_pass": _Part(config, network, samples, part="c2_pass"),
        "t1": whole,
        "t1t2": whole,
    }
    state, constants = step.initial_state(config, network), run_constants(config, "float32")
    compiled = {program.identity: backend.compile(program) for program in programs.values()}

    def runner(name: str) -> Callable[[int], None]:
        population = compiled[programs[name].identity].populate(data, [state], [constants])
        interval = 1 if name == "t1t2" else NEVER
        rows = rng.integers(0, SAMPLES, (1, 4096, config.batch_size)).astype(np.int32)

        def run(steps: int) -> None:
            second = rows[:, :steps] if name in ("t1", "t1t2") else rows[:, :0]
            population.epoch(0, 1 << 20, interval, np.resize(rows, (1, steps, config.batch_size)), second)
            population.state(("bias_0",))

        return run

    return {name: runner(name) for name in programs}


@dataclasses.dataclass(frozen=True)
class _Part(Program):
    """A program whose T1 step is only a part of one."""

    part: str = ""

    @property
    def identity(self) -> str:
        return f"{self.part} of {super().identity}"

    @property
    def graphs(self) -> Graphs:
        whole = super().graphs
        with pytensor.config.change_flags(floatX=self.dtype):
            return dataclasses.replace(whole, t1=_PARTS[self.part](self, whole), t1t2=None)


def _gradients(cost: TensorVariable, parameters: Tensors) -> Sequence[TensorVariable]:
    return as_gradients(pt.grad(cost, list(parameters.values())))


def _elementary(program: Program, graphs: Graphs) -> Tensors:
    """The elementary parameters, without running statistics, which have no gradient."""
    return {name: graphs.parameters[name] for name in program.network.shapes()}


def _backpropagation(program: Program, graphs: Graphs) -> Graph:
    rate = np.asarray(1e-6, program.dtype)
    cost = graphs.t1.metrics["train_cost"]
    parameters = _elementary(program, graphs)
    gradients = zip(parameters, _gradients(cost, parameters), strict=True)
    moved = {name: graphs.state[name] - rate * gradient for name, gradient in gradients}
    return Graph({**graphs.state, **moved}, {"train_cost": cost})


def _c2_pass(program: Program, graphs: Graphs) -> Graph:
    batch = graphs.data["t2_inputs"][graphs.rows["t1_rows"]], graphs.data["t2_labels"][graphs.rows["t1_rows"]]
    cost = costs.cross_entropy(program.network.logits(graphs.parameters, batch[0]), batch[1])
    squares = [pt.sum(pt.sqr(gradient)) for gradient in _gradients(cost, _elementary(program, graphs))]
    # A weight that depends on the result keeps the loop from being computed once for all steps.
    bias = graphs.state["bias_0"] + np.asarray(1e-12, program.dtype) * sum(squares)
    return Graph({**graphs.state, "bias_0": bias}, {"train_cost": cost})


_PARTS = {"backpropagation": _backpropagation, "c2_pass": _c2_pass}
