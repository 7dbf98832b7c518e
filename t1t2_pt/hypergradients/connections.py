"""Which variables a cost has derivatives by, and what cuts off the others.

PyTensor gives zeros for a variable that a cost depends on through steps alone, and its errors name no
variable. Here the graph is walked from the cost along what passes derivatives on.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
from pytensor.gradient import DisconnectedGrad, UndefinedGrad, ZeroGrad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.scalar import basic as scalars
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Shape, Shape_i

STEPS = (
    scalars.Floor,
    scalars.Ceil,
    scalars.Trunc,
    scalars.RoundHalfToEven,
    scalars.RoundHalfAwayFromZero,
    scalars.Sign,
    scalars.IntDiv,
)
# Identities, by the functions that make them.
STOPS = {DisconnectedGrad: "disconnected_grad", ZeroGrad: "zero_grad", UndefinedGrad: "undefined_grad"}


@dataclasses.dataclass(frozen=True)
class Cut:
    """A place where derivatives end: this input of this node."""

    node: Apply
    place: int

    @property
    def input(self) -> Variable:
        return self.node.inputs[self.place]

    @property
    def is_random(self) -> bool:
        return isinstance(self.node.op, RandomVariable) and not self.is_shape

    @property
    def is_shape(self) -> bool:
        if isinstance(self.node.op, RandomVariable):  # how many numbers are drawn, and where from
            return self.input not in self.node.op.dist_params(self.node)
        return isinstance(self.node.op, Shape | Shape_i) or (
            self.input.owner is not None and isinstance(self.input.owner.op, Shape | Shape_i)
        )

    def __str__(self) -> str:
        op = self.node.op
        if self.is_random:
            return f"the random variable {op.name}, which has no derivative by its parameters"
        if type(op) in STOPS:
            return f"{STOPS[type(op)]}, which stops derivatives"
        if _is_step(op):
            return f"{_name(op)}, a step function, whose derivative is 0"
        if not _is_floating(self.input) and self.input.owner is not None:
            kind = "true or false" if self.input.type.dtype == "bool" else "whole numbers"
            return f"{_name(self.input.owner.op)}, whose values are {kind}"
        return f"{_name(op)}, which passes no derivative on"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.is_random:
            return "reparametrise, for example as level * normal(0, 1)"
        if type(self.node.op) in STOPS:
            return f"take {STOPS[type(self.node.op)]} away from that path"
        return "use what comes before it, or another cost"


def _name(op: Op) -> str:
    inner = op.scalar_op if isinstance(op, Elemwise) else op
    return getattr(inner, "name", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(inner).__name__).lower()


def _is_step(op: Op) -> bool:
    return isinstance(op, Elemwise) and isinstance(op.scalar_op, STEPS)


def _is_floating(x: Variable) -> bool:
    return np.issubdtype(np.dtype(getattr(x.type, "dtype", "O")), np.inexact)


def _passes_on(node: Apply) -> bool:
    """Whether a node has derivatives at all."""
    return not (isinstance(node.op, RandomVariable) or type(node.op) in STOPS or _is_step(node.op))


class Reach:
    """The variables that some outputs have derivatives by.

    Parameters
    ----------
    outputs
        Floating-point variables.
    """

    def __init__(self, outputs: Sequence[Variable]):
        self._outputs = list(outputs)
        self._reached: set[Variable] = set()
        self._cuts: list[Cut] = []
        waiting = list(outputs)
        while waiting:
            variable = waiting.pop()
            if variable in self._reached:
                continue
            self._reached.add(variable)
            if variable.owner is not None:
                waiting += self._passed_on(variable)

    def _passed_on(self, variable: Variable) -> list[Variable]:
        node = variable.owner
        pattern = node.op.connection_pattern(node) if hasattr(node.op, "connection_pattern") else None
        here = node.outputs.index(variable)
        passed = []
        for place, x in enumerate(node.inputs):
            connected = pattern is None or pattern[place][here]
            if connected and _is_floating(x) and _passes_on(node):
                passed.append(x)
            else:
                self._cuts.append(Cut(node, place))
        return passed

    def __contains__(self, variable: Variable) -> bool:
        return variable in self._reached

    def cut(self, variable: Variable) -> Cut | None:
        """What stands between the outputs and a variable that they depend on without a derivative; else None.

        A random variable counts, too, where there is another way around it, for it makes every derivative
        by its parameters undefined.
        """
        random = [cut for cut in self._cuts if cut.is_random]
        if variable in self and not random:
            return None
        depths = {}
        for cut in random if variable in self else self._cuts:
            before = set(ancestors([cut.input]))
            if variable in before:
                depths[cut] = (not cut.is_random, cut.is_shape, len(before))
        return min(depths, key=depths.__getitem__, default=None)  # the nearest to the variable says most

    def cuts(self, variable: Variable) -> list[Cut]:
        """All places where derivatives by a variable end on their way, whether or not there is another way."""
        return [cut for cut in self._cuts if not cut.is_shape and variable in set(ancestors([cut.input]))]


def influences(outputs: Sequence[Variable]) -> set[Variable]:
    """Everything that some outputs are computed from."""
    return set(ancestors(outputs))
