"""T1-T2 with the validation gradient averaged over hyperparameter steps, before it is pulled back.

The authors' program calls it avC2grad. A batch of T2 is small and its gradient noisy; Eq. 3 is linear in it.
"""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.method import EQ3, Arrays, Expense, Memory, Method, Step
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.problem import Problem, one_of, share

SQUARES = 0.999  # decay of Adam's second moment
EPSILON = 1e-8


@dataclasses.dataclass(frozen=True)
class Averaged(Method):
    """Eq. 3 with a running average in the place of the gradient of C2.

    Parameters
    ----------
    rule
        `momentum`: an exponentially weighted mean, corrected for its start at 0. `adam`: that mean, divided by the
        root of the mean square, element by element.
    decay
        Weight of what was before, in [0, 1).
    """

    name: ClassVar[str] = "averaged"
    chosen: ClassVar[tuple[str, ...]] = ("rule", "decay")

    rule: Literal["momentum", "adam"] = "momentum"
    decay: float = 0.9

    def __post_init__(self) -> None:
        one_of("rule", self.rule, ("momentum", "adam"))
        share("decay", self.decay)

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """Outside training there is one gradient to average: Eq. 3 (by `adam`, of its signs)."""
        problem.check_indirect(self.name)
        params = list(problem.params)
        memory = {name: pt.zeros_like(params[place]) for name, place in self._names(len(params)).items()}
        one = pt.constant(np.ones((), dtype=problem.val_cost.dtype))
        return self.in_step(problem, Step(T1T2().gradients(problem), None, None, one, memory))[0]

    def initial_memory(self, params: Arrays, hyperparams: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """The moments of each parameter's gradient, 0."""
        return {name: np.zeros_like(params[place]) for name, place in self._names(len(params)).items()}

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """The L-op of the averages."""
        eq3 = T1T2(step.train_gradients, step.next_params, step.max_norm)
        averages: list[TensorVariable] = []
        memory: Memory = {}
        for place, gradient in enumerate(eq3.validation_gradients(problem)):
            average, kept = self._average(place, gradient, step)
            averages.append(average)
            memory |= kept
        return eq3.pulled_back(problem, averages), memory

    def expense(self, params: int, hyperparams: int) -> Expense:
        """Eq. 3's, and the averages."""
        return Expense(EQ3, 1 if self.rule == "momentum" else 2)

    def _names(self, count: int) -> dict[str, int]:
        kinds = ("first",) if self.rule == "momentum" else ("first", "second")
        return {f"{kind}_{place}": place for place in range(count) for kind in kinds}

    def _average(self, place: int, gradient: TensorVariable, step: Step) -> tuple[TensorVariable, Memory]:
        one, decay, squares, epsilon = (np.asarray(v, gradient.dtype) for v in (1, self.decay, SQUARES, EPSILON))
        count = pt.cast(step.count, gradient.dtype)
        first = decay * step.memory[f"first_{place}"] + (one - decay) * gradient
        kept, average = {f"first_{place}": first}, first / (one - decay**count)
        if self.rule == "adam":
            second = squares * step.memory[f"second_{place}"] + (one - squares) * gradient * gradient
            kept[f"second_{place}"] = second
            average = average / (pt.sqrt(second / (one - squares**count)) + epsilon)
        return average, kept


METHOD = Averaged
