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
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.hypergradients import Problem, Step, hypergradients_in_step, method_named
from t1t2_pt.hypergradients.inner import Batches, Inner
from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import CONVOLUTIONAL, ForwardPass, Network
from t1t2_pt.ops import finite_squares
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.optimizers import OPTIMIZERS, Optimizer
from t1t2_pt.regularizers import HYPERPARAMETERS, REGULARIZER_OF
from t1t2_pt.rewrites import FAST
from t1t2_pt.steps import running_moments
from t1t2_pt.steps.regularization import Drawn, Tensors, constrained, level_values, penalty, perturbation
from t1t2_pt.system.errors import InputError

T1_METRICS = ("train_cost", "penalty", "train_error", "repaired_gradients", "learning_rate")

METHOD_MEMORY = "method/"  # how the names of what a hypergradient method keeps begin

Momentum = TensorVariable | float | None  # None: the optimisers' own


@dataclasses.dataclass(frozen=True)
class Batch:
    """Inputs [batch, *input_shape] and integer labels [batch]."""

    inputs: TensorVariable
    labels: TensorVariable


@dataclasses.dataclass(frozen=True)
class Rates:
    """Step sizes of this step: of the elementary parameters, and by the hyperparameter's name; and the momentum."""

    elementary: TensorVariable
    hyper: Mapping[str, TensorVariable]
    momentum: Momentum = None


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
        return Network(
            input_shape, config.hidden_layers, classes, config.batch_norm, config.activation, config.batch_norm_scale
        )
    except ValueError as error:
        raise InputError("network", config.network, f"does not fit {config.dataset} ({error})", "give mlp") from None


def initial_state(config: RunConfig, network: Network) -> dict[str, np.ndarray]:
    """float32 values of the whole state before the first step, a function of the config alone."""
    rng = np.random.Generator(np.random.Philox(config.seed))
    parameters = network.initial_parameters(rng, config.initialization)
    hyper = level_values(config, network)
    state = {**parameters, **hyper}
    moved = [(name, parameters[name], config.optimizer) for name in parameters]
    moved += [(name, hyper[name], config.hyper_optimizer) for name in config.tune]
    for name, value, optimizer in moved:
        for memory in OPTIMIZERS[optimizer].memory:
            state[f"{name}/{memory}"] = np.zeros_like(value)
    if config.has_running_statistics:
        state |= running_moments.initial(network)
    if config.tune:
        tuned = [hyper[name] for name in config.tune]
        kept = method_named(config.method).initial_memory(list(parameters.values()), tuned)
        state |= {METHOD_MEMORY + name: value for name, value in kept.items()}
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
    new_state, metrics, _ = elementary_step(config, network, state, t1, drawn, rates, count)
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
    batches: Callable[[int], Batches] | None = None,
) -> tuple[Tensors, Tensors]:
    """Update the elementary parameters on a T1 batch and the hyperparameters on a T2 batch.

    As `t1_step`, with `hyper_count` the number of this hyperparameter update from 1, `batches` what of the graph
    changes in so many updates to come, for methods that look ahead (see `hypergradients.method.Step`), and further
    metrics: `validation_cost` (C2 on the batch), `repaired_hypergradients`, and for each tuned
    hyperparameter its step size, `input_noise/learning_rate` and so on.
    """
    new_state, metrics, done = elementary_step(config, network, state, t1, drawn, rates, count)
    validation_cost = _validation_cost(config, network, state, t2)
    lowered = _lowered_cost(config, network, state, t1, validation_cost)
    inner = _inner(config, network, state, rates, count)
    gradients, kept = _hypergradients(config, network, state, new_state, done, lowered, hyper_count, inner, batches)
    new_state.update(kept)
    _, repaired = finite_squares(*gradients)
    for name, gradient in zip(config.tune, gradients, strict=True):
        gradient = _repair(gradient)
        if config.hyper_decay and REGULARIZER_OF[name].perturbs:
            gradient = gradient + np.asarray(config.hyper_decay, dtype=gradient.dtype) * state[name]
        gradient = limited(config, network, name, gradient)
        optimizer = OPTIMIZERS[config.hyper_optimizer]
        updates = updated(optimizer, state, name, gradient, rates.hyper[name], hyper_count, rates.momentum)
        updates[name] = HYPERPARAMETERS[name].project(updates[name])
        new_state.update(updates)
    metrics |= {"validation_cost": validation_cost, "repaired_hypergradients": repaired}
    metrics |= {f"{name}/learning_rate": rates.hyper[name] for name in config.tune}
    return {**state, **new_state}, metrics


def _validation_cost(config: RunConfig, network: Network, state: Tensors, t2: Batch) -> TensorVariable:
    """C2 on a batch, clean."""
    fixed = None
    if network.batch_norm and config.validation_statistics == "running":
        fixed = running_moments.running(network, state)
    logits = network.forward(state, t2.inputs, statistics=fixed).logits
    return costs.cross_entropy(logits, t2.labels)


def _lowered_cost(
    config: RunConfig, network: Network, state: Tensors, t1: Batch, validation_cost: TensorVariable
) -> TensorVariable:
    """What tuning lowers, by `hyper_cost`."""
    if config.hyper_cost == "validation-training":
        return validation_cost - costs.cross_entropy(network.logits(state, t1.inputs), t1.labels)
    if config.hyper_cost == "penalised":
        held = {name: disconnected_grad(state[name]) for name in config.hyperparameters}
        return validation_cost + penalty(config, network, {**state, **held}, validation_cost.dtype)
    return validation_cost


def _hypergradients(
    config: RunConfig,
    network: Network,
    state: Tensors,
    new_state: Tensors,
    done: "TrainPass",
    lowered: TensorVariable,
    hyper_count: TensorVariable,
    inner: Inner,
    batches: Callable[[int], Batches] | None,
) -> tuple[list[TensorVariable], Tensors]:
    """The hypergradients of what is tuned, and what the method keeps, by its names in the state."""
    problem = Problem(
        done.cost,
        lowered,
        [state[name] for name in network.shapes()],
        [state[name] for name in config.tune],
    )
    at_hand = Step(
        train_gradients=done.gradients,
        next_params=[new_state[name] for name in network.shapes()] if config.validation_gradient_at == "next" else None,
        max_norm=config.gradient_norm,
        count=hyper_count,
        memory={name.removeprefix(METHOD_MEMORY): state[name] for name in state if name.startswith(METHOD_MEMORY)},
        inner=inner,
        batches=batches,
        outputs=done.noisy.logits,
    )
    gradients, kept = hypergradients_in_step(method_named(config.method), problem, at_hand, FAST)
    return gradients, {METHOD_MEMORY + name: tensor for name, tensor in kept.items()}


def _inner(config: RunConfig, network: Network, state: Tensors, rates: Rates, count: TensorVariable) -> Inner:
    """How the run updates its elementary parameters, for methods that look ahead."""
    optimizer, names = OPTIMIZERS[config.optimizer], list(network.shapes())

    def held(moved: Sequence[TensorVariable]) -> list[TensorVariable]:
        after = dict(zip(names, moved, strict=True))
        return list((after | constrained(config, network, state, after)).values())

    return Inner(
        optimizer,
        rates.elementary,
        rates.momentum,
        count,
        [{key: state[f"{name}/{key}"] for key in optimizer.memory} for name in names],
        config.gradient_norm,
        constrained=held if any(one.constrains for one in config.regularizers) else None,
    )


def limited(config: RunConfig, network: Network, name: str, gradient: TensorVariable) -> TensorVariable:
    """A hypergradient within the limits on its size, in the order of `hypergradient_limits`."""

    def clipped(g: TensorVariable) -> TensorVariable:
        if config.hypergradient_clip is None:
            return g
        bound = np.asarray(config.hypergradient_clip, dtype=g.dtype)
        return pt.clip(g, -bound, bound)

    def shrunk(g: TensorVariable) -> TensorVariable:
        return g if config.hypergradient_norm is None else rescale(g, config.hypergradient_norm)

    if config.hypergradient_limits == "clip-rescale":
        return shrunk(clipped(gradient))
    if config.hypergradient_limits == "rescale-clip":
        return clipped(shrunk(gradient))
    parts = config.levels(name, network).parts(gradient)
    return clipped(shrunk(gradient) if len(parts) == 1 else pt.concatenate([shrunk(part) for part in parts]))


@dataclasses.dataclass(frozen=True)
class TrainPass:
    """The noisy pass over a T1 batch: C1~, its gradients by parameter, and what is worth recording."""

    cost: TensorVariable
    gradients: Sequence[TensorVariable]
    metrics: Tensors
    noisy: ForwardPass


def train_pass(config: RunConfig, network: Network, state: Tensors, t1: Batch, drawn: Drawn) -> TrainPass:
    """The noisy pass; arguments as of `t1_step`."""
    perturb = perturbation(config, network, state, drawn)
    noisy = network.forward(state, t1.inputs, perturb, config.noise_at == "preactivation")
    cost = costs.cross_entropy(noisy.logits, t1.labels)
    added = penalty(config, network, state, cost.dtype)
    regularised = cost + added
    metrics = {"train_cost": cost, "penalty": added, "train_error": costs.error_rate(noisy.logits, t1.labels)}
    gradients = as_gradients(pt.grad(regularised, [state[name] for name in network.shapes()]))
    return TrainPass(regularised, gradients, metrics, noisy)


def elementary_step(
    config: RunConfig,
    network: Network,
    state: Tensors,
    t1: Batch,
    drawn: Drawn,
    rates: Rates,
    count: TensorVariable,
) -> tuple[Tensors, Tensors, TrainPass]:
    """What is new in the state, metrics, and the pass that they come from; arguments as of `t1_step`."""
    done = train_pass(config, network, state, t1, drawn)
    new_state: Tensors = {}
    squares, repaired = finite_squares(*done.gradients)
    for name, gradient, square in zip(network.shapes(), done.gradients, squares, strict=True):
        gradient = _repair(gradient)
        if config.gradient_norm is not None:
            gradient = rescale(gradient, config.gradient_norm, square)
        optimizer = OPTIMIZERS[config.optimizer]
        new_state.update(updated(optimizer, state, name, gradient, rates.elementary, count, rates.momentum))
    new_state.update(constrained(config, network, state, new_state))
    if config.has_running_statistics:
        new_state.update(running_moments.updated(config, network, state, done.noisy.moments, count))
    metrics = {**done.metrics, "repaired_gradients": repaired, "learning_rate": rates.elementary}
    return new_state, metrics, done


def _repair(gradient: TensorVariable) -> TensorVariable:
    """NaN and infinity set to 0 (the authors' program)."""
    largest = np.finfo(gradient.dtype).max
    return pt.switch(pt.abs(gradient) <= largest, gradient, np.zeros((), dtype=gradient.dtype))  # NaN <= x is false


def updated(
    optimizer: Optimizer,
    state: Tensors,
    name: str,
    gradient: TensorVariable,
    rate: TensorVariable,
    count: TensorVariable,
    momentum: Momentum = None,
) -> Tensors:
    """One entry of a state after an update, and the optimiser's memory of it, by their names in the state."""
    memory = {key: state[f"{name}/{key}"] for key in optimizer.memory}
    value, memory = optimizer(state[name], gradient, memory, rate, count, momentum)
    return {name: value, **{f"{name}/{key}": tensor for key, tensor in memory.items()}}
