"""The comparison of the estimators with searches: what the page says follows from the stored numbers."""

import json

import pytest
from conftest import ROOT

from benchmarks import estimators

RESULTS = {
    "iris": {
        "splits": {
            str(seed): {
                one: {"seconds": 1.0 + place, "cpu_seconds": 2.0 + place, "error": error, "loss": 0.1}
                for place, one in enumerate(estimators.CONTENDERS)
            }
            for seed, error in enumerate((0.1, 0.2))
        },
        "cold": {"seconds": 6.0, "cpu_seconds": 4.0},
    }
}


def test_verdicts_follow_from_the_numbers():
    lines = list(estimators.table(RESULTS))
    rows = [line for line in lines if line.startswith("| iris")]
    assert len(rows) == 4
    assert rows[0].endswith("| +0.0000 ± 0.0000 | holds |")
    assert rows[2].endswith("| 4.00 | 1.33 | holds |")  # within 5 seconds
    assert rows[3].endswith("| 6.00 | 3.00 | missed |")
    assert all(line.count("|") == lines[0].count("|") for line in lines[:3])


@pytest.mark.skipif(not estimators.RESULTS.exists(), reason="has not been run")
def test_committed_page_is_what_the_numbers_give():
    results = json.loads(estimators.RESULTS.read_text())
    text = (ROOT / "docs" / "estimators.md").read_text()
    assert all(line in text for line in estimators.table(results))
