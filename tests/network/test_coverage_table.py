"""The table of networks and bounds is made in a tiny setting, and its page tells every reason."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_in_a_tiny_setting(tmp_path):
    script = ROOT / "experiments" / "coverage" / "run.py"
    words = ["--tiny", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    text = (tmp_path / "results.md").read_text()
    for network, row in results.items():
        assert f"| {network} | {row['numbers']} of {len(row['bounds'])} |" in text
        for bound, found in row["bounds"].items():
            assert found["status"] != "not_covered" or found["blockers"] or found["reason"], bound
        assert row["numbers"] == sum("log10_value" in found for found in row["bounds"].values())
