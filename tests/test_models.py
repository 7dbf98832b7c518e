"""Networks that are kept: they predict as their run was evaluated, from a file that is whole or refused."""

import csv
import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from conftest import grouped, line_of, need

import t1t2_pt
from t1t2_pt.cli import main as cli
from t1t2_pt.datasets import OWN_SOURCES, PREPROCESSING, make_split, mnist, own_dataset
from t1t2_pt.datasets.preprocessing import Fitted
from t1t2_pt.models import read_model, write_model
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.reports import EpochReport
from t1t2_pt.system import sealing
from t1t2_pt.system.errors import InputError

RNG = np.random.default_rng(5)
NAMES = np.array(["ox", "cat", "bee"])
LABELS = RNG.integers(0, 3, 90)
X = RNG.normal(size=(90, 4)) + LABELS[:, None]
SMALL = {"hidden": (6,), "epochs": 2, "batch_size": 10, "input_noise": 0.3}
MNIST = {**SMALL, "t1_samples": 200, "t2_samples": 50}


@pytest.fixture(scope="module")
def trained():
    table = pd.DataFrame(X, columns=list("abcd"))
    return t1t2_pt.train(own_dataset(table, pd.Series(NAMES[LABELS], name="kind")), backend="jax", **SMALL)


def error_of(model, backend="jax") -> float:
    data = mnist.load()
    return float((model.predict(data.test_images, backend) != data.test_labels).mean())


class TestPredictions:
    @pytest.mark.parametrize("backend", [grouped("jax"), *(grouped(name, pytest.mark.slow) for name in ("numba", "c"))])
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            pytest.param({"test_statistics": "batches", "batch_norm_scale": True}, marks=pytest.mark.slow),
            pytest.param({"test_statistics": "running"}, marks=pytest.mark.slow),
            pytest.param({"batch_norm": False, "preprocessing": "zca", "contrast": "tanh"}, marks=pytest.mark.slow),
        ],
        ids=str,
    )
    def test_are_those_of_the_evaluation(self, backend, fields):
        need(backend)
        done = t1t2_pt.train("mnist", backend=backend, **MNIST, **fields)
        assert 0.05 < done.run.final["test_error"] < 0.95
        assert error_of(done.model, backend) == pytest.approx(done.run.final["test_error"], abs=1e-7)

    @pytest.mark.slow
    def test_of_a_convolutional_network(self):
        fields = {"network": "all-cnn-c", "width": 0.03, "epochs": 1, "t1_samples": 100, "t2_samples": 20}
        data = mnist.load()
        few = {"x_test": data.test_images[:200], "y_test": data.test_labels[:200]}
        pictures = own_dataset(data.train_images[:130], data.train_labels[:130], **few)
        done = t1t2_pt.train(pictures, backend="jax", batch_size=20, **fields)
        wrong = done.model.predict(few["x_test"], "jax") != few["y_test"]
        assert wrong.mean() == pytest.approx(done.run.final["test_error"], abs=1e-7)

    @pytest.mark.parametrize("name", [name for name in PREPROCESSING if name != "usual"])
    def test_after_each_kind_of_preprocessing(self, name, trained, tmp_path):
        """From the file, other samples become what training made of the test set."""
        assert isinstance(PREPROCESSING[name], Fitted)
        data = own_dataset(X, LABELS)
        split = make_split(OWN_SOURCES["own"], data, 50, 20, 0, name, "arcsinh")
        kept = dataclasses.replace(trained.model, preparation=split.preparation)
        write_model(kept, tmp_path / "m.npz")
        preparation = read_model(tmp_path / "m.npz").preparation
        np.testing.assert_allclose(preparation(data.test_images), split.arrays["test_inputs"], rtol=1e-6, atol=1e-6)

    def test_probabilities_and_names(self, trained):
        table = pd.DataFrame(X, columns=list("abcd"))
        probabilities = trained.model.predict_proba(table, "jax")
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        assert trained.model.classes == ("bee", "cat", "ox")
        found = trained.model.predict(table, "jax")
        np.testing.assert_array_equal(found, np.array(trained.model.classes)[probabilities.argmax(axis=1)])
        assert (found == NAMES[LABELS]).mean() > 0.4
        np.testing.assert_array_equal(trained.model.predict(table[list("dbca")].assign(e="x"), "jax"), found)
        np.testing.assert_array_equal(trained.model.predict(X, "jax"), found)
        assert len(trained.model.predict(X[:0], "jax")) == 0

    @pytest.mark.parametrize(
        ("x", "told"),
        [
            (X[:, :3], "data = 'arrays': x has samples of shape [3] where training has [4]"),
            (pd.DataFrame(X, columns=list("abce")), "x has no column 'd'; give the columns of training"),
            (np.where(X > 2, np.nan, X), "numbers that are missing or not finite"),
            (np.zeros((3, 4), str), "x is of type <U1; give numbers"),
        ],
    )
    def test_of_other_samples(self, trained, x, told):
        assert told in line_of(trained.model.predict, x, "jax")


class TestFiles:
    @pytest.fixture
    def path(self, trained, tmp_path):
        write_model(trained.model, tmp_path / "new" / "m.npz")
        return tmp_path / "new" / "m.npz"

    def test_round_trip(self, trained, path):
        read = read_model(path)
        np.testing.assert_array_equal(read.logits(X, "jax"), trained.model.logits(X, "jax"))
        assert (read.config, read.names, read.data) == (trained.run.config, trained.model.names, trained.model.data)
        assert read.measured["test_error"] == trained.run.final["test_error"]
        assert [entry.name for entry in path.parent.iterdir()] == ["m.npz"]
        with np.load(path, allow_pickle=False) as arrays:  # as any program opens it
            assert arrays["parameter/weights_0"].shape == (4, 6)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda content: content[:-200], "was cut short"),
            (lambda content: content[:900] + b"altered" + content[907:], "was altered: its checksum does not fit"),
            (lambda content: b"", "is not a model"),
            (lambda content: b"PK\x03\x04 junk", "is not a model"),
            (lambda content: npz(), "is not a model"),
            (lambda content: sealing.sealed({"a": np.zeros(3)}), "is not a model ("),
            (lambda content: resealed(content, kind="other"), "is not a model (it is something else)"),
            (lambda content: resealed(content, format=2), "was written by another version of t1t2_pt"),
            (lambda content: resealed(content, classes=4), "is not a model (its arrays are not those of its network)"),
            (lambda content: resealed(content, classes="3"), "is not a model ("),
            (lambda content: resealed(content, sample_shape=[5]), "is not a model (its arrays are not those of"),
            (lambda content: resealed(content, sample_kind="O"), "is not a model (its samples are of another type)"),
            (lambda content: resealed(content, preprocessing="x"), "its preprocessing is not known to this version"),
            (lambda content: resealed(content, preprocessing="zca"), "is not a model ("),
            (lambda content: resealed(content, config={"no": 1}), "cannot be used (no = 1 is not a field of a run)"),
            (lambda content: resealed(content, names={"classes": ["a"], "features": [], "label": ""}), "other names"),
            (
                lambda content: resealed(content, arrays={"mean/0": np.full(6, np.nan, np.float32)}),
                "not finite",
            ),
        ],
    )
    def test_damaged_and_foreign(self, path, change, told):
        path.write_bytes(change(path.read_bytes()))
        line = line_of(read_model, path)
        assert line.startswith(f"model = '{path}': ")
        assert told in line

    def test_places_that_cannot_be(self, trained, tmp_path):
        assert "model = " in line_of(read_model, tmp_path / "none.npz")
        assert "has another ending than .npz; name it .npz" in line_of(write_model, trained.model, tmp_path / "m.h5")


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=X)
    return stream.getvalue()


def resealed(content: bytes, arrays=None, **changes) -> bytes:
    header, found = sealing.opened(content)
    return sealing.sealed(sealing.with_header({**header, **changes}, {**found, **(arrays or {})}))


class TestCommands:
    @pytest.fixture
    def t1t2(self, tmp_path, capsys):
        def run(*arguments):
            code = cli.main([*map(str, arguments)])
            return code, *capsys.readouterr()

        pd.DataFrame(X, columns=list("abcd")).assign(kind=NAMES[LABELS]).to_csv(tmp_path / "t.csv", index=False)
        return run

    def test_train_and_predict(self, t1t2, tmp_path):
        store, model, data = tmp_path / "runs.sqlite", tmp_path / "m.npz", tmp_path / "t.csv"
        train = ["train", "--data", data, "--target", "kind", "--hidden", "6", "--epochs", "3", "--store", store]
        assert t1t2(*train, "--quiet", "--backend", "jax")[0] == 0
        (first,) = RunStore(store).all()
        code, _, err = t1t2(*train, "--backend", "jax", "--save-model", model)  # stored, and trained again
        assert code == 0
        assert "epoch 3 of 3" in err
        assert "test error" in err
        (run,) = RunStore(store).all()
        assert {**run.final, "seconds": 0} == {**first.final, "seconds": 0}

        code, out, err = t1t2("predict", model, data, "--backend", "jax")
        assert code == 0
        rows = list(csv.DictReader(io.StringIO(out)))
        assert list(rows[0]) == ["label", "probability_bee", "probability_cat", "probability_ox"]
        wrong = sum(row["label"] != label for row, label in zip(rows, NAMES[LABELS], strict=True))
        assert err == f"error {100 * wrong / 90:.4g}%: {wrong} of 90 samples\n"
        for row in rows:
            numbers = {name: float(row[f"probability_{name}"]) for name in ("bee", "cat", "ox")}
            assert max(numbers, key=numbers.get) == row["label"]

        code, out, _ = t1t2("predict", model, data, "--backend", "jax", "--test", "--out", tmp_path / "new" / "p.csv")
        assert code == 0
        tested = len(pd.read_csv(tmp_path / "new" / "p.csv"))
        share = run.final["test_error"]
        assert out.splitlines()[1] == f"error {100 * share:.4g}%: {round(share * tested)} of {tested} samples"

        np.savez(tmp_path / "bare.npz", x=X)
        code, again, err = t1t2("predict", model, tmp_path / "bare.npz", "--backend", "jax")
        assert (code, err) == (0, "")
        assert [row["label"] for row in csv.DictReader(io.StringIO(again))] == [row["label"] for row in rows]

    def test_refusals(self, t1t2, trained, tmp_path):
        write_model(trained.model, tmp_path / "m.npz")
        np.savez(tmp_path / "wide.npz", x=np.zeros((2, 5)), y=[0.5, 1])
        for arguments, told in (
            (["predict", tmp_path / "m.npz", tmp_path / "none.csv"], "none.csv': cannot be read"),
            (["predict", tmp_path / "t.csv", tmp_path / "t.csv"], "t1t2: model = "),
            (["predict", tmp_path / "m.npz", "mnist"], "labels of another kind"),
            (["predict", tmp_path / "m.npz", tmp_path / "t.csv", "--target", "kin"], "--target = 'kin': is no column"),
            (["predict", tmp_path / "m.npz", tmp_path / "wide.npz"], "has samples of shape [5] where training has [4]"),
            (["train", "--save-model", tmp_path / "m.txt"], "--save-model = "),
            (["train", "--save-model", tmp_path / "m.npz", "--scheduler", "tcp://a:1"], "--save-model = "),
        ):
            code, out, err = t1t2(*arguments)
            assert (code, out) == (2, "")
            assert len(err.splitlines()) == 1
            assert told in err


class TestWatchers:
    def test_see_each_epoch_once_wherever_it_was_trained(self, tmp_path):
        seen: list[EpochReport] = []
        data, store = own_dataset(X, LABELS), tmp_path / "runs.sqlite"
        options = {"store": store, "backend": "jax", "watchers": [seen.append], **SMALL, "tune": ("input_noise",)}
        run = t1t2_pt.train(data, **options).run
        assert [report.epoch for report in seen] == [1, 2]
        for report in seen:
            assert report.config == run.config
            for name, value in report.row.items():
                assert value == run.history[name][report.epoch]
        assert {"train_cost", "test_error", "input_noise"} <= seen[0].row.keys()

    def test_what_one_raises_ends_the_training(self):
        def stop(report):
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            t1t2_pt.train(own_dataset(X, LABELS), backend="jax", watchers=[stop], **SMALL)

    def test_event_files(self, tmp_path):
        pytest.importorskip("tensorboardX")
        from tensorboardX.proto.event_pb2 import Event

        run = t1t2_pt.train(own_dataset(X, LABELS), backend="jax", log_dir=tmp_path / "logs", **SMALL).run
        (folder,) = (tmp_path / "logs").iterdir()
        assert folder.name == f"own-mlp-fixed-seed0-{run.digest[:10]}"
        (path,) = folder.iterdir()
        found = {}
        for content in records(path.read_bytes()):
            event = Event.FromString(content)
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
        assert found["error/test_error", 2] == pytest.approx(run.history["test_error"][2])
        assert found["level/input_noise", 1] == pytest.approx(0.3)

    def test_without_the_package(self, tmp_path, monkeypatch):
        monkeypatch.setattr("t1t2_pt.sweeps.event_files.importlib.util.find_spec", lambda name: None)
        with pytest.raises(InputError, match="needs tensorboardX, which is not installed; install it"):
            t1t2_pt.train(own_dataset(X, LABELS), log_dir=tmp_path, **SMALL)


def records(content: bytes):
    """The events of a file: each after its length and a checksum of that, and before one of its own."""
    while content:
        length = int.from_bytes(content[:8], "little")
        yield content[12 : 12 + length]
        content = content[16 + length :]
