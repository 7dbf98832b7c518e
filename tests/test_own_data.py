"""Data of one's own: what is taken, what is refused in one line, and that a run is named by the content."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import line_of
from PIL import Image

from t1t2_pt.cli import main as cli
from t1t2_pt.cli.options import config_from
from t1t2_pt.config import own_config, run_config
from t1t2_pt.datasets import OWN_SOURCES, make_split, own_dataset
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.runs.store import RunStore

RNG = np.random.default_rng(3)
LABELS = np.arange(60) % 3
X = RNG.normal(size=(60, 4)) + LABELS[:, None]
KINDS = {
    "whole numbers": (LABELS, (0, 1, 2)),
    "from 1": (LABELS + 1, (1, 2, 3)),
    "with gaps": (LABELS * 10 - 7, (-7, 3, 13)),
    "small integers": (LABELS.astype(np.int8), (0, 1, 2)),
    "floats": (LABELS + 1.0, (1, 2, 3)),
    "strings": (np.array(["ox", "cat", "bee"])[LABELS], ("bee", "cat", "ox")),
    "booleans": (LABELS > 1, (False, True)),
    "a column": (LABELS[:, None], (0, 1, 2)),
    "a list": (["a", "b", "c"] * 20, ("a", "b", "c")),
    "objects": (np.array(["a", "b", "c"] * 20, object), ("a", "b", "c")),
    "a category": (pd.Series(["a", "b", "c"] * 20, dtype="category"), ("a", "b", "c")),
}


class TestLabels:
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_encoded_and_kept(self, kind):
        labels, classes = KINDS[kind]
        data = own_dataset(X, labels)
        assert data.names.classes == classes
        assert [type(name) for name in data.names.classes] == [type(name) for name in classes]
        assert data.classes == len(classes)
        assert data.train_labels.dtype == np.int32
        plain = np.ravel(np.asarray(labels))
        for inputs, found in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
            rows = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in inputs]
            assert [classes[number] for number in found] == plain[rows].tolist()

    @pytest.mark.parametrize(
        ("labels", "told"),
        [
            (np.zeros(60, int), "data = 'arrays': y is constant: all samples are 0; give samples of two"),
            (np.arange(60), "y has 60 classes in 60 samples"),
            (np.r_[LABELS[:-1], 7], "y has one sample of 7; give two or more"),
            (LABELS + 0.5, "y has labels such as 0.5: a quantity, not a class"),
            (np.r_[np.nan, LABELS[1:]], "y has no label for 1 samples, the first of them number 1"),
            ([None, *"ab" * 29, "a"], "y has no label for 1 samples, the first of them number 1"),
            ([1, *"ab" * 29, "a"], "y mixes labels of several kinds (int, str)"),
            (np.eye(3)[LABELS], "y has the shape [60, 3]; give a label a sample; of one-hot rows their argmax"),
            (LABELS[:-1], "has 60 samples in x and 59 labels in y; give a label a sample"),
            (LABELS + 1j, "y is of type complex128; give strings"),
        ],
    )
    def test_that_cannot_be_classes(self, labels, told):
        line = line_of(own_dataset, X, labels)
        assert told in line
        assert "\n" not in line

    def test_of_the_test_set_alone(self):
        line = line_of(own_dataset, X, LABELS, X[:4], [0, 1, 2, 5])
        assert "y_test has labels that no training sample has: 5; leave those samples out" in line
        assert "has labels of another kind, such as 'a'" in line_of(own_dataset, X, LABELS, X[:2], ["a", "b"])


def changed(place, value, dtype=None):
    x = X.copy() if dtype is None else X.astype(dtype)
    x[place] = value
    return x


class TestInputs:
    @pytest.mark.parametrize(
        ("x", "told"),
        [
            (changed((7, 2), np.nan), "x has 1 numbers that are missing or not finite, the first of them x[7, 2]"),
            (changed((7, 2), np.inf, np.float32), "the first of them x[7, 2]; fill or leave out those samples"),
            (changed((3, 1), 1e31), "x has 1 numbers beyond 1e+30, the first of them x[3, 1]; scale them"),
            (X[:, 0], "x has the shape [60]; give [samples, features]"),
            (X[:, :0], "x has the shape [60, 0]"),
            (X.reshape(60, 1, 1, 2, 2), "x has 5 axes"),
            (X.astype(str), "x is of type <U32; give numbers"),
            ([[1, 2], [3]], "x has samples of several sizes"),
            (X[:0], "has 0 samples in x"),
        ],
    )
    def test_that_cannot_be_trained_on(self, x, told):
        assert told in line_of(own_dataset, x, LABELS)

    def test_a_test_set_of_another_kind(self):
        assert "x_test has samples of shape [3] where training has [4]" in line_of(
            own_dataset, X, LABELS, X[:, :3], LABELS
        )
        pictures = np.zeros((60, 2, 2), np.uint8)
        line = line_of(own_dataset, pictures, LABELS, pictures.astype(float), LABELS)
        assert "x_test has numbers where training has pictures (uint8)" in line
        assert "has x_test and no y_test; give both" in line_of(own_dataset, X, LABELS, X)
        for classes, none in ((LABELS, []), (LABELS.astype(str), [])):
            assert "has no samples in x_test; give some" in line_of(own_dataset, X, classes, X[:0], none)

    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
    def test_tables(self, frame):
        names = ["a", "b", "c", "d"]
        plain = own_dataset(X, LABELS, X[:6], LABELS[:6])
        table = own_dataset(frame(dict(zip(names, X.T, strict=True))), LABELS, X[:6], LABELS[:6])
        assert table.names.features == tuple(names)
        assert table.fingerprint == plain.fingerprint
        other_order = frame({name: X[:6, names.index(name)] for name in reversed(names)})
        again = own_dataset(frame(dict(zip(names, X.T, strict=True))), LABELS, other_order, LABELS[:6])
        np.testing.assert_array_equal(again.test_images, X[:6])
        town = frame({"a": X[:, 0], "town": ["x"] * 60})
        assert "has columns that are no numbers: 'town'; encode them, or leave them out: --drop town" in line_of(
            own_dataset, town, LABELS
        )
        assert "row 8 of column 'c'" in line_of(
            own_dataset, frame(dict(zip(names, changed((7, 2), np.nan).T, strict=True))), LABELS
        )

    def test_standardised_unless_they_are_pictures(self):
        data = own_dataset(X * 100 + 1e6, LABELS)
        split = make_split(OWN_SOURCES[data.name], data, 40, 8, 0)
        t1 = split.arrays["t1_inputs"].astype(float)
        np.testing.assert_allclose(t1.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(t1.std(axis=0), 1, atol=1e-6)
        pictures = RNG.integers(0, 256, (60, 3, 3)).astype(np.uint8)
        data = own_dataset(pictures, LABELS)
        assert data.train_images.shape[1:] == (3, 3, 1)
        split = make_split(OWN_SOURCES[data.name], data, 40, 8, 0)
        assert abs(split.arrays["t1_inputs"]).max() < 1
        np.testing.assert_allclose(split.arrays["t1_inputs"].mean(axis=0), 0, atol=1e-6)

    def test_constant_features_are_zero(self):
        """Also where rounding gives them a deviation."""
        x = np.c_[X, np.full(60, 0.1), np.full(60, 1e7 + 0.1)]
        data = own_dataset(x, LABELS)
        split = make_split(OWN_SOURCES[data.name], data, 40, 8, 0)
        np.testing.assert_array_equal(split.arrays["test_inputs"][:, 4:], 0)


class TestSplits:
    def test_a_share_of_each_class_is_the_test(self):
        data = own_dataset(X, LABELS, test_share=0.25)
        assert np.bincount(data.test_labels).tolist() == [5, 5, 5]
        assert len(data.train_labels) == 45
        assert ", 0.25 of each class taken for the test" in data.provenance
        together = np.concatenate([data.train_images, data.test_images])
        np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(X, axis=0))

    def test_too_few(self):
        assert "has too few samples (4) to take a share for the test" in line_of(own_dataset, X[:4], [0, 0, 1, 1])
        assert "test_share = 1" in line_of(lambda: own_dataset(X, LABELS, test_share=1))
        data = own_dataset(X, np.r_[LABELS[:-2] % 2, 2, 2])
        lines = [line_of(make_split, OWN_SOURCES["own"], data, 24, 24, seed) for seed in range(9)]
        assert "t1_samples = 24: leaves T1 without samples of 2; give more" in "".join(lines)

    def test_sizes_fit(self):
        data = own_dataset(X, LABELS)
        config = own_config(data)
        assert (config.t1_samples, config.t2_samples, config.batch_size, config.samples_of_t2) == (39, 9, 9, 9)
        config = own_config(data, batch_size=20)
        assert (config.batch_size, config.samples_of_t2) == (20, 9)
        assert config.canonical.canonical == config.canonical
        assert config.digest() == own_config(data, batch_size=20, t2_batch_size=5).digest()  # nothing is tuned
        assert own_config(data, t2_samples=20).t1_samples == 28
        large = own_config(own_dataset(np.zeros((200_000, 1)), np.arange(200_000) % 2))
        assert (large.t2_samples, large.batch_size) == (4_848, 100)
        for samples, sizes in ((6, (4, 2, 2)), (12, (10, 2, 2)), (4, (2, 2, 2))):
            few = own_config(own_dataset(X[:samples], np.arange(samples) % 2, X, LABELS % 2))
            assert (few.t1_samples, few.t2_samples, few.batch_size) == sizes
        told = line_of(lambda: own_config(data, t1_samples=48))
        assert "give numbers that fit, such as --t1-samples 39 --t2-samples 9" in told
        assert "dataset = 'mnist': is given beside data of your own" in line_of(
            lambda: own_config(data, dataset="mnist")
        )


class TestIdentity:
    def test_content_names_a_run(self):
        first = own_dataset(X, LABELS)
        assert own_dataset(X.copy(), LABELS.tolist(), name="other.npz").fingerprint == first.fingerprint
        others = [
            own_dataset(changed((7, 2), 0.5), LABELS),
            own_dataset(X, np.r_[LABELS[1:], 0]),
            own_dataset(X, np.array(["a", "b", "c"])[LABELS]),
            own_dataset(X, LABELS, test_share=0.3),
            own_dataset(X.astype(np.float32), LABELS),
        ]
        assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 6

    def test_named_data_sets_keep_their_digests(self):
        """As committed results have them."""
        found = run_config().digest(), run_config(dataset="cifar10", preprocessing="centre", l2=0.1).digest()
        assert [digest[:16] for digest in found] == ["925cc0323e691600", "fcecae545833f258"]


@pytest.fixture
def files(tmp_path):
    """The same data in every form."""
    names = np.array(["ox", "cat", "bee"])[LABELS]
    table = pd.DataFrame(X, columns=list("abcd")).assign(kind=names)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", x=X, y=names)
    np.savez_compressed(tmp_path / "packed.npz", x=X, y=names)
    for number, label in enumerate(names):
        (tmp_path / "pictures" / label).mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (5, 4)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{number:02}.png")
    return tmp_path


class TestFiles:
    def test_hold_the_same(self, files):
        table = {"target": "kind"}
        read = [
            OwnFile(files / "t.npz").read(),
            OwnFile(files / "packed.npz").read(),
            OwnFile(files / "t.csv", **table).read(),
            OwnFile(files / "t.parquet", **table).read(),
        ]
        assert len({data.fingerprint for data in read}) == 1
        assert read[2].names.label == "kind"
        less = OwnFile(files / "t.csv", drop=("b", "c"), **table).read()
        assert less.names.features == ("a", "d")

    def test_pictures(self, files):
        data = OwnFile(files / "pictures").read()
        assert data.name == "own-pictures"
        assert data.train_images.shape == (48, 5, 4, 1)
        assert data.names.classes == ("bee", "cat", "ox")
        Image.new("RGB", (4, 5)).save(files / "pictures" / "ox" / "colour.jpg")
        (files / "pictures" / "ox" / ".hidden.png").write_bytes(b"no picture")
        (files / "pictures" / "ox" / "notes.txt").write_text("no picture")
        assert OwnFile(files / "pictures").read().train_images.shape[3] == 3
        Image.new("RGB", (9, 5)).save(files / "pictures" / "ox" / "wide.png")
        told = line_of(OwnFile(files / "pictures").read)
        assert "has pictures of 2 sizes (" in told
        assert "wide.png 9x5" in told

    def test_a_test_set_of_its_own(self, files):
        data = OwnFile(files / "t.csv", "kind", test=files / "t.parquet").read()
        assert (len(data.train_labels), len(data.test_labels)) == (60, 60)

    @pytest.mark.parametrize(
        ("name", "options", "told"),
        [
            ("none.npz", {}, "none.npz': cannot be read (No such file or directory)"),
            ("none.txt", {}, "none.txt': does not exist; name a .npz, .csv or .parquet file"),
            ("junk.txt", {}, "junk.txt': is of an unknown kind"),
            ("junk.npz", {}, "junk.npz': cannot be read ("),
            ("junk.parquet", {"target": "a"}, "junk.parquet': cannot be read ("),
            ("empty.csv", {"target": "a"}, "empty.csv': cannot be read (No columns to parse from file)"),
            ("objects.npz", {}, "objects.npz': cannot be read (its arrays are not plain numbers"),
            ("names.npz", {}, "names.npz': has no array x, but 'X', 'y'"),
            ("unlabelled.npz", {}, "unlabelled.npz': has no labels"),
            ("t.csv", {}, "--target = None: is missing: which column of t.csv has the labels; give one of 'a', "),
            ("t.csv", {"target": "kid"}, "--target = 'kid': is no column of t.csv; did you mean kind?"),
            ("t.csv", {"target": "kind", "drop": ("e",)}, "--drop = 'e': is no column of t.csv"),
            ("t.npz", {"target": "kind"}, "--target = 'kind': is for tables, which t.npz is not"),
            (".", {}, "': has no folders with pictures"),
            ("broken", {}, "a.png': cannot be read as a picture ("),
        ],
    )
    def test_that_cannot_be_read(self, files, name, options, told):
        for junk in ("junk.txt", "junk.npz", "junk.parquet", "empty.csv"):
            (files / junk).write_bytes(b"" if junk == "empty.csv" else b"PK\x03\x04 junk")
        np.savez(files / "objects.npz", x=np.array([{}], object), y=[1])
        np.savez(files / "names.npz", X=X, y=LABELS)
        np.savez(files / "unlabelled.npz", x=X)
        (files / "broken" / "a").mkdir(parents=True)
        (files / "broken" / "a" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (files / "pictures").rename(files / ".pictures")
        if name == ".":
            (files / "broken" / "a" / "a.png").unlink()
        line = line_of(OwnFile(files / name, **options).read)
        assert told in line
        assert len(line) < 700

    def test_a_small_file_that_inflates_to_much(self, files, peak):
        zeros = io.BytesIO()
        np.savez_compressed(zeros, x=np.zeros((1 << 26, 1), np.uint8))
        claims = zeros.getvalue().replace((1 << 26).to_bytes(4, "little"), (1 << 31).to_bytes(4, "little"))
        (files / "bomb.npz").write_bytes(claims)
        with peak(300 << 20):
            assert "bomb.npz': " in line_of(OwnFile(files / "bomb.npz").read)


def test_the_command_trains_on_them(files, capsys):
    """From whatever form, in this process or another: the same run, which says what its data were."""
    options = ["--hidden", "5", "--epochs", "2", "--quiet", "--json", "--store", str(files / "runs.sqlite")]
    outputs = []
    for data in (["t.npz"], ["t.csv", "--target", "kind"], ["t.npz", "--recompute", "--workers", "1"]):
        assert cli.main(["train", "--data", str(files / data[0]), *data[1:], *options]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    (run,) = RunStore(files / "runs.sqlite").all()
    assert run.config.dataset == "own"
    assert run.config.data == OwnFile(files / "t.npz").read().fingerprint
    assert run.provenance["data"].startswith("t.npz, own data: 48 + 12 samples of 4 features, 3 classes, 0.2 of each")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dataset", "own"], "dataset = 'own': is data of your own; name its file by --data instead"),
        (["--target", "kind"], "--target = 'kind': is given without --data; give --data FILE"),
        (["--data", "t.npz", "--dataset", "svhn"], "dataset = 'svhn': is given beside data of your own"),
        (["--data", "t.npz", "--t1", "60"], "t1_samples = 60: leaves none of the 48 training samples"),
        (["--data", "t.npz", "--network", "all-cnn-c"], "network = 'all-cnn-c': does not fit own"),
    ],
)
def test_the_command_refuses(files, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(files)
    assert cli.main(["train", *arguments, "--store", "new.sqlite"]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert told in line
    assert not (files / "new.sqlite").exists()


def test_options_give_a_config_that_fits(files):
    options = cli.parser().parse_args(["train", "--data", str(files / "t.npz"), "--t2", "12"])
    config = config_from(options)
    assert (config.t1_samples, config.t2_samples, config.dataset) == (36, 12, "own")
