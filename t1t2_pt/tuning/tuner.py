"""`Tuner`: trains the parameters of any graph and tunes its hyperparameters at the same time."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import get_backend
from t1t2_pt.backends.interface import is_hyper_step
from t1t2_pt.hypergradients import Method, Problem
from t1t2_pt.ops.arguments import tensors
from t1t2_pt.optimizers import Optimizer
from t1t2_pt.rewrites import FAST
from t1t2_pt.sweeps.progress import Display
from t1t2_pt.system.errors import InputError
from t1t2_pt.training import batches
from t1t2_pt.tuning import generators, passes, saved
from t1t2_pt.tuning.constraints import read_constraints
from t1t2_pt.tuning.feeding import Arrays, read_inputs
from t1t2_pt.tuning.moves import Rates, Rules, new_memory
from t1t2_pt.tuning.records import Records
from t1t2_pt.tuning.stepping import Parts, Stepper
from t1t2_pt.tuning.updating import HYPER_LEARNING_RATE, LEARNING_RATE, read_hyper_rates, read_rate, read_updates
from t1t2_pt.tuning.variables import HYPERPARAMS, PARAMS, check_apart, named

BATCH_SIZE = 100


class Costs(NamedTuple):
    """Costs of a step, of the values before it: C1~, and C2 of a T1+T2 step."""

    train: float
    val: float | None = None


class Tuner:
    """Trains the parameters of any graph on T1 and tunes its hyperparameters on T2.

        tuner = Tuner(train_cost, val_cost, [w], [l2], inputs=[x, y])
        tuner.run((x_train, y_train), (x_val, y_val), epochs=20)
        tuner.hyperparams, tuner.history

    A step moves `params` down `train_cost` by an optimiser; a T1+T2 step moves `hyperparams` as well, by their
    hypergradients (Eq. 3). The values stay in the shared variables that are given here: after each `step`, and after
    each epoch of `run`, they hold the new ones, which any function of one's own may read, and may be set.

    The first batches and the shared variables say how long every axis is, and the steps are compiled for that: so
    `pytensor.shared(value)` and `pt.matrix("x")` will do.

    Parameters
    ----------
    train_cost
        Scalar C1~, with noise and penalties, a function of `params` and `hyperparams`.
    val_cost
        Scalar C2, usually of the model without noise and penalties.
    params, hyperparams
        Shared variables, floating point, of any shapes, named apart.
    inputs
        Symbolic inputs that batches are fed to: `[x, y]` where both costs are built on the same, which T1 batches
        fill in `train_cost` and T2 batches in `val_cost`; or `([x, y, row], [x, y])`, a list for each cost, whose
        variables may be shared, or none of them. `[]` where all data are shared variables.
    optimizer, hyper_optimizer, learning_rate, hyper_learning_rate, method, transforms, bounds, max_norm, products
        As of `t1t2_pt.updates`. Step sizes are numbers here; that of the parameters may be one of `hyperparams`, by a
        method whose own `step_size` it is.
    interval
        `run` makes every so many-th step a T1+T2 step.
    updates
        Further updates of each step, of shared variables, such as running averages. Generators need none, where draws
        follow PyTensor's explicit way (`next_rng, noise = rng.normal(...)`).
    backend
        `"auto"`, `"jax"`, `"numba"` or `"c"`. Under JAX a shared generator is one of JAX's own, started from it.
    static
        Compile for the shapes of the first batches, which all have to have then. False: batches of any length, in
        steps that may take twice as long.

    Attributes
    ----------
    interval : int
        As given; may be changed.

    Raises
    ------
    InputError
        For wrong use, in one line that names the variable and what to do.
    TypeError, ValueError
        As `hypergradient` does: for costs that are no scalars, whole numbers, and variables without influence.
    """

    def __init__(
        self,
        train_cost: TensorVariable,
        val_cost: TensorVariable,
        params: Sequence[SharedVariable],
        hyperparams: Sequence[SharedVariable],
        *,
        inputs: Sequence[Any],
        optimizer: str | Optimizer = "adam",
        learning_rate: float | SharedVariable = LEARNING_RATE,
        hyper_optimizer: str | Optimizer = "adam",
        hyper_learning_rate: float | Mapping[str, float] = HYPER_LEARNING_RATE,
        interval: int = 10,
        method: str | Method = "t1t2",
        transforms: str | Mapping[Any, str] | None = None,
        bounds: Mapping[Any, tuple[float, float]] | None = None,
        max_norm: float | None = None,
        updates: Mapping[SharedVariable, Variable] | None = None,
        products: str = FAST,
        backend: str = "auto",
        static: bool = True,
    ) -> None:
        trained, tuned = named(PARAMS, params), named(HYPERPARAMS, hyperparams)
        check_apart(trained, tuned)
        if not tuned:
            raise InputError(HYPERPARAMS, "[]", "is empty", "give what is to be tuned")
        beside = getattr(method, "beside", ())
        Problem(train_cost, val_cost, tensors([*trained.values()]), tensors([*tuned.values()]), beside)
        self._t1, self._t2, own_val_cost = read_inputs(inputs, train_cost, val_cost)
        constraints = read_constraints(tuned, transforms, bounds)
        rules = Rules.read(optimizer, hyper_optimizer, method, constraints, max_norm=max_norm, products=products)
        others = read_updates(updates, {**trained, **tuned})
        self.interval = passes.whole_number("interval", interval, 1)
        is_tuned = any(learning_rate is hyperparam for hyperparam in tuned.values())
        rate = learning_rate if is_tuned else _shared_rate("learning_rate", learning_rate)
        each = read_hyper_rates(hyper_learning_rate, tuned, HYPER_LEARNING_RATE)
        rates = Rates(rate, {name: _shared_rate(f"hyper_learning_rate[{name!r}]", r) for name, r in each.items()})
        memory = new_memory(trained, tuned, rules)
        parts = Parts(train_cost, own_val_cost, self._t1, self._t2, trained, tuned, memory, rates, others)
        all_updates = parts.updates(rules)  # which also checks what only the method can
        self._params, self._hyperparams, self._memory, self._rates = trained, tuned, memory, rates
        known = {*trained.values(), *tuned.values(), *memory.values()}
        self._others = [shared for shared in all_updates if shared not in known]
        self._stepper = Stepper(parts, rules, get_backend(backend), static)
        self._records = Records()
        self._steps = self._hyper_steps = self._epochs = 0

    @property
    def hyperparams(self) -> dict[str, float | np.ndarray]:
        """Hyperparameters by name, as they are now: numbers, or copies of arrays."""
        values = {name: np.array(shared.get_value(borrow=True)) for name, shared in self._hyperparams.items()}
        return {name: value if value.ndim else float(value) for name, value in values.items()}

    @property
    def history(self) -> pd.DataFrame:
        """A row for each T1+T2 step.

        Its number from 1, the epoch of `run` that it was in (0 outside of any), `train_cost` averaged over the
        steps since the row before, `val_cost`, and hyperparameters after the step: scalars by name, of others
        `name/mean`, `name/min` and `name/max`.
        """
        return self._records.table()

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self._steps

    @property
    def due(self) -> bool:
        """Whether the next step is one that `run` makes a T1+T2 step."""
        return is_hyper_step(self._steps, self.interval)

    @property
    def learning_rate(self) -> float:
        """Step size of the parameters; may be set, and nothing is compiled for that."""
        return float(self._rates.elementary.get_value())

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._rates.elementary.set_value(_number("learning_rate", value))

    @property
    def hyper_learning_rate(self) -> dict[str, float]:
        """Step size of each hyperparameter; a number or a dictionary may be set."""
        return {name: float(rate.get_value()) for name, rate in self._rates.hyper.items()}

    @hyper_learning_rate.setter
    def hyper_learning_rate(self, given: float | Mapping[str, float]) -> None:
        before = self.hyper_learning_rate
        new = {**before, **given} if isinstance(given, Mapping) else given
        for name, value in read_hyper_rates(new, before, HYPER_LEARNING_RATE).items():
            self._rates.hyper[name].set_value(_number("hyper_learning_rate", value))

    def step(self, t1_batch: Any = (), t2_batch: Any = None) -> Costs:
        """Take one step: a T1+T2 step where a T2 batch is given, else a T1 step.

        `interval` is for `run`: here it is the caller who says when hyperparameters move (`due` says when `run`
        would do so).

        Parameters
        ----------
        t1_batch, t2_batch
            An array for each input in the order of `inputs`, or a dictionary by name; `()` where there are none.

        Returns
        -------
        Costs (train, val) on these batches before the step; val is None in a T1 step.

        Raises
        ------
        InputError
            For batches of another shape or kind, with NaN, or that the graph cannot take, and for a cost that is not
            finite.
        """
        costs = self._step(self._t1.arrays(t1_batch), None if t2_batch is None else self._t2.arrays(t2_batch), 0)
        self._stepper.write_back(self._visible())
        return costs

    def run(
        self,
        t1: Any,
        t2: Any,
        epochs: int,
        *,
        batch_size: int | None = None,
        t2_batch_size: int | None = None,
        seed: int = 0,
        progress: bool = True,
        callback: Callable[["Tuner"], object] | None = None,
    ) -> pd.DataFrame:
        """Train for so many more epochs, in batches drawn at random; every `interval`-th step tunes.

        Which samples are in which step depends on the seed and the number of epochs and T1+T2 steps so far alone:
        four epochs and then six are the same as ten.

        Parameters
        ----------
        t1, t2
            Data sets: an array for each input, as for `step`, whose first axis are samples.
        batch_size
            Samples of T1 in a step; 100, or all where there are fewer. What is left of an epoch is not used in it.
        t2_batch_size
            Samples of T2 in a T1+T2 step; as of T1, or all where there are fewer.
        progress
            Show a bar in a terminal, and now and then a line elsewhere.
        callback
            Called with this tuner after each epoch; the run ends where it returns True.

        Returns
        -------
        `history`.

        Raises
        ------
        InputError
            As `step` does.
        """
        data1, samples1 = passes.data_of(self._t1, t1, "t1")
        data2, samples2 = passes.data_of(self._t2, t2, "t2")
        size = passes.batch_length("batch_size", batch_size, samples1, BATCH_SIZE)
        plan = passes.Passes(
            seed=passes.whole_number("seed", seed, 0),
            t1_samples=samples1 or size,
            t2_samples=samples2 or 1,
            batch_size=size,
            samples_of_t2=passes.batch_length("t2_batch_size", t2_batch_size, samples2, size),
            epochs=passes.whole_number("epochs", epochs, 0),
        )
        display = Display(quiet=not progress)
        with display.shown([plan] if plan.epochs else []):
            for _ in range(plan.epochs):
                self._epoch(plan, data1, data2, display)
                if callback is not None and callback(self) is True:
                    break
        return self.history

    def _epoch(self, plan: passes.Passes, data1: Arrays, data2: Arrays, display: Display) -> None:
        self._epochs += 1
        try:
            for rows in batches.t1_rows(plan, self._epochs):
                t2 = None
                if self.due:
                    t2 = passes.rows_of(data2, batches.t2_rows(plan, self._hyper_steps))
                self._step(passes.rows_of(data1, rows), t2, self._epochs)
                display.advance(1)
        finally:
            self._stepper.write_back(self._visible())

    def _step(self, t1: Arrays, t2: Arrays | None, epoch: int) -> Costs:
        costs = self._stepper(t1, t2)
        self._steps += 1
        for name, value in costs.items():
            if not math.isfinite(value):
                problem = f"is not finite in step {self._steps}"
                remedy = f"give a smaller learning_rate than {self.learning_rate:g}, or max_norm=3.0"
                if self._steps == 1:  # nothing has moved yet
                    remedy = "look for NaN in shared variables, and for a logarithm or a division of 0 in the cost"
                raise InputError(name, value, problem, remedy)
        hyperparams: dict[str, np.ndarray] = {}
        if t2 is not None:
            self._hyper_steps += 1
            self._stepper.write_back(list(self._hyperparams.values()))
            hyperparams = {name: shared.get_value(borrow=True) for name, shared in self._hyperparams.items()}
        self._records.add(self._steps, epoch, costs, hyperparams)
        return Costs(costs["train_cost"], costs.get("val_cost"))

    def _visible(self) -> list[SharedVariable]:
        """What others may look at."""
        return [*self._params.values(), *self._hyperparams.values(), *self._others]

    def state(self) -> saved.State:
        """Everything that the next step depends on, and the history: NumPy arrays, and values that JSON has.

        A tuner that is built alike and restored goes on as this one would, bit for bit on the same backend. Keep
        it with `t1t2_pt.tuning.save_state`.
        """
        self._stepper.write_back([*self._visible(), *self._memory.values()])
        return {
            "format": saved.FORMAT,
            "steps": self._steps,
            "hyper_steps": self._hyper_steps,
            "epochs": self._epochs,
            "generators": {n: generators.as_json(s.get_value(borrow=True)) for n, s in self._generators().items()},
            **self._records.state(),
            saved.ARRAYS: {name: np.array(shared.get_value(borrow=True)) for name, shared in self._tensors().items()},
        }

    def restore(self, state: saved.State) -> None:
        """Go on from what `state` gave, of a tuner built alike.

        Raises
        ------
        InputError
            If it is something else, or of other variables.
        """
        state = saved.checked(state)
        held, found = self._tensors(), self._generators()
        saved.check_arrays(state[saved.ARRAYS], {name: shared.get_value(borrow=True) for name, shared in held.items()})
        if set(state["generators"]) != set(found):
            remedy = "restore into a Tuner built as that one was"
            raise InputError("state", sorted(state["generators"]), f"has not the generators {sorted(found)}", remedy)
        new = {name: generators.from_json(state["generators"][name]) for name in found}
        records = Records.restored(state["history"], state["pending"])
        for name, shared in held.items():
            shared.set_value(np.array(state[saved.ARRAYS][name]), borrow=True)
        for name, shared in found.items():
            shared.set_value(new[name], borrow=True)
        self._records = records
        self._steps, self._hyper_steps, self._epochs = (state[key] for key in ("steps", "hyper_steps", "epochs"))

    def _tensors(self) -> dict[str, SharedVariable]:
        """What a state has arrays of, by name."""
        rates = {"learning_rate": self._rates.elementary, **{f"{n}/rate": r for n, r in self._rates.hyper.items()}}
        parts = {"params": self._params, "hyperparams": self._hyperparams, "memory": self._memory, "rates": rates}
        parts["updates"] = _by_name([s for s in self._others if not isinstance(s.type, RandomType)])
        return {f"{part}/{name}": shared for part, variables in parts.items() for name, shared in variables.items()}

    def _generators(self) -> dict[str, SharedVariable]:
        return _by_name([shared for shared in self._others if isinstance(shared.type, RandomType)])


def _by_name(variables: Sequence[SharedVariable]) -> dict[str, SharedVariable]:
    """By place and name, as names may be missing or alike."""
    return {f"{place} {shared.name or ''}".strip(): shared for place, shared in enumerate(variables)}


def _number(option: str, value: Any) -> np.ndarray:
    number = read_rate(option, value)
    if isinstance(number, Variable):
        remedy = "give a number; it can be changed between steps"
        raise InputError(option, str(number), "is a variable", remedy)
    return np.array(number, "float64")


def _shared_rate(option: str, value: Any) -> SharedVariable:
    return pytensor.shared(_number(option, value), name=option)
