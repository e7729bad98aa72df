"""Small samples and learners for the tests of certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from boundcalc.cli.main import main
from boundcalc.tickets.samples import Samples

Made = Callable[..., Path]


@pytest.fixture
def blobs() -> Samples:
    """300 images (1, 6, 6) of three classes, a bright quadrant each, with noise; some labels are wrong."""
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, 300)
    x = generator.normal(0, 0.5, (300, 1, 6, 6))
    for label, (row, column) in enumerate(((0, 0), (0, 3), (3, 0))):
        x[labels == label, 0, row : row + 3, column : column + 3] += 1.0
    labels[:12] = (labels[:12] + 1) % 3
    return Samples(torch.from_numpy(x).float(), torch.from_numpy(labels))


MODEL = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 3))
"""
FEW = [
    "--pick-first",
    "20",
    "--pick-rounds",
    "3",
    "--pick-steps",
    "30",
    "--pick-last-steps",
    "60",
    "--pick-batch",
    "16",
]


@pytest.fixture
def made(tmp_path: Path, blobs: Samples) -> Made:
    """Train in a folder of its own; returns the ticket's folder."""
    half = blobs.m // 2
    np.savez(
        tmp_path / "blobs.npz",
        x_train=blobs.x[:half].numpy(), y_train=blobs.y[:half].numpy(), x_test=blobs.x[half:].numpy(),
        y_test=blobs.y[half:].numpy(),
    )  # fmt: skip
    (tmp_path / "net.py").write_text(MODEL)

    def train(*more: str) -> Path:
        data, model = f"npz:{tmp_path / 'blobs.npz'}", f"{tmp_path / 'net.py'}:make"
        words = ["train", "--data", data, "--model", model, "--certify", "pick", *FEW]
        assert main([*words, "--out", str(tmp_path / "run"), *more]) == 0
        return tmp_path / "run" / "replicate_0" / "level_0" / "main"

    return train
