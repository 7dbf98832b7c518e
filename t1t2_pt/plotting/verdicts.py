"""What the report says first: the verdict on each claim, ours beside the paper's own points, and on what it rests."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from t1t2_pt.plotting.claims import VERDICTS

PUBLISHED, ANY = "published", "any"  # presets of claims that are of no preset's runs
COUNTS = ("epochs", "hyperparameter steps")

Row = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A verdict on one kind of data, the numbers behind it, and how many runs they are of."""

    verdict: str
    data: str
    ours: str
    count: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """A claim, and by preset what was found."""

    claim: str
    section: str
    findings: dict[str, list[Finding]]


def summaries(claims: Iterable[Row], presets: Sequence[str]) -> list[Summary]:
    """The rows of `claims.csv` by claim, in their order.

    Parameters
    ----------
    presets
        Of runs; what holds at any preset stands with the first.
    """
    found: dict[str, Summary] = {}
    for row in claims:
        summary = found.setdefault(row["claim"], Summary(row["claim"], row["section"], {}))
        preset = presets[0] if row["preset"] == ANY else row["preset"]
        finding = Finding(row["verdict"], row["data"], row["ours"], _count(row["runs"], row["clusters"]))
        summary.findings.setdefault(preset, []).append(finding)
    return list(found.values())


def tally(found: Iterable[Summary], preset: str) -> str:
    """How often each verdict was given at a preset, such as `holds: 7, undecided: 3`."""
    verdicts = [finding.verdict for summary in found for finding in summary.findings.get(preset, ())]
    return ", ".join(f"{verdict}: {verdicts.count(verdict)}" for verdict in VERDICTS if verdict in verdicts)


def evidence(preset: str, runs: Iterable[Row]) -> list[tuple[str, ...]]:
    """A row for each kind of data of a preset: what its tuned runs are, by what the pictures say of them."""
    by_data: dict[str, dict[str, Row]] = {}
    for run in runs:
        if all(run.get(name, "").isdigit() for name in COUNTS) and int(run[COUNTS[-1]]):
            by_data.setdefault(run["data"], {})[run["run"]] = run
    return [(preset, data, str(len(some)), *_spreads(list(some.values()))) for data, some in by_data.items()]


def _spreads(runs: Sequence[Row]) -> tuple[str, ...]:
    seeds = len({run["seed"] for run in runs})
    return str(seeds), *(_spread({int(run[name]) for run in runs}) for name in COUNTS)


def _spread(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _count(runs: str, clusters: str) -> str:
    """Such as `n = 30 in 5 clusters`; independent ones, and those of one cluster, come without."""
    return f"n = {runs}" + (f" in {clusters} clusters" if clusters not in ("", "0") else "")
