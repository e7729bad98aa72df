"""Data that is refused: one line that names the file, the array and what is wrong."""

import warnings
import zipfile

import numpy as np
import pytest
import torch
from data_files import ARRAYS, IMAGES, XT, YT, X, Y, idx, refuse, save_npz, write_mnist

from boundcalc.empirical.datasets import open_data

# ---- refusals


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("mnits", "did you mean mnist:DIR?"),
        ("mnits:/some/folder", "did you mean mnist:DIR?"),
        ("mnits:folder", "did you mean mnist:DIR?"),
        ("MNIST:folder", "did you mean mnist:DIR?"),
        ("mnist", "did you mean mnist:DIR?"),
        ("mnist:", "did you mean mnist:DIR?"),
        ("npz", "did you mean npz:FILE?"),
        ("digit", "did you mean digits?"),
        ("samples", "did you mean sample?"),
        ("some/where.npz", "did you mean npz:some/where.npz?"),
        ("load.py", "did you mean load.py:CALLABLE?"),
        ("cifar10", "did you mean cifar10:DIR?"),
        (
            "elsewhere",
            "the forms are mnist:DIR, cifar10:DIR, folder:DIR, parquet:FILE, npz:FILE, digits, sample, package.module:CALLABLE, ",
        ),
        ("", "the forms are"),
        ("a b:c d", "the forms are"),
    ],
)
def test_unknown_form(spec, word):
    refuse(spec, repr(spec), word)


def test_folder_without_a_form(tmp_path):
    refuse(str(tmp_path), f"did you mean mnist:{tmp_path}?")


X_LABEL, Y_LABEL = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None}, ["t10k-images-idx3-ubyte(.gz) is missing"]),
        ({"x_train": idx(Y)}, [X_LABEL, "magic number 0x00000801", "0x00000803"]),
        ({"y_train": idx(X)}, [Y_LABEL, "magic number 0x00000803", "0x00000801"]),
        ({"x_train": b"PK\3\4" + bytes(50)}, [X_LABEL, "magic number"]),
        ({"x_train": b""}, [X_LABEL, "truncated in its header"]),
        ({"x_train": IMAGES + bytes(7)}, [X_LABEL, "truncated in its header"]),
        ({"x_train": idx(X)[:-3]}, [X_LABEL, "truncated"]),
        ({"y_train": idx(Y)[:-3]}, [Y_LABEL, "truncated"]),
        ({"x_train": idx(X) + b"12"}, [X_LABEL]),
        ({"y_train": idx(Y) + b"12"}, [Y_LABEL]),
        ({"y_train": idx(Y[:-1])}, [Y_LABEL, "10 labels for the 11 samples", X_LABEL]),
        ({"x_train": idx(X[:0]), "y_train": idx(Y[:0])}, [X_LABEL, "no samples"]),
        ({"x_test": idx(XT[:, 1:].copy())}, ["t10k-images", "(1, 4, 4)", "(1, 5, 4)"]),
    ],
)
def test_mnist_refused(tmp_path, gz, changes, words):
    refuse(write_mnist(tmp_path, gz=gz, **changes), tmp_path, *words)


def test_mnist_damaged_gzip(tmp_path):
    spec = write_mnist(tmp_path)
    path = tmp_path / f"{X_LABEL}.gz"
    good = path.read_bytes()
    path.write_bytes(good[:-12])
    refuse(spec, path, "truncated")
    path.write_bytes(good[:-6] + bytes([good[-6] ^ 1]) + good[-5:])
    refuse(spec, path, "truncated or damaged")
    path.write_bytes(idx(X))
    refuse(spec, path, "damaged", "gzip")
    path.unlink()
    (tmp_path / X_LABEL).mkdir()
    refuse(spec, X_LABEL, "missing")
    refuse(f"mnist:{tmp_path}/none", f"{tmp_path}/none: no such folder")


BAD_X = X.astype(np.float32)


BAD_X[7, 2, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": X.astype(int)}, ["x_train", "int64", "uint8"]),
        ({"x_train": X > 9}, ["x_train", "bool"]),
        ({"x_train": X * 1j}, ["x_train", "complex"]),
        ({"x_train": Y}, ["x_train", "(m, ...)"]),
        ({"x_train": X[:, :0]}, ["x_train", "(m, ...)"]),
        ({"x_train": X[:0], "y_train": Y[:0]}, ["x_train", "no samples"]),
        ({"x_train": BAD_X, "x_test": BAD_X[:3]}, ["x_train", "row 7", "NaN or infinity"]),
        ({"x_train": BAD_X * 0 + np.inf, "x_test": BAD_X[:3]}, ["x_train", "row 0"]),
        ({"x_test": XT / 255}, ["x_test", "float64", "uint8 is scaled"]),
        ({"x_test": XT[:, :4]}, ["x_test", "(4, 4)", "(5, 4)"]),
        ({"y_train": Y[:4]}, ["y_train", "4 labels for the 11 samples"]),
        ({"y_train": np.eye(10)[Y]}, ["y_train", "one-hot", "argmax"]),
        ({"y_train": Y[:, None]}, ["y_train", "(11, 1)"]),
        ({"y_train": Y + 0.5}, ["y_train", "row 0"]),
        ({"y_train": np.where(np.arange(11) == 6, np.nan, 1)}, ["y_train", "row 6 is nan"]),
        ({"y_train": np.where(np.arange(11) == 6, -1, 1)}, ["y_train", "row 6 is -1"]),
        ({"y_train": np.full(11, 2**63, np.uint64)}, ["y_train", "row 0"]),
        ({"y_train": np.full(11, np.inf, np.float16)}, ["y_train", "row 0 is inf"]),
        ({"y_train": Y > 3}, ["y_train", "bool"]),
        ({"y_train": np.array(["a"] * 11)}, ["y_train"]),
        ({"y_train": None}, ["no y_train"]),
        ({"x_train": None}, ["no x_train"]),
        ({"y_test": None}, ["no y_test"]),
        ({"x_test": None}, ["no x_test"]),
        ({"x_test": None, "y_test": None, "X_test": XT}, ["no x_test", "X_test"]),
        ({"x_test": None, "y_test": None, "ytest": YT}, ["no y_test", "ytest"]),
    ],
)
@pytest.mark.parametrize("form", ["npz", "npy", "arrays"])
def test_arrays_refused(tmp_path, form, changes, words):
    arrays = {key: value for key, value in (ARRAYS | changes).items() if value is not None}
    if form == "arrays":
        refuse(arrays, *words)
    elif form == "npz":
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        refuse(f"npz:{tmp_path / 'a.npz'}", "a.npz", *words)
    else:
        for key, array in arrays.items():
            np.save(tmp_path / f"{key}.npy", array)
        refuse(f"npz:{tmp_path}", tmp_path, *words)


OBJECTS = np.array([None] * 11)


def test_objects_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    bombs = np.array([Bomb() for _ in range(11)])
    np.savez(tmp_path / "a.npz", **(ARRAYS | {"y_train": bombs}))
    refuse(f"npz:{tmp_path / 'a.npz'}", "a.npz: y_train", "unpickled")
    np.save(tmp_path / "y_train.npy", bombs)
    refuse(f"npz:{tmp_path}", "y_train", "unpickled")
    refuse((X, bombs), "y_train", "not an array of numbers")
    np.savez(tmp_path / "a.npz", **ARRAYS, others=bombs)
    assert open_data(f"npz:{tmp_path / 'a.npz'}").train.m == 11


def test_fortran_order_refused(tmp_path):
    refuse(save_npz(tmp_path / "a.npz", x_train=np.asfortranarray(X)), "a.npz: x_train", "Fortran")
    np.save(tmp_path / "x_train.npy", np.asfortranarray(X))
    refuse(f"npz:{tmp_path}", "x_train", "Fortran")


def test_damaged_npz(tmp_path):
    path = tmp_path / "a.npz"
    refuse(f"npz:{path}", path, "no such file")
    path.write_bytes(b"nonsense")
    refuse(f"npz:{path}", path, "not a readable .npz archive")
    for compress in (True, False):
        spec = save_npz(path, compress)
        good = path.read_bytes()
        path.write_bytes(good[:-20])
        refuse(spec, path, "not a readable .npz archive")
        with zipfile.ZipFile(path.with_name("b.npz"), "w") as archive:
            archive.writestr("x_train.npy", good[:1])
            archive.writestr("y_train.npy", good[:1])
        refuse(f"npz:{path.with_name('b.npz')}", "b.npz: x_train", "not an .npy array")
        start = good.index(b"x_train.npy") + len("x_train.npy") + (160 if compress else 200)
        path.write_bytes(
            good[:start] + bytes(byte ^ 255 for byte in good[start : start + 4]) + good[start + 4 :]
        )
        refuse(spec, "a.npz: x_train", "truncated or damaged")


def test_npz_member_shorter_or_longer_than_its_header(tmp_path):
    for extra, word in ((-3, "truncated at row 10 of 11"), (3, "more bytes than its header says")):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            for key in ("x_train", "y_train"):
                with archive.open(f"{key}.npy", "w") as stream:
                    header = np.lib.format.header_data_from_array_1_0(ARRAYS[key])
                    np.lib.format.write_array_header_1_0(stream, header)
                    content = ARRAYS[key].tobytes() + b"123"
                    stream.write(content[: len(content) - 3 + (extra if key == "x_train" else 0)])
        refuse(f"npz:{tmp_path / 'a.npz'}", "a.npz: x_train", word)


def test_npy_of_the_wrong_length(tmp_path):
    for key, array in ARRAYS.items():
        np.save(tmp_path / f"{key}.npy", array)
    good = (tmp_path / "x_train.npy").read_bytes()
    (tmp_path / "x_train.npy").write_bytes(good[:-1])
    refuse(f"npz:{tmp_path}", "x_train", "truncated, 219 bytes where the header says 220")
    (tmp_path / "x_train.npy").write_bytes(good + b"1")
    refuse(f"npz:{tmp_path}", "x_train", "too long")
    (tmp_path / "x_train.npy").write_bytes(good[:20])
    refuse(f"npz:{tmp_path}", "x_train", "truncated")


def test_empty_folder(tmp_path):
    refuse(f"npz:{tmp_path}", "no x_train", "it holds nothing")


def test_overflow_is_refused_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuse((np.full((11, 2), 1e300), Y), "row 0", normalize=(0.0, 1e-300))
        if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
            refuse((np.full((11, 2), np.finfo(np.longdouble).max), Y), "row 0")


def test_unreadable_values():
    refuse(([[1, 2], [3]], [0, 1], None, None), "x_train", "not an array of numbers")
    refuse((OBJECTS, Y), "x_train", "not an array of numbers")
    refuse({"x_train": 3.0, "y_train": Y}, "x_train", "not an array of numbers")
    refuse(5, "int is not data")
    refuse((X, torch.zeros(11, 10)), "y_train", "one-hot")
