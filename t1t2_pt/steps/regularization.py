"""The regularisers of a run in its step: their levels in the state, and what they do to the graph."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import Network
from t1t2_pt.regularizers import HIDDEN, HYPERPARAMETERS, INPUT, Regularizer
from t1t2_pt.steps.noise import random_numbers

Tensors = dict[str, TensorVariable]


@dataclasses.dataclass(frozen=True)
class Draw:
    """What is drawn at random for one regulariser at one place of a step.

    Parameters
    ----------
    regularizer
        Its name.
    position
        Of the activation: 0 for the input, i for the output of hidden layer i, from 1.
    law
        `normal` or `uniform`.
    shape
        Of what is drawn, the batch first.
    """

    regularizer: str
    position: int
    law: str
    shape: tuple[int, ...]


Drawn = Mapping[Draw, TensorVariable]


def level_values(config: RunConfig, network: Network) -> dict[str, npt.NDArray[np.float32]]:
    """Initial hyperparameters as float32 arrays, by name; see `Levels.values`.

    What `noise_before_softmax` fixes is beside them, as `{name}_before_softmax`.

    Raises
    ------
    InputError
        If a hyperparameter per unit has a wrong number of levels.
    """
    values = {}
    for name in config.hyperparameters:
        level = config.level(name)
        assert level is not None
        values[name] = config.levels(name, network).values(level)
    for name in config.hyperparameters:
        if _is_held(config, name):
            values[_held(name)] = config.levels(name, network).last(values[name])
    return values


def draws(config: RunConfig, network: Network) -> tuple[Draw, ...]:
    """All that a step draws, by position and then in the order of the regularisers."""
    found = []
    for position, activation in enumerate(network.activations[:-1]):
        for one in _perturbing(config, network, position):
            if one.draws is not None:
                shape = one.draw_shape(config.batch_size, activation)
                found.append(Draw(one.name, position, one.draws, shape))
    return tuple(found)


def draw(
    config: RunConfig, network: Network, seed: TensorVariable, step: TensorVariable, dtype: str
) -> dict[Draw, TensorVariable]:
    """Random numbers of a step, the uint32 `step`-th of a run of this uint32 `seed`."""
    wanted = draws(config, network)
    numbers = random_numbers(seed, step, [(one.law, one.shape) for one in wanted], dtype)
    return dict(zip(wanted, numbers, strict=True))


def perturbation(
    config: RunConfig, network: Network, state: Tensors, drawn: Drawn
) -> Callable[[int, TensorVariable], TensorVariable]:
    """The function of position and activation that `Network.logits` takes for the noisy pass."""
    by_place = {(one.regularizer, one.position): tensor for one, tensor in drawn.items()}

    def perturb(position: int, h: TensorVariable) -> TensorVariable:
        for one in _perturbing(config, network, position):
            levels = [_level_at(config, network, state, part.name, position) for part in one.hyperparameters]
            found = by_place[one.name, position] if one.draws is not None else pt.zeros_like(h)
            h = one.perturb(h, found, *levels)
        return h

    return perturb


def penalty(config: RunConfig, network: Network, state: Tensors, dtype: str) -> TensorVariable:
    """What the penalties add to the cost; 0 without any."""
    weights = [state[name] for name in network.weight_names]
    terms = []
    for one in config.regularizers:
        if one.penalises:
            terms.append(one.penalty(weights, *_levels_of_weights(config, network, state, one)))
    return sum(terms[1:], terms[0]) if terms else costs.zero(dtype)


def constrained(config: RunConfig, network: Network, state: Tensors, updated: Tensors) -> Tensors:
    """Updated elementary parameters as the constraints leave them, those that change."""
    changed: Tensors = {}
    for one in config.regularizers:
        if one.constrains:
            levels = _levels_of_weights(config, network, state, one)
            for name, *of_layer in zip(network.weight_names, *levels, strict=True):
                changed[name] = one.constrain(changed.get(name, updated[name]), *of_layer)
    return changed


def _perturbing(config: RunConfig, network: Network, position: int) -> list[Regularizer]:
    """The regularisers of the activation at a position."""
    last = len(network.hidden)
    if position == last and config.noise_before_softmax == "none":
        return []
    places = INPUT if position == 0 else HIDDEN
    return [one for one in config.regularizers if one.places is places]


def _levels_of_weights(
    config: RunConfig, network: Network, state: Tensors, one: Regularizer
) -> list[list[TensorVariable]]:
    """Of each hyperparameter the levels of all layers with weights."""
    found = []
    for part in one.hyperparameters:
        levels = config.levels(part.name, network)
        found.append([levels.at(state[part.name], place) for place in range(len(levels.numbers))])
    return found


def _level_at(config: RunConfig, network: Network, state: Tensors, name: str, position: int) -> TensorVariable:
    if position == len(network.hidden) and _is_held(config, name):
        return state[_held(name)]
    levels = config.levels(name, network)
    return levels.at(state[name], position - levels.numbers[0])


def _is_held(config: RunConfig, name: str) -> bool:
    return config.noise_before_softmax == "fixed" and HYPERPARAMETERS[name].places is HIDDEN


def _held(name: str) -> str:
    return f"{name}_before_softmax"
