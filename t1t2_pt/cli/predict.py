"""`t1t2 predict`: labels and probabilities of new samples, by a network that `t1t2 train --save-model` kept."""

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from t1t2_pt.backends import BACKENDS, get_backend
from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.plain_options import absolute_path, add_data_dir, names_of, usable_path
from t1t2_pt.datasets import DATASETS, Dataset
from t1t2_pt.datasets.own_data import TEST_SHARE, labels_like
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.models import Model, read_model
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import check_can_write, make_folder, replacing
from t1t2_pt.system.streams import log, show

Asked = tuple[Any, np.ndarray | None, tuple[str, ...]]  # samples, numbers of their classes, and their names


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    result = commands.add_parser(
        "predict",
        help=help,
        description="Predict with a network that `t1t2 train --save-model` kept. Writes CSV: the most probable label "
        "and the probability of each class, a row a sample. Where the samples have labels, their error is told.",
        epilog="example: t1t2 train --data my.csv --target kind --save-model my-model.npz\n"
        "         t1t2 predict my-model.npz new.csv --out labels.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.set_defaults(command=_predict)
    result.add_argument("model", type=usable_path, metavar="MODEL", help="a file that `t1t2 train --save-model` wrote")
    result.add_argument(
        "data",
        metavar="DATA",
        help=".npz with the array x (and y), .csv or .parquet with the columns of training, a folder of pictures, or "
        "the name of a data set, of which the test set is taken",
    )
    result.add_argument(
        "--target", metavar="COLUMN", help="column of a table that has the labels (default: training's)"
    )
    result.add_argument(
        "--test",
        action="store_true",
        help="take the test set of DATA: x_test and y_test, or the share that training has left out",
    )
    result.add_argument(
        "--test-share", type=float, default=TEST_SHARE, metavar="X", help=f"that share (default: {TEST_SHARE:g})"
    )
    result.add_argument(
        "--drop", type=names_of, default=(), metavar="COLUMN,..", help="columns of a table that training left out"
    )
    result.add_argument("--out", type=usable_path, metavar="FILE", help="write to this file (default: standard output)")
    result.add_argument("--backend", default="auto", help=f"what computes: auto, {', '.join(BACKENDS)} (default: auto)")
    add_data_dir(result)


def _predict(options: argparse.Namespace) -> int:
    model = read_model(options.model)
    backend = get_backend(options.backend).name
    if options.out is not None:
        check_can_write("--out", options.out)
    x, labels, names = _asked(options, model)
    probabilities = model.predict_proba(x, backend, str(options.data))
    content = _table(model, probabilities, names)
    told = None
    if labels is not None:
        wrong = int((probabilities.argmax(axis=1) != labels).sum())
        told = f"error {100 * wrong / len(labels):.4g}%: {wrong:,} of {len(labels):,} samples"
    if options.out is None:
        print(content, end="")
        if told:
            log(told)
        return 0
    make_folder(options.out.absolute().parent)
    with replacing(options.out) as partial:
        partial.write_text(content)
    show(f"{len(probabilities):,} predictions written to {options.out}", *([told] if told else []))
    return 0


def _asked(options: argparse.Namespace, model: Model) -> Asked:
    """The samples that are asked for."""
    if options.data in DATASETS and not Path(options.data).exists():
        return _test_set(options.data, DATASETS[options.data].load(options.data_dir), model)
    path = absolute_path(options.data)
    target = options.target
    if target is None and path.suffix.lower() != ".npz" and not path.is_dir():
        target = model.names.label or None
    file = OwnFile(path, target, options.drop, test_share=options.test_share)
    if options.test:
        return _test_set(path.name, file.read(), model)
    x, y, names = file.samples()
    if options.target is not None and y is None and not path.is_dir():
        raise InputError("--target", options.target, f"is no column of {path.name}", "leave it out, or correct it")
    x = model.samples(x, path.name)  # before a word is lost on labels
    try:
        return x, None if y is None else labels_like(path.name, "y", y, model.classes, len(x)), names
    except InputError as error:  # predictions need no labels
        log(f"no error is told: {error}")
        return x, None, names


def _test_set(name: str, data: Dataset, model: Model) -> Asked:
    """The test set of a data set, whose classes the model must have."""
    classes = np.array(data.names.classes or tuple(range(data.classes)))
    return _named(data), labels_like(name, "y", classes[data.test_labels], model.classes, len(data.test_labels)), ()


def _named(data: Dataset) -> Any:
    """The inputs of the test set, as a table where their columns have names."""
    if not data.names.features:
        return data.test_images
    import pandas as pd  # slow to import, and needed for tables alone

    return pd.DataFrame(data.test_images, columns=list(data.names.features))


def _table(model: Model, probabilities: np.ndarray, names: tuple[str, ...]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    extra = ["sample"] if names else []
    writer.writerow(["label", *(f"probability_{name}" for name in model.classes), *extra])
    for place, (label, row) in enumerate(
        zip(model.labels(probabilities).tolist(), probabilities.tolist(), strict=True)
    ):
        writer.writerow([label, *(f"{value:.6g}" for value in row), *([names[place]] if names else [])])
    return stream.getvalue()
