"""Fashion-MNIST: articles of clothing, 28x28, 60,000 for training and 10,000 for test (Xiao et al., 2017)."""

from t1t2_pt.datasets.idx_pictures import IdxPictures, idx_remote

# MD5 of the archives as published (github.com/zalandoresearch/fashion-mnist), SHA-256 of their contents.
ARCHIVES = {
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
CONTENTS = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

# torchvision keeps the files in FashionMNIST/raw, Keras in fashion-mnist.
REMOTE = idx_remote(
    "fashion-mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ARCHIVES,
    folders=("fashionmnist/raw",),
)
PICTURES = IdxPictures(REMOTE, CONTENTS, "Fashion-MNIST, the official files (SHA-256 checked)")
SOURCE = PICTURES.source(
    title="Fashion-MNIST",
    description="articles of clothing, 28x28 grey, {} (Xiao et al., 2017); centred",
    usual=(55_000, 5_000),
)
