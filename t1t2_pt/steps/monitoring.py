"""What can be watched of each layer in two successive updates: activations, noise, weights, gradients, updates.

The authors' program has most of these as `activTrack` and `listGrads`. An angle is given by its cosine.
"""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import ForwardPass, Network
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.steps.regularization import Drawn, Tensors
from t1t2_pt.steps.step import Batch, Rates, elementary_step

PREFIX = "monitor/"  # how the names of these columns begin
SMALL = 1e-4  # activations at most so large count as 0, and so little varying ones as constant


def monitored(
    config: RunConfig,
    network: Network,
    state: Tensors,
    batches: Sequence[Batch],
    drawn: Sequence[Drawn],
    t2: Batch,
    rates: Rates,
    count: TensorVariable,
) -> Tensors:
    """Scalars by the names of their columns, of two updates from a state, which are not kept.

    Parameters
    ----------
    batches, drawn
        Two of each: the T1 batches of the updates, and what is drawn for them, see `t1_step`.
    t2
        Samples of T2, for the gradient of C2.
    rates, count
        Of the first update.
    """
    moved, _, first = elementary_step(config, network, state, batches[0], drawn[0], rates, count)
    between, later = {**state, **moved}, count + np.ones((), dtype=count.dtype)
    after, _, second = elementary_step(config, network, between, batches[1], drawn[1], rates, later)
    pairs: dict[str, tuple[Sequence[TensorVariable], Sequence[TensorVariable]]] = {
        "gradient": (first.gradients, second.gradients),
        "update": (_differences(network, state, between), _differences(network, between, after)),
    }
    found: Tensors = {}
    for what, (of_first, of_second) in pairs.items():
        for name, a, b in zip(network.shapes(), of_first, of_second, strict=True):
            found[f"{what}_norm_{name}"] = pt.sqrt(pt.sqr(a).sum())
            found[f"{what}_cosine_{name}"] = _cosine(a, b)
    found |= _of_activations(first.noisy) | _of_parameters(network, state)
    found |= _of_validation(network, state, t2)
    return {PREFIX + name: pt.cast(tensor, count.dtype) for name, tensor in found.items()}


def _differences(network: Network, before: Tensors, after: Tensors) -> Sequence[TensorVariable]:
    return [after[name] - before[name] for name in network.shapes()]


def _of_activations(noisy: ForwardPass) -> Tensors:
    """Of the output of each hidden layer in the noisy pass, from 1, before noise that is added to it.

    Mean, standard deviation and largest; the shares of elements that are 0, and of units that do not vary over the
    batch; and what noise adds, as a share of the standard deviation of what it is added to.
    """
    small = np.asarray(SMALL, dtype=noisy.logits.dtype)
    found: Tensors = {}
    for layer, h in enumerate(noisy.activations, start=1):
        spread = h.std(axis=0)
        found[f"activation_mean_{layer}"] = h.mean()
        found[f"activation_std_{layer}"] = spread.mean()
        found[f"activation_max_{layer}"] = h.max()
        found[f"activation_dead_{layer}"] = (pt.abs(h) <= small).mean()
        found[f"activation_constant_{layer}"] = (spread <= small).mean()
        before, after = noisy.perturbed[layer]
        added = pt.sqrt(pt.sqr(after - before).mean())
        found[f"noise_share_{layer}"] = added / (before.std(axis=0).mean() + small)
    return found


def _of_parameters(network: Network, state: Tensors) -> Tensors:
    """Mean size, standard deviation and largest size of weights; mean and standard deviation of biases and scales."""
    found: Tensors = {}
    for name in network.shapes():
        of_weights = name in network.weight_names
        found[f"mean_{name}"] = (pt.abs(state[name]) if of_weights else state[name]).mean()
        found[f"std_{name}"] = state[name].std()
        if of_weights:
            found[f"max_{name}"] = pt.abs(state[name]).max()
    return found


def _of_validation(network: Network, state: Tensors, t2: Batch) -> Tensors:
    """The product of each parameter with the gradient of C2: minus half of a layer's L2 hypergradient is that of W."""
    names = list(network.shapes())
    c2 = costs.cross_entropy(network.logits(state, t2.inputs), t2.labels)
    gradients = as_gradients(pt.grad(c2, [state[name] for name in names]))
    return {f"validation_{name}": (state[name] * g).sum() for name, g in zip(names, gradients, strict=True)}


def _cosine(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Of the angle between two tensors; 0 where one of them is 0."""
    lengths = pt.sqrt(pt.sqr(a).sum() * pt.sqr(b).sum())
    zero, one = (np.asarray(value, dtype=a.dtype) for value in (0, 1))
    return pt.switch(lengths > zero, (a * b).sum() / pt.switch(lengths > zero, lengths, one), zero)
