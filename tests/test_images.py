"""SVHN, CIFAR-10 and digits-on-photos from files that the tests write."""

import functools
import hashlib
import io
import pickle
import re
import shutil
import tarfile

import numpy as np
import pytest
import scipy.io
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from t1t2_pt.datasets import DATASETS, archives, cifar10, load_split, photos, sources, svhn
from t1t2_pt.system.errors import InputError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def empty_places(tmp_path, monkeypatch):
    """No data but those that a test puts somewhere, and a cache of its own."""
    monkeypatch.setattr(sources, "REPOSITORY_DATA", tmp_path / "repository")
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    monkeypatch.delenv("T1T2_DATA", raising=False)


def told(function, *arguments):
    """The one line of the error that a call ends in; None if it ends well."""
    try:
        function(*arguments)
    except InputError as error:
        line = str(error)
    else:
        return None
    assert "\n" not in line
    return line


class TestSvhn:
    def write(self, path, samples=4, **changes):
        x = np.random.default_rng(1).integers(0, 256, (32, 32, 3, samples)).astype(np.uint8)
        y = (np.arange(samples) % 10 + 1).astype(np.uint8)[:, None]
        content = {"X": x, "y": y, **changes}
        scipy.io.savemat(path, {k: v for k, v in content.items() if v is not None}, do_compression=True)
        return path, x, y

    def test_reads(self, tmp_path):
        path, x, y = self.write(tmp_path / "a.mat", 12)
        images, labels = svhn.read_mat(path, 12)
        assert images.shape == (12, 32, 32, 3)
        np.testing.assert_array_equal(images[5], x[:, :, :, 5])
        np.testing.assert_array_equal(labels, y[:, 0] % 10)
        assert labels[9] == 0  # written as 10

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            (
                {"X": np.zeros((32, 32, 3, 5), np.uint8)},
                r"has X of dimensions \(32, 32, 3, 5\), where \(32, 32, 3, 4\)",
            ),
            ({"X": np.zeros((32, 32, 3, 4))}, "has X of type double, where uint8"),
            ({"y": np.full((4, 1), 11, np.uint8)}, "has labels from 11 to 11, where 1 to 10"),
            ({"y": np.zeros((4, 1), np.uint8)}, "has labels from 0 to 0"),
            ({"y": np.ones((4, 2), np.uint8)}, r"has y of dimensions \(4, 2\)"),
            ({"y": None}, "has no variable y"),
        ],
    )
    def test_refuses(self, tmp_path, changes, problem):
        path, _, _ = self.write(tmp_path / "a.mat", **changes)
        with pytest.raises(InputError, match=rf"data file = '.*a\.mat': {problem}"):
            svhn.read_mat(path, 4)

    @pytest.mark.parametrize("extra", [b"x", bytes(8), b"more" * 100])
    def test_refuses_more_bytes(self, tmp_path, extra):
        path, _, _ = self.write(tmp_path / "a.mat")
        path.write_bytes(path.read_bytes() + extra)
        with pytest.raises(InputError, match=r"a\.mat': cannot be read as a MATLAB file"):
            svhn.read_mat(path, 4)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(position=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 14_000), raw=st.binary())
    def test_whatever_the_bytes(self, tmp_path, position, byte, cut, raw):
        """A damaged file is told in one line with its name, or still has the right form."""
        path, _, _ = self.write(tmp_path / "a.mat")
        whole = bytearray(path.read_bytes())
        whole[position % len(whole)] = byte
        for content in (bytes(whole), bytes(whole[:cut]), raw):
            path.write_bytes(content)
            line = told(lambda: check_digits(*svhn.read_mat(path, 4)))
            assert line is None or "a.mat" in line

    def test_only_published_files_or_declared_ones(self, tmp_path, monkeypatch):
        folder = tmp_path / "svhn"
        folder.mkdir()
        for name, samples in (("train_32x32.mat", 6), ("test_32x32.mat", 3)):
            self.write(folder / name, samples)
        monkeypatch.setattr(svhn, "SAMPLES", {"train_32x32.mat": 6, "test_32x32.mat": 3})
        with pytest.raises(
            InputError,
            match=r"train_32x32\.mat': has a wrong checksum \(MD5 [0-9a-f]{32}\); put a sound copy",
        ):
            svhn.load(tmp_path)
        (folder / "PROVENANCE").write_text("house numbers\n drawn by a test.\n")
        data = svhn.load(tmp_path)
        assert re.fullmatch(r"house numbers drawn by a test \(content [0-9a-f]{12}\)", data.provenance)
        assert (data.train_images.shape, data.test_images.shape) == ((6, 32, 32, 3), (3, 32, 32, 3))


def check_digits(images, labels):
    """Four images of the right form."""
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((4, 32, 32, 3), np.uint8, (4,), np.int32)
    assert 0 <= labels.min() <= labels.max() <= 9


def record_bytes(samples, seed=0, label=None):
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (samples, cifar10.RECORD)).astype(np.uint8)
    records[:, 0] = np.arange(samples) % 10 if label is None else label
    return records.tobytes()


class TestCifar10:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        """Binary batches of 20 images each."""
        monkeypatch.setattr(cifar10, "SAMPLES", 20)
        folder = tmp_path / "data" / "cifar10"
        folder.mkdir(parents=True)
        for number, name in enumerate(cifar10.BATCHES):
            (folder / name).write_bytes(record_bytes(20, number))
        return folder

    def archive(self, folder, names=None, extra=()):
        path = folder / cifar10.ARCHIVE
        with tarfile.open(path, "w:gz") as archive:
            for name in cifar10.BATCHES if names is None else names:
                archive.add(folder / name, f"cifar-10-batches-bin/{name}")
            for member, content in extra:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    def test_reads_planes(self, folder):
        data = cifar10.load(folder.parent)
        record = np.frombuffer(record_bytes(20, 1), np.uint8).reshape(20, -1)[3]
        assert data.train_labels[23] == record[0]
        np.testing.assert_array_equal(data.train_images[23].transpose(2, 0, 1).ravel(), record[1:])
        assert data.test_images.shape == (20, 32, 32, 3)
        assert data.provenance.startswith("CIFAR-10, binary batches as found, origin not checked (content ")

    @pytest.mark.parametrize("place", ["cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "."])
    def test_finds_every_usual_place(self, folder, tmp_path, place):
        target = tmp_path / "other" / place
        target.mkdir(parents=True)
        for name in cifar10.BATCHES:
            shutil.copy(folder / name, target / name)
        assert cifar10.SOURCE.find(tmp_path / "other").path.samefile(target)

    def test_provenance_goes_into_the_result(self, folder):
        (folder / "PROVENANCE").write_text("a copy made for tests.\n")
        split = load_split("cifar10", 60, 40, 0, folder.parent)
        assert split.provenance.startswith("a copy made for tests (content ")
        assert split.input_shape == (32, 32, 3)

    def test_archive_needs_its_checksum(self, folder, tmp_path, monkeypatch):
        path = self.archive(folder)
        for name in cifar10.BATCHES:
            (folder / name).unlink()
        with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz': has a wrong checksum"):
            cifar10.load(folder.parent)
        checksum = "md5:" + hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(cifar10.REMOTE.files, cifar10.ARCHIVE, checksum)
        data = cifar10.load(folder.parent)
        assert data.provenance == "CIFAR-10, the official binary archive (MD5 checked)"
        assert data.train_images.shape == (100, 32, 32, 3)
        assert sorted(p.name for p in folder.iterdir()) == [cifar10.ARCHIVE]  # nothing is unpacked

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (record_bytes(20)[:-1], "holds fewer than the expected 61460 bytes"),
            (record_bytes(20) + b"x", "holds more than the expected 61460 bytes"),
            (record_bytes(20, label=10), "has a label 10, where 0 to 9"),
            (b"", "holds fewer"),
        ],
    )
    def test_refuses(self, folder, content, problem):
        (folder / "data_batch_3.bin").write_bytes(content)
        with pytest.raises(InputError, match=rf"data_batch_3\.bin': {problem}"):
            cifar10.load(folder.parent)

    def test_never_loads_the_pickled_version(self, tmp_path):
        folder = tmp_path / "cifar10"
        folder.mkdir()

        class Bomb:
            def __reduce__(self):
                return (pytest.fail, ("a pickle was loaded",))

        for name in ("data_batch_1", "test_batch"):
            (folder / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(InputError, match="holds the pickled version of CIFAR-10, which is never loaded"):
            cifar10.load(tmp_path)

    sizes = {"data_batch_1.bin": 61460}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("name", "kind", "problem"),
        [
            ("../evil", tarfile.REGTYPE, "has a member whose name leads elsewhere"),
            ("/etc/evil", tarfile.REGTYPE, "has a member whose name leads elsewhere"),
            ("a/../../evil", tarfile.REGTYPE, "has a member whose name leads elsewhere"),
            ("..\\evil", tarfile.REGTYPE, "has a member whose name leads elsewhere"),
            ("link", tarfile.SYMTYPE, "has a member that is not a plain file"),
            ("other/data_batch_1.bin", tarfile.REGTYPE, r"has data_batch_1\.bin"),
        ],
    )
    def test_archives_with_evil_members(self, folder, name, kind, problem):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        path = self.archive(folder, ["data_batch_1.bin"], [(member, b"evil")])
        before = sorted(folder.parent.parent.rglob("*"))
        with pytest.raises(InputError, match=rf"tar\.gz': {problem}"):
            archives.read_members(path, self.sizes)
        assert sorted(folder.parent.parent.rglob("*")) == before

    def test_archive_without_a_member(self, folder):
        with pytest.raises(InputError, match=r"tar\.gz': lacks data_batch_1\.bin"):
            archives.read_members(self.archive(folder, []), self.sizes)

    def check_members(self, path):
        found = archives.read_members(path, self.sizes)
        assert {name: len(content) for name, content in found.items()} == self.sizes

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(position=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 60_000), raw=st.binary())
    def test_whatever_the_bytes_of_an_archive(self, folder, position, byte, cut, raw):
        path = self.archive(folder, ["data_batch_1.bin"])
        whole = bytearray(path.read_bytes())
        whole[position % len(whole)] = byte
        for content in (bytes(whole), bytes(whole[:cut]), raw):
            path.write_bytes(content)
            line = told(self.check_members, path)
            assert line is None or cifar10.ARCHIVE in line


load_photos = functools.cache(photos.load)


class TestDigitsOnPhotos:
    @pytest.fixture(autouse=True)
    def real_data(self, empty_places, monkeypatch):
        monkeypatch.setattr(sources, "REPOSITORY_DATA", ROOT / "data")

    @pytest.fixture
    def data(self, real_data):
        return load_photos()

    def test_sizes_of_svhn(self, data):
        assert data.train_images.shape == (73_257, 32, 32, 3)
        assert data.test_images.shape == (10_000, 32, 32, 3)
        assert "svhn" not in data.provenance.lower()
        split = load_split("digits-on-photos", 300, 100, 0)
        assert split.samples == {"t1": 300, "t2": 100, "test": 10_000}
        norms = np.linalg.norm(split.arrays["t1_inputs"].reshape(300, -1), axis=1)
        np.testing.assert_allclose(norms, 55, rtol=1e-5)

    def test_is_the_same_every_time(self, data):
        assert (
            hashlib.sha256(data.train_images[:500].tobytes()).hexdigest()
            == "a3510cb17ac32986fcee4b4d77544e5c25a4e5364619cf4b75fb3d04212a903f"
        )
        assert (
            hashlib.sha256(data.test_images[:500].tobytes()).hexdigest()
            == "0e7f0def7c669b4778fc403b77298c809cde3c0b699853fdcc37545f5b6f61c5"
        )

    def test_is_the_difference_of_digit_and_patch(self):
        """Where there is no ink the photograph shows through; where ink is full it is turned over."""
        photo = RNG.integers(0, 256, (2, 40, 50, 3)).astype(np.uint8)
        digits = np.zeros((2, 28, 28, 1), np.uint8)
        digits[1] = 255
        plain, ink = photos.blend(digits, np.array([0, 1]), list(photo), seed=3)

        def is_patch(image, side):
            windows = np.lib.stride_tricks.sliding_window_view(photo, (side, side, 3), (1, 2, 3))
            return (windows == image).all(axis=(-3, -2, -1)).any()

        assert is_patch(plain, 32)
        assert is_patch(255 - ink[2:30, 2:30].astype(int), 28)
        assert not is_patch(ink, 32)

    def test_no_digit_is_on_both_sides(self, data):
        from t1t2_pt.datasets import split_rows

        t1, t2 = split_rows(73_257, 65_000, 8_257, 0, data.groups)
        assert (len(t1), len(t2)) == (65_000, 8_257)
        assert not np.intersect1d(data.groups[t1], data.groups[t2]).size

    def test_refuses_another_photograph(self, tmp_path):
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "a.png")
        with pytest.raises(InputError, match=r"a\.png': has a wrong SHA-256 checksum of its pixels"):
            photos.read_photo(tmp_path / "a.png", "0" * 64)
        (tmp_path / "b.png").write_bytes(b"no image")
        with pytest.raises(InputError, match=r"b\.png': cannot be read"):
            photos.read_photo(tmp_path / "b.png", "0" * 64)


@pytest.mark.parametrize("name", ["svhn", "cifar10"])
def test_absent_and_offline(name, monkeypatch):
    """One line with three remedies."""
    module = {"svhn": svhn, "cifar10": cifar10}[name]
    remote = sources.Remote(name, "http://127.0.0.1:9/", module.REMOTE.files)
    monkeypatch.setattr(module, "REMOTE", remote)
    line = told(load_split, name, 10, 10, 0)
    for part in ("is not on this machine", "--data-dir", "T1T2_DATA", f"t1t2 data fetch {name}"):
        assert part in line
    assert DATASETS[name].find(None) is None


def test_photo_notes_have_the_right_checksums():
    note = (ROOT / "data" / "photos" / "README.md").read_text()
    for name, digest in photos.PHOTOS.items():
        assert f"| {name} |" in note
        assert digest in note
