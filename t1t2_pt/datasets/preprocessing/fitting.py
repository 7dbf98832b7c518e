"""Methods of preprocessing that say what they fit on T1, and can do the same to samples that come later."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

Numbers = dict[str, np.ndarray]


def nothing(t1: np.ndarray) -> Numbers:
    """What a method fits that takes each sample by itself."""
    return {}


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A method: a function of T1 and any other parts, in two steps.

    Parameters
    ----------
    apply
        From what was fitted and any samples to float32 of their shape, a new array.
    fit
        From T1 to arrays by name, which `apply` takes.
    """

    apply: Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
    fit: Callable[[np.ndarray], Numbers] = nothing

    def __call__(self, t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        """All parts, as fitted on the first."""
        numbers = self.fit(t1)
        return [self.apply(numbers, part) for part in (t1, *others)]
