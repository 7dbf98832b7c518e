"""MNIST as embedded, the split, and files that are not what they should be."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import shutil
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t1t2_pt.datasets import load_split, mnist, sources
from t1t2_pt.datasets.idx import read_idx
from t1t2_pt.datasets.splitting import split_rows
from t1t2_pt.system.errors import InputError


@pytest.fixture(scope="module")
def data():
    return mnist.load()


def test_mnist(data):
    assert data.train_images.shape == (60_000, 28, 28, 1)
    assert data.test_images.shape == (10_000, 28, 28, 1)
    assert data.train_images.dtype == np.uint8
    # The well-known counts of each digit.
    assert np.bincount(data.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_split_of_the_paper(data):
    split = load_split("mnist", 55_000, 5_000, 0)
    assert split.samples == {"t1": 55_000, "t2": 5_000, "test": 10_000}
    np.testing.assert_allclose(split.arrays["t1_inputs"].mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    assert np.ptp(split.arrays["t1_inputs"][:, 14, 14]) == 1  # from black to white
    # T2 and test are centred by the mean of T1, not by their own.
    assert np.abs(split.arrays["t2_inputs"].mean(axis=0)).max() > 1e-4
    counts = np.bincount(split.arrays["t1_labels"]) + np.bincount(split.arrays["t2_labels"])
    assert counts.tolist() == np.bincount(data.train_labels).tolist()
    assert "T1 55,000, T2 5,000, split seed 0" in split.provenance


@settings(max_examples=50)
@given(t1=st.integers(1, 60), t2=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_parts_are_disjoint(t1, t2, seed):
    first, second = split_rows(100, t1, t2, seed)
    assert (len(first), len(second)) == (t1, t2)
    assert len(np.union1d(first, second)) == t1 + t2
    np.testing.assert_array_equal(first, split_rows(100, t1, t2, seed)[0])


@settings(max_examples=30)
@given(t1=st.integers(1, 70), t2=st.integers(1, 30), seed=st.integers(0, 1000))
def test_groups_stay_on_one_side(t1, t2, seed):
    """Samples 0 to 34 are shown twice, 35 to 64 once: a hundred in all."""
    groups = np.arange(100) % 65
    first, second = split_rows(100, t1, t2, seed, groups)
    assert (len(set(first)), len(set(second))) == (t1, t2)
    assert not set(groups[first]) & set(groups[second])


def test_too_few_samples_of_their_own():
    with pytest.raises(InputError, match="t2_samples = 31: exceeds the 30 training samples that show what no other"):
        split_rows(100, 10, 31, 0, np.arange(100) % 65)


def test_split_depends_on_the_seed():
    assert (split_rows(100, 60, 40, 0)[0] != split_rows(100, 60, 40, 1)[0]).any()


@pytest.mark.parametrize(
    ("t1", "t2", "message"),
    [
        (0, 10, "t1_samples = 0: leaves the split empty"),
        (10, 0, "t2_samples = 0: leaves the split empty"),
        (91, 10, "t1_samples = 91: with 10 t2_samples exceeds the 100 training samples; give at most 100 together"),
    ],
)
def test_impossible_splits(t1, t2, message):
    with pytest.raises(InputError, match=message):
        split_rows(100, t1, t2, 0)


CONTENT = bytes((0, 0, 8, 2)) + (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes(range(6))


def write(path, content):
    path.write_bytes(gzip.compress(content))
    return path


class TestIdx:
    sha = hashlib.sha256(CONTENT).hexdigest()

    def test_reads(self, tmp_path):
        array = read_idx(write(tmp_path / "a.gz", CONTENT), (3, 2), self.sha)
        np.testing.assert_array_equal(array, np.arange(6).reshape(3, 2))

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (CONTENT[:-1], "holds fewer than the expected 18 bytes"),
            (CONTENT + b"x", "holds more than the expected 18 bytes"),
            (CONTENT[:2] + bytes((9,)) + CONTENT[3:], "starts with 00000902"),
            (CONTENT[:3] + bytes((1,)) + CONTENT[4:], "starts with 00000801"),
            (CONTENT[:7] + bytes((4,)) + CONTENT[8:], r"has dimensions \(4, 2\), where \(3, 2\) are expected"),
            (CONTENT[:-1] + b"x", "has a wrong SHA-256 checksum"),
            (b"", "starts with nothing"),
        ],
    )
    def test_refuses(self, tmp_path, content, problem):
        path = write(tmp_path / "a.gz", content)
        with pytest.raises(InputError, match=rf"data file = '.*a\.gz': {problem}") as caught:
            read_idx(path, (3, 2), self.sha)
        assert "\n" not in str(caught.value)

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(position=st.integers(0, 200), byte=st.integers(0, 255), cut=st.integers(0, 60), raw=st.binary(max_size=60))
    def test_whatever_the_bytes(self, tmp_path, position, byte, cut, raw):
        """A damaged archive is refused with one line, or still holds exactly the right content."""
        whole = bytearray(gzip.compress(CONTENT, mtime=0))
        whole[position % len(whole)] = byte
        for content in (bytes(whole), bytes(whole[:cut]), raw):
            (tmp_path / "a.gz").write_bytes(content)
            told = None
            try:
                np.testing.assert_array_equal(read_idx(tmp_path / "a.gz", (3, 2), self.sha), np.arange(6).reshape(3, 2))
            except InputError as error:
                told = str(error)
            assert told is None or ("a.gz" in told and "\n" not in told)


class TestSources:
    def copy(self, folder):
        shutil.copytree(sources.REPOSITORY_DATA / "mnist", folder / "mnist")
        return folder

    def test_given_folder_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.setenv("T1T2_DATA", str(tmp_path / "elsewhere"))
        given = self.copy(tmp_path)
        assert sources.locate(mnist.REMOTE, given).path == given / "mnist"

    def test_environment_comes_next(self, tmp_path, monkeypatch):
        monkeypatch.setenv("T1T2_DATA", str(self.copy(tmp_path)))
        assert sources.locate(mnist.REMOTE).path == tmp_path / "mnist"

    def test_damaged_mnist_is_refused(self, tmp_path):
        labels = self.copy(tmp_path) / "mnist" / "t10k-labels-idx1-ubyte.gz"
        content = bytearray(gzip.decompress(labels.read_bytes()))
        content[100] ^= 1
        labels.write_bytes(gzip.compress(bytes(content)))
        with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz': has a wrong SHA-256 checksum"):
            mnist.load(tmp_path)

    def test_absent_and_offline(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "REPOSITORY_DATA", tmp_path / "none")
        monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
        address = (tmp_path / "nothing").as_uri().replace("file://", "http://localhost:9")
        with pytest.raises(
            InputError,
            match=r"is not on this machine and could not .* --data-dir, or by T1T2_DATA, .* `t1t2 data fetch mnist`",
        ):
            sources.locate(dataclasses.replace(mnist.REMOTE, base_url=address))

    def test_fetches_and_checks(self, tmp_path, monkeypatch):
        """Over HTTP from a server on loopback: the right file is kept, a wrong one refused."""
        (tmp_path / "served").mkdir()
        (tmp_path / "served" / "a.gz").write_bytes(b"content")
        handler = functools.partial(QuietHandler, directory=tmp_path / "served")
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/"
            monkeypatch.setattr(sources, "REPOSITORY_DATA", tmp_path / "none")
            monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            right = {"a.gz": "md5:" + hashlib.md5(b"content").hexdigest()}
            wrong = {"a.gz": "md5:" + hashlib.md5(b"other").hexdigest()}
            with pytest.raises(InputError, match="could not be fetched"):
                sources.fetch(sources.Remote("thing", url, wrong), progress=False)
            assert not (tmp_path / "cache" / "thing" / "a.gz").exists()
            place = sources.locate(sources.Remote("thing", url, right))
            assert place.files["a.gz"] == tmp_path / "cache" / "thing" / "a.gz"
            assert place.files["a.gz"].read_bytes() == b"content"
            server.shutdown()

    def test_data_dir_must_exist(self, tmp_path):
        with pytest.raises(InputError, match=r"data_dir = .* is not a folder"):
            mnist.load(tmp_path / "none")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass
