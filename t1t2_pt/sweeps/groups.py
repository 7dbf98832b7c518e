"""Which runs train together, and as whose program: a function of what is wanted alone.

What is in the store already, or how a sweep was stopped and started, does not change the groups, and so
changes no bit of any result. Runs with fixed hyperparameters train as the T1 step of a tuned run of the
same kind where there is one, which halves what has to be compiled.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from t1t2_pt.backends import Backend
from t1t2_pt.config import RunConfig
from t1t2_pt.sweeps.reruns import untuned

DataKey = tuple[str, int, int, int, str, str, str]  # see `data_key`


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one structure that train as one population.

    Parameters
    ----------
    configs
        The runs, as they were asked for together.
    template
        The run whose program trains them.
    size
        Runs in the population; it is filled up with copies.
    lacking
        Those of the runs that are to be trained: the store lacks them, or they are trained again.
    """

    configs: tuple[RunConfig, ...]
    template: RunConfig
    size: int
    lacking: tuple[RunConfig, ...]

    def at_once(self, backend: Backend) -> int:
        """Runs that train at once on each device."""
        return math.ceil(self.size / backend.devices()) if backend.together else 1


def data_key(config: RunConfig) -> DataKey:
    """The fields that a run's split of its data depends on, as `load_split` takes them."""
    preparation = config.preprocessing, config.contrast, config.t2_from
    return config.dataset, config.t1_samples, config.t2_samples, config.split_seed, *preparation


def programs_of(configs: Iterable[RunConfig]) -> dict[str, RunConfig]:
    """The run whose program each kind of run takes, by `RunConfig.graph`.

    Of tuned runs of one kind it is the one with the smallest interval, whose program has place for the
    batches of all. Fixed runs take the program of the first tuned ones that are like them.
    """
    tuned: dict[str, RunConfig] = {}
    for config in configs:
        if config.tune:
            kind = config.graph()
            tuned[kind] = min(tuned.get(kind, config), config, key=lambda one: one.interval)
    fixed: dict[str, RunConfig] = {}
    for config in tuned.values():
        fixed.setdefault(untuned(config).graph(), config)
    return fixed | tuned


def make_groups(
    configs: Sequence[RunConfig], programs: dict[str, RunConfig], together: Callable[[RunConfig], int]
) -> list[Group]:
    """All runs in groups, the first of each program one step before the second of the program before it.

    So one program is made while another is used, and few are in use at a time.

    Parameters
    ----------
    configs
        Runs, each once.
    programs
        `programs_of` these runs and perhaps more.
    together
        How many runs like this one may train at once.
    """
    by_structure: dict[str, list[RunConfig]] = {}
    for config in configs:
        by_structure.setdefault(config.structure(), []).append(config)
    by_program: dict[str, list[tuple[RunConfig, ...]]] = {}
    program_of: dict[str, RunConfig] = {}
    for same in by_structure.values():
        template = programs.get(same[0].graph(), same[0])
        by_program.setdefault(template.graph(), []).append(tuple(same))
        program_of.setdefault(template.graph(), template)
    placed = []
    for number, (key, structures) in enumerate(by_program.items()):
        template = program_of[key]
        size = population_size([len(same) for same in structures], together(template))
        parts = (same[start : start + size] for same in structures for start in range(0, len(same), size))
        placed += [((number + turn, -number), Group(part, template, size, part)) for turn, part in enumerate(parts)]
    return [group for _, group in sorted(placed, key=lambda item: item[0])]


def population_size(counts: Sequence[int], most: int) -> int:
    """One size for populations of so many runs of each structure: the one that needs fewest copies.

    A size below a third of the largest possible would leave much of what training together gains; of
    sizes that need as many copies the largest is taken.
    """
    largest = min(most, max(counts))
    sizes = range(max(math.ceil(largest / 3), min(2, largest)), largest + 1)
    return min(sizes, key=lambda size: (sum(math.ceil(count / size) * size for count in counts), -size))
