"""Importing the package changes nothing for anybody else's PyTensor functions."""

import functools
import json
import subprocess
import sys

import pytest
from conftest import ROOT


@functools.cache
def lines(module: str, outputs: str) -> dict[tuple[str, str], list[str]]:
    """What `strangers.py` says of each function, by linker and name."""
    command = [sys.executable, ROOT / "tests" / "strangers.py", module, outputs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {(linker, name): rest for linker, name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("outputs", ["jax", pytest.param("jax,numba,c", marks=pytest.mark.slow)])
def test_functions_of_others_stay_what_they_are(outputs):
    """Graphs with all linkers, and what they compute: in `make test` with the one that compiles in no time."""
    without, with_us = lines("-", outputs), lines("t1t2_pt.sweeps.one_run", outputs)
    assert len(without) == 60
    for key, expected in without.items():
        assert with_us[key] == expected, key


LAZY = """
import sys
import t1t2_pt
assert "pytensor" not in sys.modules and "numpy" not in sys.modules
from t1t2_pt.hypergradient import T1T2  # the module of version 0.1
assert t1t2_pt.hypergradient is t1t2_pt.hypergradients.hypergradient
assert T1T2 is t1t2_pt.hypergradients.T1T2
try:
    from t1t2_pt.hypergradient import nothing
except ImportError:
    sys.exit(0)
sys.exit("it has what it has not")
"""


def test_what_is_slow_is_imported_when_it_is_used():
    subprocess.run([sys.executable, "-c", LAZY], check=True)


@pytest.mark.slow
def test_the_comparison_sees_a_difference():
    """A rewrite registered for everybody, as ours was once, shows."""
    assert lines("greedy", "-")["numba", "chain"][0] != lines("-", "jax")["numba", "chain"][0]
