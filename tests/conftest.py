"""What several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tickets() -> Path:
    """The folder of demo tickets."""
    return ROOT / "data" / "tickets"
