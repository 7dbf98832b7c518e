"""Data hyper-cleaning: a weight for each training sample, of which half have wrong labels (Franceschi et al., 2017).

T2 is clean. What keeps a weight of at least a half counts as clean; a network is then trained on that and T2, as in the
paper, beside one on all of T1 and T2 (baseline), and one that knows which labels are right (oracle).
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt

from t1t2_pt.backends import Backend
from t1t2_pt.classics.demonstration import (
    FLOAT,
    Array,
    Demonstration,
    Model,
    Results,
    Samples,
    evaluated,
    flat,
    rounded,
    shared,
    train,
)
from t1t2_pt.classics.meta_iterations import MetaIterations
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.networks import costs
from t1t2_pt.tuning import Tuner

CLEAN = 0.5  # weight from which on a sample counts as clean


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperCleaning(Demonstration):
    """Weights of samples by T1-T2 while a network trains, or through whole trainings.

    Parameters
    ----------
    epochs
        Of T1-T2.
    method
        `t1t2`, or `unrolled`: meta-iterations, as in the paper.
    corrupted
        Share of T1 whose labels are replaced by another.
    batch_size, learning_rate, hyper_learning_rate
        Of T1-T2, both by Adam; the last is also that of the meta-iterations.
    meta_iterations, steps, step_size
        Of `unrolled`: updates by gradient descent on all of T1.
    final_steps, final_learning_rate
        Of the trainings that are compared, by Adam.
    """

    part: ClassVar[str] = "cleaning"
    tune: ClassVar[tuple[str, ...]] = ("weights of samples",)

    method: str = "t1t2"
    corrupted: float = 0.5
    batch_size: int = 500
    learning_rate: float = 0.01
    hyper_learning_rate: float = 0.05
    meta_iterations: int = 30
    steps: int = 50
    step_size: float = 0.1
    final_steps: int = 300
    final_learning_rate: float = 0.003

    @property
    def hyperparameter_steps(self) -> int:
        """Steps of the weights."""
        return self.meta_iterations if self.method == "unrolled" else self.epochs * self.t1_samples // self.batch_size

    def run(self, split: Split, backend: Backend) -> Results:
        """Test accuracies; precision, recall and F1 of the samples called corrupted; the weights of both kinds."""
        inputs, right = flat(split, "t1")
        rng = np.random.default_rng(self.seed)
        wrong = np.zeros(len(right), bool)
        wrong[rng.permutation(len(right))[: round(self.corrupted * len(right))]] = True
        shifted = (right + rng.integers(1, split.classes, len(right))) % split.classes
        labels = np.where(wrong, shifted, right).astype("int32")
        find = self._through_trainings if self.method == "unrolled" else self._while_training
        weights, before = find(split, inputs, labels, backend)
        kept = weights >= CLEAN
        found, caught = float(np.sum(~kept)), float(np.sum(wrong & ~kept))
        precision, recall = caught / max(found, 1), caught / np.sum(wrong)
        results: Results = {
            "tuned_accuracy": before,
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / max(precision + recall, 1e-12),
            "weights_of_right": rounded(np.histogram(weights[~wrong], 20, (0, 1))[0]),
            "weights_of_wrong": rounded(np.histogram(weights[wrong], 20, (0, 1))[0]),
        }
        nothing, everything = np.zeros(len(right), bool), np.ones(len(right), bool)
        sets = {"cleaned": kept, "baseline": everything, "oracle": ~wrong, "T2 alone": nothing}
        for name, rows in sets.items():
            results[f"{name}_accuracy"] = self._accuracy(split, inputs[rows], labels[rows], backend)
        return results

    def _while_training(self, split: Split, inputs: Array, labels: Array, backend: Backend) -> tuple[Array, float]:
        """T1-T2: the weights move while the network trains once."""
        model, weights = Model(self, split), self._weights(len(labels))
        x, y, sample = pt.fmatrix("x"), pt.ivector("y"), pt.ivector("sample")
        losses = costs.cross_entropies(model.logits(x), y)
        tuner = Tuner(
            (weights[sample] * losses).mean(),
            losses.mean(),
            list(model.params.values()),
            [weights],
            inputs=([x, y, sample], [x, y]),
            learning_rate=self.learning_rate,
            hyper_learning_rate=self.hyper_learning_rate,
            transforms="none",
            bounds={"weights": (0, 1)},
            interval=1,
            backend=backend.name,
        )
        t1 = {"x": inputs, "y": labels, "sample": np.arange(len(labels), dtype="int32")}
        t2 = dict(zip(("x", "y"), flat(split, "t2"), strict=True))
        tuner.run(t1, t2, self.epochs, batch_size=self.batch_size, seed=self.seed, progress=False)
        accuracy = 1 - evaluated({"error": model.error(Samples.held(*flat(split, "test"), "test"))}, backend)["error"]
        return weights.get_value(), accuracy

    def _through_trainings(self, split: Split, inputs: Array, labels: Array, backend: Backend) -> tuple[Array, float]:
        """The weights move after each of many trainings (the paper's Reverse-HG)."""
        model, weights = Model(self, split), self._weights(len(labels))
        t1, t2, test = Samples.held(inputs, labels, "t1"), *(Samples.held(*flat(split, n), n) for n in ("t2", "test"))
        iterate = MetaIterations(
            (weights * costs.cross_entropies(model.logits(t1.inputs), t1.labels)).mean(),
            model.cost(t2),
            list(model.params.values()),
            [weights],
            Unrolled(steps=self.steps, optimizer="sgd", step_size=self.step_size),
            outputs={"error": model.error(test)},
            backend=backend,
            learning_rate=self.hyper_learning_rate,
            transforms="none",
            bounds={"weights": (0, 1)},
        )
        for _ in range(self.meta_iterations):
            iterate()
        found = weights.get_value()
        return found, 1 - iterate()["error"]

    def _weights(self, samples: int) -> Any:
        return shared(np.full(samples, CLEAN, FLOAT), "weights")

    def _accuracy(self, split: Split, inputs: Array, labels: Array, backend: Backend) -> float:
        """On the test set, after training on these and T2."""
        model, (more, labels_of_more) = Model(self, split), flat(split, "t2")
        inputs, labels = np.concatenate([inputs, more]), np.concatenate([labels, labels_of_more])
        rows = np.random.default_rng(self.seed).integers(0, len(labels), (self.final_steps, self.batch_size))
        train(model, inputs, labels, rows, self.final_learning_rate, backend)
        return 1 - evaluated({"error": model.error(Samples.held(*flat(split, "test"), "test"))}, backend)["error"]
