"""The step of a population whose networks share their hyperparameters, as one graph.

The costs of one network are built by the rooms of networks and regularisers, and vectorised over the population.
With C1~ the sum of all training costs and C2 the mean of all validation costs, Eq. 3 for the whole is the mean of the
networks' own hypergradients: each network's parameters influence its own costs only. So the folds of a
cross-validation tune what they share in one L-op.

The levels lambda move by their logarithms: the same step is as long, in proportion, for a noise of 1 as for a
strength of 1e-4, and none becomes negative.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients import T1T2, hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import Network
from t1t2_pt.ops.arguments import as_gradients, tensors
from t1t2_pt.optimizers import OPTIMIZERS, SCHEDULES, ScheduleOptions
from t1t2_pt.regularizers import REGULARIZERS
from t1t2_pt.rewrites import FAST
from t1t2_pt.sklearn.design import CLASSIFICATION, L2_FEATURES, Design, length
from t1t2_pt.steps.regularization import Tensors
from t1t2_pt.steps.step import updated

NEVER = -1e30  # added to the logit of a class that there is not
BATCH = ("inputs", "targets", "weights")
SCHEDULE, HOLD = "hold_then_linear", 0.5


@dataclasses.dataclass(frozen=True)
class StepGraphs:
    """One step and what it takes.

    Parameters
    ----------
    state
        `theta` [networks, parameters], `levels` (logarithms), and Adam's moments of both.
    t1, t2
        `inputs`, `targets` (int32 [networks, batch], or [networks, batch, outputs]) and `weights` [networks, batch],
        which make a mean of a sum: about 1 in all; `noise_i` of T1 for each place.
    constants
        `features` and `outputs`, 1 for what there is and 0 for padding; `moves`, 1 for each level that is tuned;
        `lowest` and `highest`, bounds of the levels' logarithms.
    clock
        `step` and `hyper_step` from 0, `steps` of the whole run, `learning_rate` and `hyper_learning_rate`:
        floating point.
    new_t1, new_t1t2
        The new state, after a T1 step and after a T1+T2 step.
    metrics
        `train_cost` and `validation_cost`, means over the networks.
    problem
        The costs, parameters and hypergradients, for tests.
    """

    state: Tensors
    t1: Tensors
    t2: Tensors
    constants: Tensors
    clock: Tensors
    new_t1: Tensors
    new_t1t2: Tensors
    metrics: Tensors
    problem: Tensors

    @property
    def inputs(self) -> Tensors:
        """All by name, those of T1 and T2 with `t1_` and `t2_` before theirs."""
        batches = {f"{of}_{name}": x for of, batch in (("t1", self.t1), ("t2", self.t2)) for name, x in batch.items()}
        return {**self.state, **batches, **self.constants, **self.clock}


def step_graphs(design: Design) -> StepGraphs:
    """Build the graphs of a design."""
    with pytensor.config.change_flags(floatX=design.dtype, traceback__limit=0):
        return _build(design)


def _build(design: Design) -> StepGraphs:
    dtype, many = design.dtype, design.networks
    count, levels_count = length({name: place for name, (place, _) in design.parameters.items()}), length(design.levels)
    state = _state(design, count, levels_count)
    t1, t2 = _batch(design, design.t1_batch), _batch(design, design.t2_batch)
    for place, units in enumerate((design.features, *design.hidden)):
        t1[f"noise_{place}"] = pt.tensor(f"noise_{place}", shape=(many, design.t1_batch, units), dtype=dtype)
    vectors = {"moves": levels_count, "lowest": levels_count, "highest": levels_count}
    vectors |= {"features": design.features, "outputs": design.outputs}
    constants = {name: pt.tensor(name, shape=(size,), dtype=dtype) for name, size in vectors.items()}
    scalars = ("step", "hyper_step", "steps", "learning_rate", "hyper_learning_rate")
    clock = {name: pt.scalar(name, dtype=dtype) for name in scalars}

    theta = {
        name: state["theta"][:, place].reshape((many, *shape)) for name, (place, shape) in design.parameters.items()
    }
    levels = {name: state["levels"][place] for name, place in design.levels.items()}
    train, added, validation = _costs(design, theta, levels, t1, t2, constants)
    train_cost, validation_cost = train.sum() + added.sum(), validation.mean()
    params, logs = list(theta.values()), list(levels.values())
    gradients = as_gradients(pt.grad(train_cost, params))
    method = T1T2(train_gradients=gradients)
    hypergradients = hypergradient(train_cost, validation_cost, params, logs, method=method, products=FAST)

    rate, hyper_rate = _rates(clock, dtype)
    one = np.asarray(1, dtype=dtype)
    adam = OPTIMIZERS["adam"]
    flat = pt.concatenate([g.reshape((many, -1)) for g in gradients], axis=1)
    flat = pt.specify_shape(flat, (many, count))
    elementary = updated(adam, state, "theta", flat, rate, clock["step"] + one)
    of_levels = pt.specify_shape(pt.concatenate(hypergradients), (levels_count,))
    moved = updated(adam, state, "levels", of_levels * constants["moves"], hyper_rate, clock["hyper_step"] + one)
    moved["levels"] = pt.clip(moved["levels"], constants["lowest"], constants["highest"])
    return StepGraphs(
        state=state,
        t1=t1,
        t2=t2,
        constants=constants,
        clock=clock,
        new_t1={**state, **elementary},
        new_t1t2={**state, **elementary, **moved},
        metrics={"train_cost": train.mean(), "validation_cost": validation_cost},
        problem={"train_cost": train_cost, "validation": validation, "gradient": flat, "hypergradient": of_levels},
    )


def _state(design: Design, count: int, levels_count: int) -> Tensors:
    shapes = {"theta": (design.networks, count), "levels": (levels_count,)}
    names = [(name, kind) for kind in shapes for name in (kind, *(f"{kind}/{m}" for m in OPTIMIZERS["adam"].memory))]
    return {name: pt.tensor(name, shape=shapes[kind], dtype=design.dtype) for name, kind in names}


def _batch(design: Design, size: int) -> Tensors:
    classes = design.task == CLASSIFICATION
    shapes = {"inputs": (size, design.features), "targets": (size,) if classes else (size, design.outputs)}
    shapes["weights"] = (size,)
    dtypes = {"targets": "int32" if classes else design.dtype}
    return {
        name: pt.tensor(name, shape=(design.networks, *shape), dtype=dtypes.get(name, design.dtype))
        for name, shape in shapes.items()
    }


def _costs(
    design: Design, theta: Tensors, levels: Tensors, t1: Tensors, t2: Tensors, constants: Tensors
) -> list[TensorVariable]:
    """Training cost, penalty and validation cost of each network, [networks] each."""
    network = design.network
    alone = {name: x.type.clone(shape=x.type.shape[1:])(name) for name, x in theta.items()}
    t1_alone, t2_alone = (
        {name: x.type.clone(shape=x.type.shape[1:])(name) for name, x in batch.items()} for batch in (t1, t2)
    )
    amounts = {name: pt.exp(x) for name, x in levels.items()}

    def perturb(place: int, h: TensorVariable) -> TensorVariable:
        drawn = t1_alone[f"noise_{place}"]
        if place == 0:
            level = amounts["input_noise"] if "input_noise" in design.per_feature else amounts["input_noise"][0]
            return REGULARIZERS["input_noise"].perturb(h, drawn * constants["features"], level)
        return REGULARIZERS["hidden_noise"].perturb(h, drawn, amounts["hidden_noise"][place - 1])

    train = mean_cost(design.task, network.forward(alone, t1_alone["inputs"], perturb).logits, t1_alone, constants)
    validation = mean_cost(design.task, network.forward(alone, t2_alone["inputs"]).logits, t2_alone, constants)
    added = _penalty(network, alone, amounts)
    each = {alone[name]: theta[name] for name in theta}
    each |= {t1_alone[name]: t1[name] for name in t1} | {t2_alone[name]: t2[name] for name in t2}
    return list(tensors(vectorize_graph([train, added, validation], each)))


def _penalty(network: Network, parameters: Tensors, amounts: Tensors) -> TensorVariable:
    weights = [parameters[name] for name in network.weight_names]
    rule, added = REGULARIZERS["l2"], []
    if L2_FEATURES in amounts:
        first, *weights = weights
        added.append(rule.penalty([first.T], [amounts[L2_FEATURES]]))  # a unit of the transpose is a feature
    added.append(rule.penalty(weights, [amounts["l2"][place] for place in range(len(weights))]))
    return sum(added[1:], added[0])


def mean_cost(
    task: str, outputs: TensorVariable, batch: Mapping[str, TensorVariable], constants: Tensors
) -> TensorVariable:
    """The sum over a batch of weighted cross-entropies, or of weighted squared errors."""
    if task == CLASSIFICATION:
        never = (np.asarray(1, outputs.dtype) - constants["outputs"]) * np.asarray(NEVER, outputs.dtype)
        each = costs.cross_entropies(outputs + never, batch["targets"])
    else:
        each = costs.squared_errors(outputs * constants["outputs"], batch["targets"])
    return (each * batch["weights"]).sum()


def _rates(clock: Tensors, dtype: str) -> tuple[TensorVariable, TensorVariable]:
    factor = SCHEDULES[SCHEDULE](clock["step"], clock["steps"], ScheduleOptions(hold=HOLD))
    return clock["learning_rate"] * factor, clock["hyper_learning_rate"] * factor
