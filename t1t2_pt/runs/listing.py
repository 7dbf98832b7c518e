"""Stored runs without their histories: listed, chosen and sorted by what they are, ten thousand in a second.

A run whose digest is that of its config and whose history is JSON is taken as it stands; any other is read whole,
which tells what is wrong with it.
"""

import dataclasses
import difflib
import functools
import hashlib
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from t1t2_pt.runs.names import DIVERGED, FINISHED, names
from t1t2_pt.runs.store_file import Skip, StoreFile
from t1t2_pt.system.errors import InputError

OWN_NAMES = ("digest", "status", "finished", "backend", "data")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
FIELD = "--where"


@dataclasses.dataclass(frozen=True)
class Summary:
    """A stored run without its history; fields as of `StoredRun`, but plain values as JSON has them."""

    digest: str
    config: Mapping[str, Any]
    status: str
    final: Mapping[str, Any]
    provenance: Mapping[str, str]
    finished: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    def value(self, name: str) -> Any:
        """A field of its config, a number that it ended with, or one of `OWN_NAMES`; None where it has none."""
        if name == "data":
            return data_name(self)
        if name in OWN_NAMES:
            return self.provenance.get(name) if name == "backend" else getattr(self, name)
        known = names()
        if name in known.defaults:
            found = self.config.get(known.former.get(name, name), known.defaults[name])
            return tuple(found) if isinstance(found, list) else found
        return self.final.get(name)


def data_name(run: Summary) -> str:
    """What a run was trained on: the name of its data set, or of one's own file."""
    dataset = str(run.config["dataset"])
    return str(run.provenance["data"]).partition(",")[0] if dataset in names().own else dataset


def summaries(store: StoreFile, skip: Skip) -> list[Summary]:
    """All runs that can be read, the oldest first; `skip` is called with the error of each other."""
    found, damaged = [], store.damaged_histories()
    for row in store.without_histories():
        digest = row[0]
        run = _summary(*row) if digest not in damaged else None
        if run is None:  # damaged, or written in another way
            from t1t2_pt.runs.store import RunStore  # slow to import

            try:
                whole = RunStore(store.path).read(digest)
            except InputError as error:
                skip(error)
                continue
            values = {name: value for name, value in whole.as_dict().items() if name != "history"}
            run = Summary(**values)
        found.append(run)
    return found


def _summary(digest: Any, config: Any, status: Any, final: Any, provenance: Any, finished: Any) -> Summary | None:
    """A run whose parts fit together; None for any other."""
    try:
        finished.encode(), provenance.encode()
        values = json.loads(config)
        if not _names(digest, config, values) or status not in (FINISHED, DIVERGED):
            return None
        run = Summary(digest, values, status, json.loads(final), json.loads(provenance), finished)
        whole = status == DIVERGED or all(isinstance(run.final[name], float) for name in names().measured)
        texts = all(isinstance(text, str) for text in run.provenance.values())
        known = values.keys() <= _field_names() and {"backend", "data"} <= run.provenance.keys()
        return run if whole and texts and known and "epoch" in run.final else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _names(digest: str, config: str, values: Mapping[str, Any]) -> bool:
    """Whether a digest is that of a config, given as stored and as it was read."""
    compact = config.replace(", ", ",").replace(": ", ":")  # right unless a text in it has these signs
    for text in (lambda: f"[{names().digest_version},{compact}]", lambda: _canonical(values)):
        if hashlib.sha256(text().encode()).hexdigest() == digest:
            return True
    return False


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps([names().digest_version, values], sort_keys=True, separators=(",", ":"))


@functools.cache
def _field_names() -> frozenset[str]:
    return frozenset({*names().defaults, *names().former.values()})


@dataclasses.dataclass(frozen=True)
class Condition:
    """What is asked of a value: `dataset=mnist`, `tune=l2`, `test_error<0.05`."""

    name: str
    sign: str
    text: str

    def holds(self, run: Summary) -> bool:
        """Whether a run is so; what it does not have is only `none`, and unequal to all else."""
        found = run.value(self.name)
        if isinstance(found, tuple) and self.sign in ("=", "!="):
            wanted = () if self.text == "none" else tuple(self.text.split("+"))
            held = set(wanted) <= {*map(str, found)} if wanted else not found
            return held == (self.sign == "=")
        if self.text == "none" or found is None or isinstance(found, tuple):
            return (found is None and self.text == "none") == (self.sign == "=") and self.sign in ("=", "!=")
        if isinstance(found, bool):
            return COMPARISONS[self.sign](str(found).lower(), self.text.lower())
        if isinstance(found, int | float):
            return COMPARISONS[self.sign](float(found), _number(self))
        return COMPARISONS[self.sign](str(found), self.text)


def _number(condition: Condition) -> float:
    try:
        return float(condition.text)
    except ValueError:
        problem = f"compares {condition.name} with {condition.text!r}"
        raise InputError(FIELD, condition.name, problem, "give a number") from None


def read_conditions(texts: Iterable[str]) -> list[Condition]:
    """Conditions as written on the command line, separated by commas.

    Raises
    ------
    InputError
        Naming what is none.
    """
    found = []
    for text in (part.strip() for one in texts for part in one.split(",") if part.strip()):
        match = re.fullmatch(r"([\w.-]+?)\s*(!=|<=|>=|=|<|>)\s*(.*)", text)
        if match is None:
            raise InputError(FIELD, text, "is no condition", "give some such as dataset=mnist,tune=l2,test_error<0.05")
        found.append(Condition(match[1].replace("-", "_"), match[2], match[3]))
    return found


def chosen(
    runs: Sequence[Summary], conditions: Sequence[Condition], sort: str = "", reverse: bool = False
) -> list[Summary]:
    """Those that fulfil all conditions, in the order asked for: by when they finished, or by a value.

    Raises
    ------
    InputError
        For a name that no run has.
    """
    for field, name in [*((FIELD, condition.name) for condition in conditions), *([("--sort", sort)] if sort else [])]:
        check_name(field, name, runs)
    found = [run for run in runs if all(condition.holds(run) for condition in conditions)]
    if sort:
        found.sort(key=lambda run: _order(run.value(sort)))
    return found[::-1] if reverse else found


def check_name(field: str, name: str, runs: Sequence[Summary]) -> None:
    """Check that it names something that runs have.

    Raises
    ------
    InputError
        With what may have been meant.
    """
    known = {*names().defaults, *OWN_NAMES, *names().measured}
    if name in known or any(name in run.final for run in runs):
        return
    known |= {column for run in runs[-100:] for column in run.final}
    close = difflib.get_close_matches(name, sorted(known), n=1)
    remedy = f"did you mean {close[0]}?" if close else "give an option of `t1t2 train`, test_error or another column"
    raise InputError(field, name, "is nothing that runs have", remedy)


def _order(value: Any) -> tuple[int, Any]:
    """Numbers first, then texts; what is missing last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 2, ""
    if isinstance(value, int | float):
        return 0, float(value)
    return 1, str(value)
