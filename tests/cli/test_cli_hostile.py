"""Hostile and odd input at the command line: one line on standard error, the right exit status, nothing raw on a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from boundcalc.cli import main as entry
from boundcalc.cli.main import main
from boundcalc.errors import BoundcalcError

SAMPLE = ("--samples", "100", "--input-bound", "1", "--only", "samples")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    torch.save(
        {
            "fc1.weight": torch.randn(5, 4, generator=generator),
            "fc2.weight": torch.randn(3, 5, generator=generator),
        },
        "ok.pt",
    )
    os.mkfifo("pipe")
    os.mkdir("npy")
    os.mkfifo("npy/x_train.npy")
    os.mkdir("mnist")
    os.mkfifo("mnist/train-images-idx3-ubyte")
    return tmp_path


def refused(capsys, *words):
    status = main(list(words))
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.err.startswith("boundcalc: ")
    assert len(captured.err) <= 512 and captured.out == ""
    return status, captured.err


@pytest.mark.parametrize(
    "words",
    [
        ("pipe", *SAMPLE),
        ("/dev/zero", *SAMPLE),
        ("ok.pt", "--data", "npz:pipe"),
        ("ok.pt", "--data", "npz:npy"),
        ("ok.pt", "--data", "mnist:mnist"),
        ("ok.pt", *SAMPLE, "--calibration", "pipe"),
        ("ok.pt", *SAMPLE, "--mask", "pipe"),
        ("ok.pt", *SAMPLE, "--reference", "pipe"),
        ("compare", "ok.pt", "pipe", *SAMPLE),
        ("explain", "bartlett2017", "pipe", "--samples", "9", "--input-bound", "1"),
        ("falsify", "--replay", "pipe"),
    ],
)
def test_pipes_and_devices_are_refused_at_once(capsys, place, words):
    status, message = refused(capsys, *words)
    assert status == 3
    assert "not a regular file (a device, pipe or socket)" in message


def test_escapes_in_the_names_of_members_do_not_reach_the_terminal(capsys, place):
    with ZipFile("ok.pt") as sound, ZipFile("evil.pt", "w") as evil:
        for name in sound.namelist():
            evil.writestr(name, sound.read(name))
        evil.writestr("\x1b]0;pwned\x07\x1b[31m\u202eRED", b"x")
    status, message = refused(capsys, "evil.pt", *SAMPLE)
    assert status == 3
    assert r"\x1b]0;pwned\x07\x1b[31m" in message and r"\u202e" in message


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex", "html"])
def test_nothing_unprintable_reaches_standard_output(capsysbinary, place, format):
    name = os.fsdecode(b"\xff\x1b[31m\xe2\x80\xae.pt")
    torch.save({"fc\u3164.weight": torch.ones(5, 4), "\u5c42\u0301.weight": torch.ones(3, 5)}, name)
    assert main([name, *SAMPLE, "--format", format, "--quiet"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    kinds = {unicodedata.category(letter) for letter in shown if letter not in "\n\t\r"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert "\u3164" not in shown
    if format == "json":
        assert json.loads(shown)["checkpoint"]["path"] == name


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("format", ["table", "html"])
def test_any_encoding_of_standard_output_will_do(place, encoding, format):
    torch.save({"\u5c42.weight": torch.ones(5, 4)}, "\u5c42.pt")
    command = [sys.executable, "-m", "boundcalc", "\u5c42.pt", *SAMPLE, "--format", format]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False
    )
    assert done.returncode == 0 and done.stderr == b""
    assert "\u5c42" in done.stdout.decode(encoding) or r"\u5c42" in done.stdout.decode(encoding)


def test_a_report_in_a_file_whose_name_is_no_utf_8(capsys, place):
    name = os.fsdecode(b"\xff.json")
    assert main(["ok.pt", *SAMPLE, "--format", "json", "-o", name, "--quiet"]) == 0
    assert json.loads((place / name).read_text())["checkpoint"]["path"] == "ok.pt"


def test_the_debug_variable_shows_the_traceback(capsys, place, monkeypatch):
    monkeypatch.setenv("BOUNDCALC_DEBUG", "1")
    assert main(["pipe", *SAMPLE]) == 3
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and told.splitlines()[-1].startswith("boundcalc: pipe: not a regular")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (
            AssertionError("x\ny"),
            "ok.pt: internal error, which is a bug of boundcalc: AssertionError: x; please report it with the "
            "traceback that BOUNDCALC_DEBUG=1 shows",
        ),
        (RecursionError("deep"), "RecursionError: deep"),
        (MemoryError(), "ok.pt: not enough memory for the analysis"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "ok.pt: not enough memory for the analysis",
        ),
        (KeyError("\x1b[31m"), r"\x1b[31m"),
    ],
)
def test_a_bug_is_told_in_one_line_and_is_not_called_bad_input(capsys, place, monkeypatch, error, word):
    def broken(words):
        raise error

    monkeypatch.setattr(entry, "_command", lambda words: broken)
    status, message = refused(capsys, "ok.pt", *SAMPLE)
    assert status == 1 and word in message


def test_a_message_of_any_length_is_cut(capsys, place, monkeypatch):
    def broken(words):
        raise BoundcalcError("ok.pt: " + "layer " * 1000 + "; re-save it")

    monkeypatch.setattr(entry, "_command", lambda words: broken)
    status, message = refused(capsys, "ok.pt")
    assert status == 1
    assert message.startswith("boundcalc: ok.pt: layer") and message.endswith("; re-save it\n")


def test_memory_is_one_option_for_files_and_kernels(capsys, place):
    status, message = refused(capsys, "ok.pt", *SAMPLE, "--max-memory", "1e-7")
    assert status == 3 and "would exceed the limit of 1e-07 GB" in message
    np.savez("data.npz", x_train=np.zeros((50, 4)), y_train=np.zeros(50, int))
    status, message = refused(capsys, "ok.pt", "--data", "npz:data.npz", "--max-memory", "1e-6")
    assert status == 3 and "data.npz: a batch of samples of 4 numbers would exceed" in message
    assert main(["ok.pt", *SAMPLE, "--max-memory", "1e-6", "--quiet"]) == 0


def test_a_data_archive_with_two_members_of_one_name(capsys, place):
    written = io.BytesIO()
    np.save(written, np.zeros((3, 4)))
    with pytest.warns(UserWarning, match="Duplicate name"), ZipFile("twice.npz", "w") as archive:
        archive.writestr("x_train.npy", written.getvalue())
        archive.writestr("x_train.npy", written.getvalue())
    status, message = refused(capsys, "ok.pt", "--data", "npz:twice.npz")
    assert status == 3 and "two members called x_train.npy" in message


def test_a_header_of_an_array_that_is_no_python(capsys, place):
    written = io.BytesIO()
    np.save(written, np.zeros((3, 4)))
    content = bytearray(written.getvalue())
    content[10:70] = b"(" * 60
    with ZipFile("odd.npz", "w") as archive:
        archive.writestr("x_train.npy", bytes(content))
        archive.writestr("y_train.npy", written.getvalue())
    status, message = refused(capsys, "ok.pt", "--data", "npz:odd.npz")
    assert status == 3 and "x_train: not an .npy array" in message


@pytest.mark.parametrize("layers", [1100])
def test_a_chain_of_a_thousand_layers(capsys, place, layers):
    from safetensors.torch import save_file

    save_file({f"l{i}.weight": torch.ones(1, 1) for i in range(layers)}, "deep.safetensors")
    assert main(["deep.safetensors", *SAMPLE, "--format", "json", "--quiet"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in tree["network"]["layers"]] == [f"l{i}" for i in range(layers)]
    assert tree["network"]["depth"] == layers
