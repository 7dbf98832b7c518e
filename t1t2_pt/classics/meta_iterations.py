"""Meta-iterations: a whole training from its start, and then a step of the hyperparameters (Maclaurin et al., 2015)."""

from collections.abc import Mapping, Sequence
from typing import Any

from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend
from t1t2_pt.backends.shared_steps import SharedStep
from t1t2_pt.hypergradients import Problem
from t1t2_pt.hypergradients.loops import replaced
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.tuning import updates


class MetaIterations:
    """Trainings of K updates by `method`, each from what the shared parameters hold, which stay as they are.

    Parameters
    ----------
    train_cost, val_cost, params, hyperparams
        As of `t1t2_pt.updates`; all data are shared variables.
    outputs
        Graphs that are evaluated with the trained parameters, by name.
    backend
        What computes them.
    learning_rate
        Of the hyperparameters, by Adam.
    options
        `transforms` and `bounds` of `t1t2_pt.updates`.
    """

    def __init__(
        self,
        train_cost: TensorVariable,
        val_cost: TensorVariable,
        params: Sequence[Any],
        hyperparams: Sequence[Any],
        method: Unrolled,
        *,
        outputs: Mapping[str, TensorVariable],
        backend: Backend,
        learning_rate: float,
        **options: Any,
    ) -> None:
        # Without a step size of their own the parameters stay where they start.
        changes = updates(
            *(train_cost, val_cost, params, hyperparams),
            optimizer="sgd",
            learning_rate=0.0,
            hyper_learning_rate=learning_rate,
            method=method,
            **options,
        )
        problem = Problem(train_cost, val_cost, list(params), list(hyperparams), method.beside)
        after = dict(zip(params, method.trained(problem), strict=True))
        graphs = replaced(list(outputs.values()), after)
        self._step = SharedStep({}, dict(zip(outputs, graphs, strict=True)), changes)
        self._steps, self._hyperparams = backend.steps(), list(hyperparams)

    def __call__(self) -> dict[str, float]:
        """One of them; the outputs of its training, and then the hyperparameters have moved."""
        found = self._steps(self._step, {})
        self._steps.write_back(self._hyperparams)
        return {name: float(value) for name, value in found.items()}
