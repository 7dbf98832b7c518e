"""Whose program trained a run, and with how many others: its last bits depend on that.

They do not depend on which runs the others are, nor on its place among them, nor on the step sizes and levels of
the run that gave the program. So a run's provenance says what is needed to train it again bit for bit.
"""

import dataclasses
import json

from t1t2_pt.backends import Backend
from t1t2_pt.config import FIELDS, LOOP, OWN, RunConfig, replace
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.reruns import untuned
from t1t2_pt.system.errors import InputError

POPULATION, PROGRAM = "population", "program"  # names in the provenance

# Fields that programs differ by: their graphs', and the interval, for which they have room.
_FIELDS = [name for name in FIELDS if name == "interval" or name not in (*OWN, *LOOP, *HYPERPARAMETERS)]


@dataclasses.dataclass(frozen=True)
class Company:
    """A run's company.

    Parameters
    ----------
    template
        A run whose program trains it.
    size
        Runs in the population, copies counted.
    """

    template: RunConfig
    size: int


def company(group: Group, config: RunConfig, backend: Backend) -> dict[str, str]:
    """What the provenance of one of a group's runs says of its company."""
    own, theirs = config.canonical, group.template.canonical
    # An interval longer than this run can be that of a longer run only.
    fields = [*_FIELDS, "epochs"] if group.template.interval > config.steps else _FIELDS
    program = {name: getattr(theirs, name) for name in fields if getattr(theirs, name) != getattr(own, name)}
    return {POPULATION: str(group.size if backend.together else 1), PROGRAM: json.dumps(program)}


def company_of(run: StoredRun) -> Company | None:
    """A run's company as its provenance says; None where it does not, or says what cannot be."""
    try:
        size = int(run.provenance[POPULATION])
        program = json.loads(run.provenance[PROGRAM])
        template = replace(run.config.canonical, **program)
    except (KeyError, ValueError, TypeError, RecursionError, InputError):
        return None
    fits = run.config.graph() in (template.graph(), untuned(template).graph())
    return Company(template, size) if fits and 1 <= size <= 1 << 20 else None
