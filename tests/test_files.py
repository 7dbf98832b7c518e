"""Files are written whole or not at all."""

import os
import tempfile
from pathlib import Path

import pytest

from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import check_can_write, replacing


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


def test_no_permission(somebody_else):
    """Nor in a folder that is still to be made there."""
    somebody_else.chmod(0o555)
    for place in (somebody_else / "a.png", somebody_else / "new" / "a.png"):
        with pytest.raises(InputError, match=r"cannot be written: no permission in"):
            check_can_write("out", place)
    somebody_else.chmod(0)
    with pytest.raises(InputError, match=r"out = .*: cannot be written \(Permission denied\)"):
        check_can_write("out", somebody_else / "a.png")


@pytest.fixture
def somebody_else():
    """A folder of a user who is not root."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        if os.geteuid() == 0:
            os.chown(name, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(name)
            os.chmod(name, 0o755)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="Linux's own")
def test_folder_in_which_nobody_can_write():
    """Not even root, whom permissions do not stop."""
    for place in ("/proc/a.png", "/proc/new/a.png"):
        with pytest.raises(InputError, match=rf"out = '{place}': cannot be written: .* in /proc; give a place that"):
            check_can_write("out", place)


def test_names_that_are_too_long(tmp_path):
    for place in (tmp_path / ("n" * 300), tmp_path / "new" / ("n" * 300) / "a.png", tmp_path / ("a/" * 3000)):
        with pytest.raises(InputError, match=r"cannot be written \(File name too long\)"):
            check_can_write("out", place)
    with replacing(tmp_path / ("n" * 251 + ".txt")) as beside:  # what is written beside has a name that fits too
        beside.write_text("new")
    assert os.listdir(tmp_path) == ["n" * 251 + ".txt"]


def test_something_else_in_a_files_place(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for place in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(InputError, match=r"out = .*: is a pipe or a device, not a file"):
            check_can_write("out", place)
    with pytest.raises(InputError, match=r"out = .*loop': cannot be written \(Too many levels"):
        check_can_write("out", tmp_path / "loop")
    with pytest.raises(InputError, match=r"lies below .*pipe, which is not a folder"):
        check_can_write("out", tmp_path / "pipe" / "a.png")


def test_the_umask_is_never_set(tmp_path, monkeypatch):
    """Not for a moment, in which another thread's files would be everybody's to write."""
    before = _umask()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask was set"))
    with replacing(tmp_path / "a.txt") as beside:
        assert beside.stat().st_mode & 0o777 == 0o666 & ~before
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~before


def _umask():
    mask = os.umask(0o77)
    os.umask(mask)
    return mask
