"""Where data sets are found, under which names, and what a PROVENANCE beside them does: one rule for all."""

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import tarfile

import numpy as np
import pytest
import scipy.io
from conftest import ROOT

from t1t2_pt.cli import main as cli
from t1t2_pt.datasets import DATASETS, cifar10, fashion_mnist, load_split, mnist, notmnist, photos, sources, svhn
from t1t2_pt.system.errors import InputError

MODULES = {"mnist": mnist, "svhn": svhn, "cifar10": cifar10, "fashion-mnist": fashion_mnist, "notmnist": notmnist}
MNIST = ROOT / "data" / "mnist"
PLAIN = {name: name.removesuffix(".gz") for name in mnist.ARCHIVES}
DOTTED = {name: plain.replace("-idx", ".idx") for name, plain in PLAIN.items()}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of data sets; there is a cache without any, and the repository's own."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    monkeypatch.delenv("T1T2_DATA", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def told(function, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


def unpack(folder, names, change=lambda content: content):
    folder.mkdir(parents=True)
    for name, other in names.items():
        (folder / other).write_bytes(change(gzip.decompress((MNIST / name).read_bytes())))


class TestMnistUnderOtherNames:
    @pytest.mark.parametrize(
        ("folder", "names"),
        [
            ("mnist", PLAIN),
            ("mnist", DOTTED),
            ("MNIST", {name: plain.upper() for name, plain in PLAIN.items()}),
            ("MNIST/raw", PLAIN),
            (".", PLAIN),
            ("mnist", {name: name for name in PLAIN}),  # as a browser saves them: unpacked, with the old name
        ],
    )
    def test_is_found_and_checked(self, data, folder, names, monkeypatch):
        monkeypatch.setattr(sources, "REPOSITORY_DATA", data / "none")
        shutil.rmtree(data)
        unpack(data / folder, names)
        assert mnist.load(data).provenance == mnist.PUBLISHED
        with open(data / folder / names["t10k-labels-idx1-ubyte.gz"], "r+b") as stream:
            stream.seek(1000)
            stream.write(b"\x01\x02")
        assert "has a wrong SHA-256 checksum" in told(mnist.load, data)

    def test_torchvision_keeps_both(self, data):
        """The archives and what was in them."""
        unpack(data / "MNIST" / "raw", PLAIN)
        for name in PLAIN:
            shutil.copy(MNIST / name, data / "MNIST" / "raw")
        assert mnist.SOURCE.find(data).path == data / "MNIST" / "raw"

    def test_another_data_set_of_torchvision_is_not_taken_for_it(self, data):
        unpack(data / "FashionMNIST" / "raw", PLAIN)
        assert mnist.SOURCE.find(data).path == MNIST


class TestNamedPlaces:
    """What the user names is used or told; where it has nothing of a data set, the next place is used."""

    def test_next_place(self, data, capsys):
        assert mnist.SOURCE.find(data).path == MNIST
        assert svhn.SOURCE.find(data) is None
        assert cli.main(["data", "list", "--json", "--data-dir", str(data)]) == 0
        rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["mnist"]["place"] == str(MNIST)

    @pytest.mark.parametrize("name", MODULES)
    @pytest.mark.parametrize("by", ["option", "environment"])
    def test_unusable_folder(self, data, name, by, monkeypatch):
        if by == "environment":
            monkeypatch.setenv("T1T2_DATA", str(data))
        arguments = (name, 10, 10, 0, *([data] if by == "option" else []))
        (data / name).mkdir()
        first = next(iter(MODULES[name].REMOTE.files))
        for change, problem in (
            (lambda: None, f"has none of the files of {name}; put {first}"),
            (lambda: (data / name / "readme.txt").write_text("data"), f"has none of the files of {name}"),
            (lambda: os.mkfifo(data / name / first), f"has {first}, which is not a file"),
            (lambda: (data / name / first).unlink() or shutil.rmtree(data / name), None),
            (lambda: (data / name.upper()).write_text("a file"), "is not a folder; put"),
        ):
            change()
            if problem is not None:
                assert problem in told(load_split, *arguments)
        assert "there, or move it away" in told(load_split, *arguments)
        assert cli.main(["data", "verify", name, "--data-dir", str(data)]) == 1

    def test_some_of_the_files(self, data):
        for name in PLAIN:
            (data / "mnist").mkdir(exist_ok=True)
            line = told(mnist.load, data)
            assert name in line
            shutil.copy(MNIST / name, data / "mnist")
        assert mnist.SOURCE.find(data).path == data / "mnist"
        (data / "train_32x32.mat").write_bytes(b"in the folder itself")
        assert f"data folder = '{data}': lacks test_32x32.mat" in told(svhn.load, data)

    def test_pickled_cifar10_of_torchvision(self, data):
        (data / "cifar-10-batches-py").mkdir()
        (data / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x04.")
        assert "holds the pickled version of CIFAR-10, which is never loaded" in told(cifar10.load, data)

    @pytest.mark.parametrize("kind", ["nothing", "file", "pipe", "long", "loop"])
    def test_folder_that_is_none(self, data, kind, monkeypatch, capsys):
        path = {"long": data / ("n" * 300)}.get(kind, data / "place")
        if kind == "file":
            path.write_text("")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "loop":
            path.symlink_to("place")
        told_by_option = told(mnist.load, path)
        assert told_by_option.startswith("data_dir = ")
        monkeypatch.setenv("T1T2_DATA", str(path))
        for arguments in (["data", "list"], ["data", "verify"], ["train", "--store", str(data / "x.sqlite")]):
            assert cli.main(arguments) == 2
            line = capsys.readouterr().err
            assert line == f"t1t2: {told_by_option.replace('data_dir', 'T1T2_DATA')}\n"
        assert not (data / "x.sqlite").exists()


def write_svhn(folder, train=30, test=12):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name, samples in (("train", train), ("test", test)):
        x = rng.integers(0, 256, (32, 32, 3, samples)).astype(np.uint8)
        y = (np.arange(samples) % 10 + 1).astype(np.uint8)[:, None]
        scipy.io.savemat(folder / f"{name}_32x32.mat", {"X": x, "y": y}, do_compression=True)


def write_cifar10(folder, samples=4):
    folder.mkdir(parents=True, exist_ok=True)
    for name in cifar10.BATCHES:
        records = np.random.default_rng(1).integers(0, 10, (samples, cifar10.RECORD)).astype(np.uint8)
        (folder / name).write_bytes(records.tobytes())


def write_cifar10_archive(folder, samples=4):
    write_cifar10(folder, samples)
    with tarfile.open(folder / cifar10.ARCHIVE, "w:gz") as archive:
        for name in cifar10.BATCHES:
            archive.add(folder / name, f"cifar-10-batches-bin/{name}")
            (folder / name).unlink()


def write_mnist(folder, train=20, test=10):
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, samples in (("train", train), ("t10k", test)):
        for kind, shape in (("images-idx3", (samples, 28, 28)), ("labels-idx1", (samples,))):
            header = bytes((0, 0, 8, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape)
            content = (np.arange(np.prod(shape)) % 10).astype(np.uint8).tobytes()
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + content))


WRITERS = {
    "mnist": ("mnist", write_mnist, (20, 10)),
    "fashion-mnist": ("fashion-mnist", write_mnist, (20, 10)),
    "notmnist": ("notmnist", write_mnist, (20, 10)),
    "svhn": ("svhn", write_svhn, (30, 12)),
    "cifar10": ("cifar10", write_cifar10, (20, 4)),
    "cifar10's archive": ("cifar10", write_cifar10_archive, (20, 4)),
}


@pytest.mark.parametrize("kind", WRITERS)
class TestProvenance:
    def test_a_declared_part_is_used_as_what_it_is(self, data, kind, capsys):
        name, write, sizes = WRITERS[kind]
        write(data / name)
        if kind != "cifar10":  # whose batches have no published checksums, but a published size
            line = told(DATASETS[name].load, data)
            assert "say in a file PROVENANCE beside it what it is" in line
        (data / name / "PROVENANCE").write_text("a part,\n drawn by a test.\n")
        found = DATASETS[name].load(data)
        assert (len(found.train_labels), len(found.test_labels)) == sizes
        content = hashlib.sha256()
        for array in (found.train_images, found.train_labels, found.test_images, found.test_labels):
            content.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
        assert found.provenance == f"a part, drawn by a test (content {content.hexdigest()[:12]})"
        assert cli.main(["data", "verify", name, "--data-dir", str(data)]) == 0
        assert f"{name}: right; {found.provenance}; {sizes[0]} + {sizes[1]} in {data / name}" in capsys.readouterr().out
        assert cli.main(["data", "list", "--json", "--data-dir", str(data)]) == 0
        (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == name)
        assert f" {sizes[0]} + {sizes[1]}" in row["description"]

    def test_other_content_is_told_apart(self, data, kind):
        name, write, _ = WRITERS[kind]
        texts = set()
        for size in (5, 6):
            write(data / name, size)
            (data / name / "PROVENANCE").write_text("a part")
            texts.add(DATASETS[name].load(data).provenance)
        assert len(texts) == 2

    def test_advice_that_was_followed_is_not_given_again(self, data, kind, monkeypatch):
        """What is still wrong is told without it: here, more samples than were published."""
        for module in (mnist, fashion_mnist, notmnist):
            smaller = dataclasses.replace(module.PICTURES, samples=(40, 40))
            monkeypatch.setitem(DATASETS, module.REMOTE.dataset, dataclasses.replace(module.SOURCE, load=smaller.load))
        monkeypatch.setattr(svhn, "SAMPLES", dict.fromkeys(svhn.SAMPLES, 40))
        monkeypatch.setattr(cifar10, "SAMPLES", 40)
        name, write, _ = WRITERS[kind]
        write(data / name, 41)
        (data / name / "PROVENANCE").write_text("more than there are")
        line = told(DATASETS[name].load, data)
        assert "data file = " in line
        assert "PROVENANCE" not in line

    @pytest.mark.parametrize("content", [b"\xff\xfe", None, "pipe"])
    def test_unreadable_provenance(self, data, kind, content):
        name, write, _ = WRITERS[kind]
        write(data / name)
        path = data / name / "PROVENANCE"
        if content is None:
            path.mkdir()
        elif content == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(content)
        assert "PROVENANCE': cannot be read" in told(DATASETS[name].load, data)


def test_provenance_is_one_line_of_what_can_be_printed(data):
    write_svhn(data / "svhn")
    for text, shown in (
        ("a\x1b[31m red\x07\r\nset\u202e.", r"a\x1b[31m red\x07 set\u202e"),
        (" \n", "of unknown origin"),
    ):
        (data / "svhn" / "PROVENANCE").write_text(text, newline="")
        assert svhn.load(data).provenance.startswith(f"{shown} (content ")


def test_too_few_samples_are_told_with_sizes_that_fit(data):
    write_svhn(data / "svhn")
    (data / "svhn" / "PROVENANCE").write_text("a part")
    line = told(load_split, "svhn", 65_000, 8_257, 0, data)
    assert line == (
        "t1_samples = 65000: with 8257 t2_samples exceeds the 30 training samples; "
        "give at most 30 together, such as --t1-samples 27 --t2-samples 3"
    )
    assert load_split("svhn", 27, 3, 0, data).samples == {"t1": 27, "t2": 3, "test": 12}


def test_declared_digits_must_be_digits(data):
    write_mnist(data / "mnist")
    (data / "mnist" / "PROVENANCE").write_text("a part")
    path = data / "mnist" / "train-labels-idx1-ubyte.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(content[:-1] + b"\x0a")
    assert "has a label 10, where 0 to 9 are expected" in told(mnist.load, data)
    path.write_bytes(content[:4] + (19).to_bytes(4, "big") + content[8:-1])
    assert "has 19 labels, where there are 20 images" in told(mnist.load, data)


def test_digits_on_photos_are_made_of_the_published_digits_only(data):
    write_mnist(data / "mnist")
    (data / "mnist" / "PROVENANCE").write_text("a part")
    for call in (photos.load, photos.SOURCE.find):
        assert "digits-on-photos is made of the published MNIST" in told(call, data)


def test_a_download_is_checked_even_where_it_was_before(data, tmp_path):
    """A file in the cache that is another than the published one is told, not used."""
    write_svhn(tmp_path / "cache" / "svhn")
    line = told(svhn.load)
    assert "train_32x32.mat': has a wrong checksum" in line
    assert "; `t1t2 data fetch svhn` replaces it" in line
    shutil.rmtree(tmp_path / "cache" / "svhn")
    write_cifar10_archive(tmp_path / "cache" / "cifar10")
    assert "cifar-10-binary.tar.gz': has a wrong checksum" in told(cifar10.load)
    (tmp_path / "cache" / "svhn").mkdir()
    os.mkfifo(tmp_path / "cache" / "svhn" / "train_32x32.mat")
    assert "could not be fetched" in told(svhn.SOURCE.fetch, False)
