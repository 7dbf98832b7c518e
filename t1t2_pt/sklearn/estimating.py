"""One fit: split, tune, train again on all samples with what was found.

Where no hyperparameter moves and nothing is asked of when to stop, there is no tuning: all is trained on at once.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from t1t2_pt.backends.interface import Arrays
from t1t2_pt.sklearn import design as sizes
from t1t2_pt.sklearn.design import CLASSIFICATION, Design, Vector
from t1t2_pt.sklearn.rows import Rows, folds, holdout, strata_of
from t1t2_pt.sklearn.training import Options, Samples, Trained, initial_theta, train

CV, HOLDOUT, AUTO = "cv", "holdout", "auto"
FEW_FOR_CV = 2_000  # distinct samples; with fewer, `auto` is a cross-validation


@dataclasses.dataclass(frozen=True)
class Problem:
    """Distinct samples, standardised, and what is wanted of them.

    Parameters
    ----------
    task
        `CLASSIFICATION` or `REGRESSION`.
    inputs, targets, weights
        [samples, features]; int [samples] of classes, or [samples, outputs]; [samples].
    own_t2
        How many of the samples, the last ones, were given for validation; 0 for none.
    outputs
        Classes, or targets.
    """

    task: str
    inputs: Vector
    targets: npt.NDArray
    weights: Vector
    own_t2: int
    outputs: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to fit; see the estimators' parameters of the same names.

    Parameters
    ----------
    starts, bounds
        Of `input_noise`, `hidden_noise` and `l2`; starts may have a level for each layer.
    tune
        Which of them move.
    networks
        How many to train in the end; None: as many as were tuned together.
    """

    hidden: tuple[int, ...]
    activation: str
    starts: Mapping[str, Vector | float]
    bounds: Mapping[str, tuple[float, float]]
    tune: tuple[str, ...]
    per_feature: tuple[str, ...]
    validation: str
    n_folds: int
    validation_fraction: float
    networks: int | None
    options: Options


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a fit has found: the tuning, the training after it, and their designs."""

    tuned: Trained
    final: Trained
    tuning_design: Design
    final_design: Design


def splits(problem: Problem, plan: Plan) -> list[tuple[Rows, Rows]]:
    """T1 and T2 of each network of the tuning population."""
    samples = len(problem.weights)
    if problem.own_t2:
        everything = np.arange(samples)
        return [(everything[: -problem.own_t2], everything[-problem.own_t2 :])]
    classes = problem.task == CLASSIFICATION
    strata = strata_of(problem.targets.reshape(samples, -1), classes)
    rng = np.random.Generator(np.random.Philox(plan.options.seed))
    kind = plan.validation
    if kind == AUTO:
        kind = CV if samples < FEW_FOR_CV else HOLDOUT
    if kind == HOLDOUT:
        return [holdout(strata, plan.validation_fraction, rng)]
    parts = folds(strata, min(plan.n_folds, samples), rng)
    t2s = [parts[place % len(parts)] for place in range(plan.n_folds)]
    return [(np.setdiff1d(np.arange(samples), t2), t2) for t2 in t2s]


def fit(problem: Problem, plan: Plan, levels: Vector | None = None, networks: Sequence[Arrays] | None = None) -> Fitted:
    """Tune what moves, then train on everything.

    Parameters
    ----------
    levels, networks
        What an earlier fit has found, to start from.
    """
    samples = len(problem.weights)
    split = splits(problem, plan)
    design = _design(problem, plan, len(split))
    data = _padded(problem, design)
    constants = _constants(problem, plan, design)
    if levels is None or levels.shape != (sizes.length(design.levels),):
        levels = first_levels(design, plan)
    theta = initial_theta(design, plan.options.seed)
    t1, t2 = [one for one, _ in split], [two for _, two in split]
    if plan.options.patience is None and not np.any(constants["moves"][np.isfinite(levels)]):
        tuned = Trained(theta, levels, plan.options.epochs, [], [], [])  # nothing to find
    else:
        tuned = train(design, constants, data, t1, t2, theta, levels, plan.options)
        still = constants["moves"] == 0  # to the last bit, in whatever precision the others move
        tuned = dataclasses.replace(tuned, levels=np.where(still, levels, tuned.levels))
    final_design = dataclasses.replace(design, networks=plan.networks or design.networks)
    start = initial_theta(final_design, plan.options.seed + 1)
    if networks is not None:
        start = _continued(final_design, networks, start)
    # The same schedule, up to where it was best.
    everything = [np.arange(samples)] * final_design.networks
    final = train(final_design, constants, data, everything, None, start, tuned.levels, plan.options, tuned.epochs)
    return Fitted(tuned, final, design, final_design)


def networks_of(design: Design, theta: Vector, features: int, outputs: int) -> list[Arrays]:
    """The elementary parameters of each network by name, without padding."""
    last = len(design.hidden)
    found = []
    for row in theta:
        parameters = {name: row[place].reshape(shape) for name, (place, shape) in design.parameters.items()}
        parameters["weights_0"] = parameters["weights_0"][:features]
        for name in (f"weights_{last}", f"bias_{last}"):
            parameters[name] = parameters[name][..., :outputs]
        found.append({name: value.copy() for name, value in parameters.items()})
    return found


def _continued(design: Design, networks: Sequence[Arrays], start: Vector) -> Vector:
    """The parameters of an earlier fit with padding; where its networks are others, those to start from."""
    theta = start.copy()
    for row, parameters in zip(theta, networks, strict=False):
        if parameters.keys() != design.parameters.keys():
            return start
        for name, (place, shape) in design.parameters.items():
            value = parameters[name]
            if len(value.shape) != len(shape) or any(n > m for n, m in zip(value.shape, shape, strict=True)):
                return start
            row[place] = np.pad(value, [(0, m - n) for n, m in zip(value.shape, shape, strict=True)]).reshape(-1)
    return theta


def _design(problem: Problem, plan: Plan, networks: int) -> Design:
    t1_batch, t2_batch = sizes.batch_sizes(len(problem.weights))
    return Design(
        problem.task,
        sizes.padded_features(problem.inputs.shape[1]),
        sizes.padded_outputs(problem.task, problem.outputs),
        plan.hidden,
        plan.activation,
        networks,
        t1_batch,
        t2_batch,
        plan.per_feature,
    )


def _padded(problem: Problem, design: Design) -> Samples:
    targets = problem.targets
    if problem.task == CLASSIFICATION:
        targets = targets.astype("int32")
    else:
        targets = sizes.pad(targets, design.outputs).astype(design.dtype)
    return Samples(sizes.pad(problem.inputs, design.features).astype(design.dtype), targets, problem.weights)


def first_levels(design: Design, plan: Plan) -> Vector:
    """Logarithms of the levels to start from."""
    starts = dict(plan.starts)
    if sizes.L2_FEATURES in design.levels:
        l2 = np.broadcast_to(np.asarray(starts["l2"], float), len(design.hidden) + 1)
        starts |= {sizes.L2_FEATURES: l2[0], "l2": l2[1:]}
    return sizes.first_levels(design.levels, starts)


def _constants(problem: Problem, plan: Plan, design: Design) -> Arrays:
    size = sizes.length(design.levels)
    found: Arrays = {"moves": np.zeros(size), "lowest": np.zeros(size), "highest": np.zeros(size)}
    with np.errstate(divide="ignore"):
        for name, place in design.levels.items():
            of = "l2" if name == sizes.L2_FEATURES else name
            found["moves"][place] = of in plan.tune
            found["lowest"][place], found["highest"][place] = np.log(plan.bounds[of])
    found = {name: value.astype(design.dtype) for name, value in found.items()}
    found["features"] = sizes.presence(problem.inputs.shape[1], design.features, design.dtype)
    found["outputs"] = sizes.presence(problem.outputs, design.outputs, design.dtype)
    return found
