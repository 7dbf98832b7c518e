"""Data files that are small and claim, or inflate, to much: refused in little memory, wherever in them that is."""

import gzip
import io
import struct
import tarfile
import zlib

import numpy as np
import pytest
import scipy.io

from t1t2_pt.datasets import archives, svhn
from t1t2_pt.datasets.idx import count, read_idx
from t1t2_pt.runs import exchange
from t1t2_pt.system.errors import InputError

HUGE = 128 << 20  # bytes
LITTLE = 24 << 20
SAMPLES = 4
pytestmark = pytest.mark.xdist_group("bombs")


def deflated(head: bytes, zeros: int, form: int = 15) -> bytes:
    """`head` and so many zeros, as zlib (15) or gzip (31) writes them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    content = packer.compress(head)
    for _ in range(zeros >> 20):
        content += packer.compress(bytes(1 << 20))
    content += packer.flush()
    assert len(content) < 1 << 20
    return content


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(name: bytes, shape: tuple[int, ...], numbers: int, kind: int = 9) -> bytes:
    """A matrix of class uint8 up to where its numbers begin."""
    parts = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    parts += element(1, name) + struct.pack("<II", 2, numbers)
    return struct.pack("<II", 14, len(parts) + numbers) + parts


def mat(*packed: bytes) -> bytes:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    return head + b"".join(struct.pack("<II", 15, len(one)) + one for one in packed)


RIGHT = (32, 32, 3, SAMPLES)
SIZE = 32 * 32 * 3 * SAMPLES
SOUND = zlib.compress(variable(b"X", RIGHT, SIZE) + bytes(SIZE))
LABELS = zlib.compress(variable(b"y", (SAMPLES, 1), SAMPLES) + bytes((1, 2, 3, 4)) + bytes(4))
LONG_NAME = variable(b"X", RIGHT, 0)[:-8].replace(struct.pack("<II", 1, 1), struct.pack("<II", 1, HUGE))
BOMBS = {
    "dimensions": lambda: mat(deflated(variable(b"X", (32, 32, 3, HUGE // 3072), HUGE), HUGE), LABELS),
    "numbers": lambda: mat(deflated(variable(b"X", RIGHT, HUGE), HUGE), LABELS),
    "numbers of the second": lambda: mat(SOUND, deflated(variable(b"y", (SAMPLES, 1), HUGE), HUGE)),
    "after the numbers": lambda: mat(deflated(variable(b"X", RIGHT, SIZE), HUGE), LABELS),
    "twice": lambda: mat(deflated(variable(b"X", (32, 32, 3, HUGE // 3072), HUGE), HUGE), SOUND, LABELS),
    "the name": lambda: mat(deflated(LONG_NAME, HUGE), LABELS),
    "type": lambda: mat(deflated(variable(b"X", RIGHT, HUGE, kind=6), HUGE), LABELS),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_matlab_files(tmp_path, kind, peak):
    (tmp_path / "a.mat").write_bytes(BOMBS[kind]())
    with peak(at_most=LITTLE), pytest.raises(InputError, match=r"data file = '.*a\.mat': "):
        svhn.read_mat(tmp_path / "a.mat", SAMPLES)


def test_what_nobody_asked_for_is_not_inflated(tmp_path, peak):
    other = deflated(variable(b"other", (HUGE, 1), HUGE), HUGE)
    (tmp_path / "a.mat").write_bytes(mat(other, SOUND, LABELS, other))
    with peak(at_most=LITTLE):
        images, labels = svhn.read_mat(tmp_path / "a.mat", SAMPLES)
    assert not images.any()
    assert labels.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["plain", "compressed", "turned"])
def test_matlab_files_of_each_kind_are_read(tmp_path, kind):
    """As SciPy writes them, and with the bytes of every number the other way round."""
    x = np.random.default_rng(0).integers(0, 256, RIGHT).astype(np.uint8)
    y = np.uint8([[10], [1], [2], [9]])
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"c": "text", "X": x, "s": {"a": 1.0}, "y": y}, do_compression=kind == "compressed")
    content = stream.getvalue()
    (tmp_path / "a.mat").write_bytes(_turned(content) if kind == "turned" else content)
    images, labels = svhn.read_mat(tmp_path / "a.mat", SAMPLES)
    np.testing.assert_array_equal(images, x.transpose(3, 0, 1, 2))
    assert labels.tolist() == [0, 1, 2, 9]


def _turned(content: bytes) -> bytes:
    """The variables X and y of an uncompressed file, written with the highest byte first."""
    found = scipy.io.loadmat(io.BytesIO(content))
    result = content[:124] + struct.pack(">H", 0x0100) + b"MI"
    for name in "Xy":
        array = found[name]
        parts = struct.pack(">IIII", 6, 8, 9, 0)
        dimensions = struct.pack(f">{array.ndim}i", *array.shape)
        parts += struct.pack(">II", 5, len(dimensions)) + dimensions + bytes(-len(dimensions) % 8)
        parts += struct.pack(">HH4s", 1, 1, name.encode())
        numbers = array.tobytes(order="F")
        small = struct.pack(">HH4s", len(numbers), 2, numbers) if len(numbers) <= 4 else b""
        parts += small or struct.pack(">II", 2, len(numbers)) + numbers + bytes(-len(numbers) % 8)
        result += struct.pack(">II", 14, len(parts)) + parts
    return result


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "head",
    [
        header("folder/a.bin", HUGE),
        header("folder/other", HUGE) + bytes(0),
        header("././@LongLink", HUGE, tarfile.GNUTYPE_LONGNAME),
        header("pax", HUGE, tarfile.XHDTYPE),
    ],
)
def test_archives(tmp_path, head, peak):
    (tmp_path / "a.tar.gz").write_bytes(deflated(head, HUGE, 31))
    with peak(at_most=LITTLE), pytest.raises(InputError, match=r"data file = '.*a\.tar\.gz': "):
        archives.read_members(tmp_path / "a.tar.gz", {"a.bin": 40})


def test_idx(tmp_path, peak):
    head = bytes((0, 0, 8, 2)) + struct.pack(">II", HUGE // 4, 4)
    (tmp_path / "a.gz").write_bytes(deflated(head, HUGE, 31))
    with peak(at_most=LITTLE):
        with pytest.raises(InputError, match=r"a\.gz': has dimensions"):
            read_idx(tmp_path / "a.gz", (3, 4))
        assert count(tmp_path / "a.gz", 2) == HUGE // 4


def test_runs(tmp_path, peak):
    """What is inflated may be as large as a file of runs usually is, and no larger."""
    (tmp_path / "a.jsonl.gz").write_bytes(deflated(b"", HUGE, 31))
    with peak(at_most=3 * exchange.SMALL), pytest.raises(InputError, match=r"a\.jsonl\.gz': cannot be read \(holds"):
        exchange.read_runs(tmp_path / "a.jsonl.gz")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"[" * 100_000))
    with pytest.raises(InputError, match="line 1 is not a run"):
        exchange.read_runs(tmp_path / "a.jsonl.gz")
