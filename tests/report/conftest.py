"""Two believable trees, and golden files of what the views make of them.

`lenet300` and `declared` were written by hand, with the field names of the schema: they are examples of the
shape of a report, not results; their verdicts are what `boundcalc.report.verdict` makes of them. `older` has the
schema of version 0.1. The golden files are rewritten with

    BOUNDCALC_REWRITE_GOLDEN=1 pytest tests/report

after which the tests that rewrote one are reported as skipped: read the difference before keeping it. A
missing golden file is a failure.
"""

import json
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REWRITE = "BOUNDCALC_REWRITE_GOLDEN"


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
def check_golden():
    """Compare a text with a golden file; rewrite the file only when asked to, and never pass then."""

    def check(name, text, folder=HERE / "golden"):
        path = folder / name
        if os.environ.get(REWRITE):
            path.write_text(text, newline="\n")
            pytest.skip(f"{path.name} rewritten: read the difference")
        if not path.exists():
            pytest.fail(f"{path.name} is missing: make it with {REWRITE}=1 and read it")
        assert text == path.read_text()

    return check


@pytest.fixture
def older_tree():
    return json.loads((HERE / "trees" / "older.json").read_text())
