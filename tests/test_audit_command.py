"""`t1t2 audit` of a run that is sound: the table, no findings, exit code 0; and what it cannot do is told."""

import json

import pytest

from t1t2_pt.cli.main import main

SMALL = ["--hidden", "6,5", "--t1", "60", "--t2", "30", "--batch-size", "10", "--epochs", "2", "--interval", "2"]
TUNED = ["--input-noise", "0.5", "--l2", "0.001", "--tune", "input_noise,l2", "--steps", "2"]


@pytest.mark.slow  # compiles for half a minute
def test_a_run(capsys):
    pytest.importorskip("jax")
    assert main(["audit", *SMALL, *TUNED, "--backend", "jax", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    own, through, exact = found["comparisons"]
    assert own["cosine"] == pytest.approx(1)
    assert (own["backpropagations"], through["backpropagations"]) == (4, 7)
    assert exact["method"] == "implicit(iterations=50)"
    assert len(own["gradients"]) == 2


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (SMALL, "tune = (): names nothing to audit; give --tune, such as --tune input_noise"),
        ([*SMALL, *TUNED, "--steps", "0"], "--steps = 0: is no number of updates; give at least 1"),
    ],
)
def test_wrong_options(capsys, options, line):
    assert main(["audit", *options]) == 2
    assert line in capsys.readouterr().err
