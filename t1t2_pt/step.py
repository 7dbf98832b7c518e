"""One update of everything that training changes, as a pure graph: no data, no random state, no loop.

`t1_step` moves the elementary parameters down the regularised cost of a T1 batch. `t1t2_step` does
the same and moves the tuned hyperparameters by Eq. 3 at the same time; both use the state as it was
before the step. Tensors come in and tensors go out, so the same functions serve every backend.

The state is a dictionary of named tensors: elementary parameters (`weights_0`, `bias_0`, ...),
hyperparameters (`input_noise`, `hidden_noise`, `l2`), and the optimisers' memory
(`weights_0/first_moment`, ...).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt import costs, layers
from t1t2_pt.config import RunConfig
from t1t2_pt.hypergradient import hypergradient, rescale
from t1t2_pt.networks import MLP
from t1t2_pt.optimizers import MEMORY, OPTIMIZERS

SOFTMAX_NOISE = "softmax_noise"
T1_METRICS = ("train_cost", "penalty", "train_error", "repaired_gradients", "learning_rate")

Tensors = dict[str, TensorVariable]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Inputs [batch, features] and integer labels [batch]."""

    inputs: TensorVariable
    labels: TensorVariable


@dataclasses.dataclass(frozen=True)
class Rates:
    """Step sizes of this step: of the elementary parameters, and by the hyperparameter's name."""

    elementary: TensorVariable
    hyper: Mapping[str, TensorVariable]


def make_network(config: RunConfig, features: int, classes: int) -> MLP:
    """The network that a run trains on data of these sizes."""
    return MLP(features=features, hidden=config.hidden, classes=classes, batch_norm=config.batch_norm)


def noise_layers(config: RunConfig) -> tuple[int, ...]:
    """Positions at which noise enters: 0 for the input, i for the output of hidden layer i."""
    first = () if config.input_noise is None else (0,)
    last = len(config.hidden) - (config.noise_before_softmax == "none")
    return first if config.hidden_noise is None else (*first, *range(1, last + 1))


def hyperparameter_values(config: RunConfig) -> dict[str, np.ndarray]:
    """Initial hyperparameters as float32 arrays: a scalar where tied, else one number per layer."""
    values = {name: np.asarray(getattr(config, name), dtype=np.float32) for name in config.hyperparameters}
    if _holds_softmax_noise(config):
        values[SOFTMAX_NOISE] = values["hidden_noise"].reshape(-1)[-1]
    return values


def initial_state(config: RunConfig, network: MLP) -> dict[str, np.ndarray]:
    """float32 values of the whole state before the first step, a function of the config alone."""
    parameters = network.initial_parameters(np.random.Generator(np.random.Philox(config.seed)))
    hyper = hyperparameter_values(config)
    state = {**parameters, **hyper}
    moved = [(name, parameters[name], config.optimizer) for name in parameters]
    moved += [(name, hyper[name], config.hyper_optimizer) for name in config.tune]
    for name, value, optimizer in moved:
        for memory in MEMORY[optimizer]:
            state[f"{name}/{memory}"] = np.zeros_like(value)
    return state


def state_inputs(state: Mapping[str, np.ndarray], dtype: str) -> Tensors:
    """A symbolic input for each entry of the state, with its shape."""
    return {name: pt.tensor(name, shape=value.shape, dtype=dtype) for name, value in state.items()}


def t1_step(
    config: RunConfig,
    network: MLP,
    state: Tensors,
    t1: Batch,
    noise: Mapping[int, TensorVariable],
    rates: Rates,
    count: TensorVariable,
) -> tuple[Tensors, Tensors]:
    """Update the elementary parameters on a T1 batch; the hyperparameters stay.

    Parameters
    ----------
    state
        Tensors by name, see `initial_state`.
    noise
        Standard normal noise [batch, width] by the positions of `noise_layers`.
    count
        Number of this elementary update from 1, a float scalar.

    Returns
    -------
    The new state, and scalar metrics: `train_cost` (C1, noisy), `penalty`, `train_error`,
    `repaired_gradients` (elements that were not finite and were set to 0) and `learning_rate`.
    """
    new_state, metrics, _ = _elementary_step(config, network, state, t1, noise, rates, count)
    return {**state, **new_state}, metrics


def t1t2_step(
    config: RunConfig,
    network: MLP,
    state: Tensors,
    t1: Batch,
    t2: Batch,
    noise: Mapping[int, TensorVariable],
    rates: Rates,
    count: TensorVariable,
    hyper_count: TensorVariable,
) -> tuple[Tensors, Tensors]:
    """Update the elementary parameters on a T1 batch and the hyperparameters on a T2 batch.

    As `t1_step`, with `hyper_count` the number of this hyperparameter update from 1, and further
    metrics: `validation_cost` (C2 on the batch), `repaired_hypergradients`, and for each tuned
    hyperparameter its step size, `input_noise/learning_rate` and so on.
    """
    new_state, metrics, pass_ = _elementary_step(config, network, state, t1, noise, rates, count)

    parameters = {name: state[name] for name in network.shapes()}
    logits, _ = network.logits(parameters, t2.inputs)
    validation_cost = costs.cross_entropy(logits, t2.labels)
    gradients = hypergradient(
        pass_.cost,
        validation_cost,
        list(parameters.values()),
        [state[name] for name in config.tune],
        train_gradients=pass_.gradients,
        next_params=[new_state[name] for name in parameters] if config.validation_gradient_at == "next" else None,
        max_norm=config.gradient_norm,
    )
    repaired_hyper = costs.zero(validation_cost.dtype)
    for name, gradient in zip(config.tune, gradients, strict=True):
        gradient, count_repaired = _repair(gradient)
        repaired_hyper = repaired_hyper + count_repaired
        if config.hypergradient_clip is not None:
            bound = np.asarray(config.hypergradient_clip, dtype=gradient.dtype)
            gradient = pt.clip(gradient, -bound, bound)
        if config.hypergradient_norm is not None:
            gradient = rescale(gradient, config.hypergradient_norm)
        updates = _update(config.hyper_optimizer, state, name, gradient, rates.hyper[name], hyper_count)
        updates[name] = pt.maximum(updates[name], np.zeros((), dtype=gradient.dtype))
        new_state.update(updates)
    metrics |= {"validation_cost": validation_cost, "repaired_hypergradients": repaired_hyper}
    metrics |= {f"{name}/learning_rate": rates.hyper[name] for name in config.tune}
    return {**state, **new_state}, metrics


@dataclasses.dataclass(frozen=True)
class _TrainPass:
    """The noisy pass over a T1 batch: C1~, its gradients by parameter, and what is worth recording."""

    cost: TensorVariable
    gradients: Sequence[TensorVariable]
    metrics: Tensors


def _train_pass(config, network, state, t1: Batch, noise) -> _TrainPass:
    parameters = {name: state[name] for name in network.shapes()}

    def perturb(i: int, h: TensorVariable) -> TensorVariable:
        return layers.add_noise(h, _noise_level(config, state, i), noise[i]) if i in noise else h

    logits, _ = network.logits(parameters, t1.inputs, perturb)
    cost = costs.cross_entropy(logits, t1.labels)
    penalty = costs.zero(cost.dtype)
    if config.l2 is not None:
        penalty = costs.l2_penalty([parameters[name] for name in network.weight_names], state["l2"])
    regularised = cost + penalty
    metrics = {"train_cost": cost, "penalty": penalty, "train_error": costs.error_rate(logits, t1.labels)}
    return _TrainPass(regularised, pt.grad(regularised, list(parameters.values())), metrics)


def _holds_softmax_noise(config: RunConfig) -> bool:
    return config.hidden_noise is not None and config.noise_before_softmax == "fixed"


def _noise_level(config: RunConfig, state: Tensors, layer: int) -> TensorVariable:
    if layer == 0:
        return state["input_noise"]
    if layer == len(config.hidden) and _holds_softmax_noise(config):
        return state[SOFTMAX_NOISE]
    level = state["hidden_noise"]
    return level if level.type.ndim == 0 else level[layer - 1]


def _elementary_step(config, network, state, t1: Batch, noise, rates: Rates, count):
    pass_ = _train_pass(config, network, state, t1, noise)
    new_state: Tensors = {}
    repaired = costs.zero(pass_.cost.dtype)
    for name, gradient in zip(network.shapes(), pass_.gradients, strict=True):
        gradient, count_repaired = _repair(gradient)
        repaired = repaired + count_repaired
        if config.gradient_norm is not None:
            gradient = rescale(gradient, config.gradient_norm)
        new_state.update(_update(config.optimizer, state, name, gradient, rates.elementary, count))
    metrics = {**pass_.metrics, "repaired_gradients": repaired, "learning_rate": rates.elementary}
    return new_state, metrics, pass_


def _repair(gradient: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """NaN and infinity set to 0 (the authors' program), and how many there were."""
    bad = pt.isnan(gradient) | pt.isinf(gradient)
    zero = np.zeros((), dtype=gradient.dtype)
    return pt.switch(bad, zero, gradient), pt.cast(bad, gradient.dtype).sum()


def _update(optimizer: str, state: Tensors, name: str, gradient, rate, count) -> Tensors:
    memory = {key: state[f"{name}/{key}"] for key in MEMORY[optimizer]}
    value, memory = OPTIMIZERS[optimizer](state[name], gradient, memory, rate, count)
    return {name: value, **{f"{name}/{key}": tensor for key, tensor in memory.items()}}
