"""Two believable trees: examples of the shape of a report, with the field names of the schema, not results.

`lenet300` and `declared` were written by hand; their verdicts are what `boundcalc.report.verdict` makes of them. `older` has the
schema of version 0.1. What views make of reports of real runs is in tests/golden.
"""

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(params=["lenet300", "declared"])
def tree_name(request):
    return request.param


@pytest.fixture
def tree(tree_name):
    return json.loads((HERE / "trees" / f"{tree_name}.json").read_text())


@pytest.fixture
def lenet300():
    return json.loads((HERE / "trees" / "lenet300.json").read_text())


@pytest.fixture
def declared():
    return json.loads((HERE / "trees" / "declared.json").read_text())


@pytest.fixture
def older_tree():
    return json.loads((HERE / "trees" / "older.json").read_text())
