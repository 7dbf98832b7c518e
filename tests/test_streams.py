"""What is shown: text from outside is harmless, and a stream that cannot be written changes nothing else."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from conftest import ROOT

from t1t2_pt.cli import doctor
from t1t2_pt.cli import main as cli
from t1t2_pt.cli.commands import run_command
from t1t2_pt.plotting import scripts as figures
from t1t2_pt.runs.exchange import export_runs, read_runs
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.progress import Display, duration
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import SIGNALS, raised
from t1t2_pt.system.readable import readable
from t1t2_pt.system.streams import guarded, log, show, show_table

HOSTILE = "[old] [/data/x] :smile: \x1b[31m\r\n\u202e\x9b é \udcff"
SHOWN = r"[old] [/data/x] :smile: \x1b[31m\r\n\u202e\x9b é \udcff"
STORED, SHOWN_OF_STORE = (text.removesuffix(end) for text, end in ((HOSTILE, "\udcff"), (SHOWN, r"\udcff")))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a few of the committed runs, one of which says hostile things of its data."""
    path = tmp_path_factory.mktemp("store") / "runs.sqlite"
    runs = read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[:4]
    runs[0].provenance.update(data=STORED, backend=STORED)
    RunStore(path).put(runs)
    export_runs(runs, path.parent / "runs.jsonl")
    return path, runs[0].digest


@pytest.fixture(autouse=True)
def quick_doctor(monkeypatch):
    """Which tries no backend."""
    found = {"backends": {"jax": "works"}}
    monkeypatch.setattr(doctor, "examine", lambda folder: {**found, "data": {"mnist": str(folder)}})


TABLE = figures.FigureScript(
    "table", "", lambda request: {}, lambda *arguments: (None, pd.DataFrame({"a": [1]}), "caption")
)


def commands(path: Path, digest: str, folder: Path) -> dict:
    """Each command, as a function without arguments."""
    place = ["--store", str(path)]
    quick = ["--hidden", "5", "--t1", "300", "--t2", "100", "--epochs", "1", "--recompute"]
    lines = {
        "help": ["train", "--help"],
        "train": ["train", *quick, *place],
        "list": ["runs", "list", *place],
        "list as JSON": ["runs", "list", "--json", *place],
        "show": ["runs", "show", digest, *place],
        "export": ["runs", "export", str(folder / "all.jsonl"), *place],
        "import": ["runs", "import", str(path.parent / "runs.jsonl"), *place],
        "data list": ["data", "list"],
        "data verify": ["data", "verify", "mnist"],
        "data fetch": ["data", "fetch", "digits-on-photos"],
        "doctor": ["doctor"],
    }
    found = {name: lambda line=line: cli.main(line) for name, line in lines.items()}
    found["figure"] = lambda: figures.main(TABLE, [*place, "--out", str(folder)])
    return found


NAMES = list(commands(Path(), "", Path()))


class Stream:
    """A real standard stream that nobody can write: a full disk, or a pipe whose reader is gone."""

    def __init__(self, kind: str):
        if kind == "full":
            self.stream = open("/dev/full", "w")  # noqa: SIM115  (closed below)
        elif kind == "gone":
            reader, writer = os.pipe()
            os.close(reader)
            self.stream = open(writer, "w")  # noqa: SIM115
        else:
            self.stream = None

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()  # would fail if anything were left to write


@pytest.fixture
def standard(monkeypatch):
    """Put a stream of some kind in the place of a standard one."""
    made = []

    def put(name: str, kind: str) -> None:
        made.append(Stream(kind))
        monkeypatch.setattr(sys, name, made[-1].stream)

    yield put
    monkeypatch.undo()
    for stream in made:
        stream.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "code"), [("full", 2), ("gone", 141), ("closed", 0)])
def test_standard_output_that_cannot_be_written(store, tmp_path, standard, capsys, name, kind, code):
    """One line for a full disk, none for a reader that went away; what the command does is done all the same."""
    standard("stdout", kind)
    assert commands(*store, tmp_path)[name]() == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(lines) == (kind == "full")
    assert all("standard output cannot be written (No space left on device)" in line for line in lines)
    if name in ("export", "figure"):
        assert os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["train", "data list", "figure"])
@pytest.mark.parametrize("kind", ["full", "gone", "closed"])
def test_standard_error_that_cannot_be_written(store, tmp_path, standard, name, kind):
    standard("stderr", kind)
    with guarded():
        assert commands(*store, tmp_path)[name]() == 0


@pytest.mark.parametrize("kind", ["full", "gone", "closed"])
def test_wrong_input_is_told_where_it_can_be(store, tmp_path, standard, kind):
    """The exit code is the same."""
    for stream in ("stdout", "stderr"):
        standard(stream, kind)
    assert cli.main(["runs", "show", "zzz", "--store", str(store[0])]) == 2
    assert cli.main(["fly"]) == 2


def test_a_process_with_full_streams_ends_as_it_should(store):
    """Also when the interpreter writes at its end what is buffered."""
    command = [Path(sys.executable).with_name("t1t2"), "runs", "list", "--store", store[0]]
    with open("/dev/full", "w") as full:
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == 2
    shell = ["bash", "-c", '"$@" >&- 2>&-', "closed", *command]
    assert subprocess.run(shell, check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_names_that_the_terminal_cannot_encode(store, tmp_path, monkeypatch, name):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    assert commands(*store, tmp_path / "é")[name]() == 0
    assert buffer.getvalue().decode("ascii")
    if name in ("export", "figure"):
        assert "\\xe9" in buffer.getvalue().decode()


class TestTextFromOutside:
    def test_what_cannot_be_seen_is_shown(self):
        assert readable(HOSTILE) == SHOWN
        assert readable("n0 = 0.5, T1 55,000, ü, 数") == "n0 = 0.5, T1 55,000, ü, 数"

    def test_lines_and_tables(self, capsys):
        show(HOSTILE)
        show_table([(HOSTILE, 1)], ("[name]", "b"))
        log(HOSTILE)
        out, err = capsys.readouterr()
        assert out.splitlines()[0] == err.rstrip("\n") == SHOWN
        assert SHOWN in out.splitlines()[4]
        assert "[name]" in out

    def test_runs(self, store, capsys):
        """In a store, which anybody may have written."""
        path, digest = store
        for arguments in (["show", digest], ["list"]):
            assert cli.main(["runs", *arguments, "--store", str(path)]) == 0
            out = capsys.readouterr().out
            assert r"[old]" in out
            assert all(sign.isprintable() or sign == "\n" for sign in out)
        assert cli.main(["runs", "show", digest, "--store", str(path)]) == 0
        assert f"data         {SHOWN_OF_STORE}" in capsys.readouterr().out

    def test_names(self, tmp_path, capsys):
        """Of folders, which may have any."""
        folder = tmp_path / "[old] \x1b[31m"
        folder.mkdir()
        (folder / "mnist").symlink_to(ROOT / "data" / "mnist")
        for arguments in (["data", "list"], ["data", "verify", "mnist"], ["doctor"]):
            assert cli.main([*arguments, "--data-dir", str(folder)]) == 0
            out = capsys.readouterr().out
            assert r"[old] \x1b[31m" in " ".join(out.split())
            assert "\x1b" not in out

    def test_wrong_input(self, capsys):
        assert cli.main(["runs", "show", "x", "--store", "/[old]\x1b[31m"]) == 2
        assert cli.main(["train", f"--{HOSTILE}"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 2
        assert "\x1b" not in err
        assert r"[old]\x1b[31m" in err
        line = str(InputError("file", "x", "is \x1b[31m\nred", "mend it"))
        assert line == r"file = 'x': is \x1b[31m red; mend it"

    def test_numbers_that_python_does_not_write(self):
        assert str(InputError("seed", 10**5000, "is out of range", "give less")).count(" digits: is out of range") == 1

    def test_messages_beside_a_bar(self, monkeypatch):
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        monkeypatch.setattr(sys, "stderr", terminal)
        display = Display()
        with display.shown([read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[0].config]):
            display.log(HOSTILE)
        assert "[old] [/data/x]" in terminal.getvalue()
        assert "\x1b[31m" not in terminal.getvalue()


class TestSignalsWhileNothingIsTrained:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_the_first_is_told(self, capsys, number):
        def command() -> int:
            os.kill(os.getpid(), number)
            time.sleep(10)
            return 0

        assert run_command("t1t2", command) == 128 + number
        assert capsys.readouterr().err == "t1t2: stopped\n"

    def test_is_told_though_an_import_lost_it(self, capsys):
        """As NumPy's module in C does."""

        def command() -> int:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                raise ImportError("could not import module") from None
            return 0

        assert run_command("t1t2", command) == 130
        assert capsys.readouterr().err == "t1t2: stopped\n"

    def test_what_is_ignored_stays_so(self):
        """As `nohup` has it."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with raised("stopped"):
                os.kill(os.getpid(), signal.SIGHUP)
        finally:
            assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN

    @pytest.mark.parametrize("script", ["t1t2", "fig1"])
    def test_during_imports(self, script):
        """In one line, for the command and for scripts."""
        here = Path(sys.executable)
        command = {"t1t2": [here.with_name("t1t2"), "doctor"], "fig1": [here, ROOT / "reproduce" / "fig1.py", "--help"]}
        with subprocess.Popen(command[script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            watched = psutil.Process(process.pid)
            while not any("numpy" in mapped.path for mapped in watched.memory_maps()):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", f"{script}: stopped\n")
            assert process.returncode == 130


class TestProgress:
    def shown(self, capsys, configs, steps) -> list[str]:
        display = Display()
        with display.shown(configs):
            for more in steps:
                display._last_line = 0.0  # a line is due
                display._start = time.monotonic() - 23
                display.advance(more)
        return capsys.readouterr().err.splitlines()

    def test_epochs_of_one_run(self, capsys):
        (config,) = [run.config for run in read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[:1]]
        third = config.steps_per_epoch * (config.epochs // 4)
        lines = self.shown(capsys, [config], [1, third - 1, config.steps - third])
        assert lines == [
            f"epoch 0 of {config.epochs}, 23 s",
            f"epoch {config.epochs // 4} of {config.epochs}, 23 s, about 1 min 9 s left",
            f"epoch {config.epochs} of {config.epochs}, 23 s",
        ]

    def test_runs_of_many(self, capsys):
        configs = [run.config for run in read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[:2]]
        half = sum(config.steps for config in configs) // 2
        assert self.shown(capsys, configs, [half]) == ["0 of 2 runs, 23 s, about 23 s left"]

    def test_durations(self):
        assert [duration(seconds) for seconds in (0.4, 59.6, 72, 7500)] == [
            "0 s",
            "1 min 0 s",
            "1 min 12 s",
            "2 h 5 min",
        ]
