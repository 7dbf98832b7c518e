"""A training set that is learnt: one image for each class (Maclaurin et al., 2015, Section 3.3 and Figure 7).

Each pixel of the ten is a hyperparameter; they start blank, and their labels are fixed. What a softmax regression that
is trained on them makes of the test set is laid beside ten real images, and the mean image of each class.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from t1t2_pt.backends import Backend
from t1t2_pt.classics.demonstration import FLOAT, Array, Demonstration, Model, Results, Samples, flat, rounded, shared
from t1t2_pt.classics.meta_iterations import MetaIterations
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients.methods.unrolled import Unrolled


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedImages(Demonstration):
    """Ten training images.

    Parameters
    ----------
    steps, learning_rate, momentum
        Updates of a training on the ten images.
    meta_iterations, hyper_learning_rate
        Steps of the images, by Adam.
    draws
        How many sets of ten real images they are compared with.
    """

    part: ClassVar[str] = "images"
    tune: ClassVar[tuple[str, ...]] = ("training images",)

    steps: int = 30
    learning_rate: float = 0.05
    momentum: float = 0.9
    meta_iterations: int = 200
    hyper_learning_rate: float = 0.05
    draws: int = 20

    @property
    def hyperparameter_steps(self) -> int:
        """Meta-iterations."""
        return self.meta_iterations

    def run(self, split: Split, backend: Backend) -> Results:
        """Errors after each meta-iteration and of real images, and the ten images that were learnt."""
        t2, test = (Samples.held(*flat(split, name), name) for name in ("t2", "test"))
        inputs, labels = flat(split, "t1")
        model, classes = Model(self, split), np.arange(split.classes, dtype="int32")
        images = shared(np.zeros((split.classes, inputs.shape[1]), FLOAT), "images")
        iterate = MetaIterations(
            model.cost(Samples(images, shared(classes, "classes"))),
            model.cost(t2),
            list(model.params.values()),
            [images],
            Unrolled(steps=self.steps, optimizer="momentum", step_size=self.learning_rate, momentum=self.momentum),
            outputs={"t2_error": model.error(t2), "test_error": model.error(test)},
            backend=backend,
            learning_rate=self.hyper_learning_rate,
            transforms="none",
        )
        history = [iterate() for _ in range(self.meta_iterations)]
        learnt = images.get_value()
        history.append(iterate())

        def error_with(chosen: Array) -> float:
            images.set_value(chosen.astype(FLOAT))
            return iterate()["test_error"]

        rng = np.random.default_rng(self.seed)
        of_class = [np.flatnonzero(labels == number) for number in classes]
        real = [error_with(inputs[[rng.choice(rows) for rows in of_class]]) for _ in range(self.draws)]
        means = error_with(np.stack([inputs[rows].mean(axis=0) for rows in of_class]))
        return {
            **{key: rounded([row[key] for row in history]) for key in history[0]},
            "images": rounded(learnt),
            "real_images": rounded(real),
            "mean_images": rounded(means),
        }
