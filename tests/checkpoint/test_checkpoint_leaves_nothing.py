"""A file that is refused gives its memory back at once: nothing waits for a collection of garbage."""

from __future__ import annotations

import gc

import pytest
import torch

import boundcalc
from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError

SHAPE = (61, 67)
NETWORK = {"fc1.weight": torch.ones(5, 4), "fc2.weight": torch.ones(3, 5)}


def there():
    return sum(type(one) is torch.Tensor and one.shape == SHAPE for one in gc.get_objects())


def odd():
    tensor = torch.ones(SHAPE)
    tensor[3:, :5] = 0
    return tensor


@pytest.mark.parametrize(
    ("content", "mask"),
    [
        ({**NETWORK, "fc2.mask": odd()}, None),
        ({"state_dict": NETWORK, "masks": {"fc2": odd()}}, None),
        (NETWORK, {"fc2.weight": odd()}),
        (NETWORK, {"fc2.weight": 3 * odd()}),
        ({**NETWORK, "fc3.weight": odd()}, None),
        ({"fc1.weight": odd(), "fc2.weight": odd() * float("inf")}, None),
    ],
)
def test_a_file_that_is_refused_leaves_nothing_behind(tmp_path, content, mask):
    torch.save(content, tmp_path / "net.pt")
    if mask is not None:
        torch.save(mask, tmp_path / "mask.pt")

    def refused():
        try:
            boundcalc.load(tmp_path / "net.pt", mask=None if mask is None else tmp_path / "mask.pt")
        except CheckpointError:
            return True
        return False

    assert refused()
    gc.collect()
    gc.disable()
    try:
        before = there()
        assert refused()
        assert there() == before
    finally:
        gc.enable()


def test_what_is_read_is_seen_by_this_test(tmp_path):
    torch.save({"fc1.weight": odd(), "fc2.weight": torch.ones(3, 61)}, tmp_path / "net.pt")
    before = there()
    checkpoint = read(tmp_path / "net.pt")
    assert there() > before and checkpoint.tensors
