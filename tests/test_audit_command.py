"""`t1t2 audit` of a run that is sound: the table, no findings, exit code 0; and what it cannot do is told."""

import json

import pytest
from bilevel import Ridge

import t1t2_pt.cli.audit
from t1t2_pt.cli.main import main
from t1t2_pt.hypergradients import METHODS
from t1t2_pt.hypergradients.auditing import Audit
from t1t2_pt.hypergradients.connections import influences
from t1t2_pt.hypergradients.inner import inner
from t1t2_pt.hypergradients.reversible import reversed_exactly

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


@pytest.mark.slow  # likewise
def test_by_the_method_of_the_run(capsys):
    pytest.importorskip("jax")
    options = [*SMALL, *TUNED, "--method", "unrolled(steps=3)", "--optimizer", "sgd", "--learning-rate", "0.1"]
    assert main(["audit", *options, "--backend", "jax", "--json"]) == 0
    own, through, _ = json.loads(capsys.readouterr().out)["comparisons"]
    assert own["method"] == "unrolled(steps=3, optimizer=sgd, step_size=0.1)"
    assert through["method"] == "unrolled(steps=2, optimizer=sgd, step_size=0.1)"
    assert own["gradients"] != through["gradients"]


@pytest.mark.parametrize("text", METHODS)
def test_every_method_is_told_of_the_run(text, monkeypatch):
    """What is audited is the run's own method, with its optimiser and step size, and its logits."""
    given = []

    def audit(train_cost, *others, method, **options):
        given.append((method, train_cost))
        return Audit((), ())

    monkeypatch.setattr(t1t2_pt.cli.audit, "audit", audit)
    assert main(["audit", *SMALL, *TUNED, "--method", text, "--learning-rate", "0.02"]) == 0
    ((method, train_cost),) = given
    assert method.name == text
    if hasattr(method, "optimizer"):
        assert (method.optimizer, method.step_size, method.momentum) == ("adam", 0.02, 0.9)
    if hasattr(method, "outputs"):
        assert method.outputs in influences([train_cost])


def test_what_only_the_method_can_tell(monkeypatch, capsys):
    def audit(*graphs, method, **options):
        reversed_exactly(None, inner(Ridge().problem, method.optimizer, 0.1, 0.9), 2, None)

    monkeypatch.setattr(t1t2_pt.cli.audit, "audit", audit)
    assert main(["audit", *SMALL, *TUNED, "--method", "unrolled(storage=reversible)"]) == 2
    told = capsys.readouterr().err
    assert "method = 'unrolled(storage=reversible)': storage = 'reversible': goes back the updates of optimizer" in told
    assert "; give storage='checkpoints'" in told


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
