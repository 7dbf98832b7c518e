"""A statement of the paper held against runs: what is asked, what is found, and how sure that is."""

import dataclasses
from collections.abc import Callable, Sequence

from t1t2_pt.plotting.statistics import Estimate

HOLDS, FAILS, OPEN, ELSEWHERE = "holds", "does not hold", "undecided", "not at this scale"


@dataclasses.dataclass(frozen=True)
class Row:
    """A claim at one preset, on one kind of data.

    Parameters
    ----------
    claim, section, paper
        What is claimed, where, and the paper's own number or statement.
    preset, data
        Whose runs ours is from.
    ours
        Our number, in words.
    estimate
        The statistic with its interval.
    statistic
        What it is a statistic of.
    verdict
        `HOLDS`, `FAILS`, `OPEN` (the interval does not decide) or `ELSEWHERE` (nothing at this scale could).
    """

    claim: str
    section: str
    paper: str
    preset: str
    data: str
    ours: str
    estimate: Estimate
    statistic: str
    verdict: str

    def as_dict(self) -> dict:
        """A row of the table."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        estimate = values.pop("estimate")
        return {**values, "value": estimate.value, "low": estimate.low, "high": estimate.high, "runs": estimate.count}


def decide(outcome: bool | None) -> str:
    """The verdict on a comparison that may be undecided."""
    return OPEN if outcome is None else HOLDS if outcome else FAILS


def words(estimate: Estimate, unit: str = "", show: Callable[[float], str] = "{:.2f}".format) -> str:
    """An estimate with its interval, such as `0.71 (0.50 to 0.84)`."""
    text = f"{show(estimate.value)}{unit}"
    return text if estimate.low != estimate.low else f"{text} ({show(estimate.low)} to {show(estimate.high)})"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table for a README."""
    lines = ["| claim | section | the paper | preset, data | ours | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.claim} | {row.section} | {row.paper} | {row.preset}, {row.data} | {row.ours} | {row.verdict} |"
        for row in rows
    ]
    return "\n".join(lines)
