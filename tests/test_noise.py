"""The generator against published vectors and JAX's own; the noise against the normal distribution."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats
from pytensor.compile.mode import Mode

from t1t2_pt.steps import noise

PLAIN = Mode(linker="py", optimizer="fast_compile")


def threefry(key, counter):
    values = [np.asarray(w, np.uint32) for w in (*key, *counter)]
    words = [pt.tensor(shape=value.shape, dtype="uint32") for value in values]
    return pytensor.function(words, noise.threefry2x32(tuple(words[:2]), tuple(words[2:])), mode=PLAIN)(*values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Known answers for 20 rounds from the Random123 distribution of the generator's authors.
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(counter, key, expected):
    assert tuple(int(w) for w in threefry(key, counter)) == expected


def test_equals_jax_threefry():
    from jax.extend.random import threefry_2x32

    counter = np.random.default_rng(0).integers(0, 2**32, (2, 500), dtype=np.uint32)
    ours = threefry((123, 456), tuple(counter))
    theirs = np.asarray(threefry_2x32(np.array([123, 456], np.uint32), counter.reshape(-1)))
    np.testing.assert_array_equal(np.concatenate(ours), theirs)


def draw(seed, step, shapes, dtype="float32", mode=PLAIN):
    words = [pt.scalar(name, dtype="uint32") for name in ("seed", "step")]
    function = pytensor.function(
        words, noise.random_numbers(*words, [("normal", shape) for shape in shapes], dtype), mode=mode
    )
    return function(np.uint32(seed), np.uint32(step))


def test_noise_is_standard_normal_and_independent():
    layers = draw(3, 5, [(200, 301), (200, 150)])
    assert [layer.shape for layer in layers] == [(200, 301), (200, 150)]
    assert all(layer.dtype == np.float32 for layer in layers)
    sample = np.concatenate([layer.ravel() for layer in layers]).astype(float)
    assert scipy.stats.kstest(sample, "norm").pvalue > 1e-3
    for lag in (1, 2, 301, len(sample) // 2):
        assert abs(np.mean(sample[lag:] * sample[:-lag])) < 4 / np.sqrt(len(sample) - lag)
    assert abs(scipy.stats.kurtosis(sample)) < 0.1


def test_noise_depends_on_seed_and_step_alone():
    first, again = draw(1, 2, [(10, 10)])[0], draw(1, 2, [(10, 10)])[0]
    np.testing.assert_array_equal(first, again)
    for other in (draw(2, 2, [(10, 10)])[0], draw(1, 3, [(10, 10)])[0]):
        assert not np.intersect1d(first, other).size
    assert abs(np.corrcoef(first.ravel(), draw(1, 3, [(10, 10)])[0].ravel())[0, 1]) < 0.4


def test_inverse_distribution_is_good_to_single_precision():
    bits = np.arange(0, 2**32, 2**32 // 100_003, dtype=np.uint32)
    words = pt.vector("bits", dtype="uint32")
    ours = pytensor.function([words], noise.normal_from_bits(words, "float64"), mode=PLAIN)(bits)
    middle = ((bits >> 9).astype(float) + 0.5) * 2.0**-23
    np.testing.assert_allclose(ours, scipy.stats.norm.ppf(middle), rtol=3e-6, atol=3e-7)


def test_extreme_words_stay_finite():
    words = pt.vector("bits", dtype="uint32")
    extremes = np.array([0, 1, 511, 512, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    values = pytensor.function([words], noise.normal_from_bits(words), mode=PLAIN)(extremes)
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 5.5
    np.testing.assert_allclose(values[0], -values[-1], rtol=1e-6)


def test_backends_draw_the_same(backend):

    words = {name: pt.scalar(name, dtype="uint32") for name in ("seed", "step")}
    (layer,) = noise.random_numbers(words["seed"], words["step"], [("normal", (7, 9))])
    function = backend.function(words, {"noise": layer})
    value = function({"seed": np.array(11, np.uint32), "step": np.array(4, np.uint32)})["noise"]
    np.testing.assert_allclose(np.asarray(value), draw(11, 4, [(7, 9)])[0], rtol=1e-5, atol=1e-6)
