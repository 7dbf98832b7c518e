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


@pytest.mark.parametrize("name", ["autoencoder", "recurrent"])
def test_noise_helps(printed, name):
    """The noise leaves its start, and the validation cost falls."""
    start, end, first, last = numbers(printed(name))
    assert end > 2 * start
    assert last < first
