"""What a backend offers: a compiled program, and a population of runs that it trains together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from t1t2_pt.backends.program import Program
from t1t2_pt.backends.shared_steps import SharedSteps
from t1t2_pt.steps.regularization import Tensors

Arrays = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.int32]

# PyTensor's rewrites that pull factors into a nonlinearity's choice of slope: products that several
# gradients share are then computed for each of them (a T1+T2 step on JAX took a tenth longer).
FACTORS_INTO_CHOICES = ("local_mul_switch_sink", "local_div_switch_sink")


class Population(Protocol):
    """Some runs of one structure, each with its own state, on one backend."""

    def epoch(
        self, first_step: int, steps: int, interval: int, t1_rows: Rows, t2_rows: Rows, skipped: int = 0
    ) -> Arrays:
        """Train every run for one epoch.

        Parameters
        ----------
        first_step
            Number of the epoch's first step, from 0.
        steps
            Steps of the whole run, for the schedules.
        interval
            Every step whose number from 1 is a multiple of it is a T1+T2 step, where something is tuned.
        t1_rows
            int32 [runs, steps in the epoch, batch]: samples of T1.
        t2_rows
            int32 [runs, T1+T2 steps in the epoch, batch]: samples of T2.
        skipped
            T1+T2 steps that there would have been before, but in which nothing was tuned.

        Returns
        -------
        The sum of each metric over the steps that have it, each [runs].
        """

    def evaluate(self) -> Arrays:
        """Cost and error on T1, T2 and test of every run, each [runs]."""

    def state(self, names: Sequence[str] | None = None) -> Arrays:
        """A copy of the state or of some of its entries, each [runs, ...]."""


class Compiled(Protocol):
    """A program compiled by a backend."""

    def populate(self, data: Arrays, states: Sequence[Arrays], per_run: Sequence[Arrays]) -> Population:
        """Start a population, one run for each state, on data shared by all of them."""


class Backend(Protocol):
    """A way to compile programs."""

    @property
    def name(self) -> str:
        """What it is asked for by."""

    @property
    def together(self) -> bool:
        """Whether the runs of a population train at once; else one after another."""

    @property
    def lanes(self) -> int:
        """Populations that may train side by side."""

    def missing(self) -> str | None:
        """What must be installed before this backend works; None when it does."""

    def versions(self) -> Mapping[str, str]:
        """Versions of what it computes with, and the device."""

    def memory(self) -> int:
        """Bytes that each device has, whatever of them is in use."""

    def available_memory(self) -> int:
        """Bytes that can be had on each device now."""

    def parameters_at_once(self) -> float:
        """Parameters, of all runs of a population, from which on it trains them slower than one after another."""

    def devices(self) -> int:
        """Devices over which a population is spread."""

    def compile(self, program: Program) -> Compiled:
        """Compile a program (lazily, or at once)."""

    def forget(self) -> None:
        """Give memory back, after a compiled program was dropped."""

    def function(self, inputs: Tensors, outputs: Tensors) -> Callable[[Arrays], Arrays]:
        """The outputs of any graph, by name, as a function of its inputs by name."""

    def steps(self) -> SharedSteps:
        """Takes steps of any graph, whose state lies in shared variables."""


def is_hyper_step(number: int, interval: int) -> bool:
    """Whether the step with this number, from 0, also moves the hyperparameters."""
    return (number + 1) % interval == 0
