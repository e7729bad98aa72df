"""`boundcalc train` as a user meets it, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from boundcalc.cli.main import main

SMALL = ["--data", "digits", "--arch", "conv-2-4"]
MODEL = """
from torch import nn
def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Dropout(0.2), nn.Linear(30, 10))
"""


def run(capsys, *words):
    status = main(["train", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, status, *words):
    found, out, err = run(capsys, *words)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert err.startswith("boundcalc: ")
    return err


def test_tickets_that_the_main_command_reads(capsys, tmp_path):
    out = str(tmp_path / "run")
    words = [*SMALL, "--pruner", "snip", "--density", "0.3", "--seed", "3,4", "--epochs", "2", "--out", out]
    status, printed, err = run(capsys, *words)
    assert (status, err) == (0, "")
    assert "replicate_3/level_0/main" in printed
    assert "replicate_4/level_0/main" in printed
    assert main([f"{out}/replicate_4", "--data", "digits", "--only", "bounds,empirical"]) == 0
    report = capsys.readouterr().out
    assert "open_lth" in report
    assert "model_ep0_it0.pth" in report
    assert run(capsys, *words) == (0, printed, "")
    message = refused(capsys, 2, *words[:-2], "--lr", "0.5", "--out", out)
    assert "another lr (0.1, not 0.5)" in message


def test_help_without_torch():
    code = (
        "import sys; from boundcalc.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--pruner", "imp"], 2, "give --levels N"),
        (["--pruner", "synflw", "--density", "0.1"], 2, "did you mean synflow"),
        (["--pruner", "imp", "--levls", "2"], 2, "did you mean --levels"),
        (["--pruner", "imp", "--levels", "two"], 2, "--levels"),
        (
            ["--pruner", "imp", "--levels", "1", "again"],
            2,
            "unexpected argument again: train takes options only",
        ),
        (["--pruner", "imp", "--levels", "1", "--seed", "1,1"], 2, "give different seeds"),
        (["--pruner", "imp", "--levels", "1", "--optimizer", "sdg"], 2, "did you mean sgd"),
        (["--pruner", "imp", "--levels", "1", "--device", "gpu"], 2, "--device gpu"),
        (["--pruner", "imp", "--levels", "1", "--arch", "lenet300"], 3, "lenet300 does not take samples"),
        (["--pruner", "imp", "--levels", "1", "--data", "digit"], 3, "did you mean digits"),
        (["--pruner", "imp", "--levels", "0", "--lr", "1e30", "--loss", "mse"], 1, "diverged"),
    ],
)
def test_one_line_for_every_mistake(capsys, tmp_path, words, status, message):
    said = refused(capsys, status, *SMALL, "--out", str(tmp_path / "run"), *words)
    assert message in said


def test_missing_options(capsys):
    assert "--data, --out, --pruner" in refused(capsys, 2)


def test_a_place_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    words = [*SMALL, "--pruner", "imp", "--levels", "0", "--out", str(tmp_path / "file" / "run")]
    assert "cannot be written" in refused(capsys, 2, *words)


def start(*words):
    command = [sys.executable, "-m", "boundcalc", "train", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=one_thread())


def one_thread():
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def wait_for(process, file):
    until = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.002)


def tensors(path):
    return torch.load(path, weights_only=True)


def test_killed_twice_and_resumed_to_the_same_bits(tmp_path):
    """kill -9 in the first level and in a later one; what --resume ends with is what was never interrupted."""
    (tmp_path / "net.py").write_text(MODEL)
    words = ["--data", "digits", "--model", f"{tmp_path / 'net.py'}:make", "--pruner", "imp", "--levels", "2"]
    words += ["--rewind", "2", "--epochs", "6", "--schedule", "cosine", "--out"]
    whole = start(*words, str(tmp_path / "whole"))
    home = tmp_path / "killed" / "replicate_0"
    again: list[str] = []
    for sign in (home / "state.pth", home / "level_0"):
        victim = start(*words, str(tmp_path / "killed"), *again)
        wait_for(victim, sign)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        assert victim.returncode == -signal.SIGKILL
        assert not (home / "level_2").exists()
        again = ["--resume"]
    finished = start(*words, str(tmp_path / "killed"), "--resume")
    for process in (whole, finished):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    compared = 0
    for path in sorted((tmp_path / "whole").rglob("*")):
        twin = tmp_path / "killed" / path.relative_to(tmp_path / "whole")
        if path.suffix == ".pth":
            a, b = tensors(path), tensors(twin)
            assert all(torch.equal(a[key], b[key]) for key in a)
            compared += 1
        elif path.is_file():
            assert path.read_bytes() == twin.read_bytes()
    assert compared == 3 * 3 + 1  # start, end and mask of each level, and the rewinding point
    assert not list((tmp_path / "killed").rglob("state.pth"))


def test_interrupt_leaves_a_run_that_can_go_on(capsys, tmp_path, monkeypatch):
    from boundcalc.tickets.training import Trainer

    words = [*SMALL, "--pruner", "imp", "--levels", "1", "--epochs", "2", "--out", str(tmp_path / "run")]
    train = Trainer.epoch
    done = []

    def interrupted(trainer, number, *rest):
        done.append(number)
        if len(done) == 3:
            raise KeyboardInterrupt
        return train(trainer, number, *rest)

    monkeypatch.setattr(Trainer, "epoch", interrupted)
    said = refused(capsys, 130, *words)
    assert said == f"boundcalc: interrupted; add --resume to continue the run in {tmp_path / 'run'}\n"
    assert "add --resume" in refused(capsys, 2, *words)
    assert run(capsys, *words, "--resume")[0] == 0
    assert done == [0, 1, 0, 0, 1]
