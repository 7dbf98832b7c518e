"""notMNIST: letters A to J in many typefaces, 28x28, 60,000 for training and 10,000 for test (Bulatov, 2011).

The published set is larger and consists of PNG files; this is the sample of it in MNIST's form that D. Flanagan made
(github.com/davidflanagan/notMNIST-to-MNIST), as it was committed there.
"""

from t1t2_pt.datasets.idx_pictures import IdxPictures, idx_remote

COMMIT = "c58c29ff93d7b8c809c449b380a232f9f39909fd"
# MD5 of the archives. SHA-256 of the contents of three: the training images must be the archive itself.
ARCHIVES = {
    "train-images-idx3-ubyte.gz": "md5:d916d7283fce4d08db9867c640ec0042",
    "train-labels-idx1-ubyte.gz": "md5:eab59f88903339e01dac19deed3824c0",
    "t10k-images-idx3-ubyte.gz": "md5:2c87c839a4ef9b238846600eec8c35b7",
    "t10k-labels-idx1-ubyte.gz": "md5:7ea9118cbafd0f6e3ee2ad771d782a01",
}
CONTENTS = {
    "train-labels-idx1-ubyte.gz": "7a4b2925b1283e4d663fae8ccd0e6bab537e6288f9b0384e8440bc066d460e96",
    "t10k-images-idx3-ubyte.gz": "8e7f38ae95cc8f48e0986175ffc9137e5007ebcf3d8fdf6656c904eb9dab198b",
    "t10k-labels-idx1-ubyte.gz": "5f8e6012f2ce730700d8d05fca098bc47f71d25b890e4bec7ac5ebfd614a4001",
}

# As torchvision would keep it, and as a copy of the repository is called.
REMOTE = idx_remote(
    "notmnist",
    f"https://raw.githubusercontent.com/davidflanagan/notMNIST-to-MNIST/{COMMIT}/",
    ARCHIVES,
    folders=("notmnist/raw", "notmnist-to-mnist", "notmnist-to-mnist-master"),
)
PICTURES = IdxPictures(REMOTE, CONTENTS, "notMNIST, Flanagan's sample (checksums checked)")
SOURCE = PICTURES.source(
    title="notMNIST",
    description="letters in many typefaces, 28x28 grey, {} (Bulatov, 2011, a sample); centred",
    usual=(55_000, 5_000),
)
