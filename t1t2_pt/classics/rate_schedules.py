"""A learning rate for each layer in each of 100 updates (Maclaurin et al., 2015, Section 3.1 and Figure 2).

The derivative goes back through the very updates, which are undone in exact whole numbers: nothing is stored of them.
Weights and batches are new in each meta-iteration, so that the schedule is of none of them; as in the paper it lowers
the training cost, so as not to be a regulariser.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt

from t1t2_pt.backends import Backend
from t1t2_pt.classics.demonstration import FLOAT, Demonstration, Model, Results, Samples, flat, rounded, shared
from t1t2_pt.classics.meta_iterations import MetaIterations
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients.methods.unrolled import Unrolled


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateSchedules(Demonstration):
    """Learning rates of weights and biases of each layer, in each update.

    Parameters
    ----------
    steps, batch_size
        Updates of a training, and samples of T1 in each.
    momentum
        Of the updates.
    meta_iterations, hyper_learning_rate
        Steps of the schedule, by Adam on a logarithmic scale.
    start
        What all rates start from.
    """

    part: ClassVar[str] = "schedules"
    tune: ClassVar[tuple[str, ...]] = ("learning rates",)

    steps: int = 100
    batch_size: int = 200
    momentum: float = 0.9
    meta_iterations: int = 50
    hyper_learning_rate: float = 0.04
    start: float = 0.1

    @property
    def hyperparameter_steps(self) -> int:
        """Meta-iterations."""
        return self.meta_iterations

    def run(self, split: Split, backend: Backend) -> Results:
        """Cost on T1 at the end of each training, and the schedule found, [updates, parameters]."""
        t1, t2 = (Samples.held(*flat(split, name), name) for name in ("t1", "t2"))
        model = Model(self, split, "tanh", "fan-in")
        params = list(model.params.values())
        rates = shared(np.full((self.steps, len(params)), self.start, FLOAT), "rates")
        order = shared(np.zeros((self.steps, self.batch_size), "int64"), "order")
        number, rows = shared(np.int64(0), "number"), shared(np.zeros(self.batch_size, "int64"), "rows")
        iterate = MetaIterations(
            model.cost(Samples(t1.inputs[rows], t1.labels[rows])),
            model.cost(t1),
            params,
            [rates],
            Unrolled(
                steps=self.steps,
                storage="reversible",
                optimizer="momentum",
                momentum=self.momentum,
                step_size=[rates[number, place] for place in range(len(params))],
                batches={number: pt.arange(self.steps), rows: order},
            ),
            outputs={"t1_cost": model.cost(t1), "t2_error": model.error(t2)},
            backend=backend,
            learning_rate=self.hyper_learning_rate,
            transforms="log",
        )
        history, last = [], rates.get_value()
        for iteration in range(self.meta_iterations + 1):
            seed = self.seed * 1000 + iteration
            model.reset(seed)
            drawn = np.random.default_rng(seed).integers(0, self.t1_samples, (self.steps, self.batch_size))
            order.set_value(drawn)
            last = rates.get_value()
            history.append(iterate())
        return {
            **{key: rounded([row[key] for row in history]) for key in history[0]},
            "parameters": list(model.params),
            "rates": rounded(last),
        }
