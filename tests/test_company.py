"""A run's bits depend on the size of its population and on its program, and on nothing else of its company."""

import json

import numpy as np
import pytest
from conftest import TINY, make_tiny_split, need

from t1t2_pt.config import RunConfig, replace, run_config
from t1t2_pt.runs.record import finished_run
from t1t2_pt.sweeps.company import Company, company, company_of
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.reruns import untuned
from t1t2_pt.training.loop import Trained, train

TUNED = run_config(**TINY, input_noise=0.5, hidden_noise=0.3, tune=("input_noise", "hidden_noise")).canonical
OTHERS = [replace(TUNED, seed=seed, input_noise=seed / 10, learning_rate=0.01 * seed) for seed in (1, 2)]


def bits(run: Trained) -> bytes:
    return b"".join(np.array(column).tobytes() for name, column in run.history.items() if name != "seconds")


def of_the_first(configs: list[RunConfig], backend, **options) -> bytes:
    trained = train(configs, make_tiny_split(), backend, **options)
    return bits(next(run for run in trained if run.config == TUNED))


@pytest.fixture(scope="module")
def jax():
    return need("jax")


@pytest.mark.parametrize("place", range(3))
def test_place_and_neighbours_do_not_matter(jax, place):
    company = [*OTHERS[:place], TUNED, *OTHERS[place:]]
    assert of_the_first(company, jax) == of_the_first([TUNED], jax, size=3)


def test_a_neighbour_that_diverges_does_not_matter(jax):
    broken = replace(TUNED, seed=3, learning_rate=1e30)
    assert of_the_first([broken, TUNED], jax) == of_the_first([TUNED], jax, size=2)


@pytest.mark.parametrize("every", [0, 1])
def test_a_run_that_diverges_ends_alike_in_any_company(jax, every):
    """However long the others go on, and whether they are evaluated then."""
    sound = replace(TUNED, epochs=4, evaluate_every=every, optimizer="sgd", gradient_norm=None, batch_norm=False)
    broken = replace(sound, seed=3, learning_rate=1e38)
    (alone,) = train([broken], make_tiny_split(), jax, size=2)
    _, beside = train([sound, broken], make_tiny_split(), jax)
    assert alone.diverged_at == beside.diverged_at < 4
    assert len(beside.history["epoch"]) == beside.diverged_at + 1
    assert bits(alone) == bits(beside)


def test_what_provenance_says_trains_the_same(jax):
    """A fixed run in the program of a tuned one, as its record has it."""
    fixed = untuned(TUNED)
    group = Group((fixed, untuned(OTHERS[0])), TUNED, 3, (fixed,))
    first, _ = train(group.configs, make_tiny_split(), jax, template=group.template, size=group.size)
    record = finished_run(first, jax, "made by the tests", **company(group, fixed, jax))
    found = company_of(record)
    assert found.size == 3
    assert found.template.graph() == TUNED.graph()
    (again,) = train([fixed], make_tiny_split(), jax, template=found.template, size=found.size)
    assert bits(again) == bits(first)


def test_only_what_differs_is_recorded():
    fixed = untuned(TUNED)
    said = company(Group((fixed,), TUNED, 1, (fixed,)), fixed, need("numba"))
    assert said["population"] == "1"
    differing = {"tune": ["input_noise", "hidden_noise"], "interval": 3, "hypergradient_clip": None}
    assert json.loads(said["program"]) == differing
    assert company(Group((TUNED,), TUNED, 1, (TUNED,)), TUNED, need("numba"))["program"] == "{}"


def recorded(config: RunConfig, **record: str) -> Company | None:
    return company_of(finished_run(Trained(config, {"epoch": [0.0]}, None), need("numba"), "made by tests", **record))


@pytest.mark.parametrize("population", ["many", "0", "-1", "9" * 30])
def test_no_population(population):
    assert recorded(TUNED, population=population, program="{}") is None


@pytest.mark.parametrize(
    "program",
    [
        '{"tune": 3}',
        '{"batch_size": 5}',
        '{"input_noise": null, "tune": []}',
        '{"network": "all-cnn-c", "hidden": []}',
        '{"unheard": 1}',
        "[" * 100_000,
        "[]",
        "",
    ],
)
def test_no_program_of_such_a_run(program):
    """Whatever a file that somebody made says."""
    assert recorded(TUNED, population="1", program=program) is None
    assert recorded(TUNED) is None


def test_the_program_of_a_longer_run():
    """Its interval can be longer than this run."""
    fixed, longer = untuned(TUNED), replace(TUNED, epochs=20, interval=50)
    said = company(Group((fixed,), longer, 1, (fixed,)), fixed, need("numba"))
    assert recorded(fixed, **said).template.interval == 50


def test_company_is_of_the_canonical_form():
    named = replace(TUNED, tune=("hidden_noise", "input_noise"))
    trained = Trained(named, {"epoch": [0.0]}, None)
    said = company(Group((named,), named, 1, (named,)), named, need("numba"))
    assert company_of(finished_run(trained, need("numba"), "", **said)) == Company(TUNED, 1)
