import hashlib
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import ARRAYS, RANDOM, XT, YT, X, Y, refuse, save_npz, whole, write_mnist
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.empirical import datasets
from boundcalc.empirical.datasets import Dataset, open_data

# ---- forms


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("below", ["", "MNIST/raw", "raw"])
def test_mnist(tmp_path, below, joint, gz):
    write_mnist(tmp_path / below, joint, gz)
    data = open_data(f"mnist:{tmp_path}")
    assert data.train.shape == data.test.shape == (1, 5, 4)
    assert (data.train.m, data.test.m) == (11, 3)
    x, y = whole(data.train)
    assert x.dtype == np.float64 and y.dtype == np.int64
    assert np.array_equal(x, X[:, None] / 255) and np.array_equal(y, Y)
    assert np.array_equal(whole(data.test)[0], XT[:, None] / 255)


@pytest.mark.parametrize("compress", [True, False])
def test_npz(tmp_path, compress):
    data = open_data(save_npz(tmp_path / "a.npz", compress, class_names=np.array(["a", "b"])))
    assert data.train.shape == (5, 4)
    x, y = whole(data.train)
    assert np.array_equal(x, X / 255) and np.array_equal(y, Y)
    assert np.array_equal(whole(data.test)[1], YT)


def test_npz_without_test(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y)
    assert open_data(f"npz:{tmp_path / 'a.npz'}").test is None


def test_npz_members_without_suffix(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for key in ("x_train", "y_train"):
            with archive.open(key, "w") as stream:
                np.lib.format.write_array(stream, ARRAYS[key])
    assert np.array_equal(whole(open_data(f"npz:{tmp_path / 'a.npz'}").train)[0], X / 255)


def test_npy_folder_is_memory_mapped(tmp_path):
    for key, array in ARRAYS.items():
        np.save(tmp_path / f"{key}.npy", array)
    data = open_data(f"npz:{tmp_path}")
    assert isinstance(data.train.source.x.array, np.memmap)
    assert np.array_equal(whole(data.train)[0], X / 255)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_are_taken_as_they_are(tmp_path, dtype):
    x = RANDOM.normal(size=(11, 3)).astype(dtype)
    data = open_data(save_npz(tmp_path / "a.npz", x_train=x, x_test=x[:3], y_train=Y.astype(">i4")))
    got, y = whole(data.train)
    assert got.dtype == np.float64 and got.dtype.isnative
    assert np.array_equal(got, x.astype(np.float64)) and np.array_equal(y, Y)


def test_digits():
    data = open_data("digits")
    again = open_data("digits")
    x, y = whole(data.train, 100)
    assert data.train.shape == (1, 8, 8) and (data.train.m, data.test.m) == (1347, 450)
    assert x.min() == 0 and x.max() == 1
    assert np.array_equal(x, whole(again.train, 33)[0])
    share = np.bincount(y) / (np.bincount(y) + np.bincount(whole(data.test)[1]))
    assert np.all(np.abs(share - 0.75) < 0.005)
    assert hashlib.sha256((16 * x).astype(np.uint8).tobytes()).hexdigest()[:16] == GOLDEN_DIGITS


GOLDEN_DIGITS = "8dceb9edd734b62b"  # the split must never move


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refuse("digits", "pip install -e '.[digits]'")


def test_sample():
    data = open_data("sample")
    assert (data.name, data.train.shape, data.train.m, data.test.m) == ("sample", (1, 28, 28), 10_000, 2_000)
    x, y = next(data.train.batches(500))
    assert x.shape == (500, 1, 28, 28) and x.max() == 1 and set(y) == set(range(10))


def test_sample_missing(monkeypatch):
    monkeypatch.setattr(datasets, "SAMPLE_FILE", "gone.npz")
    refuse("sample", "gone.npz", "data/make_sample.py")


# ---- callables

USER = """
import numpy as np
import helper
from torch import from_numpy
a = dict(np.load(helper.FILE))
four = [a["x_train"], a["y_train"], a["x_test"], a["y_test"]]
def tuple_(): return tuple(four)
def list_(): return four
def mapping(): return a
def tensors(): return [from_numpy(x) for x in four]
def some(x, y):
    def batches():
        for start, stop in [(0, 1), (1, 1), (1, 9), (9, len(y))]:
            yield x[start:stop], y[start:stop]
    return batches
def functions(): return some(*four[:2]), some(*four[2:])
def lists(): return [list(some(*four[:2])()), list(some(*four[2:])())]
class Anew:
    def __init__(self, start): self.start = start
    def __iter__(self): return self.start()
def iterables(): return Anew(some(*four[:2])), Anew(some(*four[2:]))
class Nested:
    @staticmethod
    def inner(): return tuple(four)
def train_only(): return four[0], four[1]
def train_only_four(): return (*four[:2], None, None)
def train_only_batches(): return some(*four[:2]), None
def raises(): return 1 / 0
def leaves(): raise SystemExit(2)
def number(): return 3
def three(): return tuple(four[:3])
def generators(): return some(*four[:2])(), None
def text(): return "abc", "def"
def not_pairs(): return (lambda: iter([1, 2])), None
def not_iterable(): return (lambda: 5), None
def none_at_all(): return [], None
def late():
    def batches():
        yield four[0][:2], four[1][:2]
        raise KeyError("disk 7")
    return batches, None
def mixed():
    return (lambda: iter([(four[0], four[1]), (four[0] / 255, four[1])])), None
def reshaped():
    return [(four[0], four[1]), (four[0][:, 1:], four[1])], None
value = 3
"""


@pytest.fixture
def user(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    (tmp_path / "helper.py").write_text(f"FILE = {str(tmp_path / 'a.npz')!r}")
    (tmp_path / "user_data.py").write_text(USER)
    yield tmp_path / "user_data.py"
    sys.modules.pop("helper", None)


FULL = ["tuple_", "list_", "mapping", "tensors", "functions", "lists", "iterables", "Nested.inner"]


@pytest.mark.parametrize("name", FULL)
def test_callable_in_a_file(user, name):
    data = open_data(f"{user}:{name}")
    for split, x, y in [(data.train, X, Y), (data.test, XT, YT)]:
        for size in (1, 4, 100):
            got = whole(split, size)
            assert np.array_equal(got[0], x / 255) and np.array_equal(got[1], y)
        assert split.shape == (5, 4)
    assert data.train.m == (None if name in {"functions", "iterables"} else 11)


@pytest.mark.parametrize("name", ["train_only", "train_only_four", "train_only_batches"])
def test_callable_without_test(user, name):
    data = open_data(f"{user}:{name}")
    assert data.test is None
    assert np.array_equal(whole(data.train)[1], Y)


def test_callable_in_a_module(user, monkeypatch):
    monkeypatch.syspath_prepend(str(user.parent))
    assert open_data("user_data:mapping").train.m == 11
    sys.modules.pop("user_data")


def test_data_loader():
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y).long()), batch_size=4
    )
    data = open_data((loader, None))
    assert np.array_equal(whole(data.train)[0], X / 255)


def test_bfloat16_and_gradients():
    x = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    assert whole(open_data((x, torch.tensor([0, 1]))).train)[0].tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", ["the callable raised ZeroDivisionError: division by zero"]),
        ("leaves", ["SystemExit"]),
        ("number", ["int is not data", "x_train"]),
        ("three", ["tuple of 3 is not data"]),
        ("generators", ["generator can be read only once"]),
        ("text", ["str is not data", "a function that returns an iterator"]),
        ("not_pairs", ["train: batch 0 is int, not a pair (x, y)"]),
        ("not_iterable", ["train: returned int"]),
        ("none_at_all", ["train: no samples"]),
        ("late", ["raised KeyError", "disk 7"]),
        ("mixed", ["a batch of float64", "uint8"]),
        ("reshaped", ["(4, 4)", "(5, 4)"]),
        ("value", ["int is not callable"]),
        ("nothing", ["has no 'nothing'"]),
    ],
)
def test_callable_refused(user, name, words):
    refuse(f"{user}:{name}", "user_data.py", *words)


def test_modules_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_one.py").write_text("import not_there_at_all")
    (tmp_path / "broken_two.py").write_text("1 / 0")
    refuse("broken_one:f", "importing the module raised ModuleNotFoundError", "not_there_at_all")
    refuse("broken_two:f", "importing the module raised ZeroDivisionError")
    refuse(f"{tmp_path}/broken_two.py:f", "running the file raised ZeroDivisionError")
    refuse("not.there:f", "no module 'not'", "PYTHONPATH")
    refuse(f"{tmp_path}/none.py:f", "none.py: no such file")


# ---- arrays and normalization


def test_arrays_in_memory():
    for form in ((X, Y, XT, YT), [X, Y, XT, YT], ARRAYS, ARRAYS | {"more": 1}):
        data = open_data(form)
        assert data.name == "arrays" and data.test.m == 3
        assert np.array_equal(whole(data.train)[0], X / 255)
    assert open_data(data) == data
    assert open_data({"x_train": [[0.5], [1.5]], "y_train": [1.0, 0.0]}).train.m == 2


def test_normalize():
    x = RANDOM.normal(size=(6, 3, 2, 2)).astype(np.float32)
    arrays = (x, np.zeros(6, int), x[:2], np.zeros(2, int))
    one = open_data(arrays, (0.5, 0.25))
    assert np.array_equal(whole(one.test)[0], (x[:2].astype(float) - 0.5) / 0.25)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0])
    three = open_data(arrays, (*mean, *std))
    expected = (x.astype(float) - mean[:, None, None]) / std[:, None, None]
    assert np.array_equal(whole(three.train)[0], expected)
    again = open_data(three, (1.0, 2.0))
    assert np.array_equal(whole(again.train)[0], (expected - 1) / 2)
    vectors = open_data((x[:, :, 0, 0], np.zeros(6, int)), (*mean, *std))
    assert np.array_equal(whole(vectors.train)[0], (x[:, :, 0, 0].astype(float) - mean) / std)
    uint8 = open_data((X, Y), (0.1307, 0.3081))
    assert np.array_equal(whole(uint8.train)[0], (X / 255 - 0.1307) / 0.3081)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ((), "MEAN,STD"),
        ((0.5,), "MEAN,STD"),
        ((0.5, 0.0), "above 0, not 0"),
        ((0.5, -1.0), "above 0, not -1"),
        ((0.5, float("nan")), "finite"),
        ((0.1, 0.2, 0.3, 1.0, 1.0, 1.0), "3 channels, but a sample has shape (5, 4)"),
    ],
)
def test_normalize_refused(numbers, word):
    refuse((X, Y), word, normalize=numbers)


def test_input_is_not_changed():
    x = RANDOM.normal(size=(6, 3))
    before = x.copy()
    for batch, _ in open_data((x, np.zeros(6, int)), (0.5, 2.0)).train.batches(2):
        batch[:] = 7
    assert np.array_equal(x, before)


def test_batch_size_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        next(open_data((X, Y)).train.batches(0))


@settings(deadline=None)
@given(
    data=st.data(), m=st.integers(1, 40), size=st.integers(1, 50), form=st.sampled_from(["arrays", "batches"])
)
def test_batches_join_to_the_arrays(data, m, size, form):
    x, y = np.random.default_rng(m).normal(size=(m, 2)), np.arange(m)
    if form == "batches":
        cuts = sorted(data.draw(st.lists(st.integers(0, m), max_size=6)))
        pieces = [(x[a:b], y[a:b]) for a, b in zip([0, *cuts], [*cuts, m], strict=True)]
        split = open_data((lambda: iter(pieces), None)).train
    else:
        split = open_data((x, y)).train
    batches = list(split.batches(size))
    assert [len(part) for _, part in batches[:-1]] == [size] * (len(batches) - 1)
    assert 0 < len(batches[-1][1]) <= size
    assert np.array_equal(np.concatenate([part for part, _ in batches]), x)
    assert np.array_equal(np.concatenate([part for _, part in batches]), y)


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 15), compress=st.booleans())
def test_files_join_to_the_arrays(tmp_path_factory, size, compress):
    folder = tmp_path_factory.mktemp("files")
    for spec in (save_npz(folder / "a.npz", compress), write_mnist(folder / "mnist", gz=compress)):
        x, y = whole(open_data(spec).train, size)
        assert np.array_equal(x.reshape(X.shape), X / 255) and np.array_equal(y, Y)


def test_splits_of_files_can_be_pickled(tmp_path):
    data = open_data(save_npz(tmp_path / "a.npz"), (0.5, 0.5))
    again = pickle.loads(pickle.dumps(data))
    assert isinstance(again, Dataset)
    assert np.array_equal(whole(again.train)[0], whole(data.train)[0])


# ---- streaming


@pytest.mark.parametrize("compress", [True, False])
def test_npz_larger_than_the_memory_used(tmp_path, compress):
    path = tmp_path / "zeros.npz"
    rows, block = 200_000, 1000
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        with archive.open("x_train.npy", "w") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 1000)}
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(rows // block):
                stream.write(bytes(block * 1000))
        with archive.open("y_train.npy", "w") as stream:
            np.lib.format.write_array(stream, np.zeros(rows, np.uint8))
    tracemalloc.start()
    try:
        total = sum(len(y) for _, y in open_data(f"npz:{path}").train.batches(100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    path.unlink()
    assert total == rows
    assert peak < 8e6


def test_callables_are_read_batch_by_batch():
    read = []

    def batches():
        for index in range(1000):
            read.append(index)
            yield np.zeros((10, 2)), np.zeros(10, int)

    split = open_data((batches, None)).train
    assert split.m is None
    read.clear()
    next(split.batches(25))
    assert len(read) <= 3


def test_nothing_heavy_is_imported():
    code = (
        "import boundcalc.empirical.datasets, sys; print(*{'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    root = Path(datasets.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
