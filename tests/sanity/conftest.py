"""Checkpoints and data that are wrong in one way each, made from the ticket and the sample that ship."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from boundcalc.analysis import run_analysis
from boundcalc.checkpoint import from_state_dict, read
from boundcalc.options import Options


@pytest.fixture(scope="session")
def arrays(tickets):
    """800 images of each split of the sample, floats in [0, 1] with a channel, and their labels."""
    with np.load(tickets.parent / "mnist_sample.npz") as held:
        return {
            key: held[key][:800, None] / 255.0 if key.startswith("x") else held[key][:800].astype(np.int64)
            for key in held.files
        }


@pytest.fixture(scope="session")
def ticket(tickets):
    return tickets / "lenet300_density02.pt"


@pytest.fixture(scope="session")
def sample(arrays):
    """The four arrays."""
    return tuple(arrays[key] for key in ("x_train", "y_train", "x_test", "y_test"))


@pytest.fixture(scope="session")
def warned():
    """Return the warnings about a path, a state dict or a module, on some data."""
    return _warned


def _warned(subject, data, only=("empirical",), **options):
    options = Options(data=data, only=only, **options)
    if isinstance(subject, torch.nn.Module):
        options = replace(options, model=subject)
        checkpoint = from_state_dict(subject.state_dict(), type(subject).__name__)
    elif isinstance(subject, dict):
        checkpoint = from_state_dict(subject, "state dict")
    else:
        checkpoint = read(subject, mask=options.mask)
    return run_analysis(checkpoint, options).warnings


@pytest.fixture
def level(tmp_path, ticket):
    """Write an open_lth folder that holds the ticket, with what its logger says, and return it."""

    def made(logger=None, report=True, name="model_ep6_it0.pth"):
        home = tmp_path / f"lottery_{'0' * 32}" / "replicate_1" / "level_3" / "main"
        home.mkdir(parents=True, exist_ok=True)
        state = torch.load(ticket, weights_only=True)
        masks = {key: (tensor != 0).int() for key, tensor in state.items() if tensor.dim() > 1}
        torch.save(state, home / name)
        torch.save(masks, home / "mask.pth")
        counts = {
            "total": float(sum(mask.numel() for mask in masks.values())),
            "unpruned": float(sum(int(mask.sum()) for mask in masks.values())),
        }
        if report:
            (home / "sparsity_report.json").write_text(json.dumps(counts))
        if logger is not None:
            (home / "logger").write_text(logger)
        return home

    return made
