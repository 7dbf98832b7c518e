"""What a run has reached: cost and error on T1, T2 and test, without noise or penalty.

Batch normalisation uses exact statistics unless told otherwise: those of the whole of T1 under the current parameters,
layer by layer. The activations of a large T1 do not fit into memory, so the network is cut into
stages, one graph each, from one layer's linear outcome to the next one's, and samples pass through
them in chunks. T1 advances stage by stage; what a layer has put out is kept where all of T1 fits
into `KEPT`, and computed again from the last layer that was kept where it does not.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.networks import costs, layers
from t1t2_pt.networks.network import Network
from t1t2_pt.steps.regularization import Tensors
from t1t2_pt.steps.running_moments import running

SETS = ("t1", "t2", "test")
EXACT, BATCHES, RUNNING = "exact", "batches", "running"  # what batch normalisation uses
MOMENTS = ("mean", "variance")
CHUNK = 1 << 26  # elements of the largest activation of a chunk: 256 MiB of float32
KEPT = 1 << 29  # elements of the activations of T1 that are kept: 2 GiB of float32


@dataclasses.dataclass(frozen=True)
class Stage:
    """One graph of an evaluation.

    Parameters
    ----------
    parameters
        The elementary parameters that it uses, by name.
    inputs
        `outcome` of the stage before, [samples, ...] (the inputs of the network for the first), and
        where they are needed `mean` and `variance` of its channels over T1, and `labels` [samples].
    outputs
        `outcome`, and where the next stage normalises it its `mean` and `variance` over these
        samples; from the last stage `cost` and `error`, sums over these samples.
    """

    parameters: Tensors
    inputs: Tensors
    outputs: Tensors


def build_stages(
    network: Network, parameters: Mapping[str, TensorVariable], dtype: str, kind: str = EXACT
) -> list[Stage]:
    """The stages of a network: stage i ends in layer i's linear outcome, one more in cost and error.

    For `BATCHES` there is one more, whose outputs are the moments of a batch that is normalised by itself:
    `mean_i` and `variance_i` of layer i.
    """
    shapes = network.activations
    averages = running(network, parameters) if kind == RUNNING else {}
    stages = []
    for i in range(len(network.layers) + 1):
        inputs = {"outcome": pt.tensor("outcome", shape=(None, *shapes[i]), dtype=dtype)}
        h, statistics = inputs["outcome"], None
        if i > 0:
            if kind == RUNNING:
                statistics = averages.get(i - 1)
            elif network.normalises(i - 1):
                inputs |= {name: pt.tensor(name, shape=shapes[i][-1:], dtype=dtype) for name in MOMENTS}
                statistics = inputs["mean"], inputs["variance"]
            h = network.finish(i - 1, parameters, h, statistics)
        if i < len(network.layers):
            z = network.linear(i, parameters, h)
            outputs = {"outcome": z}
            if network.normalises(i) and kind != RUNNING:
                outputs |= dict(zip(MOMENTS, layers.moments(z), strict=True))
        else:
            inputs["labels"] = pt.tensor("labels", shape=(None,), dtype="int32")
            outputs = {
                "cost": costs.cross_entropies(h, inputs["labels"]).sum(),
                "error": costs.mistakes(h, inputs["labels"]).sum(),
            }
        stages.append(_stage(parameters, inputs, outputs))
    if kind == BATCHES:
        batch = pt.tensor("outcome", shape=(None, *shapes[0]), dtype=dtype)
        found = network.forward(parameters, batch).moments
        outputs = {f"{name}_{i}": pair[place] for i, pair in found.items() for place, name in enumerate(MOMENTS)}
        stages.append(_stage(parameters, {"outcome": batch}, outputs))
    return stages


def _stage(parameters: Mapping[str, TensorVariable], inputs: Tensors, outputs: Tensors) -> Stage:
    needed = set(ancestors(outputs.values()))
    return Stage({name: tensor for name, tensor in parameters.items() if tensor in needed}, inputs, outputs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How samples pass through the stages.

    Parameters
    ----------
    chunk
        Samples in a chunk.
    normalised
        For each stage, whether its outcome is normalised by statistics of all of T1.
    kept
        For each stage, whether the outcome of all of T1 is kept.
    kind
        What normalises: `EXACT`, `BATCHES` or `RUNNING`.
    batch
        Samples in a batch of T1, for `BATCHES`.
    """

    chunk: int
    normalised: tuple[bool, ...]
    kept: tuple[bool, ...]
    kind: str = EXACT
    batch: int = 0

    @property
    def stages(self) -> int:
        """How many there are."""
        return len(self.normalised) + 1 + (self.kind == BATCHES)


def make_plan(network: Network, t1_samples: int, kind: str = EXACT, batch: int = 0) -> Plan:
    """Chunks and kept outcomes within `CHUNK` and `KEPT`; `kind` and `batch` as in `Plan`."""
    sizes = [math.prod(shape) for shape in network.activations]
    return Plan(
        chunk=max(1, CHUNK // max(sizes)),
        normalised=tuple(network.normalises(i) for i in range(len(network.layers))),
        kept=tuple(size * t1_samples <= KEPT for size in sizes[1:]),
        kind=kind if network.batch_norm else EXACT,
        batch=batch,
    )


Values = Mapping[str, Any]


def evaluate(stages: Sequence[Callable[[Values], Values]], plan: Plan, data: Values) -> dict[str, Any]:
    """Cost and error of each set: `t1_cost` in nats, `t1_error` in [0, 1], `t2_cost`, ...

    Parameters
    ----------
    stages
        The compiled stages: from values by the names of `Stage.inputs` (others are ignored) to
        `Stage.outputs`.
    data
        `t1_inputs`, `t1_labels` and the same of `t2` and `test`: arrays of any kind that the stages
        take, even symbolic.
    """
    pieces = {name: _pieces(data[f"{name}_inputs"], data[f"{name}_labels"], plan.chunk) for name in SETS}
    statistics, t1, depth = _normalised(stages, plan, pieces["t1"], data)
    metrics = {}
    for name in SETS:
        begin, chunks = (depth, t1) if name == "t1" else (0, pieces[name])
        results = [_advanced(stages, statistics, chunk, begin, len(plan.normalised) + 1) for chunk in chunks]
        for metric in ("cost", "error"):
            metrics[f"{name}_{metric}"] = sum(result[metric] for result in results) / len(data[f"{name}_labels"])
    return metrics


def statistics_of(stages: Sequence[Callable[[Values], Values]], plan: Plan, data: Values) -> dict[int, Values]:
    """What batch normalisation uses in an evaluation: `mean` and `variance` by the number of the layer.

    Parameters are as of `evaluate`, of whose data T1 alone is needed. Running averages are not among them: they lie
    in the state.
    """
    t1 = _pieces(data["t1_inputs"], data["t1_labels"], plan.chunk)
    statistics, _, _ = _normalised(stages, plan, t1, data)
    return {number: values for number, values in enumerate(statistics[1:]) if values}


def _normalised(
    stages: Sequence[Callable[[Values], Values]], plan: Plan, t1: list[Values], data: Values
) -> tuple[list[Values], list[Values], int]:
    """What each stage takes beside samples; and the chunks of T1 with the number of stages that they have passed."""
    statistics: list[Values] = [{}]
    if plan.kind == BATCHES:
        statistics += _means_over_batches(stages[-1], plan, data["t1_inputs"], data["t1_labels"])
    current, depth = t1, 0
    for stage, normalised in enumerate(plan.normalised if plan.kind != BATCHES else ()):
        if not normalised or plan.kind == RUNNING:
            statistics.append({})
            continue
        partial: list[tuple[int, Any, Any]] = []
        reached: list[Values] = []
        for number, piece in enumerate(current):
            after = _advanced(stages, statistics, piece, depth, stage + 1)
            partial.append((len(piece["labels"]), after["mean"], after["variance"]))
            if plan.kept[stage]:
                reached.append({"outcome": after["outcome"], "labels": piece["labels"]})
                if depth > 0:
                    current[number] = {}  # its memory is free as soon as nothing needs it
        statistics.append(_combine(partial))
        if plan.kept[stage]:
            current, depth = reached, stage + 1
    return statistics, current, depth


def _advanced(
    stages: Sequence[Callable[[Values], Values]], statistics: Sequence[Values], values: Values, begin: int, end: int
) -> Values:
    for stage in range(begin, end):
        values = {**values, **stages[stage]({**values, **statistics[stage]})}
    return values


def _pieces(inputs: Any, labels: Any, chunk: int) -> list[Values]:
    starts = range(0, len(labels), chunk)
    return [{"outcome": inputs[start : start + chunk], "labels": labels[start : start + chunk]} for start in starts]


def _means_over_batches(stage: Callable[[Values], Values], plan: Plan, inputs: Any, labels: Any) -> list[Values]:
    """Moments by layer, means over the whole batches of T1, of unbiased variances (the authors' program's default)."""
    whole = len(labels) // plan.batch * plan.batch
    found = [stage(piece) for piece in _pieces(inputs[:whole], labels[:whole], plan.batch)]
    correction = plan.batch / (plan.batch - 1)
    statistics: list[Values] = []
    for i, normalised in enumerate(plan.normalised):
        mean, variance = (
            sum(one[f"{name}_{i}"] for one in found) / len(found) if normalised else 0 for name in MOMENTS
        )
        statistics.append({"mean": mean, "variance": variance * correction} if normalised else {})
    return statistics


def _combine(partial: Sequence[tuple[int, Any, Any]]) -> Values:
    """Mean and variance of all samples from those of each chunk (Chan, Golub and LeVeque, 1983)."""
    total = sum(count for count, _, _ in partial)
    mean = sum(m * (count / total) for count, m, _ in partial)
    variance = sum((v + (m - mean) * (m - mean)) * (count / total) for count, m, v in partial)
    return {"mean": mean, "variance": variance}
