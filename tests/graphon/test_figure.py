"""The figure of a checkpoint's graphons, by --figure."""

from pathlib import Path

import pytest

from boundcalc.cli.main import main

TICKET = str(Path(__file__).parents[2] / "data" / "tickets" / "lenet300_density10.pt")
MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("kind", MAGIC)
def test_one_figure_in_every_kind(tmp_path, capsys, kind):
    place = tmp_path / f"graphons.{kind}"
    assert main([TICKET, "--only", "graphon", "--figure", str(place)]) == 0
    assert place.read_bytes().startswith(MAGIC[kind])
    assert "Mask graphon" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def refused(capsys, *words):
    status = main([TICKET, *words])
    captured = capsys.readouterr()
    assert (status, captured.out, captured.err.count("\n")) == (2, "", 1)
    return captured.err


def test_what_cannot_be_drawn_is_refused_before_anything_is_computed(tmp_path, capsys):
    assert ".png, .pdf, .svg" in refused(capsys, "--figure", "graphons.gif")
    assert "--only" in refused(capsys, "--figure", str(tmp_path / "a.png"), "--only", "topology")


def test_a_place_that_cannot_be_written_is_told(tmp_path, capsys):
    assert "no such folder" in refused(capsys, "--figure", str(tmp_path / "no" / "a.png"))
