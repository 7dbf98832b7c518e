"""Label smoothing, an amount for each class, over embeddings of words: classes whose labels are wrong get more."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from t1t2_pt import Tuner

WORDS, CLASSES, LENGTH = 60, 3, 6
WRONG = np.array([0.0, 0.0, 0.5])  # share of labels of each class that are drawn at random in T1

rng = np.random.default_rng(0)


def texts(number, wrong):
    """Words [number, LENGTH], mostly of the class's own third of the words, and labels."""
    labels = rng.integers(0, CLASSES, number)
    own = labels[:, None] * (WORDS // CLASSES) + rng.integers(0, WORDS // CLASSES, (number, LENGTH))
    words = np.where(rng.random((number, LENGTH)) < 0.5, own, rng.integers(0, WORDS, (number, LENGTH)))
    given = np.where(rng.random(number) < wrong[labels], rng.integers(0, CLASSES, number), labels)
    return words.astype("int32"), given.astype("int32")


words, y = pt.imatrix("words"), pt.ivector("y")
embeddings = pytensor.shared(rng.standard_normal((WORDS, 8)).astype("float32"), name="embeddings")
weights = pytensor.shared(np.zeros((8, CLASSES), "float32"), name="weights")
smoothing = pytensor.shared(np.full(CLASSES, 0.05, "float32"), name="smoothing")

log_p = pt.special.log_softmax(embeddings[words].mean(axis=1) @ weights, axis=1)
of_label = log_p[pt.arange(y.shape[0]), y]
amount = smoothing[y]
train_cost = -((1 - amount) * of_label + amount * log_p.mean(axis=1)).mean()

tuner = Tuner(
    train_cost,
    -of_label.mean(),
    [embeddings, weights],
    [smoothing],
    inputs=[words, y],
    learning_rate=0.01,
    hyper_learning_rate=0.01,
    transforms="none",
    bounds={"smoothing": (0, 0.9)},
    interval=2,
)
tuner.run(texts(300, WRONG), texts(600, WRONG), epochs=60, batch_size=100)

print("smoothing by class", " ".join(f"{amount:.2f}" for amount in tuner.hyperparams["smoothing"]))
