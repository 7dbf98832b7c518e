"""One update of everything that training changes, as a pure graph: no data, no random state, no loop.

`t1_step` moves the elementary parameters down the regularised cost of a T1 batch. `t1t2_step` does
the same and moves the tuned hyperparameters by Eq. 3 at the same time; both use the state as it was
before the step. Tensors come in and tensors go out, so the same functions serve every backend.

The state is a dictionary of named tensors: elementary parameters (`weights_0`, `bias_0`, ...),
hyperparameters (`input_noise`, ...), and the optimisers' memory
(`weights_0/first_moment`, ...).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import CONVOLUTIONAL, Network
from t1t2_pt.ops import finite_squares
from t1t2_pt.optimizers import OPTIMIZERS
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.rewrites import FAST
from t1t2_pt.steps.regularization import Drawn, Tensors, constrained, level_values, penalty, perturbation
from t1t2_pt.system.errors import InputError

T1_METRICS = ("train_cost", "penalty", "train_error", "repaired_gradients", "learning_rate")


@dataclasses.dataclass(frozen=True)
class Batch:
    """Inputs [batch, *input_shape] and integer labels [batch]."""

    inputs: TensorVariable
    labels: TensorVariable


@dataclasses.dataclass(frozen=True)
class Rates:
    """Step sizes of this step: of the elementary parameters, and by the hyperparameter's name."""

    elementary: TensorVariable
    hyper: Mapping[str, TensorVariable]


def make_network(config: RunConfig, input_shape: tuple[int, ...], classes: int) -> Network:
    """The network that a run trains on data of these sizes; an mlp takes images as features.

    Raises
    ------
    InputError
        If the network does not fit the data.
    """
    if config.network not in CONVOLUTIONAL:
        input_shape = (math.prod(input_shape),)
    try:
        return Network(input_shape, config.hidden_layers, classes, config.batch_norm, config.activation)
    except ValueError as error:
        raise InputError("network", config.network, f"does not fit {config.dataset} ({error})", "give mlp") from None


def initial_state(config: RunConfig, network: Network) -> dict[str, np.ndarray]:
    """float32 values of the whole state before the first step, a function of the config alone."""
    parameters = network.initial_parameters(np.random.Generator(np.random.Philox(config.seed)))
    hyper = level_values(config, network)
    state = {**parameters, **hyper}
    moved = [(name, parameters[name], config.optimizer) for name in parameters]
    moved += [(name, hyper[name], config.hyper_optimizer) for name in config.tune]
    for name, value, optimizer in moved:
        for memory in OPTIMIZERS[optimizer].memory:
            state[f"{name}/{memory}"] = np.zeros_like(value)
    return state


def state_inputs(state: Mapping[str, np.ndarray], dtype: str) -> Tensors:
    """A symbolic input for each entry of the state, with its shape."""
    return {name: pt.tensor(name, shape=value.shape, dtype=dtype) for name, value in state.items()}


def t1_step(
    config: RunConfig,
    network: Network,
    state: Tensors,
    t1: Batch,
    drawn: Drawn,
    rates: Rates,
    count: TensorVariable,
) -> tuple[Tensors, Tensors]:
    """Update the elementary parameters on a T1 batch; the hyperparameters stay.

    Parameters
    ----------
    state
        Tensors by name, see `initial_state`.
    drawn
        Random numbers by what is to be drawn, see `draws`.
    count
        Number of this elementary update from 1, a float scalar.

    Returns
    -------
    The new state, and scalar metrics: `train_cost` (C1, noisy), `penalty`, `train_error`,
    `repaired_gradients` (elements that were not finite and were set to 0) and `learning_rate`.
    """
    new_state, metrics, _ = _elementary_step(config, network, state, t1, drawn, rates, count)
    return {**state, **new_state}, metrics


def t1t2_step(
    config: RunConfig,
    network: Network,
    state: Tensors,
    t1: Batch,
    t2: Batch,
    drawn: Drawn,
    rates: Rates,
    count: TensorVariable,
    hyper_count: TensorVariable,
) -> tuple[Tensors, Tensors]:
    """Update the elementary parameters on a T1 batch and the hyperparameters on a T2 batch.

    As `t1_step`, with `hyper_count` the number of this hyperparameter update from 1, and further
    metrics: `validation_cost` (C2 on the batch), `repaired_hypergradients`, and for each tuned
    hyperparameter its step size, `input_noise/learning_rate` and so on.
    """
    new_state, metrics, pass_ = _elementary_step(config, network, state, t1, drawn, rates, count)

    parameters = {name: state[name] for name in network.shapes()}
    logits = network.logits(parameters, t2.inputs)
    validation_cost = costs.cross_entropy(logits, t2.labels)
    gradients = hypergradient(
        pass_.cost,
        validation_cost,
        list(parameters.values()),
        [state[name] for name in config.tune],
        train_gradients=pass_.gradients,
        next_params=[new_state[name] for name in parameters] if config.validation_gradient_at == "next" else None,
        max_norm=config.gradient_norm,
        products=FAST,
    )
    _, repaired_hyper = finite_squares(*gradients)
    for name, gradient in zip(config.tune, gradients, strict=True):
        gradient = _repair(gradient)
        if config.hypergradient_clip is not None:
            bound = np.asarray(config.hypergradient_clip, dtype=gradient.dtype)
            gradient = pt.clip(gradient, -bound, bound)
        if config.hypergradient_norm is not None:
            gradient = rescale(gradient, config.hypergradient_norm)
        updates = _update(config.hyper_optimizer, state, name, gradient, rates.hyper[name], hyper_count)
        updates[name] = HYPERPARAMETERS[name].project(updates[name])
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


def _train_pass(config: RunConfig, network: Network, state: Tensors, t1: Batch, drawn: Drawn) -> _TrainPass:
    parameters = {name: state[name] for name in network.shapes()}
    logits = network.logits(parameters, t1.inputs, perturbation(config, network, state, drawn))
    cost = costs.cross_entropy(logits, t1.labels)
    added = penalty(config, network, state, cost.dtype)
    regularised = cost + added
    metrics = {"train_cost": cost, "penalty": added, "train_error": costs.error_rate(logits, t1.labels)}
    return _TrainPass(regularised, pt.grad(regularised, list(parameters.values())), metrics)


def _elementary_step(
    config: RunConfig,
    network: Network,
    state: Tensors,
    t1: Batch,
    drawn: Drawn,
    rates: Rates,
    count: TensorVariable,
) -> tuple[Tensors, Tensors, _TrainPass]:
    pass_ = _train_pass(config, network, state, t1, drawn)
    new_state: Tensors = {}
    squares, repaired = finite_squares(*pass_.gradients)
    for name, gradient, square in zip(network.shapes(), pass_.gradients, squares, strict=True):
        gradient = _repair(gradient)
        if config.gradient_norm is not None:
            gradient = rescale(gradient, config.gradient_norm, square)
        new_state.update(_update(config.optimizer, state, name, gradient, rates.elementary, count))
    new_state.update(constrained(config, network, state, new_state))
    metrics = {**pass_.metrics, "repaired_gradients": repaired, "learning_rate": rates.elementary}
    return new_state, metrics, pass_


def _repair(gradient: TensorVariable) -> TensorVariable:
    """NaN and infinity set to 0 (the authors' program)."""
    largest = np.finfo(gradient.dtype).max
    return pt.switch(pt.abs(gradient) <= largest, gradient, np.zeros((), dtype=gradient.dtype))  # NaN <= x is false


def _update(
    optimizer: str, state: Tensors, name: str, gradient: TensorVariable, rate: TensorVariable, count: TensorVariable
) -> Tensors:
    memory = {key: state[f"{name}/{key}"] for key in OPTIMIZERS[optimizer].memory}
    value, memory = OPTIMIZERS[optimizer](state[name], gradient, memory, rate, count)
    return {name: value, **{f"{name}/{key}": tensor for key, tensor in memory.items()}}
