"""The figure of a checkpoint's graphons."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from graphon.test_estimate import linear_chain

from boundcalc.cli import figure
from boundcalc.cli.main import main
from boundcalc.graphon.mask_graphons import analyze

TICKET = str(Path(__file__).parents[2] / "data" / "tickets" / "lenet300_density10.pt")
MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}

drawn = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="no matplotlib")


@drawn
@pytest.mark.parametrize("kind", MAGIC)
def test_one_figure_in_every_kind(tmp_path, capsys, kind):
    place = tmp_path / f"graphons.{kind}"
    assert main([TICKET, "--only", "graphon", "--figure", str(place)]) == 0
    assert place.read_bytes().startswith(MAGIC[kind])
    assert "Mask graphon" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


@drawn
@pytest.mark.parametrize("kind", MAGIC)
def test_the_same_graphons_give_the_same_bytes(kind):
    from boundcalc.graphon.plot import render

    found = analyze(linear_chain(np.eye(6) > 0, np.ones((4, 6)) > 0), 4)
    assert render(found, "a", kind) == render(found, "a", kind)


@drawn
def test_panels_share_a_colour_scale_and_have_profiles_at_their_margins():
    from boundcalc.graphon.plot import _figure

    masks = [np.random.default_rng(seed).random((9, 9)) < 0.1 * (seed + 1) for seed in range(7)]
    made = _figure(analyze(linear_chain(*masks), 3), "$_{odd}^name\x1b")
    images = [
        axes.collections[0]
        for axes in made.axes
        if axes.collections and axes.get_xlabel().startswith("inputs")
    ]
    assert len(images) == 7
    assert len({image.get_clim() for image in images}) == 1 and images[0].get_clim()[0] == 0
    assert len(made.axes) == 3 * 7 + 1
    boxes = [axes.get_position() for axes in made.axes]
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not any(a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1 for a, b in pairs)


@drawn
def test_a_fully_pruned_network_can_be_drawn():
    from boundcalc.graphon.plot import render

    assert render(analyze(linear_chain(np.zeros((3, 3)) > 0)), "dead \u5c42\x1b\n", "png").startswith(
        MAGIC["png"]
    )


def refused(capsys, *words):
    status = main([TICKET, *words])
    captured = capsys.readouterr()
    assert (status, captured.out, captured.err.count("\n")) == (2, "", 1)
    return captured.err


def test_what_cannot_be_drawn_is_refused_before_anything_is_computed(tmp_path, capsys, monkeypatch):
    assert ".png, .pdf, .svg" in refused(capsys, "--figure", "graphons.gif")
    assert "--only" in refused(capsys, "--figure", str(tmp_path / "a.png"), "--only", "topology")
    monkeypatch.setattr(figure, "find_spec", lambda name: None)
    assert "boundcalc[plot]" in refused(capsys, "--figure", str(tmp_path / "a.png"))


@drawn
def test_a_place_that_cannot_be_written_is_told(tmp_path, capsys):
    assert "no such folder" in refused(capsys, "--figure", str(tmp_path / "no" / "a.png"))
