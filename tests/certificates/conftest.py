"""Small samples and learners for the tests of certificates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from boundcalc.tickets.samples import Samples


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
