"""Data that Python holds: every holder gives the arrays that it was made from, or one line of refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from boundcalc.empirical.datasets import open_data
from boundcalc.errors import DataError

RANDOM = np.random.default_rng(0)
X = RANDOM.random((23, 1, 4, 4)).astype(np.float32)
Y = RANDOM.integers(0, 3, 23)
HELD = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


class Numbered(Dataset):
    """Samples by number, as a user writes them."""

    def __init__(self, make=lambda x, y: (x, y)):
        self.make = make

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        if index >= len(X):
            raise IndexError
        return self.make(X[index], int(Y[index]))


class Stream(IterableDataset):
    """Samples one after the other."""

    def __init__(self, random=None):
        self.random = random

    def __iter__(self):
        for x, y in zip(X, Y, strict=True):
            yield x + (0 if self.random is None else self.random.random()), y


def whole(split, size=7):
    pieces = list(split.batches(size))
    return np.concatenate([x for x, _ in pieces]), np.concatenate([y for _, y in pieces])


def collate(items):
    return torch.stack([torch.as_tensor(x) for x, _ in items]), torch.tensor([y for _, y in items])


@pytest.mark.parametrize(
    "data",
    [
        HELD,
        (HELD, HELD),
        (HELD, None),
        {"train": HELD, "test": HELD},
        Numbered(),
        Numbered(lambda x, y: (torch.from_numpy(x), torch.tensor(y))),
        Numbered(lambda x, y: {"image": x, "label": y}),
        Stream(),
        DataLoader(HELD, batch_size=5),
        DataLoader(HELD, batch_size=5, shuffle=True, drop_last=True),
        (DataLoader(HELD, 4, shuffle=True), DataLoader(HELD, 9)),
        DataLoader(Numbered(), batch_size=6, collate_fn=collate),
        DataLoader(Stream(), batch_size=6, drop_last=True),
        DataLoader(HELD, 5, sampler=WeightedRandomSampler(torch.ones(23), 100)),
        (X, Y),
        (torch.from_numpy(X), Y.tolist()),
        ((X, Y), (X, Y)),
        ([(X[:10], Y[:10]), (X[10:], Y[10:])], None),
    ],
)
def test_every_holder_gives_its_samples_in_order(data):
    found = open_data(data)
    x, y = whole(found.train)
    assert np.array_equal(x, X.astype(np.float64)) and np.array_equal(y, Y)
    again, _ = whole(found.train, 23)
    assert np.array_equal(again, x)
    assert found.train.m in {23, None}
    if found.test is not None:
        assert np.array_equal(whole(found.test)[1], Y)


def test_a_subset_is_only_what_it_names():
    chosen = [20, 3, 11]
    x, y = whole(open_data(Subset(HELD, chosen)).train)
    assert np.array_equal(y, Y[chosen]) and np.array_equal(x, X[chosen])
    loader = DataLoader(HELD, batch_size=2, sampler=SubsetRandomSampler(chosen), drop_last=True)
    found = open_data(loader).train
    assert found.m == 3
    assert np.array_equal(whole(found)[1], Y[sorted(chosen)])


@pytest.mark.parametrize(("mode", "shape"), [("L", (1, 5, 6)), ("RGB", (3, 5, 6))])
def test_images_have_their_channels_first_and_are_scaled(mode, shape):
    pixels = RANDOM.integers(0, 256, (5, 6) if mode == "L" else (5, 6, 3)).astype(np.uint8)
    found = open_data(_Listed(pixels)).train
    x, _ = whole(found)
    assert found.shape == shape
    assert np.array_equal(x[0], (pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)) / 255)


class _Listed:
    """Two Pillow images, labelled."""

    def __init__(self, pixels):
        self.image = Image.fromarray(pixels)

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"image": self.image, "label": index}


def test_the_report_is_told_what_the_data_is():
    assert open_data(HELD).name == "TensorDataset"
    assert open_data((DataLoader(HELD, shuffle=True), None)).name == "TensorDataset of a DataLoader"
    assert open_data((X, Y)).name == "arrays"


class Every(torch.utils.data.Sampler):
    """Nobody knows what it leaves out."""

    def __iter__(self):
        return iter(range(3))

    def __len__(self):
        return 3


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (DataLoader(HELD, sampler=Every()), "which samples Every draws: give the Dataset"),
        (
            Numbered(lambda x, y: (x + np.random.default_rng().random(), y)),
            "not the same when it is read again",
        ),
        (Stream(np.random.default_rng(0)), "not the same when it is read again"),
        (Numbered(lambda x, y: x), "a sample is ndarray, not a pair"),
        (Numbered(lambda x, y: {"picture": x}), "a sample holds picture; one of"),
        (Numbered(lambda x, y: 1 / 0), "sample 0: ZeroDivisionError"),
        (Numbered(lambda x, y: (x[: 1 + y], y)), None),
        (Numbered(lambda x, y: (x[:, : 1 + y], y)), "samples of different shapes"),
        (Numbered(lambda x, y: ("text", y)), "not an array of numbers"),
        (Subset(HELD, []), "no samples"),
        (HELD.tensors[0], "Tensor is not data"),
        (iter(HELD), "is not data"),
        ((iter([(X, Y)]), None), "can be read only once"),
    ],
)
def test_what_is_no_fixed_sample_is_refused(data, told):
    if told is None:
        assert open_data(data).train.m == 23
        return
    with pytest.raises(DataError, match=told.replace("(", r"\(")):
        open_data(data)
