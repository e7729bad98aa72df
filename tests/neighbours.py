"""A pruned perceptron as neighbouring tools write it, and what a test asks of reading it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError

SIZES = (12, 8, 6, 4)
LAYERS = ("fc1", "fc2", "fc3")


def masks(seed=1):
    generator = torch.Generator().manual_seed(seed)
    shapes = {f"{name}.weight": (b, a) for name, a, b in zip(LAYERS, SIZES, SIZES[1:], strict=False)}
    return {key: torch.rand(shape, generator=generator) < 0.4 for key, shape in shapes.items()}


def state(dtype=torch.float32):
    """A pruned perceptron: 12-8-6-4, every fifth weight or so of each layer."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for key, mask in masks().items():
        found[key] = torch.where(mask, torch.randn(mask.shape, generator=generator), 0).to(dtype)
        found[key.replace("weight", "bias")] = torch.randn(mask.shape[0], generator=generator).to(dtype)
    return found


def assert_read(path, **options):
    found = read(path, **options)
    assert set(found.tensors) == set(state())
    for key, tensor in state().items():
        assert torch.equal(found.tensors[key].float(), tensor), key
    return found


def saved(folder, content, name="model.pt"):
    torch.save(content, folder / name)
    return folder / name


def refusal(path, **options):
    with pytest.raises(CheckpointError) as error:
        read(path, **options)
    message = str(error.value)
    assert message.startswith(str(path)[:300]), "the message names the file"
    assert "\n" not in message and len(message) <= 500
    return message


def followed(message, path, **names):
    """Run the Python that a message advises, on a file of that name."""
    code = re.search(r"torch\.save\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", message)[0]
    target = path.parent / "as_advised.pt"
    scope = {"torch": torch, "numpy": np, "FILE": path, **names}
    exec(code.replace('"model.pt"', repr(str(target))), scope)
    return target
