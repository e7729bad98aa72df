"""Help, hints and completion: what a command line says before it computes anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from boundcalc.cli import commands
from boundcalc.cli.main import main
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import DataError
from boundcalc.parts import registry as PARTS


def shown(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def refused(capsys, *words, status=2):
    assert main(list(words)) == status
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_the_commands_stand_before_the_options(capsys):
    text = shown(capsys)
    places = [text.index(f"\n  {name}") for name in ("CHECKPOINT", *commands.NAMES)]
    assert places == sorted(places)
    assert max(places) < text.index("\nexamples:") < text.index("--model") < text.index("graphon NTK only")
    assert text.index("graphon NTK only:") < text.index("--sigma-w2") < text.index("output:")
    assert all(len(line) <= 80 for line in text[: text.index("positional")].splitlines())


@pytest.mark.parametrize("command", commands.NAMES)
def test_every_command_has_examples_and_its_usage(capsys, command):
    text = shown(capsys, command)
    assert text.startswith(f"usage: boundcalc {command}")
    assert re.search(rf"^examples:\n(?:.*\n)*?.*boundcalc {command}", text, re.MULTILINE)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["help", command])
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_options_take_the_width_of_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys, "falsify")
    options = text[text.index("options:") : text.index("examples:")]
    assert max(map(len, options.splitlines())) <= columns


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("comapre", "a.pt", "b.pt"), "unknown command 'comapre': did you mean compare?"),
        (("analyze", "a.pt"), "a report needs no command, give just the checkpoint: boundcalc CHECKPOINT"),
        ((), "give a CHECKPOINT or a command"),
        (("a.pt", "sample"), "did you mean --data sample?"),
        (("a.pt", "b.pt"), "boundcalc compare takes several"),
        (("a.pt", "--format", "jsno"), "did you mean json?"),
        (("a.pt", "--only", "graphn"), "did you mean graphon?"),
        (("a.pt", "--refrence", "b.pt"), "did you mean --reference?"),
        (("explain", "peling"), "did you mean peeling?"),
        (("falsify", "bartlett"), "did you mean bartlett2017?"),
        (("completion", "fsh"), "choose from bash, zsh"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(capsys, words, told):
    assert told in refused(capsys, *words)


def test_a_path_that_is_not_there_names_the_nearest(capsys, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "level_12.pt").write_bytes(b"")
    for wrong in ("runs/level_21.pt", "run/level_12.pt"):
        told = refused(capsys, str(tmp_path / wrong), status=3)
        assert re.search(r"no such file or folder; did you mean .*runs/level_12\.pt\?", told)
    assert "did you mean" not in refused(capsys, str(tmp_path / "other.bin"), status=3)
    (tmp_path / "arrays.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"did you mean .*arrays\.npz\?"):
        open_data(f"npz:{tmp_path}/array.npz")


def test_a_file_named_like_a_command_is_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "comapre").write_text("x")
    assert "unknown command" not in refused(capsys, "comapre", status=3)


def test_help_schema_and_completion_do_not_import_torch():
    code = (
        "import sys\nfrom boundcalc.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as e: assert e.code == 0\n"
        "assert not {'torch', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    for words in (["schema"], ["completion", "bash"], ["help", "train"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "boundcalc.report/2"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        (("co",), {"compare", "completion", "corpus.pt"}),
        (("corpus.pt", "--fo"), {"--format"}),
        (("corpus.pt", "--only", "bounds,sam"), {"bounds,samples"}),
        (("corpus.pt", "--only", ""), set(PARTS)),
        (("compare", "a.pt", "--against", "p"), {"previous"}),
        (("corpus.pt", "--reference", "co"), {"corpus.pt"}),
        (("falsify", "--tr"), {"--trials"}),
        (("completion", "z"), {"zsh"}),
        (("plot", "corpus.pt", "--what", "g"), {"gap", "graphons"}),
        (("train", "--pruner", "s"), {"snip", "synflow"}),
        (("corpus.pt", "--normalize", "i"), {"imagenet"}),
        (("explain", "pee"), {"peeling"}),
    ],
)
def test_bash_completes(capsys, tmp_path, typed, proposed):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    (tmp_path / "corpus.pt").write_bytes(b"")
    line = " ".join(f"'{word}'" for word in ("boundcalc", *typed))
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(typed)}; _boundcalc; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", script + ask],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )
    assert set(done.stdout.split()) == proposed
