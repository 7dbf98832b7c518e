"""How the numbers of one hyperparameter lie over its places: the only definition of it.

A hyperparameter is tied (one number), has one number for its first place and one for all others, one for each
place, or one for each unit of each place. From this follow its initial values, its level at a place, its
columns in a history, and what a stored run says of where it ended.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.networks.network import Layer, Network
from t1t2_pt.regularizers.locations import Places
from t1t2_pt.system.errors import InputError

TIED, FIRST_APART, PER_LAYER, PER_UNIT = "tied", "first_apart", "per_layer", "per_unit"

Level = float | tuple[float, ...]  # as a run's config has it


@dataclasses.dataclass(frozen=True)
class Levels:
    """The numbers of a hyperparameter in a run.

    Parameters
    ----------
    name
        Of the hyperparameter.
    grain
        `TIED`, `FIRST_APART`, `PER_LAYER` or `PER_UNIT`.
    numbers
        The numbers of its places, as the names of columns have them.
    units
        How many units each place has; None where the network is not known, which only `PER_UNIT` needs.
    noun
        What its places are called.
    """

    name: str
    grain: str
    numbers: tuple[int, ...]
    units: tuple[int, ...] | None = None
    noun: str = "layers"

    @classmethod
    def of(cls, name: str, grain: str, places: Places, where: Sequence[Layer] | Network) -> "Levels":
        """The levels of a hyperparameter in a network, or in any network of these hidden layers."""
        hidden = where.hidden if isinstance(where, Network) else where
        numbers = tuple(range(places.first, places.first + places.count(hidden)))
        return cls(
            name, grain, numbers, tuple(places.units(where)) if isinstance(where, Network) else None, places.noun
        )

    @property
    def columns(self) -> list[str]:
        """What a history has of it: `l2`; or `l2_first` and `l2_others`; or `l2_0`, `l2_1`, ... (means over units)."""
        if self.grain == TIED:
            return [self.name]
        if self.grain == FIRST_APART:
            return [f"{self.name}_first", f"{self.name}_others"]
        return [f"{self.name}_{number}" for number in self.numbers]

    @property
    def unit_columns(self) -> list[str]:
        """What the end of a run has of it beside `columns`, per unit: `l2_0_0`, `l2_0_1`, ..., `l2_1_0`, ..."""
        if self.grain != PER_UNIT:
            return []
        pairs = zip(self.numbers, self._known_units(), strict=True)
        return [f"{self.name}_{number}_{unit}" for number, count in pairs for unit in range(count)]

    def values(self, level: Level) -> npt.NDArray[np.float32]:
        """float32 values: a scalar where tied, else [2], [places] or [all units].

        Raises
        ------
        InputError
            If there are neither so many numbers nor one for all (per unit: nor one per place).
        """
        given = np.asarray(level, dtype=np.float32)
        if self.grain == TIED:
            self._check(level, given.size, (), 1)
            return given.reshape(())
        if self.grain == PER_UNIT:
            units = self._known_units()
            self._check(level, given.size, (1, len(units)), sum(units))
            if given.size == sum(units):
                return given.reshape(-1)
            return np.repeat(np.broadcast_to(given.reshape(-1), len(units)), units)
        count = len(self.columns)
        self._check(level, given.size, () if isinstance(level, tuple) else (1,), count)
        return np.broadcast_to(given.reshape(-1), count).copy()

    def check(self, level: Level) -> None:
        """As `values`, without them; per unit in an unknown network nothing is known yet."""
        if self.grain != PER_UNIT or self.units is not None:
            self.values(level)

    def _check(self, level: Level, found: int, others: Sequence[int], expected: int) -> None:
        if found == expected or found in others:
            return
        problem = f"has {found} numbers for {expected} {self.noun}"
        remedy = f"give {expected} numbers, or one for all layers" if expected > 1 else "give one"
        if self.grain == PER_UNIT:
            problem = f"has {found} numbers for {expected} units ({' + '.join(map(str, self._known_units()))})"
            remedy = "give one number, one per layer or one per unit"
        elif self.grain == FIRST_APART:
            problem, remedy = f"has {found} numbers", "give two, for the first layer and for the others, or one"
        elif self.grain == TIED:
            problem, remedy = "is more than one number", f"give one, or name {self.name} in per_unit"
        raise InputError(self.name, level, problem, remedy)

    def at(self, values: TensorVariable, place: int) -> TensorVariable:
        """The level at one of the places, from 0: a scalar, or [units]."""
        if self.grain == TIED:
            return values
        if self.grain == PER_UNIT:
            units = self._known_units()
            start = sum(units[:place])
            return values[start : start + units[place]]
        return values[min(place, 1) if self.grain == FIRST_APART else place]

    def parts(self, values: TensorVariable) -> list[TensorVariable]:
        """A tensor of the values' shape as one of each place, or of each that is tied; each [numbers]."""
        if self.grain == TIED:
            return [values]
        if self.grain == PER_UNIT:
            return [self.at(values, place) for place in range(len(self.numbers))]
        return [values[place : place + 1] for place in range(len(self.columns))]

    def last(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The level at the last place: a scalar, or [units]."""
        if self.grain == PER_UNIT:
            return values[-self._known_units()[-1] :]
        return values.reshape(-1)[-1]

    def row(self, values: npt.ArrayLike) -> dict[str, float]:
        """Numbers by `columns`; of those per unit the mean of each place."""
        array = np.asarray(values)
        if self.grain == PER_UNIT:
            ends = np.cumsum(self._known_units())[:-1]
            array = np.array([part.mean() for part in np.split(array, ends)])
        return dict(zip(self.columns, array.reshape(-1).tolist(), strict=True))

    def unit_row(self, values: npt.ArrayLike) -> dict[str, float]:
        """Numbers by `unit_columns`."""
        names = self.unit_columns
        return dict(zip(names, np.asarray(values).reshape(-1).tolist() if names else [], strict=True))

    def read(self, final: Mapping[str, float]) -> Level:
        """Where it ended, from the end of a run: a number where tied, else as many as there are."""
        if self.grain == TIED:
            return final[self.name]
        if self.grain == PER_UNIT:
            return tuple(final[column] for _, _, column in self._unit_places(final))
        return tuple(final[column] for column in self.columns)

    def incomplete(self, final: Mapping[str, float]) -> str:
        """What the end of a run lacks of it; nothing where all is there."""
        lacking = [column for column in self.columns if not math.isfinite(final[column])]
        if lacking:
            return f"its final {lacking[0]} is missing"
        return "" if self.has_units(final) else f"its final levels of {self.name} per unit are not whole"

    def has_units(self, final: Mapping[str, float]) -> bool:
        """Whether there is a level for each unit, counted from 0, of each of the places and of no other."""
        if self.grain != PER_UNIT:
            return True
        found = [(number, unit) for number, unit, _ in self._unit_places(final)]
        counts = {number: sum(at == number for at, _ in found) for number in self.numbers}
        whole = [(number, unit) for number, count in counts.items() for unit in range(count)]
        return min(counts.values()) >= 1 and found == whole

    def with_last(self, level: Level, initial: Level) -> tuple[Level, str]:
        """A level whose last place keeps what it has in `initial`, and the grain that this takes."""
        kept = initial if isinstance(initial, tuple) else (initial,)
        if self.grain == PER_UNIT:
            assert isinstance(level, tuple)
            last = self._known_units()[-1]
            tail = kept[-last:] if len(kept) == len(level) else kept[-1:] * last
            return (*level[:-last], *tail), self.grain
        places = len(self.numbers)
        if not isinstance(level, tuple):
            level = (level,) * places
        elif self.grain == FIRST_APART:
            level = (level[0], *level[1:] * (places - 1))
        return (*level[:-1], kept[-1]), PER_LAYER

    def with_units_of(self, final: Mapping[str, float]) -> "Levels":
        """The same in the network of a stored run."""
        if self.grain != PER_UNIT:
            return self
        at = [number for number, _, _ in self._unit_places(final)]
        return dataclasses.replace(self, units=tuple(at.count(number) for number in self.numbers))

    def _unit_places(self, final: Mapping[str, float]) -> list[tuple[int, int, str]]:
        matches = (re.fullmatch(rf"{self.name}_(\d+)_(\d+)", column) for column in final)
        return sorted((int(match[1]), int(match[2]), match[0]) for match in matches if match)

    def _known_units(self) -> tuple[int, ...]:
        assert self.units is not None, "the units of an unknown network"
        return self.units
