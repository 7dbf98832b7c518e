"""Which runs train together, and as whose program: a function of what is wanted alone.

What is in the store already, or how a sweep was stopped and started, does not change the groups, and so
changes no bit of any result. Runs with fixed hyperparameters train as the T1 step of a tuned run of the
same kind where there is one, which halves what has to be compiled.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.runs import untuned


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one structure that train as one population.

    Parameters
    ----------
    configs
        The runs.
    like
        The run whose program trains them.
    size
        Runs in the population; it is filled up with copies.
    """

    configs: tuple[RunConfig, ...]
    like: RunConfig
    size: int

    @property
    def steps(self) -> int:
        """Updates of all its runs."""
        return sum(config.steps for config in self.configs)


def data_key(config: RunConfig) -> tuple:
    """The fields that a run's split of its data depends on."""
    return config.dataset, config.t1_samples, config.t2_samples, config.split_seed


def tuned_programs(configs: Iterable[RunConfig]) -> dict[str, RunConfig]:
    """The first tuned run of each kind, by what its run without tuning is compiled as."""
    programs: dict[str, RunConfig] = {}
    for config in configs:
        if config.tune:
            programs.setdefault(untuned(config).graph(), config)
    return programs


def make_groups(
    configs: Sequence[RunConfig], programs: dict[str, RunConfig], together: Callable[[RunConfig], int]
) -> list[Group]:
    """All runs in groups, in the order in which the first of each structure is wanted.

    Parameters
    ----------
    configs
        Runs, each once.
    programs
        `tuned_programs`, which may know more runs than these.
    together
        How many runs like this one may train at once.
    """
    by_structure: dict[str, list[RunConfig]] = {}
    for config in configs:
        by_structure.setdefault(config.structure(), []).append(config)
    by_program: dict[tuple, list[tuple[RunConfig, ...]]] = {}
    program_of: dict[tuple, RunConfig] = {}
    for same in by_structure.values():
        like = same[0] if same[0].tune else programs.get(same[0].graph(), same[0])
        key = (like.graph(), like.interval if like.tune else 0)
        program_of.setdefault(key, like)
        by_program.setdefault(key, []).append(tuple(same))
    groups = []
    for key, structures in by_program.items():
        like = program_of[key]
        size = population_size([len(same) for same in structures], together(like))
        for same in structures:
            groups += [Group(same[start : start + size], like, size) for start in range(0, len(same), size)]
    return groups


def population_size(counts: Sequence[int], most: int) -> int:
    """One size for populations of so many runs of each structure: the one that needs fewest copies.

    A size below a third of the largest possible would leave much of what training together gains; of
    sizes that need as many copies the largest is taken.
    """
    largest = min(most, max(counts))
    sizes = range(math.ceil(largest / 3), largest + 1)
    return min(sizes, key=lambda size: (sum(math.ceil(count / size) * size for count in counts), -size))
