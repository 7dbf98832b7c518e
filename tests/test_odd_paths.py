"""Whatever stands where a file or a folder is expected is told in one line, before anything is done; nothing waits."""

import os

import fig1
import pytest
import report

from t1t2_pt.cli import main as cli
from t1t2_pt.plotting import scripts as figures

SMALL = ["--hidden", "5", "--t1-samples", "100", "--t2-samples", "100", "--epochs", "1", "--quiet"]
FIGURE = figures.FigureScript("fig1", "Figure 1", fig1.runs, fig1.draw)
COMMANDS = {
    "train --store": lambda path, store: cli.main(["train", *SMALL, "--store", path]),
    "list --store": lambda path, store: cli.main(["runs", "list", "--store", path]),
    "import into": lambda path, store: cli.main(["runs", "import", path, "--store", store]),
    "export to": lambda path, store: cli.main(["runs", "export", f"{path}.jsonl", "--store", store]),
    "train --data-dir": lambda path, store: cli.main(["train", *SMALL, "--store", store, "--data-dir", path]),
    "verify --data-dir": lambda path, store: cli.main(["data", "verify", "--data-dir", path]),
    "figure --out": lambda path, store: figures.main(FIGURE, ["--out", path, "--store", store, "--quiet"]),
    "figure --export": lambda path, store: figures.main(FIGURE, ["--export", f"{path}.jsonl", "--store", store]),
    "report --out": lambda path, store: report.main(["--out", path]),
}


@pytest.fixture(params=["pipe", "device", "below a pipe", "loop", "long name", "long path", "/proc", "letters"])
def path(request, tmp_path):
    """Something else than a file or a folder; `.jsonl` behind it changes nothing."""
    for ending in ("", ".jsonl"):
        os.mkfifo(tmp_path / f"pipe{ending}")
        (tmp_path / f"loop{ending}").symlink_to(f"loop{ending}")
        (tmp_path / f"device{ending}").symlink_to("/dev/zero")
    return {
        "pipe": str(tmp_path / "pipe"),
        "device": str(tmp_path / "device"),
        "below a pipe": str(tmp_path / "pipe" / "below"),
        "loop": str(tmp_path / "loop"),
        "long name": str(tmp_path / ("n" * 300)),
        "long path": str(tmp_path) + "/n" * 3000,
        "/proc": "/proc/none",
        "letters": os.fsdecode(os.fsencode(tmp_path) + b"/pipe/\xff\x1b[2J"),
    }[request.param]


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_paths(command, path, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("T1T2_DATA", raising=False)
    before = sorted(os.listdir(tmp_path))
    code = COMMANDS[command](path, str(tmp_path / "runs.sqlite"))
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert len(err) < 500
    assert err.strip().isprintable()
    assert sorted(os.listdir(tmp_path)) == before
