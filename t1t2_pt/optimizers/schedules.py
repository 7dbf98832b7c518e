"""Annealing: the factor that a step size is multiplied by, as a symbolic function of the step.

A schedule is a function of the share of the run that is over, 0 at the first step and 1 after the last, and gives
a factor in [0, 1]. Called as `SCHEDULES[name](step, steps, options)` with the number of the step (from 0) and the
number of steps in the run, floating-point tensors of one dtype, it gives the factor in that dtype. Most
are from the authors' program. A function under `schedule` is one more.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable as Tensor

BORDER = 2.0**-20  # shares so near below the end of a phase are beyond it: compilers round float32 shares differently


@dataclasses.dataclass(frozen=True)
class ScheduleOptions:
    """What some schedules can be told; constants in their graphs.

    Parameters
    ----------
    hold
        Share of the run, in [0, 1), that the first phase lasts.
    half_life
        Share of the run, above 0, after which an endless decay has come to one half, or a step size is switched on.

    Raises
    ------
    ValueError
        If one is out of these bounds.
    """

    hold: float = 0.86
    half_life: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.hold < 1:
            raise ValueError(f"hold = {self.hold}: is a share of the run; give at least 0 and less than 1")
        if not np.finfo(np.float32).tiny <= self.half_life <= np.finfo(np.float32).max:
            raise ValueError(f"half_life = {self.half_life}: is a share of the run; give a number above 0, such as 0.1")


Function = Callable[[Tensor, ScheduleOptions], Tensor]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule, called with step, steps and options.

    Parameters
    ----------
    function
        Of the share of the run that is over, and the options.
    uses
        Names of the options that it makes something of.
    """

    function: Function
    uses: tuple[str, ...] = ()

    def __call__(self, step: Tensor, steps: Tensor, options: ScheduleOptions) -> Tensor:
        """The factor of a step, numbered from 0, in a run of so many steps."""
        return self.function(step / steps, options)


SCHEDULES: dict[str, Schedule] = {}


def schedule(*uses: str) -> Callable[[Function], Schedule]:
    """Make a function of (share, options) a `Schedule`, found in `SCHEDULES` by the function's name."""

    def register(function: Function) -> Schedule:
        SCHEDULES[function.__name__] = Schedule(function, uses)
        return SCHEDULES[function.__name__]

    return register


def between(largest: Tensor | float, smallest: Tensor | float, factor: Tensor) -> Tensor:
    """A coefficient that goes from `largest`, where a schedule's factor is 1, to `smallest`, where it is 0.

    For a scheduled momentum. All are scalars of the factor's dtype; numbers become constants.
    """
    high, low = (value if isinstance(value, Variable) else _number(value, factor) for value in (largest, smallest))
    return low + (high - low) * factor


@schedule()
def constant(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1 throughout."""
    return pt.ones_like(share)


@schedule()
def linear(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1 at the first step, falling linearly, 0 after the last."""
    return pt.maximum(_remaining(share), _number(0, share))


@schedule("hold")
def hold_then_linear(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1 for the share `hold` of the steps, then linearly down to 0 (the authors' program: 0.86)."""
    return _clipped(_remaining(share) / _number(1 - options.hold, share))


@schedule("hold")
def zero_then_linear(share: Tensor, options: ScheduleOptions) -> Tensor:
    """0 for the share `hold` of the steps, then linearly up to 1."""
    return _clipped((share - _number(options.hold, share)) / _number(1 - options.hold, share))


@schedule("half_life")
def exponential(share: Tensor, options: ScheduleOptions) -> Tensor:
    """2^(-share / half_life): halved again in every half-life."""
    return pt.exp2(-share / _number(options.half_life, share))


@schedule("half_life")
def inverse_time(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1 / (1 + share / half_life): one half after a half-life, one third after two."""
    one = _number(1, share)
    return one / (one + share / _number(options.half_life, share))


@schedule("half_life")
def zero_then_one(share: Tensor, options: ScheduleOptions) -> Tensor:
    """0 until the share `half_life` of the steps is over, then 1."""
    return _phases(share, (options.half_life,), (0, 1))


@schedule()
def steps(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1, 0.1 and 0.01, for a third of the steps each."""
    return _phases(share, (1 / 3, 2 / 3), (1, 0.1, 0.01))


@schedule()
def four_steps(share: Tensor, options: ScheduleOptions) -> Tensor:
    """1, then 0.1 from 0.5 of the steps on, 0.01 from 0.7, 0.001 from 0.85, near those of Springenberg et al., 2014."""
    return _phases(share, (0.5, 0.7, 0.85), (1, 0.1, 0.01, 0.001))


@schedule()
def zero_one_zero(share: Tensor, options: ScheduleOptions) -> Tensor:
    """0 for the first sixth of the steps, then 1, and 0 again for the last sixth."""
    return _phases(share, (1 / 6, 5 / 6), (0, 1, 0))


@schedule()
def trapezoid(share: Tensor, options: ScheduleOptions) -> Tensor:
    """From 0 linearly up to 1 in the first half of the steps, 1 for a quarter, linearly down to 0 in the last.

    The authors' program has slips in its formulas of the last edge; here it is the straight fall that they mean.
    """
    return _clipped(pt.minimum(_number(2, share) * share, _number(4, share) * _remaining(share)))


@schedule()
def zero_trapezoid(share: Tensor, options: ScheduleOptions) -> Tensor:
    """0 for an eighth of the steps, linearly up to 1 in three eighths, 1 for a quarter, linearly down to 0 in the last.

    The last edge is as in `trapezoid`.
    """
    rising = (share - _number(1 / 8, share)) / _number(3 / 8, share)
    return _clipped(pt.minimum(rising, _number(4, share) * _remaining(share)))


@schedule()
def sine_squared(share: Tensor, options: ScheduleOptions) -> Tensor:
    """sin(pi * share)^2: from 0 up to 1 at half of the steps, and down to 0."""
    return pt.sqr(pt.sin(_number(np.pi, share) * share))


@schedule()
def periodic(share: Tensor, options: ScheduleOptions) -> Tensor:
    """max(0, -sin(10 pi * share)): five waves, each of 0 for a tenth of the steps and a hump of a tenth up to 1."""
    return pt.maximum(-pt.sin(_number(10 * np.pi, share) * share), _number(0, share))


def _phases(share: Tensor, ends: Sequence[float], factors: Sequence[float]) -> Tensor:
    """The first factor until the first end, then the next, and so on; a phase ends before the step at its end."""
    factor = pt.full_like(share, pt.constant(_number(factors[-1], share)))
    for end, before in reversed(list(zip(ends, factors, strict=False))):
        factor = pt.switch(share < _number(end - BORDER, share), _number(before, share), factor)
    return factor


def _clipped(factor: Tensor) -> Tensor:
    return pt.clip(factor, _number(0, factor), _number(1, factor))


def _remaining(share: Tensor) -> Tensor:
    return _number(1, share) - share


def _number(value: float, like: Tensor) -> np.ndarray:
    return np.asarray(value, dtype=like.dtype)
