"""Whatever is given, a command answers with a run or one line.

A few hundred random configs and command lines here; ten thousand of each in the slow test.
"""

import random

import numpy as np
import pytest
from conftest import line_of

from t1t2_pt.cli import main as cli
from t1t2_pt.cli import train
from t1t2_pt.config import FIELDS, OPTIONS, run_config
from t1t2_pt.datasets import PREPROCESSING
from t1t2_pt.optimizers import OPTIMIZERS, SCHEDULES
from t1t2_pt.plotting import scripts as figures
from t1t2_pt.runs.store import RunStore
from t1t2_pt.steps.regularization import level_values
from t1t2_pt.steps.step import make_network
from t1t2_pt.system.errors import InputError

FEW, MANY = 300, 10_000
pytestmark = pytest.mark.xdist_group("random input")
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])

NUMBERS = (0, 1, 2, 10, 100, -1, 0.0, 0.5, 1e-4, -0.5, 1e300, 1e40, float("nan"), float("inf"), 2**40, 10**30)
HUGE = (2**30, 2**31, 2**32, 2**63, 10**400, 10**4200)
TEXTS = (
    "mnist",
    "svhn",
    "adam",
    "sgd",
    "relu",
    "linear",
    "tuned",
    "fixed",
    "none",
    "current",
    "all-cnn-c",
    "",
    "x" * 500,
    "é\n",
    "[old]",
    "[/data/x]",
    "\x1b[31m\r\u202e",
    "\udcff",
)
# What an option of any kind may be given.
WORDS = (
    *("1,2", ",", "--", "-1", "1e-4,1e-3", "5m", "999999999999h", "true", "9" * 5000, "1e5", "１２", "²"),
    *("tcp://h:99999", "tcp://[::1", "tcp://[/x]:1", "sub/../x.sqlite", ".", "./é [b].sqlite", "~", "/dev/null/x"),
)
NAMES = ("input_noise", "hidden_noise", "l2")
VALID = {
    "hidden": lambda rng: tuple(rng.choices((1, 5, 30), k=rng.randint(1, 4))),
    "input_noise": lambda rng: rng.random(),
    "hidden_noise": lambda rng: rng.random(),
    "l2": lambda rng: 10 ** rng.uniform(-6, -1),
    "tune": lambda rng: tuple(rng.sample(NAMES, rng.randint(0, 3))),
    "per_unit": lambda rng: tuple(rng.sample(NAMES, rng.randint(0, 1))),
    "optimizer": lambda rng: rng.choice(("sgd", "momentum", "adam")),
    "batch_norm": lambda rng: rng.random() < 0.5,
    "epochs": lambda rng: rng.randint(1, 300),
    "batch_size": lambda rng: rng.randint(1, 200),
    "seed": lambda rng: rng.randint(0, 2**32 - 1),
    "noise_before_softmax": lambda rng: rng.choice(("tuned", "fixed", "none")),
    "activation": lambda rng: rng.choice(("relu", "leaky-relu", "tanh")),
    "first_apart": lambda rng: tuple(rng.sample(NAMES, rng.randint(0, 1))),
    "l1": lambda rng: rng.choice((0.1, 0.0)),
    "hidden_dropout": lambda rng: rng.random(),
    "schedule": lambda rng: rng.choice(tuple(SCHEDULES)),
    "hyper_optimizer": lambda rng: rng.choice(tuple(OPTIMIZERS)),
    "momentum": lambda rng: rng.choice((0.5, (0.5, 0.9))),
    "method": lambda rng: rng.choice(("t1t2", "averaged", "averaged(decay=0.5, rule=adam)", "finite-difference")),
    "hypergradient_limits": lambda rng: rng.choice(("clip-rescale", "rescale-each-clip")),
    "hypergradient_clip": lambda rng: rng.choice((None, 1.0, 10.0)),
    "validation_statistics": lambda rng: rng.choice(("batch", "running")),
    "test_statistics": lambda rng: rng.choice(("exact", "batches", "running")),
    "preprocessing": lambda rng: rng.choice(tuple(PREPROCESSING)),
    "tune_after": lambda rng: rng.randint(0, 5),
    "t2_batch_size": lambda rng: rng.randint(1, 200),
    "hyper_decay": lambda rng: rng.random(),
}


def anything(rng: random.Random):
    """A value of some kind, seldom a fitting one."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice((*NUMBERS, *HUGE, 10**5000))
    if kind == 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return tuple(rng.choices((*NUMBERS, *TEXTS, *NAMES), k=rng.randint(0, 5)))
    if kind == 3:
        return rng.choice((None, True, False, {}, [], [1, 2], object()))
    if kind == 4:
        return tuple(rng.choices(NUMBERS, k=rng.randint(0, 5)))
    return rng.choice(NAMES)


def random_fields(rng: random.Random) -> dict:
    fields = {name: make(rng) for name, make in VALID.items() if rng.random() < 0.5}
    for _ in range(rng.choice((0, 0, 1, 2))):
        fields[rng.choice([*FIELDS, "hiden", "lr"])] = anything(rng)
    return fields


def build(fields: dict) -> None:
    """Make a config, come back to it from JSON, and build its network and levels unless they are huge."""
    config = run_config(**fields)
    assert run_config(**config.as_dict()).digest() == config.digest()
    assert config.canonical.canonical == config.canonical
    if max(config.hidden, default=0) <= 1000 and config.width <= 1:
        network = make_network(config, (784,) if config.hidden else (32, 32, 3), 10)
        values = level_values(config, network)
        assert all(np.isfinite(value).all() for value in values.values())


@counts
def test_random_configs_build_or_are_told(count):
    rng, built = random.Random(1), 0
    for _ in range(count):
        fields = random_fields(rng)
        line = line_of(build, fields)
        assert "\n" not in line
        assert len(line) < 1000
        assert not line or ";" in line  # there is a remedy
        built += not line
    assert count / 5 < built < count


FIGURE = ["a figure script"]
OF_FIGURES = ("--preset", "--out", "--datasets", "--seed", "--export", "--reference", "--recompute")


def random_arguments(rng: random.Random) -> list[str]:
    commands = (["train"], ["runs", "list"], ["runs", "show"], ["runs", "export"], ["data", "verify"], ["data"], [])
    commands = (*commands, ["verify"], FIGURE, FIGURE)
    arguments = list(rng.choice(commands[:1] * 6 + commands))
    words = [str(x) for x in (*NUMBERS, *HUGE, *TEXTS, *NAMES, *WORDS)]
    options = [f"--{name.replace('_', '-')}" for name in OPTIONS]
    options += [
        "--json",
        "--quiet",
        "--checkpoint-every",
        "--workers",
        "--scheduler",
        "--backend",
        "--data-dir",
        "--help",
        "--no",
        "--sample",
        "-x",
    ]
    if arguments == FIGURE:
        options = (*OF_FIGURES, *options[len(FIELDS) :])
    for _ in range(rng.randint(0, 6)):
        arguments.append(rng.choice(options))
        if rng.random() < 0.8:
            name = arguments[-1].removeprefix("--").replace("-", "_")
            make = VALID.get(name)
            value = make(rng) if make and rng.random() < 0.7 else rng.choice(words)
            arguments.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return arguments


@counts
def test_random_command_lines_end_in_one_line(count, tmp_path, monkeypatch, capsys):
    """What would train is not trained; what is wrong is told in one line with exit code 2."""
    started = []

    class NoSweep:
        store = RunStore(tmp_path / "none.sqlite")

        def run_parts(self, parts, later):
            self.run(parts)

        def run(self, configs):
            started.extend(configs)
            raise InputError("sweep", "none", "is not wanted here", "go on")

    for module in (train, figures):
        monkeypatch.setattr(module, "sweep_from", lambda options, real=train.sweep_from: real(options) and NoSweep())
    script = figures.FigureScript("fig", "", lambda request: {"a": []}, None)
    monkeypatch.setattr("t1t2_pt.cli.data.DATASETS", {})
    monkeypatch.chdir(tmp_path)
    rng, store = random.Random(2), tmp_path / "runs.sqlite"
    for _ in range(count):
        arguments = random_arguments(rng)
        if arguments[:1] in (["train"], ["runs"], ["verify"]) and (len(arguments) > 1 or arguments == ["verify"]):
            arguments += ["--store", rng.choice((str(store), store.name))]
        if arguments[:1] == FIGURE:
            code = figures.main(script, [*arguments[1:], *("--store", str(store))])
        else:
            code = cli.main(arguments)
        out, err = capsys.readouterr()
        assert all(sign.isprintable() or sign == "\n" for sign in out + err), arguments
        if code:
            assert code in (1, 2), arguments
            assert len(err.splitlines()) == 1, (arguments, err)
            assert len(err) < 1500, arguments
        else:
            assert err == "", arguments
            assert out or arguments[0] == "data", arguments  # of which there is none here
    assert len(started) > count / 50
    assert [path for path in tmp_path.iterdir() if path != store] == []
    assert not store.exists()


# A writer of a valid file, and its reader.
