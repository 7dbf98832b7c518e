"""The examples run, and print what they are there to show."""

import re
import runpy

import pytest
from conftest import ROOT


@pytest.fixture
def printed(capsys):
    """What an example prints."""

    def run(name: str) -> str:
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def numbers(text: str) -> list[float]:
    """All numbers in a text, of per cent as such."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?", text)]


def test_relevance(printed):
    """Penalties of relevant features are far smaller than the others."""
    _, _, relevant, everyone, _ = numbers(printed("relevance"))
    assert relevant < everyone / 10


def test_noise_of_an_autoencoder(printed):
    """The noise leaves its start, and the validation cost falls."""
    start, end, first, last = numbers(printed("autoencoder"))
    assert end > 2 * start
    assert last < first / 2


def test_penalty_of_ones_own(printed):
    """The curve is smooth: it is its roughness that is held down, not its size."""
    size, roughness, error = numbers(printed("custom_penalty"))
    assert roughness > 100 * size
    assert error < 0.2


def test_weights_of_data(printed):
    """Corrupted labels lose their weight."""
    corrupted, others, told_apart = numbers(printed("data_weights"))
    assert corrupted < 0.2 < 0.6 < others
    assert told_apart > 95


@pytest.mark.slow
def test_convolutional(printed):
    """Noise rises at both places, and the validation cost falls below the 0.73 that it has without tuning."""
    of_pictures, of_maps, l2, first, last = numbers(printed("convolutional").replace("L2", "penalty"))
    assert of_pictures > 0.1
    assert of_maps > 0.1
    assert l2 < 1
    assert last < 0.6 < first


@pytest.mark.slow
def test_recurrent(printed):
    """The noise in the states rises, and the validation cost ends below the 0.11 that it has without tuning."""
    start, end, first, best, last = numbers(printed("recurrent"))
    assert end > 5 * start
    assert best <= last < 0.09 < first


@pytest.mark.slow
def test_prior_scales(printed):
    """Scales of coefficients that matter are far larger than the others."""
    pytest.importorskip("pymc")
    relevant, others, last, worst = numbers(printed("prior_scales"))
    assert relevant > 20 * others
    assert last > worst + 1


@pytest.mark.slow
def test_layers(printed):
    """Both penalties grow, and the validation cost ends below the 0.48 that it has without tuning."""
    pytest.importorskip("pytensor_ml")
    start, hidden, last_layer, first, last = numbers(printed("layers"))
    assert min(hidden, last_layer) > 2 * start
    assert last < 0.43 < first


@pytest.mark.slow
def test_gaussian_process(printed):
    """The noise is found that the samples were made with."""
    length, noise, _ = numbers(printed("gaussian_process"))
    assert 0.2 < noise < 0.45
    assert 0.1 < length < 1.0


@pytest.mark.slow
def test_smoothing_of_labels(printed):
    """The class whose labels are wrong most often has the most."""
    found = numbers(printed("label_smoothing"))
    assert len(found) == 3
    assert found[2] == max(found)
