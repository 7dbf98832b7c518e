"""Hypergradients of every method beside exact ones, at some moments of a training, with what each costs.

The network is so small, and trained by so plain a rule (gradient descent on all of T1), that the derivative of C2
through hundreds of updates, and the dense Hessian, can be had. Surveys are kept in the run store.
"""

import dataclasses
import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend
from t1t2_pt.backends.interface import Arrays
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.datasets.preprocessing import USUAL
from t1t2_pt.hypergradients import Method, hypergradient, method_text
from t1t2_pt.hypergradients.auditing import similarity
from t1t2_pt.hypergradients.methods.finite_difference import FiniteDifference
from t1t2_pt.hypergradients.methods.forward import Forward
from t1t2_pt.hypergradients.methods.gauss_newton import GaussNewton
from t1t2_pt.hypergradients.methods.implicit import Implicit
from t1t2_pt.hypergradients.methods.one_pass import OnePass
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.networks import costs
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.runs.provenance import environment
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.groups import data_key
from t1t2_pt.sweeps.other_runs import fields_of
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import replacing
from t1t2_pt.system.reading import read_file
from t1t2_pt.training.loop import train

DATASET, SIDE = "mnist", 28
FILE = "survey.json"
LARGEST = 1 << 20  # bytes of such a file
TURNS = 5  # timings of each method, of which the median counts
AT_LEAST = 0.05  # seconds of the processor that a timing takes
DTYPE = "float64"
_TABLE = "CREATE TABLE IF NOT EXISTS surveys (digest TEXT PRIMARY KEY, survey TEXT NOT NULL)"


@dataclasses.dataclass(frozen=True)
class SurveyConfig:
    """What is surveyed: MNIST in coarse pixels, one layer of tanh units, an L2 penalty for each pixel and each unit.

    Parameters
    ----------
    pixels
        On a side, a divisor of 28; each is the mean of those that it stands for.
    hidden
        Tanh units.
    t1_samples, t2_samples
        All of which are in every cost.
    penalty
        Every L2 strength.
    step_size
        Of gradient descent.
    moments
        After how many updates the methods are compared.
    ahead
        How many further updates the exact hypergradient sees.
    seed
        Of the split and of the weights.
    """

    pixels: int = 7
    hidden: int = 10
    t1_samples: int = 300
    t2_samples: int = 300
    penalty: float = 1e-3
    step_size: float = 0.5
    moments: tuple[int, ...] = (0, 30, 100, 300, 1000, 3000)
    ahead: int = 300
    seed: int = 0

    def digest(self) -> str:
        """What names it."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found.

    Parameters
    ----------
    rows
        One for each moment and method: `moment`, `method`, `cosine` and `relative_error` against the derivative of C2
        after `ahead` further updates, `backpropagations` and `copies`, and `seconds` of the processor.
    params, hyperparams
        How many there are.
    trainings
        Seconds of the processor that a whole training takes, one of several that train together, by name.
    """

    config: SurveyConfig
    rows: tuple[Mapping[str, Any], ...]
    params: int
    hyperparams: int
    environment: Mapping[str, str]
    trainings: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with null for what is not finite."""
        plain = dataclasses.asdict(self)
        return plain | {"rows": [{name: _to_json(value) for name, value in row.items()} for row in self.rows]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Survey":
        """The inverse of `as_dict`; whatever else `values` are raises an error of some kind."""
        rows = tuple({name: math.nan if v is None else v for name, v in row.items()} for row in values["rows"])
        return cls(**{**values, "config": SurveyConfig(**fields_of(values["config"])), "rows": rows})


def methods_of(config: SurveyConfig, outputs: TensorVariable) -> list[Method]:
    """What is compared; the updates that some of them look through are those of the training."""
    eta = config.step_size
    return [
        T1T2(),
        FiniteDifference(),
        OnePass(terms=9, optimizer="sgd", step_size=eta),
        Unrolled(steps=10, step_size=eta),
        Unrolled(steps=100, step_size=eta),
        Forward(steps=10, step_size=eta),
        Implicit(iterations=20),
        Implicit(solver="neumann", iterations=20, scale=eta),
        Implicit(solver="exact"),
        GaussNewton(outputs=outputs, iterations=20, damping=1e-3),
    ]


def surveyed(config: SurveyConfig, trainings: Mapping[str, Sequence[RunConfig]], sweep: Sweep, again: bool) -> Survey:
    """The survey: from the sweep's store, or made now.

    Parameters
    ----------
    trainings
        Runs of one structure and one split each, whose time is measured too, by name.
    again
        Make it even if it is stored.

    Raises
    ------
    InputError
        If the store is damaged, or the data cannot be loaded.
    """
    if not again and (found := stored_survey(config, sweep.store)) is not None:
        return found
    moments = len(config.moments)
    sweep.display.log(f"comparing the methods at {moments} moments of a training, on {sweep.backend.name}")
    splits = Splits(sweep.data_dir)
    split = splits.get(DATASET, config.t1_samples, config.t2_samples, config.seed, USUAL, "none", "apart")
    made = make_survey(config, split, sweep.backend)
    seconds = {
        name: _training_seconds(configs, splits.get(*data_key(configs[0])), sweep.backend)
        for name, configs in trainings.items()
    }
    made = dataclasses.replace(made, trainings=seconds)
    store_survey(made, sweep.store)
    return made


def export_survey(survey: Survey, folder: Path) -> Path:
    """Write a survey as `survey.json` into a folder; returns the file."""
    with replacing(folder / FILE) as partial:
        partial.write_text(json.dumps(survey.as_dict(), indent=1, allow_nan=False) + "\n")
    return folder / FILE


def read_survey(path: Path) -> Survey:
    """The survey of a file that `export_survey` wrote.

    Raises
    ------
    InputError
        If it is another file.
    """
    try:
        return Survey.from_dict(json.loads(read_file(path, LARGEST)))
    except Exception as error:  # JSON of something else raises nearly anything
        problem = f"is no survey of methods ({reason(error)})"
        raise InputError("file", str(path), problem, "restore it from version control") from None


def store_survey(survey: Survey, store: RunStore) -> None:
    """Keep a survey in the place of an older one."""
    with store.writing() as connection:
        connection.execute(_TABLE)
        row = survey.config.digest(), json.dumps(survey.as_dict(), allow_nan=False)
        connection.execute("INSERT OR REPLACE INTO surveys VALUES (?, ?)", row)


def stored_survey(config: SurveyConfig, store: RunStore) -> Survey | None:
    """What `store_survey` kept, if it did."""
    for (text,) in store.rows("surveys", ("survey",), [config.digest()]):
        try:
            return Survey.from_dict(json.loads(text))
        except Exception as error:  # JSON of something else raises nearly anything
            problem = f"is damaged: a survey of methods in it cannot be read ({reason(error)})"
            raise InputError("store", str(store.path), problem, "add --recompute") from None
    return None


@dataclasses.dataclass(frozen=True)
class _Graph:
    train_cost: TensorVariable
    val_cost: TensorVariable
    params: dict[str, TensorVariable]
    hyperparams: dict[str, TensorVariable]
    outputs: TensorVariable
    values: Arrays


def make_survey(config: SurveyConfig, split: Split, backend: Backend) -> Survey:
    """Train, and compare all methods at each moment."""
    graph = _graph(config, split)
    symbols = graph.params | graph.hyperparams

    def computes(found: Sequence[TensorVariable]) -> Callable[[Arrays], list[np.ndarray]]:
        function = backend.function(symbols, {str(place): one for place, one in enumerate(found)})
        return lambda values: [np.asarray(one) for one in function(values).values()]

    def of(method: Method) -> Callable[[Arrays], list[np.ndarray]]:
        params, tuned = list(graph.params.values()), list(graph.hyperparams.values())
        return computes(hypergradient(graph.train_cost, graph.val_cost, params, tuned, method=method))

    gradients = computes(as_gradients(pt.grad(graph.train_cost, list(graph.params.values()))))
    exact = of(Unrolled(steps=config.ahead, step_size=config.step_size))
    methods = {method: of(method) for method in methods_of(config, graph.outputs)}
    texts = {method: method_text(method) for method in methods}
    params = sum(graph.values[name].size for name in graph.params)
    tuned = sum(graph.values[name].size for name in graph.hyperparams)
    values, done = dict(graph.values), 0
    rows: list[dict[str, Any]] = []
    for moment in config.moments:
        for _ in range(moment - done):
            for name, gradient in zip(graph.params, gradients(values), strict=True):
                values[name] = values[name] - config.step_size * gradient
        done = moment
        reference = exact(values)
        found = {method: compute(values) for method, compute in methods.items()}
        for method, some in found.items():
            # Of those that are a derivative of C2 itself, not per unit of the step size.
            scale = 1 / config.step_size if isinstance(method, Implicit | GaussNewton) else 1.0
            cosine, error = similarity([scale * one for one in some], reference)
            expense = method.expense(params, tuned)
            rows.append(
                {
                    "moment": moment,
                    "method": texts[method],
                    "cosine": cosine,
                    "relative_error": error,
                    "backpropagations": expense.backpropagations,
                    "copies": expense.copies,
                    "seconds": math.nan,
                }
            )
    seconds = {texts[method]: _seconds(compute, values) for method, compute in methods.items()}
    timed = tuple({**row, "seconds": seconds[row["method"]]} for row in rows)
    return Survey(config, timed, params, tuned, environment(backend))


def _graph(config: SurveyConfig, split: Split) -> _Graph:
    shapes = {"w": (config.pixels**2, config.hidden), "b": (config.hidden,), "v": (config.hidden, split.classes)}
    shapes["c"] = (split.classes,)
    rng = np.random.default_rng(config.seed)
    values: Arrays = {name: rng.standard_normal(shape) / math.sqrt(shape[0]) for name, shape in shapes.items()}
    values |= {"b": np.zeros(shapes["b"]), "c": np.zeros(shapes["c"])}
    params = {name: pt.tensor(name, shape=shape, dtype=DTYPE) for name, shape in shapes.items()}
    levels = {"l2_of_pixels": shapes["w"][0], "l2_of_units": config.hidden}
    tuned = {name: pt.tensor(name, shape=(count,), dtype=DTYPE) for name, count in levels.items()}
    values |= {name: np.full(count, config.penalty) for name, count in levels.items()}

    def cost(part: str) -> tuple[TensorVariable, TensorVariable]:
        pictures = _coarse(split.arrays[f"{part}_inputs"], config.pixels)
        hidden = pt.tanh(pt.dot(pt.constant(pictures), params["w"]) + params["b"])
        logits = pt.dot(hidden, params["v"]) + params["c"]
        return costs.cross_entropy(logits, pt.constant(split.arrays[f"{part}_labels"])), logits

    train, outputs = cost("t1")
    for weights, level in ((params["w"], tuned["l2_of_pixels"]), (params["v"], tuned["l2_of_units"])):
        train = train + pt.dot(level, pt.sqr(weights).sum(axis=1))
    return _Graph(train, cost("t2")[0], params, tuned, outputs, values)


def _coarse(pictures: np.ndarray, pixels: int) -> np.ndarray:
    """Means over squares of pixels, [samples, pixels²], scaled to a mean square of 1."""
    block = SIDE // pixels
    found = pictures.reshape(-1, pixels, block, pixels, block).mean(axis=(2, 4), dtype=DTYPE).reshape(-1, pixels**2)
    return found / np.sqrt(np.square(found).mean())


def _seconds(compute: Callable[[Arrays], list[np.ndarray]], values: Arrays) -> float:
    """Seconds of the processor that a computation takes, whatever else the machine does; compiled before."""
    taken, calls = [], 1
    for _ in range(TURNS):
        while True:
            start = time.process_time()
            for _ in range(calls):
                compute(values)
            spent = time.process_time() - start
            if spent >= AT_LEAST:
                break
            calls *= 2
        taken.append(spent / calls)
    return statistics.median(taken)


def _training_seconds(configs: Sequence[RunConfig], split: Split, backend: Backend) -> float:
    """Seconds of the processor that a run takes of these, which train together; compiled before."""
    train(configs, split, backend)
    start = time.process_time()
    train(configs, split, backend)
    return (time.process_time() - start) / len(configs)


def _to_json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
