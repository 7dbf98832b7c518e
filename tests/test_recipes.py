"""Each recipe of CONTRIBUTING.md is the whole change: put in its place, all that follows from it is there."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, grouped
from recipes import GUIDE, RECIPES, copy, python
from test_places import write_mnist

from t1t2_pt.config import run_config

REGULARIZERS = "t1t2_pt/regularizers"
PLACES = {
    "l3": f"{REGULARIZERS}/l3.py",
    "laplace_noise": f"{REGULARIZERS}/laplace_noise.py",
    "lion": "t1t2_pt/optimizers/rules.py",
    "smoothed": "t1t2_pt/hypergradients/methods/smoothed.py",
    "kmnist": "t1t2_pt/datasets/kmnist.py",
    "tiny": "reproduce/tiny.py",  # drawn by `test_discovery.py`
    "python": "t1t2_pt/backends/python.py",
}
SMALL = ["--hidden", "6,5", "--t1", 60, "--t2", 30, "--batch-size", 10, "--epochs", 2, "--interval", 2]
ONE_STEP = [
    "--hidden",
    6,
    "--t1",
    20,
    "--t2",
    20,
    "--batch-size",
    20,
    "--epochs",
    1,
    "--interval",
    1,
    "--optimizer",
    "sgd",
    "--learning-rate",
    0.1,
]


@pytest.fixture
def package(request, tmp_path):
    """A copy of the package with the recipe of the test's class, or of its parameter."""
    return copy(tmp_path, PLACES[getattr(request, "param", None) or request.cls.recipe])


def train(package, *options):
    """What `t1t2 train --json` says of a run."""
    command = ("-m", "t1t2_pt.cli", "train", "--store", package / "runs.sqlite", "--quiet", "--json", *options)
    done = python(package, *command)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(package, *options):
    """The line in which `t1t2 train` refuses."""
    done = python(package, "-m", "t1t2_pt.cli", "train", *options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


def run(package, code, *arguments):
    """What a program prints as JSON."""
    done = python(package, "-W", "error", "-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_same_run(one, other, rel=1e-4):
    for name, number in one["final"].items():
        if name != "seconds":
            assert number == pytest.approx(other["final"][name], rel=rel, abs=1e-6), name


def test_the_guide_has_these_recipes():
    assert sorted(RECIPES) == sorted(PLACES.values())
    assert GUIDE.count("```python") == len(RECIPES)
    for place in {*RECIPES} - {PLACES["lion"]}:
        assert not (ROOT / place).exists(), place


def test_recipes_have_the_style_of_the_code(tmp_path):
    package = copy(tmp_path, *(place for place in RECIPES if place.startswith("t1t2_pt/")))
    (package / "reproduce").mkdir()
    (package / PLACES["tiny"]).write_text(RECIPES[PLACES["tiny"]])
    (package / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *RECIPES], cwd=package, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


FOLLOWS = """
import io, json, sys
from contextlib import redirect_stdout, suppress
from t1t2_pt.cli.main import parser
from t1t2_pt.config import run_config
from t1t2_pt.plotting.style import LABELS
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.reruns import rerun_config

help, name = io.StringIO(), sys.argv[1]
with redirect_stdout(help), suppress(SystemExit):
    parser().parse_args(["train", "--help"])
(stored,) = RunStore("runs.sqlite").all()
rerun = rerun_config(stored)
facts = {"help": " ".join(help.getvalue().split()), "label": LABELS[name], "log": LABELS["log10_" + name]}
facts |= {"rerun": getattr(rerun, name), "tune": rerun.tune, "per_unit": rerun.per_unit}
print(json.dumps({**facts, "digest": run_config(hidden=(7,), input_noise=0.5, tune=("input_noise",)).digest()}))
"""


class TestPenalty:
    recipe = "l3"

    def test_follows(self, package):
        stored = train(package, *SMALL, "--l3", 1e-3, "--tune", "l3", "--per-unit", "l3")
        columns = [f"l3_{layer}" for layer in range(3)]
        for name in columns:
            assert stored["history"][name][0] == pytest.approx(1e-3)
            assert stored["history"][name][-1] != stored["history"][name][0]
        assert "l3/learning_rate" in stored["history"]
        assert sum(re.fullmatch(r"l3_\d_\d", name) is not None for name in stored["final"]) == 6 + 5 + 10

        facts = run(package, FOLLOWS, "l3")
        assert "--l3 X|X,Y,.. strength of the L3 penalty, l3 * sum(|W|**3), on each weight matrix" in facts["help"]
        assert "--l3-learning-rate X step size of the L3 hyperparameters (default: 0.0001)" in facts["help"]
        assert facts["label"] == "$l_3$, strength of the L3 penalty"
        assert facts["log"] == r"$\log_{10}\,l_3$, strength of the L3 penalty"
        assert (facts["tune"], facts["per_unit"]) == ([], ["l3"])
        units = [name for layer in range(3) for name in stored["final"] if name.startswith(f"l3_{layer}_")]
        assert facts["rerun"] == [stored["final"][name] for name in units]
        # Runs that do not have it are called what they were called before.
        assert facts["digest"] == run_config(hidden=(7,), input_noise=0.5, tune=("input_noise",)).digest()


@pytest.mark.slow
class TestNoise:
    recipe = "laplace_noise"

    LAW = """
import json
import numpy as np, pytensor.tensor as pt
from t1t2_pt.regularizers import REGULARIZERS

drawn = np.linspace(0.01, 0.99, 8)[None]
noise = REGULARIZERS["hidden_laplace_noise"]
h = noise.perturb(pt.zeros((1, 8)), pt.constant(drawn), pt.constant(0.5)).eval()
print(json.dumps([h.ravel().tolist(), REGULARIZERS["input_laplace_noise"].draws]))
"""

    def test_follows(self, package):
        stats = pytest.importorskip("scipy.stats")
        found, law = run(package, self.LAW)
        assert law == "uniform"
        expected = stats.laplace(scale=0.5 / np.sqrt(2)).ppf(np.linspace(0.01, 0.99, 8))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)

        given = ["--input-laplace-noise", 0.3, "--hidden-laplace-noise", "0.3,0.2"]
        names = "input_laplace_noise,hidden_laplace_noise"
        stored = train(package, *SMALL, *given, "--tune", names, "--noise-before-softmax", "fixed")
        for name in ("input_laplace_noise", "hidden_laplace_noise_1"):
            assert stored["history"][name][-1] != stored["history"][name][0]
        facts = run(package, FOLLOWS, "hidden_laplace_noise")
        assert "--hidden-laplace-noise X|X,Y,.. standard deviation of Laplace noise on each hidden" in facts["help"]
        assert facts["label"] == "standard deviation of Laplace noise on each hidden layer"
        assert facts["rerun"] == [stored["final"]["hidden_laplace_noise_1"], 0.2]  # what feeds the softmax stays


@pytest.mark.slow
class TestOptimizer:
    recipe = "lion"

    UPDATES = """
import json
import numpy as np, pytensor.tensor as pt
from t1t2_pt.optimizers import OPTIMIZERS

lion, (p, m, g) = OPTIMIZERS["lion"], pt.dvectors(3)
parameter, memory = lion(p, g, {"mean": m}, pt.constant(0.1), pt.constant(1.0))
values, kept = np.array([1.0, 2.0, 3.0]), np.zeros(3)
for gradient in np.array([[1.0, -1.0, 0.5], [-2.0, -1.0, 0.0], [0.01, 30.0, -0.01]]):
    given = {p: values, g: gradient, m: kept}
    used = {name: given[name] for name in (p, g, m)}
    values, kept = parameter.eval(used), memory["mean"].eval({m: kept, g: gradient})
print(json.dumps([values.tolist(), kept.tolist()]))
"""

    def test_follows(self, package):
        values, mean = np.array([1.0, 2.0, 3.0]), np.zeros(3)
        for gradient in np.array([[1.0, -1.0, 0.5], [-2.0, -1.0, 0.0], [0.01, 30.0, -0.01]]):
            values = values - 0.1 * np.sign(0.9 * mean + 0.1 * gradient)
            mean = 0.99 * mean + 0.01 * gradient
        found = run(package, self.UPDATES)
        np.testing.assert_allclose(found, [values, mean], rtol=1e-12)

        options = ["--input-noise", 0.5, "--tune", "input_noise", "--noise-learning-rate", 0.01]
        stored = train(package, *SMALL, *options, "--hyper-optimizer", "lion", "--optimizer", "lion")
        assert stored["config"]["hyper_optimizer"] == "lion"
        # Six hyperparameter steps of one size each, up or down.
        steps = np.diff(stored["history"]["input_noise"]) / 0.01
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
        assert np.any(np.round(steps))


class TestHypergradient:
    recipe = "smoothed"

    OUTSIDE = """
import json
import numpy as np, pytensor, pytensor.tensor as pt
from t1t2_pt import hypergradient
from t1t2_pt.config import run_config
from t1t2_pt.hypergradients import Problem, Step
from t1t2_pt.hypergradients.methods.smoothed import Smoothed
from t1t2_pt.system.errors import InputError

w, strength = pytensor.shared(np.arange(1.0, 4.0)), pytensor.shared(0.5)
costs = ((w - 1) ** 2).sum() + strength * (w**2).sum(), ((w - 2) ** 2).sum()
found = [hypergradient(*costs, [w], [strength], method=one)[0].eval() for one in (Smoothed(decay=0.5), "smoothed")]
step = Step(pt.grad(costs[0], [w]), None, None, pt.constant(2.0), {"mean_0": pt.constant(3.0)})
(second,), kept = Smoothed(decay=0.9).in_step(Problem(*costs, [w], [strength]), step)
lines = []
for text in ("smoothed(decay=1)", "smoothed(decay=much)", "smoothed(weight=1)"):
    try:
        run_config(method=text)
    except InputError as error:
        lines.append(str(error))
print(json.dumps([[float(one) for one in (*found, second.eval(), kept["mean_0"].eval())], lines]))
"""
    RESUMED = """
import json
import numpy as np
from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.datasets import load_split
from t1t2_pt.training.loop import train

fields = {"hidden": (6,), "t1_samples": 60, "t2_samples": 30, "batch_size": 10, "epochs": 4, "interval": 2}
fields |= {"input_noise": 0.5, "l2": 0.01, "tune": ("input_noise", "l2"), "per_unit": ("l2",)}
config, split, kept = run_config(**fields, method="smoothed(decay=0.5)"), load_split("mnist", 60, 30, 0), []
def history(**options):
    return {**train([config], split, get_backend("jax"), **options)[0].history, "seconds": None}

whole = history(after_epoch=lambda epoch, snapshot: kept.append(snapshot()))
again = history(start=kept[1])
memory = {name: value[0] for name, value in kept[1].state.items() if name.startswith("method/")}
sizes = {name: [value.size, bool(np.any(value))] for name, value in memory.items()}
print(json.dumps([repr(whole) == repr(again), sizes]))
"""

    def test_outside_training(self, package):
        eq3 = -(-2 * 2 + 0 * 4 + 2 * 6)  # of w = 1, 2, 3
        (one, named, second, kept), lines = run(package, self.OUTSIDE)
        mean = 0.9 * 3 + 0.1 * eq3
        assert [one, named, second, kept] == pytest.approx([eq3, eq3, mean / (1 - 0.9**2), mean])
        for line, problem in zip(
            lines,
            (
                "decay = 1.0: give a number from 0 to less than 1",
                "decay = 'much': give a number",
                "'weight=1' is no option of smoothed; its options are decay",
            ),
            strict=True,
        ):
            assert line.startswith("method = ")
            assert problem in line

    @pytest.mark.slow
    def test_what_it_keeps_is_in_a_snapshot(self, package):
        same, memory = run(package, self.RESUMED)
        assert same, "a run that was stopped ends otherwise"
        assert memory == {"method/mean_0": [1, True], "method/mean_1": [6 + 10, True]}

    def test_on_the_command_line(self, package):
        options = [*SMALL, "--input-noise", 0.5, "--tune", "input_noise"]
        stored = train(package, *options, "--method", "smoothed( decay = 0.50 )")
        assert stored["config"]["method"] == "smoothed(decay=0.5)"
        line = told(package, "--method", "smoothed(decay=much)")
        assert "method = 'smoothed(decay=much)': decay = 'much': give a number; give one of t1t2, " in line


class TestDataSet:
    recipe = "kmnist"

    def test_follows(self, package):
        folder = package / "more" / "KMNIST" / "raw"
        write_mnist(folder, 90, 40)
        (folder / "PROVENANCE").write_text("characters of a test")
        done = python(package, "-m", "t1t2_pt.cli", "data", "list", "--json", "--data-dir", package / "more")
        assert done.returncode == 0, done.stderr
        (row,) = (row for row in json.loads(done.stdout) if row["name"] == "kmnist")
        assert row["place"] == str(folder)
        assert "28x28 grey, 90 + 40" in row["description"]
        stored = train(package, *SMALL, "--dataset", "kmnist", "--data-dir", package / "more")
        assert stored["status"] == "finished"
        assert stored["provenance"]["data"].startswith("characters of a test (content ")


class TestBackend:
    recipe = "python"

    def test_follows(self, package):
        options = [*SMALL, "--input-noise", 0.5, "--l2", 1e-3, "--tune", "input_noise,l2", "--recompute"]
        ours, theirs = (train(package, *options, "--backend", name) for name in ("python", "jax"))
        assert ours["provenance"]["backend"] == "python"
        assert_same_run(ours, theirs, rel=1e-3)
        assert "give auto, jax, numba, c, python" in told(package, "--backend", "tpu")  # in the order of `auto`


@pytest.mark.parametrize("name", [grouped("numba", pytest.mark.slow), grouped("c", pytest.mark.slow)])
@pytest.mark.parametrize(
    ("package", "level", "step_size"),
    [("l3", "l3", "l3=1e4"), ("laplace_noise", "hidden_laplace_noise", "laplace-noise=1")],
    indirect=["package"],
    ids=["l3", "laplace_noise"],
)
def test_one_step_on_each_backend(package, level, step_size, name):
    """A regulariser's step of both kinds, as on JAX."""
    options = [*ONE_STEP, f"--{level.replace('_', '-')}", 0.1, "--tune", level]
    options += [f"--{step_size.replace('=', '-learning-rate=')}", "--recompute"]
    ours, theirs = (train(package, *options, "--backend", backend) for backend in (name, "jax"))
    assert ours["provenance"]["backend"] == name
    assert abs(ours["history"][level][1] - ours["history"][level][0]) > 1e-4
    assert_same_run(ours, theirs)
