"""A learning rate that tunes itself by hypergradient descent (Baydin et al., 2018, after Almeida et al., 1998).

SGD-HD moves the learning rate alpha before each update by beta <g, g before>, the product of two gradients that follow
each other. In terms of this package alpha is a hyperparameter of an update whose C2 is the training cost on the next
batch: `one-pass`, of an update by gradient descent, with the gradient of C2 after it.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable

from t1t2_pt.backends import Backend
from t1t2_pt.classics.demonstration import (
    FLOAT,
    Demonstration,
    Model,
    Results,
    Samples,
    evaluated,
    flat,
    rounded,
    shared,
)
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients.methods.one_pass import OnePass
from t1t2_pt.tuning import Tuner


@dataclasses.dataclass(frozen=True, kw_only=True)
class HypergradientDescent(Demonstration):
    """Trainings from several initial learning rates, with hypergradient descent and without it.

    Parameters
    ----------
    batch_size
        Samples in an update.
    starts
        Initial learning rates.
    hyper_learning_rate
        beta.
    """

    part: ClassVar[str] = "learning-rate"
    tune: ClassVar[tuple[str, ...]] = ("learning rate",)

    batch_size: int = 128
    starts: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    hyper_learning_rate: float = 1e-3

    @property
    def hyperparameter_steps(self) -> int:
        """Updates of all trainings that tune."""
        return len(self.starts) * self.epochs * (self.t1_samples // self.batch_size)

    def run(self, split: Split, backend: Backend) -> Results:
        """For each start, fixed and tuned: mean training cost and last learning rate of each epoch, last cost on T2."""
        model, alpha = Model(self, split), shared(np.zeros((), FLOAT), "alpha")
        x, y = pt.fmatrix("x"), pt.ivector("y")
        cost = model.cost(Samples(x, y))
        tuner = Tuner(
            *(cost, cost, list(model.params.values()), [alpha]),
            inputs=[x, y],
            optimizer="sgd",
            learning_rate=alpha,
            hyper_optimizer="sgd",
            method=OnePass(optimizer="sgd", step_size=alpha, at="next"),
            backend=backend.name,
        )
        results: Results = {}
        for start in self.starts:
            for kind, beta in (("fixed", 0.0), ("tuned", self.hyper_learning_rate)):
                model.reset(self.seed)
                alpha.set_value(np.asarray(start, FLOAT))
                tuner.hyper_learning_rate = beta
                history = self._trained(tuner, alpha, split)
                t2 = evaluated({"cost": model.cost(Samples.held(*flat(split, "t2"), "t2"))}, backend)["cost"]
                results[f"{start:g}, {kind}"] = {**history, "t2_cost": rounded(t2)}
        return results

    def _trained(self, tuner: Tuner, alpha: SharedVariable, split: Split) -> Results:
        inputs, labels = flat(split, "t1")
        per_epoch = len(labels) // self.batch_size
        rng = np.random.default_rng(self.seed)
        orders = [rng.permutation(len(labels))[: per_epoch * self.batch_size] for _ in range(self.epochs + 1)]
        rows = np.concatenate(orders).reshape(-1, self.batch_size)
        batches = ((inputs[some], labels[some]) for some in rows[: self.epochs * per_epoch + 1])
        history: dict[str, list[float]] = {"cost": [], "alpha": []}
        t1, seen = next(batches), list[float]()
        for number, following in enumerate(batches, start=1):
            seen.append(tuner.step(t1, following).train)
            t1 = following
            if number % per_epoch == 0:
                history["cost"].append(float(np.mean(seen)))
                history["alpha"].append(float(alpha.get_value()))
                seen = []
        return {name: rounded(column) for name, column in history.items()}
