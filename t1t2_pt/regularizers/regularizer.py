"""What a regulariser is: its hyperparameters, where it acts, and what it does there.

It does one of three things: perturb an activation in the noisy pass, add a penalty to the cost, constrain the
weights after an update. To add one, subclass `Regularizer` (or `StrengthPenalty`) in a file of its own beside
this one, and list its objects there as `REGULARIZERS`.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import HIDDEN, INPUT, WEIGHTS, Places

NORMAL, UNIFORM = "normal", "uniform"  # what may be drawn: N(0, 1), and uniform in (0, 1)


@dataclasses.dataclass(frozen=True)
class StepSize:
    """The step size of hyperparameters of one kind, which they share.

    Parameters
    ----------
    field
        Its name as a field of a run.
    usual
        Its default.
    kind
        Which hyperparameters move by it, in words.
    """

    field: str
    usual: float
    kind: str


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """One continuous hyperparameter of a regulariser.

    Parameters
    ----------
    name
        As a field of a run, an option, and the beginning of its columns.
    symbol
        As headings of tables have it, such as `n0`.
    help
        What it is, in a line.
    label
        What an axis says of it.
    places
        Where it has levels.
    step_size
        What it moves by; None: it can only be fixed, as the training cost has no derivative by it.
    largest
        Its levels stay between 0 and this.
    margin
        How far it may end when a run is trained on another machine: absolute, and relative.
    """

    name: str
    symbol: str
    help: str
    label: str
    places: Places
    step_size: StepSize | None = None
    largest: float = math.inf
    margin: tuple[float, float] = (0.03, 0.2)

    def project(self, level: TensorVariable) -> TensorVariable:
        """The nearest level that is allowed."""
        zero = np.zeros((), dtype=level.dtype)
        if math.isinf(self.largest):
            return pt.maximum(level, zero)
        largest = np.asarray(self.largest, dtype=level.dtype)
        if float(largest) > self.largest:  # rounded up, it would be beyond what a run may be given
            largest = np.nextafter(largest, zero)
        return pt.clip(level, zero, largest)


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """One way to regularise; its methods get one level for each of its hyperparameters, in their order.

    A level is a scalar or [units], to be broadcast against the last axis of activations and weights.
    """

    hyperparameters: tuple[Hyperparameter, ...]

    def __str__(self) -> str:
        return self.name

    draws: ClassVar[str | None] = None  # NORMAL or UNIFORM where it perturbs by chance
    constrains: ClassVar[bool] = False  # whether it changes weights after an update

    @property
    def name(self) -> str:
        """That of its first hyperparameter."""
        return self.hyperparameters[0].name

    @property
    def places(self) -> Places:
        """Where it acts."""
        return self.hyperparameters[0].places

    @property
    def perturbs(self) -> bool:
        """Whether it acts on activations."""
        return self.places in (INPUT, HIDDEN)

    @property
    def penalises(self) -> bool:
        """Whether it adds to the cost."""
        return self.places is WEIGHTS and not self.constrains

    def draw_shape(self, batch: int, activation: Sequence[int]) -> tuple[int, ...]:
        """Shape of what is drawn for an activation [batch, *activation]."""
        return (batch, *activation)

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """An activation [batch, ..., units] in the noisy pass, given what was drawn for it; zeros without `draws`."""
        raise NotImplementedError

    def penalty(self, weights: Sequence[TensorVariable], *levels: Sequence[TensorVariable]) -> TensorVariable:
        """What is added to the cost: a scalar of all weights [..., units], given the levels of each."""
        raise NotImplementedError

    def constrain(self, weights: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """Weights [..., units] of one layer after an update."""
        raise NotImplementedError


def sum_by_unit(x: TensorVariable) -> TensorVariable:
    """[..., units] -> [units]."""
    return x.sum(axis=tuple(range(x.type.ndim - 1)))


def of_activations(
    kind: type["Regularizer"], name: str, symbol: str, what: str, step_size: StepSize | None, largest: float = math.inf
) -> tuple["Regularizer", ...]:
    """A kind of regulariser at the input and at the hidden layers, as `input_{name}` and `hidden_{name}`.

    `symbol` and `what` are completed by 0 and 1, and by where it acts.
    """
    made = []
    for number, (prefix, where, places) in enumerate(
        (("input", "the input", INPUT), ("hidden", "each hidden layer", HIDDEN))
    ):
        help = f"{what} on {where}" + ("" if step_size else "; fixed, never tuned")
        label = f"{what} on {where}"
        made.append(
            kind((Hyperparameter(f"{prefix}_{name}", f"{symbol}{number}", help, label, places, step_size, largest),))
        )
    return tuple(made)


class StrengthPenalty(Regularizer):
    """A penalty sum over layers of strength * sum(elements(W)), or strength per unit."""

    def elements(self, weights: TensorVariable) -> TensorVariable:
        """The penalty of each weight, at strength 1: same shape."""
        raise NotImplementedError

    def penalty(self, weights: Sequence[TensorVariable], *levels: Sequence[TensorVariable]) -> TensorVariable:
        """The sum; one factor for all layers where the strength is tied."""
        (strengths,) = levels
        first = strengths[0]
        if first.type.ndim == 0 and all(strength is first for strength in strengths):
            sums = [self.elements(w).sum() for w in weights]
            return first * sum(sums[1:], sums[0])
        terms = []
        for w, strength in zip(weights, strengths, strict=True):
            elements = self.elements(w)
            tied = strength.type.ndim == 0
            terms.append(strength * elements.sum() if tied else (strength * sum_by_unit(elements)).sum())
        return sum(terms[1:], terms[0])
