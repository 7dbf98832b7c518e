"""Files are written whole or not at all."""

import os

import pytest

from t1t2_pt.errors import InputError
from t1t2_pt.files import check_can_write, replacing


def test_replaces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_unwritable_place(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written \(No such file"), replacing(tmp_path / "no" / "a.txt"):
        pass


def test_check_can_write(tmp_path):
    check_can_write("out", tmp_path / "new" / "deep" / "a.png")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out = .* lies below .*file, which is not a folder"):
        check_can_write("out", tmp_path / "file" / "a.png")
    with pytest.raises(InputError, match=r"out = .* is a folder"):
        check_can_write("out", tmp_path)


def test_no_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with pytest.raises(InputError, match=r"cannot be written: no permission in"):
        check_can_write("out", tmp_path / "a.png")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
