"""Small data sets as they lie on people's disks: batches of CIFAR-10, folders of images, Parquet files."""

from __future__ import annotations

import io
import pickle

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "owl")


def pixels(count, shape=(3, 32, 32), seed=0):
    """Return images and labels, (count, *shape) uint8 and (count,) int64."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, *shape), np.uint8), generator.integers(0, 3, count)


def encoded(image, form="PNG"):
    """Return a (channels, height, width) image as the bytes of a file."""
    written = io.BytesIO()
    squeezed = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(squeezed)).save(written, form)
    return written.getvalue()


def python_2(data, labels):
    """Return the pickle that Python 2 wrote of a batch, protocol 2 with its strings, opcode by opcode."""

    def text(content):
        return b"T" + len(content).to_bytes(4, "little") + content

    rows, columns = data.shape
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85" + text(b"b") + b"\x87R"
        + b"(K\x01" + b"J" + rows.to_bytes(4, "little") + b"J" + columns.to_bytes(4, "little") + b"\x86"
        + b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        + b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89" + text(data.tobytes()) + b"tb"
    )  # fmt: skip
    numbers = b"](" + b"".join(b"K" + bytes([int(label)]) for label in labels) + b"e"
    return (
        b"\x80\x02}("
        + text(b"batch_label")
        + text(b"one of 5")
        + text(b"labels")
        + numbers
        + text(b"data")
        + array
        + b"u."
    )


def python_3(data, labels, protocol=4):
    """Return a pickle of Python 3 of the same."""
    return pickle.dumps({b"data": data, b"labels": [int(label) for label in labels]}, protocol)


def save_cifar10(folder, form=python_2, count=4):
    """Write six batches and return the arrays that they hold: x_train, y_train, x_test, y_test."""
    folder.mkdir(parents=True)
    found = []
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        x, y = pixels(count, seed=number)
        data = x.reshape(count, -1)
        if form is None:
            content = b"".join(
                bytes([int(label)]) + row.tobytes() for label, row in zip(y, data, strict=True)
            )
            (folder / f"{name}.bin").write_bytes(content)
        else:
            (folder / name).write_bytes(form(data, y))
        found.append((x, y))
    train = [np.concatenate(parts) for parts in zip(*found[:5], strict=True)]
    return (*train, *found[5])


def save_folder(home, count=6, shape=(3, 5, 4), form="PNG", seed=0):
    """Write images by class and return them in the order in which they are read: x, y."""
    x, y = pixels(count, shape, seed)
    y = np.arange(count) % 3
    for name in CLASSES:
        (home / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        (home / CLASSES[label] / f"{number:03d}.{form.lower()}").write_bytes(encoded(image, form))
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


def save_parquet(path, count=6, shape=(3, 5, 4), seed=0, names=("image", "label"), plain=False, **changes):
    """Write a Parquet file as the hub does and return x, y; `changes` puts other bytes in the place of a row's image."""
    import pyarrow
    import pyarrow.parquet

    x, y = pixels(count, shape, seed)
    contents = [changes.get(f"row{row}", encoded(image)) for row, image in enumerate(x)]
    images = (
        contents
        if plain
        else [{"bytes": content, "path": f"{row}.png"} for row, content in enumerate(contents)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({names[0]: images, names[1]: pyarrow.array(y, pyarrow.int64())})
    pyarrow.parquet.write_table(table, path, row_group_size=4)
    return x, y
