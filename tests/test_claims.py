"""The registered claims: the file against what was registered, against the code, and how each rule decides."""

import hashlib
import json
import re
import tomllib

import claims
import pandas as pd
import pytest
from conftest import ROOT
from test_all_figures import TIMING, trained

from t1t2_pt.plotting.claims import (
    ELSEWHERE,
    FAILS,
    HOLDS,
    OPEN,
    RULES,
    VERDICTS,
    read_claims,
)
from t1t2_pt.plotting.statistics import Estimate, mean, share
from t1t2_pt.system.errors import InputError

REGISTERED = read_claims(claims.REGISTERED)
# What decides each claim, as registered. A changed entry shows here: claims are added, not changed.
DIGESTS = {
    "hypergradient-cost": "49e1ceec5971",
    "overhead": "8e7641b87a1b",
    "all-converge": "9c113aeaf1a3",
    "within-optimal-region": "32cdfd0005a6",
    "same-landscape": "213d881f5ae2",
    "none-poor": "d025047a25b2",
    "improves": "bb5385448e1f",
    "improves-poor": "9b0b846ee607",
    "forgets-start": "fb22817324d5",
    "excess-removed": "e44dc7cbe8ae",
    "one-percent": "300d592c4133",
    "hysteresis": "753cd9954b02",
    "rerun-better": "0366b23fb33f",
    "rerun-gain": "f6a58d783173",
    "validation-predicts": "ec7949b9a6b2",
    "prevents-overfitting": "ffabf9cb4db7",
    "higher-layers": "1f38c7782b61",
    "noise-rises-and-falls": "04f7ed20d6d8",
    "minima-differ": "7cb91db4aa0c",
    "step-size": "768cb21ba496",
    "interval-of-ten": "df1d9084fe30",
    "few-hyperparameters": "a7361a7aff9c",
}


def digest(entry):
    """Of all that a verdict depends on."""
    decisive = {name: entry.get(name) for name in ("claim", "quantity", "rule", "margin", "chosen", "presets")}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


@pytest.fixture(scope="module")
def rows():
    return claims.rows(trained("claims"), TIMING)


def test_nothing_registered_has_changed():
    content = tomllib.loads(claims.REGISTERED.read_text())
    assert {entry["name"]: digest(entry) for entry in content["claims"]} == DIGESTS


def test_file_and_code_name_the_same_claims():
    """Every claim of the file is made a row of, and the code knows no other."""
    code = "".join(path.read_text() for path in sorted((ROOT / "reproduce").glob("claims*.py")))
    named = set(re.findall(r'claims\["([a-z-]+)"\]', code)) | {
        name for of_columns in claims.claims_of_starts.CLAIMS.values() for name in of_columns
    }
    assert named == set(REGISTERED)


def test_rows_say_what_is_registered(rows):
    by_claim = {claim.claim: claim for claim in REGISTERED.values()}
    assert {row.claim for row in rows} == set(by_claim)
    order = [row.claim for row in rows]
    assert list(dict.fromkeys(order)) == list(by_claim)
    for row in rows:
        claim = by_claim[row.claim]
        assert (row.section, row.paper, row.statistic) == (claim.section, claim.paper, claim.quantity)
        assert row.rule.endswith(f"chosen: {claim.chosen}")
        for end in claim.margin:
            assert f"{end:g}" in row.rule
        if claim.presets and row.preset not in claim.presets:
            assert row.verdict == ELSEWHERE
        else:
            assert row.verdict == RULES[claim.rule].verdict(row.estimate, claim.margin)


def test_file_decides(rows, tmp_path, monkeypatch):
    """Another margin in the file is another verdict in the table."""
    text = claims.REGISTERED.read_text()
    entry = text.index('name = "interval-of-ten"')
    changed = text[:entry] + text[entry:].replace("margin = 0.2", "margin = 5", 1)
    (tmp_path / "claims.toml").write_text(changed)
    monkeypatch.setattr(claims, "REGISTERED", tmp_path / "claims.toml")
    name = REGISTERED["interval-of-ten"].claim
    verdicts = [{row.preset: row.verdict for row in some if row.claim == name} for some in (rows, claims_again())]
    assert verdicts == [{"quick": FAILS}, {"quick": HOLDS}]


def claims_again():
    return claims.rows(trained("claims"), TIMING)


def test_no_interval_is_a_point(rows):
    for row in rows:
        assert not row.estimate.low >= row.estimate.high, row
        for low, high in re.findall(r"\((-?[\d.]+) to (-?[\d.]+)%?\)", row.ours):
            assert low != high, row


def test_what_holds_has_an_interval_that_could_have_said_otherwise(rows):
    for row in rows:
        rule = row.rule.split(";")[0]
        if row.verdict == HOLDS and rule.startswith("interval"):
            margin = float(rule.split()[-1].lstrip("±"))
            assert row.estimate.count >= 3, row
            assert row.estimate.least_high < margin < row.estimate.greatest_low, row


def test_the_papers_points_go_through_the_same_rules(rows):
    published = {(row.claim, row.data): row for row in rows if row.preset == "published"}
    same = published[REGISTERED["hysteresis"].claim, "MNIST"]
    points = pd.read_csv(ROOT / "data" / "reference" / "mnist_test_vs_rerun.csv")
    expected = points["test_error_percent"].corr(points["rerun_error_percent"], method="spearman")
    assert same.estimate.value == pytest.approx(expected)
    assert (same.estimate.count, same.estimate.clusters) == (68, 9)
    assert same.within.startswith("M0 0.47, ")
    assert published[REGISTERED["all-converge"].claim, "MNIST, input and hidden noise"].estimate.count == 16


def verdict(rule, estimate, *margin):
    return RULES[rule].verdict(estimate, margin)


class TestRules:
    @pytest.mark.parametrize(("low", "high", "said"), [(0.5, 1, HOLDS), (-1, -0.5, FAILS), (-1, 1, OPEN)])
    def test_above_and_below(self, low, high, said):
        estimate = Estimate((low + high) / 2, low, high, 9)
        assert verdict("above", estimate, 0.0) == said
        assert verdict("below", estimate, 0.0) == {HOLDS: FAILS, FAILS: HOLDS, OPEN: OPEN}[said]

    def test_without_an_interval_nothing_is_decided(self):
        for rule in ("above", "below", "equivalent", "universal"):
            assert verdict(rule, Estimate(0.0), 0.5) == OPEN

    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [(-0.1, 0.1, HOLDS), (0.05, 0.15, HOLDS), (-0.1, 0.3, OPEN), (0.3, 0.4, FAILS), (-0.4, -0.3, FAILS)],
    )
    def test_equivalent(self, low, high, said):
        """A difference that is surely there may be too small to matter."""
        assert verdict("equivalent", Estimate((low + high) / 2, low, high, 9), 0.2) == said

    def test_no_difference_found_is_not_equivalence(self):
        """Few and noisy pairs do not show that two ways are as good as each other."""
        few = mean([-1.0, 1.2, -0.1])
        assert few.low < 0 < few.high
        assert verdict("equivalent", few, 0.2) == OPEN

    def test_one_counterexample_is_enough(self):
        assert verdict("universal", share([True] + [False] * 999), 0.1) == FAILS

    def test_few_without_a_counterexample_do_not_make_all(self):
        assert verdict("universal", share([False] * 35), 0.1) == OPEN
        assert verdict("universal", share([False] * 36), 0.1) == HOLDS

    def test_between_and_at_most(self):
        said = [verdict("between", Estimate(value), 2.5, 3.5) for value in (2, 3, 4)]
        assert said == ["cheaper here", HOLDS, "dearer here"]
        assert [verdict("at-most", Estimate(value), 20.0) for value in (20, 21)] == [HOLDS, FAILS]

    def test_every_verdict_is_known(self, rows):
        assert {row.verdict for row in rows} <= set(VERDICTS)


class TestDamagedFile:
    """One line names the file."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("\n[rules]\n", "\n[rules\n"),
            ('rule = "between"', 'rule = "about"'),
            ('name = "overhead"', 'name = "hypergradient-cost"'),
            ("margin = [2.5, 3.5]", "margin = 2.5"),
            ('chosen = "after seeing quick and laptop runs"', 'chosen = "later"'),
            ('because = "What rounds to 3."\n', ""),
            ('because = "What rounds to 3."', "because = 3"),
            ('above = "', 'over = "'),
        ],
    )
    def test_is_told(self, tmp_path, old, new):
        path = tmp_path / "claims.toml"
        text = claims.REGISTERED.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=r"claims\.toml': has no claims of ours .*restore it from version control"):
            read_claims(path)

    def test_that_is_missing(self, tmp_path):
        with pytest.raises(InputError, match="has no claims of ours"):
            read_claims(tmp_path / "claims.toml")
