"""A part of a data set, of any size: T1 and T2 fit into it where they are not given, and what cannot fit is told."""

import evolution
import numpy as np
import pytest
import scipy.io
import setups
from hypothesis import given
from hypothesis import strategies as st

from t1t2_pt.cli.main import main, parser
from t1t2_pt.cli.options import config_from
from t1t2_pt.datasets import USUAL_SIZES, load_split, sizes_that_fit, training_samples
from t1t2_pt.plotting import scripts
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.runs.store import RunStore
from t1t2_pt.system.errors import InputError

HERE = {"train": 640, "test": 30}
FITTING = 568, 72  # in the proportion of 65,000 to 8,257


@pytest.fixture
def folder(tmp_path):
    """Noise in the layout of SVHN, said to be so."""
    place, rng = tmp_path / "data" / "svhn", np.random.default_rng(0)
    place.mkdir(parents=True)
    for name, samples in HERE.items():
        images = rng.integers(0, 256, (32, 32, 3, samples), dtype=np.uint8)
        labels = rng.integers(1, 11, (samples, 1), dtype=np.uint8)
        scipy.io.savemat(place / f"{name}_32x32.mat", {"X": images, "y": labels}, do_compression=True)
    (place / "PROVENANCE").write_text("noise\n")
    return place.parent


def config(folder, *options):
    return config_from(parser().parse_args(["train", "--dataset", "svhn", "--data-dir", str(folder), *options]))


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(2, 10_000))
def test_both_fit(t1, t2, samples):
    found = sizes_that_fit((t1, t2), samples)
    if t1 + t2 <= samples:
        assert found == (t1, t2)
    else:
        assert sum(found) == samples
        assert min(found) >= 1
        assert abs(found[1] - samples * t2 / (t1 + t2)) <= 1


@given(st.integers(1, 9_999), st.integers(2, 10_000))
def test_the_other_fits(size, samples):
    """Beside what is given, and no more than in the usual proportion."""
    usual = sizes_that_fit((6_500, 3_600), samples)
    for place in (0, 1):
        asked = [None, None]
        asked[place] = size
        found = sizes_that_fit((6_500, 3_600), samples, *asked)
        assert found[place] == size
        assert found[1 - place] <= usual[1 - place]
        assert sum(found) <= samples or size >= samples


def test_defaults_of_the_command(folder, monkeypatch):
    monkeypatch.delenv("T1T2_DATA", raising=False)
    assert training_samples("svhn", folder) == HERE["train"]
    for options, expected in (
        ([], FITTING),
        (["--t1", "600", "--batch-size", "20"], (600, 40)),
        (["--t1", "100"], (100, 72)),
        (["--t2", "300"], (340, 300)),
        (["--t1", "500", "--t2", "140"], (500, 140)),
        (["--t1", "500", "--t2", "200"], (500, 200)),
        (["--dataset", "mnist"], (55_000, 5_000)),
    ):
        found = config(folder, *options, *([] if "--batch-size" in options else ["--batch-size", "50"]))
        assert (found.t1_samples, found.t2_samples) == expected
    assert load_split("svhn", *FITTING, 0, folder).samples == {"t1": 568, "t2": 72, "test": 30}


def test_a_data_set_that_is_absent_has_its_usual_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr("t1t2_pt.datasets.sources.user_cache", lambda: tmp_path)
    monkeypatch.setattr("t1t2_pt.datasets.sources.REPOSITORY_DATA", tmp_path)
    found = config_from(parser().parse_args(["train", "--dataset", "svhn"]))
    assert {name: getattr(found, name) for name in USUAL_SIZES["svhn"]} == USUAL_SIZES["svhn"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--t1", "700"], "t1_samples = 700: leaves none of the 640 training samples for the other of T1 and T2; "),
        (["--t2", "640"], "t2_samples = 640: leaves none of the 640 training samples for the other of T1 and T2; "),
        (["--t1", "600", "--t2", "600"], "t1_samples = 600: with 600 t2_samples exceeds the 640 training samples; "),
        (["--t1", "641", "--t2-from", "t1"], "t1_samples = 641: exceeds the 640 training samples; give at most 640"),
    ],
)
def test_too_much_is_told_with_numbers_that_fit(folder, tmp_path, capsys, options, message):
    store = ["--store", str(tmp_path / "runs.sqlite"), "--quiet", "--batch-size", "20", "--hidden", "5"]
    assert main(["train", "--dataset", "svhn", "--data-dir", str(folder), *options, *store]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"t1t2: {message}")
    if "--t2-from" not in options:
        _, t1, _, t2 = line.split("such as ")[1].split()
        assert int(t1) + int(t2) == HERE["train"]


def test_figures_take_what_there_is(folder, tmp_path):
    request = scripts._request(
        scripts.parser("fig4", "").parse_args(["--data-dir", str(folder)]), RunStore(tmp_path / "runs.sqlite")
    )
    assert request.samples["svhn"] == HERE["train"]
    assert request.samples["mnist"] == 60_000
    here = [c for configs in (*evolution.runs(request).values(), *setups.runs(request).values()) for c in configs]
    sizes = {c.dataset: (c.t1_samples, c.t2_samples) for c in here}
    assert sizes["svhn"] == (427, 213)  # of 2,000 and 1,000
    assert sizes["mnist"] == (2_500, 1_000)
    whole = [c for configs in evolution.runs(Request(datasets=("svhn",))).values() for c in configs]
    assert {(c.t1_samples, c.t2_samples) for c in whole} == {(2_000, 1_000)}


def test_a_part_too_small_for_a_batch_is_told(folder):
    with pytest.raises(InputError, match=r"^batch_size = 100: is larger than t2_samples \(72\)"):
        config(folder)
