"""An L2 penalty for each weight of a softmax regression (Maclaurin et al., 2015, Section 3.2 and Figure 6).

They tune 7,840 penalties through a whole training. Here one for all weights and one for each pixel are tuned likewise,
to see what so many are worth.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from t1t2_pt.backends import Backend
from t1t2_pt.classics.demonstration import FLOAT, Demonstration, Model, Results, Samples, flat, rounded, shared
from t1t2_pt.classics.meta_iterations import MetaIterations
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients.methods.unrolled import Unrolled

# Along which axes of the weights, pixels and classes, each has a penalty of its own.
EACH = {"all weights": (False, False), "each pixel": (True, False), "each weight": (True, True)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightPenalties(Demonstration):
    """L2 penalties by how many there are.

    Parameters
    ----------
    steps
        Updates of a training, on all of T1.
    learning_rate, momentum
        Of the updates.
    meta_iterations, hyper_learning_rate
        Steps of the penalties, by Adam on a logarithmic scale.
    start
        What all penalties start from.
    """

    part: ClassVar[str] = "weights"
    tune: ClassVar[tuple[str, ...]] = ("l2",)

    steps: int = 100
    learning_rate: float = 0.1
    momentum: float = 0.9
    meta_iterations: int = 50
    hyper_learning_rate: float = 0.1
    start: float = 1e-3

    @property
    def hyperparameter_steps(self) -> int:
        """Meta-iterations of all that are tuned."""
        return len(EACH) * self.meta_iterations

    def run(self, split: Split, backend: Backend) -> Results:
        """Costs and errors after each meta-iteration, and the penalties of each weight."""
        t1, t2, test = (Samples.held(*flat(split, name), name) for name in ("t1", "t2", "test"))
        method = Unrolled(steps=self.steps, optimizer="momentum", step_size=self.learning_rate, momentum=self.momentum)
        results: Results = {}
        for name, own in EACH.items():
            model = Model(self, split)
            (weights,) = model.weights
            shape = tuple(size if each else 1 for size, each in zip(weights.type.shape, own, strict=True))
            l2 = shared(np.full(shape, self.start, FLOAT), "l2")
            outputs = {"t1_error": model.error(t1), "t2_cost": model.cost(t2), "t2_error": model.error(t2)}
            iterate = MetaIterations(
                model.cost(t1) + (l2 * weights**2).sum(),
                model.cost(t2),
                list(model.params.values()),
                [l2],
                method,
                outputs={**outputs, "test_cost": model.cost(test), "test_error": model.error(test)},
                backend=backend,
                learning_rate=self.hyper_learning_rate,
                transforms="log",
            )
            rows, last = [], l2.get_value()
            for _ in range(self.meta_iterations + 1):
                last = l2.get_value()
                rows.append(iterate())
            results[name] = {key: rounded([row[key] for row in rows]) for key in rows[0]}
            if name == "each weight":
                results["penalties"] = rounded(last)
        return results
