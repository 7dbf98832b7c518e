"""The comparison of the estimators with searches: what the page says follows from the stored numbers."""

import argparse
import json

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import estimator_data, estimator_tables, estimators


def results(errors=(0.1, 0.2), first=4.0):
    """Of two splits, on which ours takes 2 s, the grid search 3 s and the others 4 and 5 s."""
    splits = {
        str(seed): {
            one: {"seconds": 1.0, "cpu_seconds": 2.0 + place, "error": 0.1 if place else error, "loss": 0.1}
            for place, one in enumerate(estimator_tables.CONTENDERS)
        }
        for seed, error in enumerate(errors)
    }
    return {"iris": {"splits": splits, "first_fit": {"seconds": 9.0, "cpu_seconds": first}}}


@pytest.mark.parametrize(
    ("errors", "difference", "verdict"),
    [
        ((0.1, 0.2), "+0.0500 ± 0.0500", "holds"),
        ((0.2, 0.21), "+0.1050 ± 0.0050", "missed"),
        ((0.0, 0.1), "-0.0500 ± 0.0500", "holds"),
        ((0.3,), "+0.2000 ± nan", "one split"),
    ],
)
def test_differences_and_their_verdicts(errors, difference, verdict):
    lines = list(estimator_tables.table(results(errors)))
    rows = [line for line in lines if line.startswith("| iris")]
    assert len(rows) == 4
    assert rows[0].startswith(f"| iris | {len(errors)} | {np.mean(errors):.4f} | 0.1000 |")
    assert rows[1] == f"| iris | {' | '.join([difference] * 3)} | {verdict} |"


@pytest.mark.parametrize(("first", "ending"), [(4.0, "4.00 | 1.33 | holds |"), (6.0, "6.00 | 2.00 | missed |")])
def test_times_count_the_first_fit(first, ending):
    """Within 5 seconds, or a fifth of the grid search's."""
    (row,) = [line for line in estimator_tables.table(results(first=first)) if line.startswith("| iris | 2.00")]
    assert row.endswith(ending)


def test_what_is_not_complete_is_left_out():
    found = results()
    del found["iris"]["splits"]["1"]["grid search"]
    found["wine"] = {"splits": found["iris"]["splits"]}
    lines = list(estimator_tables.table(found))
    assert any(line.startswith("| iris | 1 |") for line in lines)
    assert not any("wine" in line for line in lines)


def test_it_goes_on_where_it_stopped(monkeypatch, tmp_path):
    done = []

    def run(name, seed, contender, data_dir, seconds):
        done.append((name, seed, contender, seconds))
        return {"seconds": 1.0, "cpu_seconds": 7.0, "error": 0.0}

    monkeypatch.setattr(estimators, "run", run)
    monkeypatch.setattr(estimators, "first_fit", lambda *arguments: {"seconds": 1.0, "cpu_seconds": 1.0})
    monkeypatch.setattr(estimators, "RESULTS", tmp_path / "found.json")
    given = argparse.Namespace(contenders="random search,grid search", again=False, data_dir=None)
    found: dict = {}
    estimators.compare(found, "iris", 0, given)
    assert done == [("iris", 0, "grid search", 0)]  # a random search has as long as ours took
    found = json.loads((tmp_path / "found.json").read_text())
    given.contenders = "T1T2,grid search,random search"
    estimators.compare(found, "iris", 0, given)
    assert done[1:] == [("iris", 0, "T1T2", 0), ("iris", 0, "random search", 7.0)]
    estimators.compare(found, "iris", 0, given)
    assert len(done) == 3


def test_splits():
    x, x_test, y, y_test = estimator_data.split("iris", 3)
    assert (len(x), len(x_test), np.bincount(y).tolist()) == (112, 38, [37, 38, 37])
    assert len(y_test) == 38
    x, x_test, y, y_test = estimator_data.split("MNIST, 5,000", 0)
    assert (x.shape, x_test.shape, len(y), len(y_test)) == ((5_000, 784), (10_000, 784), 5_000, 10_000)
    assert (x.min(), x.max()) == (0, 1)


@pytest.mark.skipif(not estimators.RESULTS.exists(), reason="has not been run")
def test_committed_page_is_what_the_numbers_give():
    found = json.loads(estimators.RESULTS.read_text())
    assert (ROOT / "docs" / "estimators.md").read_text() == "\n".join(estimator_tables.page(found))
