"""A statement of the paper held against runs: what is asked, by which rule it is decided, and how sure that is.

Texts, quantities, rules and margins come from a file that was written before the runs they decide on.
"""

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from t1t2_pt.plotting.statistics import Estimate
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import read_file

HOLDS, FAILS, OPEN, ELSEWHERE = "holds", "does not hold", "undecided", "not at this scale"
CHEAPER, DEARER = "cheaper here", "dearer here"
VERDICTS = (HOLDS, FAILS, OPEN, ELSEWHERE, CHEAPER, DEARER)
CHOSEN = ("after seeing quick and laptop runs", "before any run that it judges", "the paper's own")
LARGEST = 1_000_000  # bytes

Margin = tuple[float, ...]


def _above(estimate: Estimate, margin: Margin) -> str:
    return _decided(estimate.above(margin[0]))


def _below(estimate: Estimate, margin: Margin) -> str:
    return _decided(estimate.below(margin[0]))


def _equivalent(estimate: Estimate, margin: Margin) -> str:
    if -margin[0] < estimate.low and estimate.high < margin[0]:
        return HOLDS
    return FAILS if estimate.low > margin[0] or estimate.high < -margin[0] else OPEN


def _universal(estimate: Estimate, margin: Margin) -> str:
    if estimate.value > 0:
        return FAILS
    return HOLDS if estimate.high < margin[0] else OPEN


def _between(estimate: Estimate, margin: Margin) -> str:
    return CHEAPER if estimate.value < margin[0] else HOLDS if estimate.value < margin[1] else DEARER


def _at_most(estimate: Estimate, margin: Margin) -> str:
    return HOLDS if estimate.value <= margin[0] else FAILS


def _decided(outcome: bool | None) -> str:
    return OPEN if outcome is None else HOLDS if outcome else FAILS


@dataclasses.dataclass(frozen=True)
class Rule:
    """How an estimate and a margin give a verdict, and how that is said in a few words."""

    verdict: Callable[[Estimate, Margin], str]
    words: str


RULES = {
    "above": Rule(_above, "interval above {}"),
    "below": Rule(_below, "interval below {}"),
    "equivalent": Rule(_equivalent, "interval within ±{}"),
    "universal": Rule(_universal, "no counterexample, and their share surely below {}"),
    "between": Rule(_between, "from {} to {}"),
    "at-most": Rule(_at_most, "at most {}"),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A claim at one preset, on one kind of data.

    Parameters
    ----------
    claim, section, paper
        What is claimed, where, and what the paper says.
    preset, data
        Whose runs ours is from; the preset `published`: the points that the paper's authors published.
    ours
        Our number, in words.
    estimate
        The statistic with its interval.
    statistic
        What it is a statistic of.
    verdict
        One of `VERDICTS`.
    rule
        How the verdict follows, and when that was chosen.
    within
        The statistic within each setup, in words; empty where there is one.
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
    rule: str
    within: str

    def as_dict(self) -> dict:
        """A row of the table, with NaN for an empty text, as a table that was written and read has it."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        estimate = values.pop("estimate")
        numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        values["within"] = self.within or math.nan
        return {**values, **numbers, "runs": estimate.count, "clusters": estimate.clusters}


@dataclasses.dataclass(frozen=True)
class Claim:
    """An entry of the file; its fields are explained there."""

    name: str
    claim: str
    section: str
    paper: str
    quantity: str
    rule: str
    margin: Margin
    because: str
    chosen: str
    presets: tuple[str, ...] = ()

    def row(self, estimate: Estimate, ours: str, *, preset: str, data: str, within: str = "") -> Row:
        """What the estimate, from runs of a preset on some data, says of the claim."""
        rule = RULES[self.rule]
        judged = not self.presets or preset in self.presets
        return Row(
            claim=self.claim,
            section=self.section,
            paper=self.paper,
            preset=preset,
            data=data,
            ours=ours,
            estimate=estimate,
            statistic=self.quantity,
            verdict=rule.verdict(estimate, self.margin) if judged else ELSEWHERE,
            rule=f"{rule.words.format(*(f'{end:g}' for end in self.margin))}; chosen: {self.chosen}",
            within=within,
        )


def read_claims(path: Path) -> dict[str, Claim]:
    """The registered claims by name, in the order of the file.

    Raises
    ------
    InputError
        Naming the file, if it cannot be read or an entry is not what it must be.
    """
    try:
        content = tomllib.loads(read_file(path, LARGEST).decode())
        if set(content["rules"]) != set(RULES):
            raise ValueError(f"its rules are not {', '.join(RULES)}")
        claims = {entry["name"]: _claim(entry) for entry in content["claims"]}
        if len(claims) < len(content["claims"]):
            raise ValueError("two claims have one name")
    except Exception as error:  # whatever a file of something else leads to
        remedy = "restore it from version control"
        raise InputError("file", str(path), f"has no claims of ours ({reason(error)})", remedy) from None
    return claims


def _claim(entry: Mapping) -> Claim:
    margin = entry["margin"]
    claim = Claim(
        **{
            **entry,
            "margin": tuple(margin) if isinstance(margin, list) else (margin,),
            "presets": tuple(entry.get("presets", ())),
        }
    )
    for field in ("name", "claim", "section", "paper", "quantity", "rule", "because", "chosen"):
        if not (isinstance(getattr(claim, field), str) and getattr(claim, field)):
            raise ValueError(f"{claim.name}: no text {field}")
    if claim.rule not in RULES or claim.chosen not in CHOSEN:
        raise ValueError(f"{claim.name}: rule {claim.rule}, chosen {claim.chosen}")
    if len(claim.margin) != RULES[claim.rule].words.count("{}"):
        raise ValueError(f"{claim.name}: margin {claim.margin}")
    return claim


def words(estimate: Estimate, unit: str = "", show: Callable[[float], str] = "{:.2f}".format) -> str:
    """An estimate with its interval, such as `0.71 (0.50 to 0.84)`."""
    text = f"{show(estimate.value)}{unit}"
    return text if estimate.low != estimate.low else f"{text} ({show(estimate.low)} to {show(estimate.high)})"


def share_words(estimate: Estimate) -> str:
    """A share and its interval in percent, such as `73% of 30 (48 to 90%)`."""
    text = f"{100 * estimate.value:.0f}% of {estimate.count}"
    return text if estimate.low != estimate.low else f"{text} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f}%)"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table for a README."""
    lines = ["| claim | section | the paper | preset, data | ours | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.claim} | {row.section} | {row.paper} | {row.preset}, {row.data} | {row.ours} | {row.verdict} |"
        for row in rows
    ]
    return "\n".join(lines)
