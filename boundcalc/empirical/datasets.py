"""Data sets: every form that ``--data`` takes, streamed, scaled and checked."""

from __future__ import annotations

import difflib
import importlib.resources
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from boundcalc.data import normalizations
from boundcalc.data.cifar10 import find_cifar10
from boundcalc.data.folder import find_folder
from boundcalc.data.holdout import split_holdout
from boundcalc.data.parquet import find_parquet
from boundcalc.data.streams import held_out
from boundcalc.empirical import callables, objects
from boundcalc.empirical.arrays import as_array, is_array
from boundcalc.empirical.columns import ArrayColumn, ChannelColumn, DataArray
from boundcalc.empirical.idx import find_mnist
from boundcalc.empirical.npz import KEYS, find_npz
from boundcalc.empirical.split import Normalization, Split, split_of_columns
from boundcalc.errors import DataError
from boundcalc.extras import install

WORDS = {
    "mnist": "mnist:DIR",
    "cifar10": "cifar10:DIR",
    "folder": "folder:DIR",
    "parquet": "parquet:FILE",
    "npz": "npz:FILE",
    "digits": "digits",
    "sample": "sample",
}
FORMS = (*WORDS.values(), "package.module:CALLABLE", "FILE.py:CALLABLE")
"""The forms of data that ``--data`` takes."""

DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
SAMPLE_FILE = "mnist_sample.npz"


@dataclass(frozen=True)
class Dataset:
    """Training samples and, if there are any, test samples.

    Attributes:
        name: the name that the user gave.
        train: the training split.
        test: the test split, with samples of the same shape; None if there is none.
        normalized: the means and standard deviations by which `open_data` normalized the data, in order; empty if it did not.
    """

    name: str
    train: Split
    test: Split | None
    normalized: tuple[float, ...] = ()


def open_data(
    spec: Any, normalize: str | Sequence[float] | None = None, max_memory: float | None = None
) -> Dataset:
    """Open a data set; only headers are read, not samples.

    Samples stored as uint8 are divided by 255, floats are taken as they are; `normalize` is applied afterwards. Arrays are uint8
    or float `(m, ...)` with labels `(m,)`, integers from 0 (floats with integer values are accepted, one-hot labels are not).

    Args:
        spec: a data set, a form, or what a callable may return.

            Forms:
            `mnist:DIR`: the four IDX files, gzipped or not, or the root of torchvision's `MNIST/raw` or `FashionMNIST/raw`;
            `cifar10:DIR`: the python or the binary batches, or the root of torchvision's `cifar-10-batches-py`;
            `folder:DIR`: images by class, `train/CLASS/...` and `test/CLASS/...`, or classes alone;
            `parquet:FILE`: columns image and label as the Hugging Face hub stores them, a folder of such files, or several;
            `npz:FILE`: an archive of x_train, y_train, x_test, y_test, or a folder of those four as .npy;
            `digits`: scikit-learn's 1,797 images `(1, 8, 8)` in [0, 1], a fixed stratified split, 3 to 1;
            `sample`: 10,000 + 2,000 images `(1, 28, 28)` of MNIST that are part of boundcalc;
            `package.module:CALLABLE` or `FILE.py:CALLABLE`: a function without arguments.

            A callable returns one of:
            four arrays, `(x_train, y_train, x_test, y_test)`, in a tuple or list; the test pair may be None;
            two arrays, `(x_train, y_train)`;
            a mapping with those four keys, the test pair left out or None;
            a torch Dataset, a DataLoader or a Hugging Face data set (`boundcalc.empirical.objects` says how they are read);
            a pair `(train, test)`, or a mapping with these keys; test may be None. Each is a data set or loader as above, a pair
            `(x, y)` of arrays, a list of `(x, y)` batches, an object that yields such batches on every iteration, or a function
            without arguments that does; batches may differ in length;
            a `Dataset`.
            Arrays are numpy arrays, memmaps or torch tensors.

            The suffix `@holdout=P,seed=S` of a form makes the share P of its training samples, drawn by seed S, the test split.
        normalize: means, then standard deviations: two numbers, or 2 c numbers for samples of c channels
            (axis 1 of a batch); x becomes (x - mean) / std. Or a name in `boundcalc.data.normalizations.NAMED`, or any other
            value of ``--normalize``.
        max_memory: gigabytes that a batch of a file may take; None for 4 times its size or 2 GB, whichever is larger.

    Returns:
        The data set. Its test split is None if there are no test arrays.

    Raises:
        DataError: the form is unknown; a file is missing, truncated or damaged; arrays are not samples and labels, or their
            counts differ; there are no samples; a callable raises or returns something else; a standard deviation is <= 0.

    Example:
        >>> import numpy as np
        >>> x = np.arange(12, dtype=np.uint8).reshape(4, 3)
        >>> data = open_data((x, [0, 1, 1, 0], x[:2], [0, 1]), normalize=(0.5, 0.25))
        >>> data.train.shape, data.train.m, data.test.m
        ((3,), 4, 2)
        >>> x, y = next(data.train.batches(2))
        >>> x.dtype, y.tolist()
        (dtype('float64'), [0, 1])
    """
    step = None if normalize is None else _normalization(normalize)
    name = spec if isinstance(spec, str) else objects.described(spec)
    data = _check_splits_match(
        _with_test(spec, max_memory) if isinstance(spec, str) else _interpret(spec, name)
    )
    if step is None:
        return data
    test = None if data.test is None else data.test.normalized(step)
    numbers = (*data.normalized, *step[0], *step[1])
    return replace(data, train=data.train.normalized(step), test=test, normalized=numbers)


def _with_test(spec: str, max_memory: float | None) -> Dataset:
    form, share, seed = split_holdout(spec)
    data = _open_form(form, max_memory)
    if share is None:
        return data
    if data.test is not None:
        raise DataError(f"{form}: has a test split: leave out --holdout")
    train, test = held_out(data.train, share, seed)
    return replace(data, name=spec, train=train, test=test)


def _open_form(spec: str, max_memory: float | None) -> Dataset:
    form, _, rest = spec.partition(":")
    if form == "mnist" and rest:
        return _from_columns(spec, find_mnist(Path(rest).expanduser(), max_memory))
    if form == "npz" and rest:
        return _from_columns(spec, *find_npz(Path(rest).expanduser(), max_memory), where=rest)
    if form in _SPLITS and rest:
        train, test = _SPLITS[form](rest, max_memory)
        return Dataset(spec, train, test)
    if spec == "digits":
        return _digits()
    if spec == "sample":
        return _sample()
    where, _, name = spec.rpartition(":")
    if re.fullmatch(DOTTED, name) and (
        where.endswith(".py") or (re.fullmatch(DOTTED, where) and not _is_misspelled_form(where))
    ):
        return _interpret(callables.call(spec), spec)
    raise DataError(f"{spec!r} is not a form of data; {_nearest(spec)}the forms are {', '.join(FORMS)}")


_SPLITS: dict[str, Callable[[str, float | None], tuple[Split, Split | None]]] = {
    "cifar10": lambda place, most: find_cifar10(Path(place).expanduser(), most),
    "folder": lambda place, most: find_folder(Path(place).expanduser(), most),
    "parquet": find_parquet,
}


def _is_misspelled_form(word: str) -> bool:
    """Return whether the word before a colon is a misspelled form rather than a module."""
    return bool(difflib.get_close_matches(word.lower(), WORDS)) and importlib.util.find_spec(word) is None


def _nearest(spec: str) -> str:
    path = Path(spec)
    if path.suffix in {".npz", ".npy"}:
        return f"did you mean npz:{spec}? "
    if path.is_dir():
        return f"did you mean {_form_of(path)}:{spec}? "
    if path.suffix == ".parquet":
        return f"did you mean parquet:{spec}? "
    if path.suffix == ".py":
        return f"did you mean {spec}:CALLABLE? "
    near = difflib.get_close_matches(spec.partition(":")[0].lower(), WORDS, n=1, cutoff=0.5)
    return f"did you mean {WORDS[near[0]]}? " if near else ""


def _form_of(folder: Path) -> str:
    """Return the form of data that a folder holds, judging by its entries."""
    for pattern, form in (
        ("*.npy", "npz"), ("*.parquet", "parquet"), ("data/*.parquet", "parquet"), ("*_batch*", "cifar10"),
        ("cifar-10-batches-*", "cifar10"), ("train", "folder"),
    ):  # fmt: skip
        if next(folder.glob(pattern), None) is not None:
            return form
    return "mnist"


def _from_columns(
    name: str, columns: Mapping[str, DataArray], others: tuple[str, ...] = (), where: str = ""
) -> Dataset:
    where = where or name
    for key in KEYS:
        partner = key.replace("x_", "y_") if key.startswith("x_") else key.replace("y_", "x_")
        if key not in columns and (
            "train" in key or partner in columns or _has_variant_spelling(key, others)
        ):
            there = ", ".join((*columns, *others)) or "nothing"
            raise DataError(f"{where}: no {key}; it holds {there}, and the four arrays are {', '.join(KEYS)}")
    train = split_of_columns(where, columns["x_train"], columns["y_train"])
    test = split_of_columns(where, columns["x_test"], columns["y_test"]) if "x_test" in columns else None
    return Dataset(name, train, test)


def _has_variant_spelling(key: str, others: Iterable[str]) -> bool:
    """Return whether another name is a variant spelling of a key, such as `X_test` or `xtest`."""
    return any(re.sub(r"[^a-z]", "", other.lower()) == key.replace("_", "") for other in others)


def _check_splits_match(data: Dataset) -> Dataset:
    if data.test is None:
        return data
    train, test = data.train.source, data.test.source
    if train.shape != test.shape:
        raise DataError(
            f"{test.x_label}: samples of shape {test.shape}, but {train.x_label} has {train.shape}"
        )
    if (train.dtype == np.uint8) != (test.dtype == np.uint8):
        raise DataError(
            f"{test.x_label}: {test.dtype}, but {train.x_label} is {train.dtype}; "
            "uint8 is scaled to [0, 1] and float is not, so give both in one form"
        )
    return data


def _interpret(value: Any, name: str) -> Dataset:
    if isinstance(value, Dataset):
        return value
    if isinstance(value, Mapping):
        if "train" in value and "x_train" not in value:
            return _dataset_of(name, value["train"], value.get("test"))
        others = tuple(str(key) for key in value if key not in KEYS)
        present = {key: value[key] for key in KEYS if value.get(key) is not None}
        return _from_columns(name, _columns(present, name), others)
    if objects.holds_samples(value):
        return Dataset(name, objects.split_of(value, name), None)
    if isinstance(value, tuple | list):
        if len(value) == 4 or (len(value) == 2 and is_array(value[0])):
            present = {key: array for key, array in zip(KEYS, value, strict=False) if array is not None}
            return _from_columns(name, _columns(present, name))
        if len(value) == 2:
            return _dataset_of(name, *value)
    found = (
        f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
    )
    raise DataError(
        f"{name}: {found} is not data; give (x_train, y_train, x_test, y_test), a mapping with these keys, a Dataset, a "
        "DataLoader, or a pair (train, test) of these or of functions that each return an iterator over (x, y) batches"
    )


def _dataset_of(name: str, train: Any, test: Any) -> Dataset:
    return Dataset(
        name,
        objects.split_of(train, f"{name}: train"),
        None if test is None else objects.split_of(test, f"{name}: test"),
    )


def _columns(arrays: Mapping[str, Any], name: str) -> dict[str, DataArray]:
    labels = {key: f"{name}: {key}" for key in arrays}
    return {key: ArrayColumn(labels[key], as_array(value, labels[key])) for key, value in arrays.items()}


def _normalization(given: str | Sequence[float]) -> Normalization:
    if isinstance(given, str):
        values = normalizations.parsed(given)
    else:
        values = normalizations.checked(tuple(float(number) for number in given))
    return values[: len(values) // 2], values[len(values) // 2 :]


def _digits() -> Dataset:
    # of every class, three in four (rounded) go to train
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(f"digits: needs scikit-learn: {install('digits')}") from error
    bunch = load_digits()
    x = bunch.images[:, None] / 16.0
    y = bunch.target.astype(np.int64)
    random = np.random.RandomState(0)  # its stream never changes between versions of numpy
    training = np.zeros(len(y), dtype=bool)
    for label in range(10):
        rows = random.permutation(np.nonzero(y == label)[0])
        training[rows[: round(0.75 * len(rows))]] = True
    arrays = (x[training], y[training], x[~training], y[~training])
    return _from_columns("digits", _columns(dict(zip(KEYS, arrays, strict=True)), "digits"))


def _sample() -> Dataset:
    # installed as the package boundcalc.sample, else in the folder data/ of the source tree
    candidates = [Path(__file__).parents[2] / "data" / SAMPLE_FILE]
    try:
        installed = importlib.resources.files("boundcalc.sample") / SAMPLE_FILE
    except ModuleNotFoundError:
        pass
    else:
        candidates.insert(0, Path(str(installed)))
    for path in candidates:
        if path.is_file():
            columns, others = find_npz(path)
            images: dict[str, DataArray] = {
                key: ChannelColumn(column) if key.startswith("x_") else column
                for key, column in columns.items()
            }
            return _from_columns("sample", images, others, where=str(path))
    raise DataError(f"{candidates[0]}: the sample set is missing; data/make_sample.py makes it again")
