"""Graphs in a loop: what a method does K times is one small graph, whatever K is.

A loop's body is a graph on symbols that stand for what changes; all else is found and computed once, before the loop,
also what is drawn at random.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import tensor_copy
from pytensor.tensor.shape import specify_shape
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

Given = Mapping[TensorVariable, TensorVariable]


def looped(
    outputs: Sequence[TensorVariable],
    symbols: Sequence[TensorVariable],
    initial: Sequence[TensorVariable],
    steps: int | TensorVariable,
    each: Given | None = None,
    fixed: Mapping[Variable, Variable] | None = None,
) -> list[TensorVariable]:
    """What symbols become, step after step.

    Parameters
    ----------
    outputs
        What `symbols` are after a step, as graphs of what they were before it.
    initial
        What they are before the first.
    steps
        How many, at least 1.
    each
        For further symbols in the graphs, tensors with what they are in each step along their first axis.
    fixed
        For further symbols, what they are in all steps.

    Returns
    -------
    For each symbol what it is after every step, along a first axis. Who takes the last alone, by [-1], stores no more.
    """
    return _scanned(outputs, symbols, initial, steps, dict(each or {}), dict(fixed or {}))


def mapped(
    outputs: Sequence[TensorVariable],
    steps: int | TensorVariable,
    each: Given,
    fixed: Mapping[Variable, Variable] | None = None,
) -> list[TensorVariable]:
    """Graphs for each of some values of their symbols, along a first axis."""
    return _scanned(outputs, [], [], steps, dict(each), dict(fixed or {}))


def _scanned(
    outputs: Sequence[TensorVariable],
    symbols: Sequence[TensorVariable],
    initial: Sequence[TensorVariable],
    steps: int | TensorVariable,
    each: dict[TensorVariable, TensorVariable],
    fixed: dict[Variable, Variable],
) -> list[TensorVariable]:
    border = _unchanging(outputs, [*symbols, *each])
    outside = replaced(border, fixed)
    # Scan takes no shared variable beside what is computed from it: copies, which cost nothing, are none.
    outside = [cast(Variable, tensor_copy(x)) if isinstance(x, TensorVariable) else x for x in outside]

    def body(*given: TensorVariable) -> list[TensorVariable]:
        changing = dict(zip([*each, *symbols, *border], given, strict=True))
        found = replaced(outputs, changing)
        return [alike(new, old) for new, old in zip(found, given[len(each) :], strict=False)] if symbols else found

    starts = [alike(value, symbol) for value, symbol in zip(initial, symbols, strict=True)]
    without: list[TensorVariable | None] = [None] * len(outputs)
    return pytensor.scan(
        body,
        sequences=list(each.values()),
        outputs_info=starts or without,
        non_sequences=list(outside),
        n_steps=steps,
        strict=True,
        return_list=True,
        return_updates=False,
    )


def replaced[Kind: Variable](outputs: Sequence[Kind], by: Mapping[Variable, Variable]) -> list[Kind]:
    """Graphs with some of their variables replaced, also where these are computed from one another.

    PyTensor's `clone_replace` leaves the latter in, and copies all of the graph.
    """
    found: dict[Variable, Variable] = dict(by)
    for node in toposort(list(outputs), blockers=list(by)):
        inputs = [found.get(x, x) for x in node.inputs]
        if any(new is not x for new, x in zip(inputs, node.inputs, strict=True)):
            for old, new in zip(node.outputs, node.clone_with_new_inputs(inputs, strict=False).outputs, strict=True):
                found.setdefault(old, new)
    return cast(list[Kind], [found.get(output, output) for output in outputs])


def alike(tensor: TensorVariable, model: TensorVariable) -> TensorVariable:
    """The tensor with the dtype of another, and with what is known of its shape."""
    tensor = pt.cast(tensor, model.dtype)
    known, wanted = tensor.type.shape, model.type.shape
    if any(size is not None and have is None for have, size in zip(known, wanted, strict=True)):
        tensor = specify_shape(tensor, wanted)
    pairs = enumerate(zip(tensor.type.broadcastable, model.type.broadcastable, strict=True))
    # Whole slices of a length that is not static, where a loop cannot be told that the length is 1.
    whole = [slice(None, tensor.shape[axis]) if one and not also else slice(None) for axis, (one, also) in pairs]
    return tensor if whole.count(slice(None)) == len(whole) else tensor[tuple(whole)]


def _unchanging(outputs: Sequence[Variable], changing: Sequence[Variable]) -> list[Variable]:
    """What does not depend on the changing, and is used together with what does: tensors and generators."""
    changed = set(changing)
    border: dict[Variable, None] = {}

    def keep(variable: Variable) -> None:
        if isinstance(variable, Constant):
            return
        if variable.owner is not None and not isinstance(variable.type, TensorType) and _made(variable):
            for x in variable.owner.inputs:  # a slice, say, which no loop can be given
                keep(x)
        else:
            border[variable] = None

    for node in toposort(list(outputs)):
        if changed.isdisjoint(node.inputs):
            continue
        changed.update(node.outputs)
        for x in node.inputs:
            if x not in changed:
                keep(x)
    for output in outputs:
        if output not in changed:
            keep(output)
    return list(border)


def _made(variable: Variable) -> bool:
    """Whether it is no generator of random numbers."""
    return "Random" not in type(variable.type).__name__
