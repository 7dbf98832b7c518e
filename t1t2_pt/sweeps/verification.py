"""Are stored runs what this code computes? They are trained again and compared.

Where nothing that rounding depends on differs from what a run's provenance says, all its numbers must be the same to
the last bit. Elsewhere two computations of one run drift apart, as rounding errors grow with every update: then its
beginning is compared, within `TOLERANCES`.
"""

import collections
import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from t1t2_pt.backends import BACKENDS, VARIANTS, Backend, get_backend
from t1t2_pt.config import ALGORITHM
from t1t2_pt.datasets import OWN_SOURCES
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.provenance import CODE_NAME, NOT_ARITHMETIC, UNKNOWN, environment
from t1t2_pt.runs.record import StoredRun, finished_run
from t1t2_pt.steps.evaluation import SETS
from t1t2_pt.sweeps.company import Company, company_of
from t1t2_pt.sweeps.groups import Group, data_key
from t1t2_pt.sweeps.work import Splits, check_memory
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import StopAskedError
from t1t2_pt.training.loop import History, train
from t1t2_pt.training.snapshots import Snapshot

EARLY = 100  # updates: the epochs within them are compared where bits may differ, at least one
TIME = "seconds"

# Largest distance within the beginning, absolute and relative to what is stored, by how a column's name begins or
# ends. Of 196 runs whose code rounded otherwise all were within these at 200 updates, most within a tenth.
TOLERANCES = {
    "learning_rate": (0.0, 1e-4),
    "cost": (0.01, 0.1),
    "error": (0.03, 0.1),
    "penalty": (1e-3, 0.2),
    **{name: one.margin for name, one in HYPERPARAMETERS.items()},
    "epoch": (0.0, 0.0),
}
OF_OTHERS = (1e-3, 0.2)
END = (0.03, 0.25)  # of a whole run's final errors, where code is other
UNCOMPARED = "repaired"  # counts of what was not finite


@dataclasses.dataclass(frozen=True)
class Check:
    """A stored run, and what it has to be like when it is trained again.

    Parameters
    ----------
    backend
        Trains it.
    company
        Whose program trains it, in a population of which size.
    differing
        What here is not as its provenance says, so that bits may differ: none, and none may.
    """

    run: StoredRun
    backend: Backend
    company: Company
    differing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of a check.

    Parameters
    ----------
    exact
        Whether all numbers are the same to the last bit.
    problem
        What is not as it should be; empty: the run is what this code computes.
    trained
        Whether it could be trained here at all.
    """

    check: Check
    exact: bool
    problem: str = ""
    trained: bool = True


def sample(runs: Sequence[StoredRun], number: int) -> list[StoredRun]:
    """So many of these runs, of as many kinds as there are, the same ones every time."""
    kinds: dict[str, list[StoredRun]] = collections.defaultdict(list)
    for run in sorted(runs, key=lambda run: run.digest):
        kinds[run.config.structure()].append(run)
    turns = itertools.zip_longest(*kinds.values())
    return [run for turn in turns for run in turn if run is not None][:number]


def check_of(run: StoredRun, backend: Backend | None = None) -> Check:
    """How a run is checked on a backend, or on the one that trained it where that is here."""
    backend = backend or _its_backend(run)
    here = environment(backend)
    recorded = {name: run.provenance.get(name, "not recorded") for name in here if name not in NOT_ARITHMETIC}
    same = {name for name in recorded if recorded[name] == here[name] != UNKNOWN}
    differing = [f"{name} was {recorded[name]} and is {here[name]}" for name in recorded if name not in same]
    company = company_of(run)
    if company is None:
        differing.append("its company was not recorded")
    if "resumed" in run.provenance:
        differing.append("it was resumed in another environment")
    return Check(run, backend, company or Company(run.config.canonical, 1), tuple(differing))


def _its_backend(run: StoredRun) -> Backend:
    known = {**BACKENDS, **VARIANTS}.get(run.provenance["backend"])
    return known if known is not None and known.missing() is None else get_backend()


def verify(checks: Iterable[Check], splits: Splits, advance: Callable[[int], None]) -> Iterator[Verdict]:
    """Train runs again, those of one company together, and compare.

    Parameters
    ----------
    advance
        Called with the number of updates that were done or were not needed.
    """
    together = collections.defaultdict(list)
    for check in checks:
        company, config = check.company, check.run.config
        key = check.backend.name, config.structure(), company.template.graph(), company.template.interval, company.size
        together[(*key, bool(check.differing))].append(check)
    for same in together.values():
        for batch in itertools.batched(same, same[0].company.size):
            try:
                yield from _verify(batch, splits, advance)
            except InputError as error:
                advance(sum(check.run.config.steps for check in batch))
                problem = f"cannot be trained here: {error}"
                yield from (Verdict(check, exact=False, problem=problem, trained=False) for check in batch)


def _verify(checks: Sequence[Check], splits: Splits, advance: Callable[[int], None]) -> Iterator[Verdict]:
    """Train and compare runs that train together."""
    first = checks[0]
    configs = [check.run.config for check in checks]
    config, backend, company = configs[0], first.backend, first.company
    if config.algorithm != ALGORITHM:
        problem = f"is of algorithm {config.algorithm}, where this code is {ALGORITHM}"
        raise InputError("algorithm", config.algorithm, problem, "verify it with the version that trained it")
    _check_data(first.run, splits)
    split = splits.get(*data_key(config))
    check_memory(Group(tuple(configs), company.template, company.size, tuple(configs)), split, backend)
    last = early_epochs(first.run) if first.differing else config.epochs
    steps = config.steps_per_epoch * len(configs)
    rows: list[History] = []

    def after_epoch(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        advance(steps)
        if epoch == last < config.epochs:
            advance(steps * (config.epochs - last))
            histories = snapshot().histories
            rows.extend(histories.of_run(run) for run in range(len(configs)))
            raise StopAskedError

    try:
        trained = train(configs, split, backend, after_epoch, template=company.template, size=company.size)
    except StopAskedError:
        yield from (Verdict(check, False, _early(check.run, row)) for check, row in zip(checks, rows, strict=True))
        return
    for check, one in zip(checks, trained, strict=True):
        # As it would be stored, where infinity and NaN are one.
        yield _verdict(check, StoredRun.from_dict(finished_run(one, backend, split.provenance).as_dict()))


def _check_data(run: StoredRun, splits: Splits) -> None:
    """Check that a run's data are here.

    Raises
    ------
    InputError
        If they are others or absent.
    """
    config = run.config
    try:
        here = splits.fingerprint(config.dataset, fetch=False)
    except InputError:
        if config.dataset not in OWN_SOURCES:
            raise
        here = "of another kind"
    if config.data == here:
        return
    if config.dataset in OWN_SOURCES:
        name = run.provenance["data"].partition(",")[0]
        problem = f"is data of somebody's own, {name}" + (", and not what --data has" if here else "")
        raise InputError("data", config.data, problem, "name its file by --data, with the options of its training")
    problem = f"is not the content of {config.dataset} here" if here else f"is of {config.dataset}, which is absent"
    raise InputError("data", config.data, problem, "name the folder of its data by --data-dir")


def _verdict(check: Check, again: StoredRun) -> Verdict:
    difference = _difference(check.run, again)
    if not difference:
        return Verdict(check, exact=True)
    code, here = check.run.provenance.get(CODE_NAME), again.provenance[CODE_NAME]
    if check.differing:
        return Verdict(check, exact=False, problem=_early(check.run, again.history))
    if code != here:  # with other code rounding may be other
        differing = (f"code was {code} and is {here}",)
        problem = _early(check.run, again.history) or _ended_elsewhere(check.run, again)
        return Verdict(dataclasses.replace(check, differing=differing), False, problem)
    return Verdict(check, exact=False, problem=difference)


def _ended_elsewhere(stored: StoredRun, again: StoredRun) -> str:
    """How a whole run ended otherwise than rounding lets it; nothing where it did not."""
    if stored.status != again.status:
        return f"was {stored.status} and is {again.status}"
    for name in (f"{part}_error" for part in SETS):
        old, new = stored.final[name], again.final[name]
        if abs(old - new) > END[0] + END[1] * old:
            return f"final {name} was {old:.6g} and is {new:.6g}"
    return ""


def early_epochs(run: StoredRun) -> int:
    """How many epochs of a run are compared where bits may differ."""
    return min(run.config.epochs, max(1, EARLY // run.config.steps_per_epoch))


def _difference(stored: StoredRun, again: StoredRun) -> str:
    """The first number that is not the same to the last bit, and what it is; nothing where all are."""
    a, b = (_exactly(run.history) for run in (stored, again))
    for epoch in range(max(map(len, (stored.history["epoch"], again.history["epoch"])))):
        for name in a | b:
            old, new = (column.get(name, ())[epoch : epoch + 1] for column in (a, b))
            if old != new:
                return f"{name} of epoch {epoch} was {_shown(old)} and is {_shown(new)}"
    last, now = (json.dumps({**run.final, TIME: 0}, sort_keys=True) for run in (stored, again))
    return "" if (last, stored.status) == (now, again.status) else "how it ended is other"


def _exactly(history: History) -> dict[str, list[bytes]]:
    return {name: [np.float64(value).tobytes() for value in column] for name, column in history.items() if name != TIME}


def _shown(value: Sequence[bytes]) -> str:
    return f"{np.frombuffer(value[0])[0]:.9g}" if value else "not measured"


def _early(run: StoredRun, again: History) -> str:
    """The first number of a run's beginning that is beyond its tolerance; nothing where all are within."""
    for epoch in range(early_epochs(run) + 1):
        for name, column in run.history.items():
            if name == TIME or name.startswith(UNCOMPARED) or epoch >= len(column):
                continue
            old = column[epoch]
            new = again[name][epoch] if name in again and epoch < len(again[name]) else math.nan
            absolute, relative = tolerance(name)
            within = abs(old - new) <= absolute + relative * abs(old) or (math.isnan(old) and math.isnan(new))
            if not within and old != new:
                return f"{name} of epoch {epoch} was {old:.6g} and is {new:.6g}"
    return ""


def tolerance(column: str) -> tuple[float, float]:
    """How far a number of a run's beginning may be from what is stored, absolute and relative."""
    known = (found for part, found in TOLERANCES.items() if column.endswith(part) or column.startswith(part))
    return next(known, OF_OTHERS)
