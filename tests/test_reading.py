"""Files from outside are read without waiting, and without inflating what they only claim to hold."""

import gzip
import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest

from t1t2_pt.system.reading import MOST_PIXELS, PNG, open_file, open_picture, read_arrays, read_file

GIGABYTE = 1 << 30


@pytest.fixture(params=["pipe", "device", "folder"])
def no_file(request, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return {"pipe": tmp_path / "pipe", "device": "/dev/zero", "folder": tmp_path}[request.param]


def test_only_files_are_read(no_file):
    for read in (open_file, lambda path: read_file(path, 10), lambda path: open_picture(path).__enter__()):
        with pytest.raises(OSError, match="is not a plain file"):
            read(no_file)


def test_whole_files(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"content"))
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "a.gz", "link"):
        assert read_file(tmp_path / name, 7) == b"content"
        with pytest.raises(OSError, match="holds more than 6 bytes"):
            read_file(tmp_path / name, 6)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"content")[:-9])
    with pytest.raises(OSError, match="ended before"):
        read_file(tmp_path / "cut.gz", 7)


def test_a_small_file_is_not_inflated_to_a_large_one(tmp_path, peak):
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = deflate.compress(bytes(1 << 20))
    content = zeros + b"".join(deflate.compress(bytes(1 << 20)) for _ in range(255)) + deflate.flush()
    (tmp_path / "bomb.gz").write_bytes(content)
    assert len(content) < 1 << 20
    with peak(at_most=64 << 20), pytest.raises(OSError, match="holds more than 1,000,000 bytes"):
        read_file(tmp_path / "bomb.gz", 1_000_000)


class TestArrays:
    def saved(self, **arrays):
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream

    def test_reads(self):
        found = read_arrays(self.saved(a=np.arange(3), b=np.float32([[1.5]])))
        assert set(found) == {"a", "b"}
        np.testing.assert_array_equal(found["a"], [0, 1, 2])
        assert found["b"].dtype == np.float32

    def test_compressed_ones_are_refused(self, peak):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", _npy((1 << 26,)) + bytes(1 << 26))
        assert len(stream.getvalue()) < 1 << 20
        with peak(at_most=16 << 20), pytest.raises(ValueError, match="is compressed"):
            read_arrays(stream)

    def test_more_than_there_is_cannot_be_claimed(self, peak):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.npy", _npy((3 * GIGABYTE,)) + bytes(10))
        with peak(at_most=16 << 20), pytest.raises(ValueError, match="not plain numbers of the shapes that it gives"):
            read_arrays(stream)
        content = self.saved(a=np.zeros(1000, np.uint8)).getvalue()
        sizes = content.rindex(b"PK\x01\x02") + 20
        lying = content[:sizes] + struct.pack("<II", GIGABYTE, GIGABYTE) + content[sizes + 8 :]
        with pytest.raises(ValueError, match="claims to hold more than it does"):
            read_arrays(io.BytesIO(lying))

    def test_no_pickles(self):
        with pytest.raises(ValueError, match="not plain numbers"):
            read_arrays(self.saved(a=np.array([{}], object)))

    @pytest.mark.parametrize("content", [b"", b"something else", b"PK\x03\x04" + bytes(40)])
    def test_something_else(self, content):
        with pytest.raises(ValueError, match="not a zip file"):
            read_arrays(io.BytesIO(content))


def _npy(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    side = int(MOST_PIXELS**0.5) + 1
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "a.png").write_bytes(PNG + chunk)
    with (
        pytest.raises(ValueError, match=f"claims to have {side:,} x {side:,} pixels"),
        open_picture(tmp_path / "a.png"),
    ):
        pass
    (tmp_path / "a.png").write_bytes(b"GIF89a" + bytes(40))
    with pytest.raises(ValueError, match="is not a PNG picture"), open_picture(tmp_path / "a.png"):
        pass
