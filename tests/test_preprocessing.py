"""Each kind of preprocessing against what its formula says, computed here in another way."""

import shutil

import numpy as np
import pytest

from t1t2_pt.datasets import PREPROCESSING, load_split, make_split
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.preprocessing import CONTRAST, piecewise, prepare, whitening
from t1t2_pt.datasets.preprocessing.contrast_normalisation import contrast_normalise
from t1t2_pt.datasets.preprocessing.whitening import contrast_normalise_and_whiten, fit_zca
from t1t2_pt.system.errors import InputError

RNG = np.random.default_rng(0)
METHODS = [name for name in PREPROCESSING if name != "usual"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """One that is empty."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    return tmp_path / "cache"


def pictures(samples: int, constant: bool = True) -> np.ndarray:
    """Pictures whose neighbouring pixels are alike; one pixel is the same in all of the first 300, and 0 at once."""
    smooth = np.cumsum(np.cumsum(RNG.integers(-9, 10, (samples, 6, 6, 3)), axis=1), axis=2)
    result = (smooth + 128).clip(0, 255).astype(np.uint8)
    if constant:
        result[:300, 2, 3, 1] = 7
        result[:300, 0, 0, 0] = 0
    return result


ALL = pictures(400)
T1, T2 = ALL[:300], ALL[300:]


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64)


def covariance(images: np.ndarray) -> np.ndarray:
    return np.cov(flat(images), rowvar=False, bias=True)


def each(t1, t2, function):
    """What a function of flat float64 pictures gives for both parts."""
    return [function(flat(part)).reshape(part.shape) for part in (t1, t2)]


def by_standard_deviations(x):
    deviation = flat(T1).std(axis=0)
    deviation[[x for x in range(108) if np.ptp(flat(T1)[:, x]) == 0]] = np.inf
    return (x - flat(T1).mean(axis=0)) / deviation


def by_range(x):
    low, high = np.percentile(flat(T1), [0, 100], axis=0)
    return (x - low) / np.where(high > low, high - low, np.inf)


def by_svd(turned_back: bool):
    """Whitening by the singular values of T1's grey levels, where ours is by eigenvalues of the covariance."""

    def whiten(x):
        levels = flat(T1) / 255
        _, singular, directions = np.linalg.svd(levels - levels.mean(axis=0), full_matrices=False)
        directions *= np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])[:, None]
        scaled = (x / 255 - levels.mean(axis=0)) @ directions.T / np.sqrt(singular**2 / len(levels) + 0.1)
        return scaled @ directions if turned_back else scaled

    return whiten


FORMULAS = {
    "none": lambda x: x / 255,
    "centre": lambda x: (x - flat(T1).mean(axis=0)) / 255,
    "standardise": by_standard_deviations,
    "min-max": by_range,
    "gcn": lambda x: 55 * (x.T - x.mean(axis=1)).T / np.sqrt(x.shape[1] * x.var(axis=1))[:, None],
    "zca": by_svd(turned_back=True),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    ours = prepare(name, "none", T1, T2)
    for part, expected in zip(ours, each(T1, T2, FORMULAS[name]), strict=True):
        assert part.dtype == np.float32
        np.testing.assert_allclose(part, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_is_fitted_on_t1_alone(self, name):
        """T1 is the same whatever comes with it, and others are whatever T1 makes of them one by one."""
        t1, t2 = prepare(name, "none", T1, T2)
        np.testing.assert_array_equal(prepare(name, "none", T1)[0], t1)
        _, half = prepare(name, "none", T1, T2[:50])
        np.testing.assert_allclose(half, t2[:50], rtol=1e-5, atol=1e-5)

    def test_more_images_than_a_piece(self, name, monkeypatch, cache):
        images = RNG.integers(0, 256, (300, 6, 6, 3)).astype(np.uint8)
        whole = prepare(name, "arcsinh", images, images[:50])
        monkeypatch.setattr(piecewise, "PIECE", 64)
        shutil.rmtree(cache, ignore_errors=True)
        for ours, expected in zip(prepare(name, "arcsinh", images, images[:50]), whole, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-4)

    def test_keeps_the_shape_and_leaves_the_pictures(self, name):
        before = T1.copy(), T2.copy()
        parts = prepare(name, "tanh", T1, T2)
        for part, original, kept in zip(parts, (T1, T2), before, strict=True):
            assert (part.shape, part.dtype) == (original.shape, np.float32)
            assert np.isfinite(part).all()
            np.testing.assert_array_equal(original, kept)


def test_standardised_features():
    t1, t2 = prepare("standardise", "none", T1, T2)
    constant = np.ptp(T1, axis=0) == 0
    assert constant.sum() == 2
    np.testing.assert_allclose(flat(t1).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(t1[:, ~constant].astype(np.float64).var(axis=0), 1, rtol=1e-5)
    for part in (t1, t2):  # T2's vary there
        np.testing.assert_array_equal(part[:, constant], 0)
    assert (np.ptp(T2, axis=0)[constant] > 0).all()


def test_features_from_0_to_1():
    t1, t2 = prepare("min-max", "none", T1, T2)
    constant = np.ptp(T1, axis=0) == 0
    np.testing.assert_array_equal(t1.min(axis=0), 0)
    np.testing.assert_array_equal(t1.max(axis=0), np.where(constant, 0, 1))
    assert t2.max() > 1  # beyond what T1 has
    np.testing.assert_array_equal(t2[:, constant], 0)


class TestWhitening:
    t1, t2 = pictures(3000, constant=False), pictures(1000, constant=False)

    def test_zca_after_contrast_normalisation(self):
        """T1's covariance C becomes C (C + 0.1 I)^-1: the identity in the directions that carry most of it."""
        before = contrast_normalise(self.t1, self.t2)
        after = prepare("gcn-zca", "none", self.t1, self.t2)
        values, vectors = np.linalg.eigh(covariance(before[0]))
        whitened = vectors.T @ covariance(after[0]) @ vectors
        np.testing.assert_allclose(whitened, np.diag(values / (values + 0.1)), atol=1e-3)
        half = np.cumsum(values[::-1]) <= values.sum() / 2
        leading = slice(-int(half.sum()) or -1, None)
        np.testing.assert_allclose(whitened[leading, leading], np.eye(len(whitened))[leading, leading], atol=1e-2)
        # T2 is whitened by T1's mean and transform, not by its own.
        mean, matrix = fit_zca(before[0])
        np.testing.assert_allclose(flat(after[1]), (flat(before[1]) - mean) @ matrix, rtol=1e-4, atol=1e-4)
        assert np.abs(after[1].mean(axis=0)).max() > 1e-3

    def test_principal_components(self):
        """They are uncorrelated, by falling variance v / (v + 0.1), and T2's are the same directions of T2."""
        t1, t2 = prepare("pca", "none", self.t1, self.t2)
        values = np.linalg.eigvalsh(covariance(self.t1 / 255))[::-1]
        np.testing.assert_allclose(covariance(t1), np.diag(values / (values + 0.1)), atol=1e-4)
        np.testing.assert_allclose(flat(t1).mean(axis=0), 0, atol=1e-4)
        # Undone by least squares, which knows nothing of eigenvectors.
        levels = flat(self.t1) / 255 - flat(self.t1).mean(axis=0) / 255
        matrix, *_ = np.linalg.lstsq(levels, flat(t1), rcond=None)
        np.testing.assert_allclose(
            flat(t2), (flat(self.t2) / 255 - flat(self.t1).mean(axis=0) / 255) @ matrix, atol=1e-3
        )

    def test_components_without_variance(self):
        """A picture that differs from T1's where these are all alike has no more of it than they."""
        odd = T1[:1].copy()
        odd[0, 2, 3, 1], odd[0, 0, 0, 0] = 200, 90
        t1, (ours,) = prepare("pca", "none", T1, odd)
        np.testing.assert_allclose(ours, t1[0], atol=1e-4)
        np.testing.assert_array_equal(t1.reshape(300, -1)[:, -2:], 0)

    def test_turned_back_they_are_zca(self):
        """Both are the same up to a rotation: distances between pictures agree."""
        components, images = (flat(prepare(name, "none", self.t1)[0])[:200] for name in ("pca", "zca"))
        np.testing.assert_allclose(components @ components.T, images @ images.T, atol=1e-3)

    def test_zca_images_are_like_the_pictures(self):
        """Of all whitening it is the one nearest to the pictures: its matrix is symmetric."""
        _, matrix = fit_zca(self.t1.astype(np.float32) / 255)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)

    def test_signs_do_not_depend_on_the_library(self):
        _, matrix = whitening.fit_pca(self.t1.astype(np.float32) / 255)
        assert (matrix[np.abs(matrix).argmax(axis=0), np.arange(matrix.shape[1])] > 0).all()

    def test_the_transform_is_cached_by_content(self, monkeypatch, cache):
        calls = []
        fit = whitening.fit_zca
        monkeypatch.setattr(whitening, "fit_zca", lambda x: calls.append(1) or fit(x))
        first = contrast_normalise_and_whiten(T1)[0]
        again = contrast_normalise_and_whiten(T1)[0]
        np.testing.assert_array_equal(first, again)
        assert len(calls) == 1
        changed = T1.copy()
        changed[0, 0, 0, 0] ^= 1
        contrast_normalise_and_whiten(changed)
        assert len(calls) == 2
        for path in (cache / "whitening").iterdir():
            path.write_bytes(path.read_bytes()[:100])
        np.testing.assert_array_equal(contrast_normalise_and_whiten(T1)[0], first)
        assert len(calls) == 3

    def test_methods_do_not_share_transforms(self, cache):
        for count, name in enumerate(("pca", "zca", "gcn-zca"), 1):
            prepare(name, "none", T1)
            assert len(list((cache / "whitening").iterdir())) == count


def test_an_image_of_one_colour_becomes_zero():
    (ours,) = contrast_normalise(np.full((1, 6, 6, 3), 200, np.uint8))
    np.testing.assert_array_equal(ours, 0)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("none", lambda x: x),
        ("tanh", lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
        ("arcsinh", lambda x: np.sign(x) * np.log(np.abs(x) + np.sqrt(x**2 + 1))),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_contrast(name, function):
    for method in ("gcn", "centre"):
        plain, squeezed = (prepare(method, contrast, T1, T2) for contrast in ("none", name))
        for before, after in zip(plain, squeezed, strict=True):
            assert after.dtype == np.float32
            np.testing.assert_allclose(after, function(before.astype(np.float64)), rtol=1e-6, atol=1e-7)


def test_contrast_of_what_is_large():
    assert [float(function(np.array(-1000.0))) for name, function in CONTRAST.items() if name != "none"] == [
        -1,
        -float(np.log(1000 + np.sqrt(1e6 + 1))),
        0,
    ]


def nothing(*arguments):
    raise AssertionError("is not asked")


def source(preprocessing: str) -> Source:
    return Source("made", "Made", "pictures, {}", (400, 100), (200, 100), preprocessing, nothing, None, nothing)


def dataset(groups: np.ndarray | None = None) -> Dataset:
    """400 training pictures whose label is their number."""
    return Dataset("made", ALL, np.arange(400, dtype=np.int32), T2, np.zeros(100, np.int32), 400, "made here", groups)


class TestSplits:
    @pytest.mark.parametrize("name", METHODS)
    def test_usual_is_what_the_source_says(self, name):
        usual = make_split(source(name), dataset(), 300, 50, 3)
        named = make_split(source(name), dataset(), 300, 50, 3, name)
        other = make_split(source("gcn" if name == "none" else "none"), dataset(), 300, 50, 3, name)
        t1, t2 = dataset().train_images[usual.arrays["t1_labels"]], dataset().train_images[usual.arrays["t2_labels"]]
        expected = prepare(name, "none", t1, t2, T2)
        for part, ours in zip(("t1", "t2", "test"), expected, strict=True):
            for split in (usual, named, other):
                np.testing.assert_array_equal(split.arrays[f"{part}_inputs"], ours)
        assert usual.provenance == named.provenance == "made here; T1 300, T2 50, split seed 3"
        assert other.provenance == f"made here; T1 300, T2 50, split seed 3, preprocessing {name}"

    def test_what_is_not_usual_is_told(self):
        split = make_split(source("none"), dataset(), 300, 50, 3, "min-max", "tanh", "t1")
        told = "made here; T1 300, T2 50, split seed 3, T2 a part of T1, preprocessing min-max, contrast tanh"
        assert split.provenance == told
        assert split.fingerprint == dataset().fingerprint  # the content of the data, before all that

    def test_t2_is_a_part_of_t1(self):
        splits = [make_split(source("none"), dataset(), 300, 80, seed, t2_from="t1") for seed in (0, 0, 1)]
        rows = [(set(one.arrays["t1_labels"].tolist()), set(one.arrays["t2_labels"].tolist())) for one in splits]
        for t1, t2 in rows:
            assert (len(t1), len(t2)) == (300, 80)
            assert t2 < t1
        assert rows[0] == rows[1]
        assert rows[0][1] != rows[2][1]
        by_label = dict(zip(splits[0].arrays["t1_labels"].tolist(), splits[0].arrays["t1_inputs"], strict=True))
        for label, picture in zip(splits[0].arrays["t2_labels"].tolist(), splits[0].arrays["t2_inputs"], strict=True):
            np.testing.assert_array_equal(picture, by_label[label])
        apart = make_split(source("none"), dataset(), 300, 80, 0)
        np.testing.assert_array_equal(apart.arrays["t1_labels"], splits[0].arrays["t1_labels"])
        assert not rows[0][0] & set(apart.arrays["t2_labels"].tolist())

    def test_t2_of_all_that_t1_has(self):
        """Sizes need not fit beside each other, and samples of a group may be in both."""
        groups = np.arange(400) % 200  # all are shown twice: none is left for a T2 apart
        split = make_split(source("none"), dataset(groups), 400, 400, 0, t2_from="t1")
        assert set(split.arrays["t2_labels"].tolist()) == set(range(400))
        with pytest.raises(InputError, match="t2_samples = 1: exceeds the 0 training samples that show what no other"):
            make_split(source("none"), dataset(groups), 300, 1, 0)

    @pytest.mark.parametrize(
        ("t1", "t2", "message"),
        [
            (401, 10, "t1_samples = 401: exceeds the 400 training samples; give at most 400"),
            (50, 51, "t2_samples = 51: exceeds the 50 t1_samples that it is from; give at most 50"),
            (50, 0, "t2_samples = 0: leaves the split empty"),
        ],
    )
    def test_parts_that_are_too_large(self, t1, t2, message):
        with pytest.raises(InputError, match=message):
            make_split(source("none"), dataset(), t1, t2, 0, t2_from="t1")

    @pytest.mark.parametrize(
        ("field", "there_is"),
        [
            ("preprocessing", "usual, .*zca"),
            ("contrast", "none, tanh, arcsinh, sigmoid"),
            ("t2_from", "apart, t1"),
        ],
    )
    def test_unknown_names(self, field, there_is):
        """Told before anything is read."""
        message = f"{field} = 'whatever': is unknown; give {there_is}"
        with pytest.raises(InputError, match=message):
            make_split(source("none"), dataset(), 10, 10, 0, **{field: "whatever"})
        with pytest.raises(InputError, match=message):
            load_split("svhn", 10, 10, 0, **{field: "whatever"})

    def test_an_unknown_data_set(self):
        with pytest.raises(InputError, match="dataset = 'imagenet': is unknown; give mnist, svhn, cifar10, digits-on-"):
            load_split("imagenet", 10, 10, 0)
