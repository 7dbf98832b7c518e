"""Data sets are found as files of the package, and those in MNIST's form are told from one another."""

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from test_places import PLAIN, told, unpack, write_mnist

from t1t2_pt.datasets import DATASETS, PREPROCESSING, USUAL_SIZES, fashion_mnist, load_split, mnist, notmnist
from t1t2_pt.datasets.idx_pictures import IdxPictures, idx_remote

ALIKE = {"mnist": mnist, "fashion-mnist": fashion_mnist, "notmnist": notmnist}
OTHERS = {name: module for name, module in ALIKE.items() if name != "mnist"}


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """A folder of data sets; there is a cache without any, and the repository's own."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    monkeypatch.delenv("T1T2_DATA", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_the_papers_come_first():
    names = list(DATASETS)
    assert names[:4] == ["mnist", "svhn", "cifar10", "digits-on-photos"]
    assert names[4:] == sorted(names[4:])
    assert {"fashion-mnist", "notmnist"} <= set(names[4:])


@pytest.mark.parametrize("name", DATASETS)
def test_what_a_source_says(name):
    source = DATASETS[name]
    assert source.name == name
    assert USUAL_SIZES[name] == {"t1_samples": source.usual[0], "t2_samples": source.usual[1]}
    assert sum(source.usual) <= source.published[0]
    assert source.preprocessing in PREPROCESSING
    train, test = source.published
    assert f", {train:,} + {test:,}" in source.describe()
    assert [other.title for other in DATASETS.values()].count(source.title) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "My Set"}, "a name has small letters, digits and hyphens"),
        ({"usual": (55_000, 5_001)}, r"T1 and T2 of \(55000, 5001\) do not fit into 60000"),
        ({"usual": (60_000, 0)}, "do not fit"),
        ({"preprocessing": "usual"}, "there is no preprocessing 'usual'"),
        ({"preprocessing": "whiten"}, "there is no preprocessing 'whiten'"),
    ],
)
def test_a_source_that_cannot_be(changes, problem):
    with pytest.raises(ValueError, match=problem):
        dataclasses.replace(mnist.SOURCE, **changes)


class TestMnistsForm:
    """Their files have the same names: none is taken for another."""

    @pytest.mark.parametrize("name", OTHERS)
    @pytest.mark.parametrize("declared", [False, True])
    def test_files_in_no_folder_of_its_own(self, data, name, declared):
        """MNIST in the folder of data sets itself, and in its own folder, is nothing of theirs."""
        for folder in (data, data / "mnist", data / "MNIST" / "raw"):
            folder.mkdir(parents=True, exist_ok=True)
            write_mnist(folder)
            if declared:
                (folder / "PROVENANCE").write_text("digits of a test")
        assert DATASETS[name].find(data) is None
        assert DATASETS["mnist"].find(data) is not None

    @pytest.mark.parametrize("name", OTHERS)
    def test_mnist_in_their_folder(self, data, name):
        unpack(data / name, PLAIN)
        line = told(DATASETS[name].load, data)
        assert "has a wrong " in line
        assert "checksum" in line
        shutil.rmtree(data / name)
        shutil.copytree(ROOT / "data" / "mnist", data / name)  # whose archives are others too
        assert "has a wrong " in told(DATASETS[name].load, data)

    @pytest.mark.parametrize("name", OTHERS)
    def test_theirs_are_not_mnist(self, data, name):
        """Not in their folder, and not where they lie in the place of MNIST."""
        write_mnist(data / name, 60_000, 10_000)
        assert DATASETS["mnist"].find(data).path == ROOT / "data" / "mnist"
        (data / name).rename(data / "mnist")
        assert "has a wrong SHA-256 checksum" in told(DATASETS["mnist"].load, data)

    @pytest.mark.parametrize(
        ("name", "folder"),
        [
            ("fashion-mnist", "FashionMNIST/raw"),
            ("fashion-mnist", "fashion-mnist"),
            ("notmnist", "notMNIST"),
            ("notmnist", "NotMNIST/raw"),
            ("notmnist", "notMNIST-to-MNIST"),
        ],
    )
    def test_folders_of_their_own(self, data, name, folder):
        write_mnist(data / folder)
        (data / folder / "PROVENANCE").write_text("some of them")
        assert DATASETS[name].find(data).path == data / folder
        assert DATASETS[name].find(data / folder).path == data / folder  # named itself
        split = load_split(name, 15, 5, 0, data, preprocessing="standardise")
        assert split.samples == {"t1": 15, "t2": 5, "test": 10}
        assert split.input_shape == (28, 28, 1)
        assert split.provenance.startswith("some of them (content ")
        assert split.provenance.endswith("; T1 15, T2 5, split seed 0, preprocessing standardise")

    def test_checksums_of_all_three_differ(self):
        for table in ("ARCHIVES", "CONTENTS"):
            digests = [digest for module in ALIKE.values() for digest in getattr(module, table).values()]
            assert len(set(digests)) == len(digests)
        assert all(module.ARCHIVES.keys() == mnist.ARCHIVES.keys() for module in OTHERS.values())
        assert notmnist.ARCHIVES.keys() - notmnist.CONTENTS.keys() == {"train-images-idx3-ubyte.gz"}


class TestArchivesOfUnknownContent:
    """What has no checksum of its content must be the archive as it was published."""

    @pytest.fixture
    def pictures(self, data):
        write_mnist(data / "thing", 20, 10)
        archives, contents = {}, {}
        for name in PLAIN:
            packed = (data / "thing" / name).read_bytes()
            archives[name] = f"md5:{hashlib.md5(packed).hexdigest()}"
            contents[name] = hashlib.sha256(gzip.decompress(packed)).hexdigest()
        del contents["train-images-idx3-ubyte.gz"]
        return IdxPictures(idx_remote("thing", "", archives), contents, "Things", samples=(20, 10))

    def test_as_published(self, data, pictures):
        found = pictures.load(data)
        assert (len(found.train_images), len(found.test_images), found.provenance) == (20, 10, "Things")

    def test_packed_again(self, data, pictures):
        """The same bytes in another archive, or in none: that is not known to be the same."""
        path = data / "thing" / "train-images-idx3-ubyte.gz"
        content = gzip.decompress(path.read_bytes())
        for name in ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"):
            path.unlink(missing_ok=True)
            (data / "thing" / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
            line = told(pictures.load, data)
            assert f"{name}': has a wrong checksum (MD5 " in line
            assert "or say in a file PROVENANCE beside it what it is" in line
        labels = data / "thing" / "train-labels-idx1-ubyte.gz"
        labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()), 1))
        (data / "thing" / "PROVENANCE").write_text("packed again")
        assert pictures.load(data).provenance.startswith("packed again (content ")

    def test_other_labels(self, data, pictures):
        """Labels go by their content, in whatever archive."""
        path = data / "thing" / "train-labels-idx1-ubyte.gz"
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content, 1))
        assert pictures.load(data).provenance == "Things"
        path.write_bytes(gzip.compress(content[:-1] + b"\x01"))
        assert "train-labels-idx1-ubyte.gz': has a wrong SHA-256 checksum" in told(pictures.load, data)


LETTERS = '''"""Letters that a test writes."""

from t1t2_pt.datasets.idx_pictures import IdxPictures, idx_remote

NAMES = ("train-images.gz", "train-labels.gz", "test-images.gz", "test-labels.gz")
REMOTE = idx_remote("letters", "http://127.0.0.1:9/", dict.fromkeys(NAMES, "md5:0"))
SOURCE = IdxPictures(REMOTE, {}, "letters", samples=(30, 12), side=5, classes=26).source(
    title="Letters A to Z", description="letters, 5x5 grey, {}", usual=(20, 10)
)
'''
INVERTED = '''"""Black for white."""


def inverted(*parts):
    return [(1 - part / 255).astype("float32") for part in parts]


METHODS = {"inverted": inverted}
'''
USES = """
import json, sys
from t1t2_pt.datasets import DATASETS, PREPROCESSING, USUAL_SIZES, load_split

names = list(DATASETS), list(PREPROCESSING), USUAL_SIZES["letters"], DATASETS["letters"].title
split = load_split("letters", 20, 10, 0, sys.argv[1], preprocessing="inverted")
print(json.dumps([*names, split.arrays["t1_inputs"].tolist(), split.arrays["t1_labels"].tolist(), split.provenance]))
"""


class TestANewFile:
    @pytest.fixture
    def package(self, tmp_path):
        """A copy of the package with a data set and a kind of preprocessing more."""
        shutil.copytree(ROOT / "t1t2_pt", tmp_path / "t1t2_pt", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "t1t2_pt" / "datasets" / "letters.py").write_text(LETTERS)
        (tmp_path / "t1t2_pt" / "datasets" / "preprocessing" / "inverted.py").write_text(INVERTED)
        return tmp_path

    def run(self, package: Path, *arguments: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(package)}
        return subprocess.run(
            [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True
        )

    def write(self, folder: Path) -> tuple[np.ndarray, np.ndarray]:
        folder.mkdir()
        rng = np.random.default_rng(0)
        written = []
        for name, shape, end in (
            ("train-images", (30, 5, 5), 256),
            ("train-labels", (30,), 26),
            ("test-images", (12, 5, 5), 256),
            ("test-labels", (12,), 26),
        ):
            content = rng.integers(0, end, shape).astype(np.uint8)
            header = bytes((0, 0, 8, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape)
            (folder / f"{name}.gz").write_bytes(gzip.compress(header + content.tobytes()))
            written.append(content)
        (folder / "PROVENANCE").write_text("letters of a test")
        return written[0], written[1]

    def test_is_a_data_set_and_nothing_else_is_needed(self, package, data):
        images, labels = self.write(data / "letters")
        done = self.run(package, "-c", USES, str(data))
        assert done.returncode == 0, done.stderr
        names, methods, usual, title, inputs, found, provenance = json.loads(done.stdout)
        assert names == [*list(DATASETS)[:4], *sorted([*list(DATASETS)[4:], "letters"])]
        assert sorted(methods) == sorted([*PREPROCESSING, "inverted"])
        assert (usual, title) == ({"t1_samples": 20, "t2_samples": 10}, "Letters A to Z")
        assert provenance.endswith("; T1 20, T2 10, split seed 0, preprocessing inverted")
        rows = np.random.Generator(np.random.Philox(0)).permutation(30)[:20]
        np.testing.assert_array_equal(found, labels[rows])
        np.testing.assert_allclose(np.squeeze(inputs, -1), 1 - images[rows] / 255, atol=1e-6)

        done = self.run(package, "-m", "t1t2_pt.cli", "data", "list", "--json", "--data-dir", str(data))
        (row,) = (row for row in json.loads(done.stdout) if row["name"] == "letters")
        assert row["place"] == str(data / "letters")
        assert (row["t1_samples"], row["description"]) == (20, "letters, 5x5 grey, 30 + 12")

    def test_a_name_that_is_taken(self, package):
        """No data set hides another, and no kind of preprocessing."""
        for folder, text, problem in (
            ("datasets", LETTERS.replace('"letters"', '"mnist"'), "there is a data set mnist already"),
            ("datasets/preprocessing", INVERTED.replace('"inverted"', '"zca"'), "preprocessing zca is there already"),
        ):
            path = package / "t1t2_pt" / folder / "other.py"
            path.write_text(text)
            done = self.run(package, "-c", "import t1t2_pt.datasets")
            assert done.returncode == 1
            assert problem in done.stderr
            path.unlink()
