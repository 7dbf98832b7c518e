"""MNIST: handwritten digits, 28x28, 60,000 for training and 10,000 for test (LeCun et al., 1998)."""

from t1t2_pt.datasets.idx_pictures import IdxPictures, idx_remote

# MD5 of the archives as published, for the download; SHA-256 of their contents, for every load.
ARCHIVES = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
CONTENTS = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PUBLISHED = "MNIST, the official files (SHA-256 checked)"
FINGERPRINT = "615a98aea41c61d0ff8fbfff79b428e8"

# torchvision keeps the files in MNIST/raw. What lies in no folder of its own is MNIST, or a file is refused.
REMOTE = idx_remote(
    "mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/", ARCHIVES, folders=("mnist/raw",), shared_names=False
)
PICTURES = IdxPictures(REMOTE, CONTENTS, PUBLISHED)
SOURCE = PICTURES.source(
    title="MNIST",
    description="handwritten digits, 28x28 grey, {} (LeCun et al., 1998); centred",
    usual=(55_000, 5_000),
    fingerprint=FINGERPRINT,
)
load = PICTURES.load
