"""Random generators in a graph: the state that each has after the numbers of a step are drawn.

PyTensor's draws are explicit: each takes a generator and returns the next one beside its numbers,

    next_rng, noise = rng.normal(size=(100, 20))

and the shared generator stays as it is unless a function updates it with the last of that chain. Here the chain is
followed through a graph, from each shared generator on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.type import RandomType

from t1t2_pt.system.errors import InputError


def next_states(outputs: Sequence[Variable]) -> dict[SharedVariable, Variable]:
    """The state of each shared generator that some outputs draw from, after all of their draws.

    Where a generator is drawn from twice, which gives the same numbers twice, the longer chain counts.

    Raises
    ------
    InputError
        For a generator that is drawn from inside of something that does not hand on its next state, as a scan does
        where it is no part of `outputs_info`.
    """
    generators = [v for v in ancestors(outputs) if isinstance(v, SharedVariable) and isinstance(v.type, RandomType)]
    furthest: dict[Variable, tuple[int, Variable]] = {}  # from a state on: how many draws, and the state after them
    for node in reversed(list(toposort(outputs))) if generators else ():
        for state in node.inputs:
            if isinstance(state.type, RandomType):
                after = _handed_on(node, state)
                draws, end = furthest.get(after, (0, after))
                if state not in furthest or draws >= furthest[state][0]:
                    furthest[state] = 1 + draws, end
    return {generator: furthest[generator][1] for generator in generators}


def _handed_on(node: Apply, state: Variable) -> Variable:
    taken = [variable for variable in node.inputs if isinstance(variable.type, RandomType)]
    given = [variable for variable in node.outputs if isinstance(variable.type, RandomType)]
    if len(taken) != len(given):
        remedy = "hand the next generator on, in a scan through outputs_info, or give the new state in updates"
        raise InputError(
            str(state), str(node.op), "draws from this generator and does not return its next state", remedy
        )
    return given[taken.index(state)]


def as_json(generator: np.random.Generator) -> dict[str, Any]:
    """A generator's state as values that JSON has."""
    return _plain(generator.bit_generator.state)


def from_json(state: dict[str, Any]) -> np.random.Generator:
    """The generator of such a state.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        kind = {"PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM, "Philox": np.random.Philox}
        kind |= {"MT19937": np.random.MT19937, "SFC64": np.random.SFC64}
        bits = kind[state["bit_generator"]](0)
        bits.state = _filled(state)
        return np.random.Generator(bits)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("state", str(error), "holds a generator that is none", "give what Tuner.state gave") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "values": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _filled(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], value["dtype"])
    return {key: _filled(part) for key, part in value.items()}
