"""What is fed from batches: the symbolic inputs of both costs, and arrays that fit them.

`inputs=[x, y]` are inputs of both costs, which are then built on the same variables: a T1 batch goes where
`train_cost` has them, a T2 batch where `val_cost` has them. `inputs=([x, y, weights], [x, y])` lists those of each
cost apart, which may share some or none.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.problem import shown
from t1t2_pt.ops.arguments import tensors
from t1t2_pt.system.errors import InputError

Arrays = dict[str, np.ndarray]
KINDS = {"f": "floating-point numbers", "i": "whole numbers", "u": "whole numbers", "b": "true or false"}


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Inputs of one of the costs, by name.

    Parameters
    ----------
    batch
        How their batches are called, `t1_batch` or `t2_batch`.
    """

    batch: str
    variables: Mapping[str, TensorVariable]

    def arrays(self, given: Any, any_length: bool = False) -> Arrays:
        """A batch as arrays by name, of the inputs' dtypes.

        Parameters
        ----------
        given
            An array for each input in their order, or by name; a single input's may stand alone.
        any_length
            Whether the first axis may have another length than in the graph, as whole data sets do.

        Raises
        ------
        InputError
            For a batch of other inputs, dimensions or kinds of numbers, or with NaN or infinity.
        """
        return {name: self._array(name, value, any_length) for name, value in self._assigned(given).items()}

    def _assigned(self, given: Any) -> dict[str, Any]:
        names = list(self.variables)
        if isinstance(given, Mapping):
            lacking = [name for name in names if name not in given]
            others = [str(name) for name in given if name not in names]
            if lacking or others:
                problem = f"lacks {', '.join(lacking)}" if lacking else ""
                problem += " and " if lacking and others else ""
                problem += f"has {', '.join(others)}, which is no input" if others else ""
                raise InputError(self.batch, sorted(map(str, given)), problem, f"give {', '.join(names)}")
            return {name: given[name] for name in names}
        if len(names) == 1 and not isinstance(given, tuple | list):
            given = (given,)
        if not isinstance(given, tuple | list):
            remedy = f"give ({', '.join(names)})"
            raise InputError(self.batch, shown(given), f"is a {type(given).__name__}, no tuple of arrays", remedy)
        if len(given) != len(names):
            problem = f"has {len(given)} arrays for {len(names)} inputs"
            raise InputError(self.batch, f"{len(given)} arrays", problem, f"give ({', '.join(names)})")
        return dict(zip(names, given, strict=True))

    def _array(self, name: str, value: Any, any_length: bool) -> np.ndarray:
        variable = self.variables[name]
        place = f"{self.batch}: {name}"
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InputError(
                place, type(value).__name__, f"is no array ({error})", "give an array of numbers"
            ) from None
        wanted = KINDS[np.dtype(variable.dtype).kind]
        kind = KINDS.get(array.dtype.kind)
        if kind != wanted:
            found = kind or f"no numbers (dtype {array.dtype})"
            remedy = f"give it as {variable.dtype}, for example by .astype({variable.dtype!r})"
            raise InputError(place, f"dtype {array.dtype}", f"are {found}, where the graph has {wanted}", remedy)
        self._check_shape(place, array.shape, variable, any_length)
        if array.dtype != variable.dtype:
            array = self._cast(place, array, variable.dtype)
        array = np.asarray(array, order="C")
        if wanted == KINDS["f"] and not np.isfinite(array).all():
            where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
            problem = f"is not finite at {where}" if where else "is not finite"
            raise InputError(place, float(array[where]), problem, "take such samples out, or fill them in")
        return array if array.flags.writeable else array.copy()  # Numba compiles anew for arrays that are not

    def _check_shape(self, place: str, shape: tuple[int, ...], variable: TensorVariable, any_length: bool) -> None:
        wanted = (None, *variable.type.shape[1:]) if any_length else variable.type.shape
        if len(shape) != len(wanted):
            problem = f"has {len(shape)} dimensions, where the graph has {len(wanted)}"
            raise InputError(place, f"shape {shape}", problem, "give a batch of the graph's dimensions, or reshape it")
        if any(w not in (None, n) for n, w in zip(shape, wanted, strict=True)):
            told = "(" + ", ".join("any" if n is None else str(n) for n in wanted) + ")"
            raise InputError(place, f"shape {shape}", f"where the graph has {told}", "give a batch of that shape")
        if 0 in shape and 0 not in variable.type.shape:
            raise InputError(place, f"shape {shape}", "is empty", "give samples")

    def _cast(self, place: str, array: np.ndarray, dtype: str) -> np.ndarray:
        with np.errstate(over="ignore"):
            cast = array.astype(dtype)
        if np.dtype(dtype).kind != "f" and not np.array_equal(cast, array):
            raise InputError(place, f"dtype {array.dtype}", f"has numbers beyond {dtype}", "give smaller numbers")
        return cast


def read_inputs(
    given: Any, train_cost: TensorVariable, val_cost: TensorVariable
) -> tuple[Inputs, Inputs, TensorVariable]:
    """The inputs of T1 and of T2, and the validation cost on inputs of its own.

    Raises
    ------
    InputError
        For what is no input, or is not used by its cost, and for inputs of a cost that are not given.
    """
    parts = _parts(given)
    alike = len(parts) == 1
    t1 = _by_name("inputs", parts[0]) if alike else _by_name("inputs[0]", parts[0])
    t2 = t1 if alike else _by_name("inputs[1]", parts[1])
    needed = [_needed(cost) for cost in (train_cost, val_cost)]
    for role, variables, used in (("train_cost", t1, needed[0]), ("val_cost", t2, needed[1])):
        for variable in used:
            if variable not in variables.values():
                name = variable.name or str(variable)
                remedy = f"add {name} to inputs, or make it a pytensor.shared"
                if not isinstance(variable, TensorVariable):
                    remedy = f"make {name} a shared variable, which a generator is by pt.random.shared_rng(seed=1)"
                raise InputError("inputs", _names(variables), f"{role} also depends on {name}", remedy)
        everywhere = [*needed[0], *needed[1]] if alike else used
        for name, variable in variables.items():
            if variable not in everywhere:
                costs = "neither train_cost nor val_cost" if alike else f"not {role}"
                remedy = f"build the cost from {name} itself, or leave it out of inputs"
                raise InputError("inputs", name, f"influences {costs}", remedy)
    own: dict[Variable, Variable] = {variable: variable.type(name=variable.name) for variable in t2.values()}
    (moved,) = tensors(clone_replace([val_cost], replace=own) if own else [val_cost])
    apart: dict[str, Any] = {name: own[variable] for name, variable in t2.items()}
    return Inputs("t1_batch", t1), Inputs("t2_batch", apart), moved


def _parts(given: Any) -> list[Sequence[Any]]:
    if isinstance(given, Variable):
        raise InputError("inputs", shown(given), "is a variable", "put it into a list")
    if not isinstance(given, list | tuple):
        raise InputError("inputs", shown(given), f"is a {type(given).__name__}", "give a list of variables")
    lists = [isinstance(part, list | tuple) for part in given]
    if not any(lists):
        return [given]
    if len(given) != 2 or not all(lists):
        remedy = "give one list for both costs, as in [x, y], or one for each, as in ([x, y], [v, u])"
        raise InputError("inputs", shown(given), "is neither a list of variables nor two of them", remedy)
    return list(given)


def _by_name(option: str, given: Sequence[Any]) -> dict[str, TensorVariable]:
    found: dict[str, TensorVariable] = {}
    for place, variable in enumerate(given):
        where = f"{option}[{place}]"
        if not isinstance(variable, TensorVariable):
            raise InputError(where, shown(variable), "is no symbolic tensor", "give one, as pt.matrix('x')")
        if isinstance(variable, SharedVariable | Constant):
            kind = "a shared variable" if isinstance(variable, SharedVariable) else "a constant"
            raise InputError(where, shown(variable), f"is {kind}, which no batch replaces", "leave it out of inputs")
        if variable.owner is not None:
            raise InputError(where, shown(variable), "is an expression", "give the input that it is computed from")
        if np.dtype(variable.dtype).kind not in KINDS:
            raise InputError(where, variable.dtype, "is no dtype for batches", "give real numbers")
        name = variable.name or where
        if name in found:
            again = variable is found[name]
            problem, remedy = (
                ("is there twice", "give it once") if again else ("is two inputs' name", "give each its own")
            )
            raise InputError(where, name, problem, remedy)
        found[name] = variable
    return found


def _needed(cost: Any) -> list[Variable]:
    if not isinstance(cost, Variable):
        return []
    return [v for v in explicit_graph_inputs([cost]) if not isinstance(v, SharedVariable)]


def _names(variables: Mapping[str, object]) -> str:
    return ", ".join(variables) or "[]"
