"""Two thousand changed files: each is read, or refused in one line that names it, and nothing else is opened or started."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random

import fuzz_mutate
import fuzz_run
import fuzz_seeds
import pytest

CASES = 2000
MOST_MEGABYTES = 2600
"""The default budget of a file, and what Python and PyTorch take."""


@pytest.fixture(scope="module")
def seeds(once, shared_folder):
    folder = shared_folder / "fuzz_seeds"
    once("fuzz_seeds", lambda: fuzz_seeds.build(folder))
    return folder


@pytest.fixture(scope="module")
def counts(once, seeds):
    return once("fuzz_counts", lambda: fuzz_run.run(CASES, "suite", seeds))


def test_every_case_is_read_or_refused_in_one_line(counts):
    assert counts.faults == []
    assert counts.cases == CASES
    found = {outcome for outcomes in counts.outcomes.values() for outcome in outcomes}
    assert found == {"read", "refused"}


def test_memory_stays_within_the_budget(counts):
    assert counts.peak < MOST_MEGABYTES, counts.greedy


def test_the_attacks_reach_behind_the_first_check(counts):
    for kind in ("zip", "pt2", "safetensors", "open_lth", "onnx", *fuzz_seeds.DATA, "objects"):
        assert counts.outcomes[kind].get("read", 0) >= 5, kind


def test_a_case_is_made_from_its_number_alone():
    content = bytes(range(256)) * 4
    assert fuzz_mutate.changed(Random("7"), content) == fuzz_mutate.changed(Random("7"), content)
    assert fuzz_mutate.changed(Random("7"), content) != fuzz_mutate.changed(Random("8"), content)


def test_counts_are_gone_on_with(seeds, tmp_path):
    first = fuzz_run.run(3, "resumed", seeds, ("tar",), tmp_path / "counts.json")
    assert fuzz_run.run(3, "resumed", seeds, ("tar",), tmp_path / "counts.json") == first
    assert fuzz_run.run(5, "resumed", seeds, ("tar",), tmp_path / "counts.json").cases == 5
    assert json.loads((tmp_path / "counts.json").read_text())["cases"] == 5


WATCHED = """
import json, sys
import fuzz_worker
watch = fuzz_worker.Watch(fuzz_worker._libraries())
for action in json.loads(sys.argv[2]):
    watch.inside, watch.found = sys.argv[1], []
    try:
        exec(action)
    except Exception as error:
        pass
    watch.inside = ""
    print(json.dumps(watch.found))
"""

MUST_NOT = {
    "open('/etc/passwd')": "open /etc/passwd",
    "import pathlib; pathlib.Path('/etc/hostname').read_text()": "open /etc/hostname",
    "open(sys.argv[1] + 'new', 'w')": "open ",
    "import subprocess; subprocess.run(['true'])": "subprocess.Popen",
    "import socket; socket.socket()": "socket.__new__",
    "import os; os.system('true')": "os.system",
    "import pickle; pickle.loads(b'cos\\nsystem\\n.')": "pickle.find_class",
}
"""What a reader must not do -> what the watch calls it."""


def test_the_watch_sees_what_a_reader_must_not_do_and_lets_pass_what_it_does(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    actions = [*MUST_NOT, "open(sys.argv[1] + 'model.pt').read(); import colorsys"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, f"{tmp_path}/", json.dumps(actions)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        check=True,
    )
    *seen, passed = map(json.loads, done.stdout.splitlines())
    assert passed == []
    for action, name, found in zip(MUST_NOT, MUST_NOT.values(), seen, strict=True):
        assert any(name in event for event in found), (action, found)


def test_seeds_of_every_kind_are_there(seeds):
    kinds = {folder.name for folder in seeds.iterdir()}
    assert set(fuzz_seeds.KINDS) - {"objects"} <= kinds
