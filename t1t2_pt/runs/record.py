"""A finished run, as it is stored, sent and read again.

What is read is checked as a whole first: whoever has a `StoredRun` finds in it all that a run of its config
measures. NaN and infinity are null in JSON.
"""

import dataclasses
import datetime
import math
from collections.abc import Mapping
from typing import Any

from t1t2_pt.backends import Backend
from t1t2_pt.config import FIELDS, RunConfig, run_config, with_today_names
from t1t2_pt.regularizers.levels import Level
from t1t2_pt.runs.migrations import is_early, migrated
from t1t2_pt.runs.names import DIVERGED, FINISHED
from t1t2_pt.runs.provenance import environment
from t1t2_pt.steps.columns import EVALUATION, first_columns
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.training.loop import History, Trained

LARGEST_WHOLE = 1 << 53  # whole numbers up to it are float64 too


class NotARunError(ValueError):
    """Values that are not those of a run, and why."""


class RefusedRunError(NotARunError):
    """Values of a run of an earlier version that could not be asked for any more."""


class NewerRunError(NotARunError):
    """Values of a run that a later version wrote."""


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A run as the store has it.

    Parameters
    ----------
    status
        `finished`, or `diverged` when a cost was not finite.
    final
        Last row of the history, every level per unit (`Levels.unit_columns`), and `diverged_at` for a diverged run.
    provenance
        What produced it: backend, versions, device, commit, data; why it `diverged`; where it was `resumed`.
    """

    config: RunConfig
    status: str
    final: dict[str, float]
    history: History
    provenance: dict[str, Any]
    finished: str

    @property
    def digest(self) -> str:
        return self.config.digest()

    def final_level(self, name: str) -> Level:
        """Where a hyperparameter ended: a number where tied, else one for each that it has."""
        return self.config.levels(name).read(self.final)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with null for what is not finite."""
        return {
            "digest": self.digest,
            "config": self.config.as_dict(),
            "status": self.status,
            "final": {name: to_json(value) for name, value in self.final.items()},
            "history": {name: [*map(to_json, column)] for name, column in self.history.items()},
            "provenance": self.provenance,
            "finished": self.finished,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StoredRun":
        """The inverse of `as_dict`.

        Raises
        ------
        NotARunError
            If the values are not those of a whole run.
        """
        try:
            return _read(values)
        except NotARunError:
            raise
        except KeyError as error:
            raise NotARunError(f"it has no {error.args[0]}") from None
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, InputError) as error:
            raise NotARunError(reason(error)) from None


def finished_run(trained: Trained, backend: Backend, data: str, **more: str) -> StoredRun:
    """Wrap a trained run with what produced it: backend and machine, its data, and what more there is to say."""
    final = dict(trained.final)
    data_and_more = {"data": data, **more}
    if trained.diverged_at is not None:
        final["diverged_at"] = float(trained.diverged_at)
        data_and_more["diverged"] = trained.reason
    return StoredRun(
        config=trained.config,
        status=FINISHED if trained.diverged_at is None else DIVERGED,
        final=final,
        history=trained.history,
        provenance={**environment(backend), **data_and_more},
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _read(values: Mapping[str, Any]) -> StoredRun:
    for name in ("config", "final", "history", "provenance"):
        if not isinstance(values[name], dict):
            raise NotARunError(f"its {name} is something else")
    later = [name for name in with_today_names(values["config"]) if name not in FIELDS]
    if later:
        raise NewerRunError(f"its field {later[0]!r} is not known to this version of t1t2_pt")
    early = is_early(values)
    values = migrated(values) if early else values
    try:
        config = run_config(**values["config"])
    except InputError as error:
        told = f"{error.field} = {error.value!r} {error.problem}"
        raise (RefusedRunError if early else NotARunError)(f"its config is refused: {told}") from None
    if not early and config.digest() != values["digest"]:
        raise NotARunError("its digest does not fit its config")
    final = dict(zip(values["final"], _numbers([*values["final"].values()]), strict=True))
    history = {name: _numbers(column) for name, column in values["history"].items()}
    run = StoredRun(config, values["status"], final, history, values["provenance"], values["finished"])
    _check_texts(run)
    _check_history(run)
    _check_final(run)
    return run


def _check_texts(run: StoredRun) -> None:
    if run.status not in (FINISHED, DIVERGED):
        raise NotARunError(f"its status is {run.status!r}")
    for name in ("backend", "data"):
        if name not in run.provenance:
            raise NotARunError(f"its provenance has no {name}")
    for text in (run.finished, *run.provenance, *run.provenance.values(), *run.history, *run.final):
        if not isinstance(text, str):
            raise NotARunError("a text in it is something else")
        text.encode()  # half of a surrogate pair is no text


def _check_history(run: StoredRun) -> None:
    for name in (*first_columns(run.config), *EVALUATION):
        if name not in run.history:
            raise NotARunError(f"its history has no {name}")
    epochs, rows = run.history["epoch"], len(run.history["epoch"])
    if any(len(column) != rows for column in run.history.values()):
        raise NotARunError("the columns of its history differ in length")
    whole = rows == run.config.epochs + 1 or (run.status == DIVERGED and 2 <= rows <= run.config.epochs)
    if epochs != [*range(rows)] or not whole:
        raise NotARunError(f"its history is not that of {run.config.epochs} epochs")


def _check_final(run: StoredRun) -> None:
    for name, column in run.history.items():
        if name not in run.final or not _same(run.final[name], column[-1]):
            raise NotARunError(f"its final {name} is not the last of its history")
    unmeasured = [name for name in EVALUATION if not math.isfinite(run.final[name])]
    if run.status == FINISHED and unmeasured:
        raise NotARunError(f"its final {unmeasured[0]} is missing")
    if (run.status == DIVERGED) != ("diverged_at" in run.final):
        raise NotARunError("its status and its final diverged_at disagree")
    for name in run.config.hyperparameters:
        lacking = run.config.levels(name).incomplete(run.final)
        if lacking and (run.status == FINISHED or not run.config.levels(name).has_units(run.final)):
            raise NotARunError(lacking)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def to_json(value: float) -> float | None:
    """A number as JSON has it: null where it is not finite."""
    return value if math.isfinite(value) else None


def _numbers(values: list[Any]) -> list[float]:
    kinds = {*map(type, values)} if isinstance(values, list) else {type(values)}
    if not kinds <= {float, int, type(None)}:
        raise NotARunError("a number in it is something else")
    if int in kinds and any(type(value) is int and abs(value) > LARGEST_WHOLE for value in values):
        raise NotARunError("a number in it is something else")
    return [math.nan if value is None else value for value in values]
