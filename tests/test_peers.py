"""Against hypertorch (Grazzi et al., 2020) on a small logistic regression; its results are stored, see `peers`."""

import json

import numpy as np
import pytensor.tensor as pt
import pytest
from bilevel import evaluated
from conftest import ROOT

from t1t2_pt import hypergradient

THEIRS = json.loads((ROOT / "tests" / "peers" / "hypertorch.json").read_text())
UPDATES = {"steps": THEIRS["steps"], "step_size": THEIRS["rate"]}
SERIES = {"solver": "neumann", "scale": THEIRS["rate"], "iterations": THEIRS["terms"]}


@pytest.mark.parametrize(
    ("name", "method", "options", "unit"),
    [
        ("reverse_unroll", "unrolled", UPDATES, THEIRS["rate"]),
        ("reverse", "unrolled", {**UPDATES, "storage": "checkpoints"}, THEIRS["rate"]),
        ("reverse", "forward", UPDATES, THEIRS["rate"]),
        ("CG", "implicit", {"solver": "conjugate_gradients"}, 1),
        ("CG", "implicit", {"solver": "exact"}, 1),
        ("fixed_point", "implicit", SERIES, 1),
    ],
)
def test_hypertorch(name, method, options, unit):
    x, v, y, u, start, level = (np.array(THEIRS[key]) for key in ("x", "v", "y", "u", "start", "level"))
    w, strength = pt.tensor("w", shape=start.shape), pt.tensor("strength", shape=level.shape)

    def entropy(inputs, labels):
        logits = pt.dot(inputs, w)
        return (pt.softplus(logits) - labels * logits).mean()

    train = entropy(x, y) + (strength * w**2).sum()
    found = hypergradient(train, entropy(v, u), [w], [strength], method=method, **options)
    (ours,) = evaluated(found, [w, strength], [start, level])
    np.testing.assert_allclose(unit * ours, THEIRS["answers"][name], rtol=1e-6)
