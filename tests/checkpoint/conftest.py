"""Networks, their masks, and every convention they can be written in."""

from __future__ import annotations

from pathlib import Path

import conventions
import pytest
import torch


@pytest.fixture(scope="session")
def mlp():
    network = conventions.seeded(conventions.MLP)
    return network, conventions.random_masks(network)


@pytest.fixture(scope="session")
def cnn():
    network = conventions.seeded(conventions.CNN)
    return network, conventions.random_masks(network)


@pytest.fixture(scope="session")
def written_mlp(mlp, tmp_path_factory):
    return conventions.write_all(mlp[0], tmp_path_factory.mktemp("mlp"), mlp[1], torch.ones(2, 12))


@pytest.fixture(scope="session")
def written_cnn(cnn, tmp_path_factory):
    return conventions.write_all(cnn[0], tmp_path_factory.mktemp("cnn"), cnn[1], torch.ones(2, 1, 8, 8))


@pytest.fixture
def canary(tmp_path):
    """A file that a pickle would make if any of it were executed; its absence is checked afterwards."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


class Touch:
    """Makes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def touch(canary):
    return Touch(canary)
