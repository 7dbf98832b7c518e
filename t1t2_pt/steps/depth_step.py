"""One update of a network of continuous depth: its parameters on a T1 batch, its m and log v on a T2 batch.

The depth acts on the validation cost itself, too, so that its whole derivative is taken: that of C2 after the
elementary update, of which Eq. 3 is the part through the parameters.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients import T1T2, hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.networks.depth import DEPTH, DepthNetwork
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.optimizers import adam, momentum
from t1t2_pt.rewrites import FAST
from t1t2_pt.steps.regularization import Tensors
from t1t2_pt.steps.step import Batch, Rates, updated

ELEMENTARY, HYPER = momentum, adam  # an update with momentum depends on the depth as Eq. 3 has it, one with Adam not


def initial_depth_state(network: DepthNetwork, mean: float, log_spread: float, seed: int) -> dict[str, np.ndarray]:
    """float32 values of the whole state before the first step: parameters, m and log v, and the optimisers' memory."""
    parameters = network.initial_parameters(np.random.Generator(np.random.Philox(seed)))
    hyper = dict(zip(DEPTH, (np.asarray(mean, "float32"), np.asarray(log_spread, "float32")), strict=True))
    memory = {
        f"{name}/{kept}": np.zeros_like(value)
        for values, optimizer in ((parameters, ELEMENTARY), (hyper, HYPER))
        for name, value in values.items()
        for kept in optimizer.memory
    }
    return {**parameters, **hyper, **memory}


def depth_t1_step(
    network: DepthNetwork, state: Tensors, t1: Batch, rates: Rates, count: TensorVariable
) -> tuple[Tensors, Tensors]:
    """Move the parameters down C1 on a T1 batch; m and log v stay.

    Parameters
    ----------
    state
        Tensors by name, see `initial_depth_state`.
    count
        Number of this update from 1, a float scalar.

    Returns
    -------
    What is new in the state, and the metric `train_cost`.
    """
    cost, gradients = _training(network, state, t1)
    return _moved(network, state, gradients, rates, count), {"train_cost": cost}


def depth_t1t2_step(
    network: DepthNetwork, state: Tensors, t1: Batch, t2: Batch, rates: Rates, count: TensorVariable
) -> tuple[Tensors, Tensors]:
    """The same, and move m and log v down the derivative of C2 at the new parameters, which depend on them.

    As `depth_t1_step`, with further metrics: `validation_cost`, C2 at the new parameters, and the two parts of
    its derivative by each of m and log v, `mean/direct` of C2 itself and `mean/through` through the parameters.
    """
    cost, gradients = _training(network, state, t1)
    new_state = _moved(network, state, gradients, rates, count)
    names, depth = list(network.shapes()), [state[name] for name in DEPTH]
    method = T1T2(
        train_gradients=gradients, next_params=[new_state[name] for name in names], step_size=rates.elementary
    )
    parameters = [state[name] for name in names]
    per_step_size = hypergradient(cost, _cost(network, state, t2), parameters, depth, method=method, products=FAST)
    held = {**state, **{name: disconnected_grad(new_state[name]) for name in names}}
    validation_cost = _cost(network, held, t2)
    metrics = {"train_cost": cost, "validation_cost": validation_cost}
    for name, gradient, direct in zip(DEPTH, per_step_size, as_gradients(pt.grad(validation_cost, depth)), strict=True):
        whole = rates.elementary * gradient
        new_state |= updated(HYPER, state, name, whole, rates.hyper[name], count)
        metrics |= {f"{name}/direct": direct, f"{name}/through": whole - direct}
    return new_state, metrics


def _cost(network: DepthNetwork, state: Tensors, batch: Batch) -> TensorVariable:
    return costs.cross_entropy(network.logits(state, batch.inputs), batch.labels)


def _training(network: DepthNetwork, state: Tensors, t1: Batch) -> tuple[TensorVariable, list[TensorVariable]]:
    cost = _cost(network, state, t1)
    return cost, as_gradients(pt.grad(cost, [state[name] for name in network.shapes()]))


def _moved(
    network: DepthNetwork, state: Tensors, gradients: list[TensorVariable], rates: Rates, count: TensorVariable
) -> Tensors:
    moved: Tensors = {}
    for name, gradient in zip(network.shapes(), gradients, strict=True):
        moved |= updated(ELEMENTARY, state, name, gradient, rates.elementary, count)
    return moved
