"""Small data sets, written to disk, and what refuses them."""

import gzip

import numpy as np
import pytest

from boundcalc.empirical.datasets import open_data
from boundcalc.errors import DataError

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (11, 5, 4), dtype=np.uint8)
Y = RANDOM.integers(0, 10, 11, dtype=np.uint8)
XT, YT = X[:3, ::-1].copy(), Y[:3]
ARRAYS = {"x_train": X, "y_train": Y, "x_test": XT, "y_test": YT}
IMAGES, LABELS = bytes([0, 0, 8, 3]), bytes([0, 0, 8, 1])


def whole(split, batch_size=4):
    x, y = zip(*split.batches(batch_size), strict=True)
    return np.concatenate(x), np.concatenate(y)


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return (IMAGES if array.ndim == 3 else LABELS) + sizes + array.tobytes()


def write_mnist(folder, joint="-", gz=True, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    for key, stem in [
        ("x_train", "train-images"),
        ("y_train", "train-labels"),
        ("x_test", "t10k-images"),
        ("y_test", "t10k-labels"),
    ]:
        content = changes.get(key, idx(ARRAYS[key]))
        name = f"{stem}{joint}idx{3 if key[0] == 'x' else 1}-ubyte"
        if content is not None:
            (folder / (name + ".gz" if gz else name)).write_bytes(gzip.compress(content) if gz else content)
    return f"mnist:{folder}"


def refuse(spec, *words, normalize=None):
    """The data set is refused, when opened or when streamed, by one line that names these words."""
    with pytest.raises(DataError) as caught:
        data = open_data(spec, normalize)
        whole(data.train)
        whole(data.test)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message
    assert caught.value.exit_status == 3


def save_npz(path, compress=True, **arrays):
    (np.savez_compressed if compress else np.savez)(path, **(ARRAYS | arrays))
    return f"npz:{path}"
