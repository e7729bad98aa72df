"""`boundcalc plot`: from checkpoints and from a store, and one line for whatever cannot be drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from boundcalc import analysis
from boundcalc.batch.runner import run as batch
from boundcalc.certificates.file import Certificate
from boundcalc.cli.main import main
from boundcalc.options import Options

MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture
def levels(tmp_path, monkeypatch):
    """Three levels of one lottery in the working directory, and a sample."""
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(6, 12, generator=generator)
    for number in range(3):
        folder = tmp_path / "runs" / f"level_{number}" / "main"
        folder.mkdir(parents=True)
        masks = {"0.weight": (order >= number / 4).float(), "2.weight": torch.ones(3, 6)}
        weights = {name: torch.randn(mask.shape, generator=generator) * mask for name, mask in masks.items()}
        torch.save(weights, folder / "model_ep1_it0.pth")
        torch.save(masks, folder / "mask.pth")
    draw = np.random.default_rng(0)
    x, y = draw.random((60, 12)), draw.integers(0, 3, 60)
    np.savez(tmp_path / "data.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plot(capsys, *words, status=0):
    assert main(["plot", *words]) == status
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("kind", MAGIC)
def test_checkpoints_are_drawn_as_every_kind_of_file(capsys, levels, kind):
    told = plot(capsys, "runs", "--what", "samples", "-o", f"a.{kind}")
    assert Path(f"a.{kind}").read_bytes().startswith(MAGIC[kind])
    assert "relative to its unpruned version" in told


def test_a_store_is_drawn_without_computing_anything(capsys, levels, monkeypatch):
    batch(["runs"], "s.sqlite", Options(data="npz:data.npz", only=("empirical",)), 1)
    monkeypatch.setattr("boundcalc.analysis.run_analysis", None)
    plot(capsys, "s.sqlite", "--what", "gap", "-o", "gap.svg")
    text = Path("gap.svg").read_text()
    assert "test error" in text and "density of the network" in text, "text is text"


def test_only_what_a_figure_needs_is_computed(capsys, levels, monkeypatch):
    ran, run = [], analysis._run
    monkeypatch.setattr(analysis, "_run", lambda part, given: ran.append(part.name) or run(part, given))
    plot(capsys, "runs/level_1", "--what", "graphons", "-o", "g.png")
    assert ran == ["graphon"]


def test_picked_examples_are_drawn_from_the_certificate_beside_the_ticket(capsys, levels):
    rounds = ((3, 1), (0, 7, 5), (2,))
    certificate = Certificate(
        "pick", "network", "none", "sample", "0" * 64, 40, None, 0.05, 0.31, rounds, 4, (), "0" * 64,
    )  # fmt: skip
    folder = Path("runs/level_0/main")
    (folder / "certificate.json").write_text(certificate.text())
    told = plot(capsys, str(folder), "--what", "pick", "-o", "p.svg")
    assert "picked" in told
    text = Path("p.svg").read_text()
    assert "bound 0.310" in text and "round" in text
    (folder / "certificate.json").write_text("{}")
    assert "certificate.json" in plot(capsys, str(folder), "--what", "pick", "-o", "p.svg", status=3)


def test_what_cannot_be_drawn_is_one_line(capsys, levels):
    for status, words, message in (
        (2, ("runs", "--what", "graphon", "-o", "a.png"), "did you mean graphons?"),
        (
            2,
            ("runs", "--what", "bounds", "-o", "a.gif"),
            "-o a.gif: name a file that ends in .pdf, .svg, .png",
        ),
        (2, ("runs", "--what", "bounds", "-o", "no/a.png"), "no such folder"),
        (2, ("runs", "--what", "bounds", "-o", "a.png"), "nothing to draw: no sample: give --data DATA"),
        (2, ("runs", "--what", "gap", "-o", "a.png"), "nothing to draw: no data: give --data DATA"),
        (2, ("runs", "--what", "pick", "-o", "a.png"), "nothing to draw"),
        (2, ("runs", "--what", "bounds"), "-o/--output"),
        (3, ("nothing.pt", "--what", "bounds", "-o", "a.png"), "nothing.pt"),
        (3, ("data.npz", "--what", "layers", "-o", "a.png"), "data.npz"),
    ):
        assert message in plot(capsys, *words, status=status)
        assert not Path("a.png").exists()


def test_a_broken_checkpoint_of_a_folder_is_named_and_the_others_are_drawn(capsys, levels):
    Path("runs/level_1/main/model_ep1_it0.pth").write_bytes(b"PK\x03\x04broken")
    assert main(["plot", "runs", "--what", "layers", "-o", "a.png"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("boundcalc: left out: ")
    assert "runs/level_1/main" in lines[0]
    assert Path("a.png").read_bytes().startswith(MAGIC["png"])


def test_a_source_is_not_overwritten(capsys, levels):
    Path("a.png").write_bytes(Path("runs/level_0/main/model_ep1_it0.pth").read_bytes())
    assert "is one of the inputs" in plot(capsys, "a.png", "--what", "layers", "-o", "a.png", status=2)


def test_an_empty_store_is_told(capsys, levels):
    Path("bad.pt").write_text("no")
    batch(["bad.pt"], "s.sqlite", Options(), 1)
    assert "no ticket was analyzed" in plot(capsys, "s.sqlite", "--what", "bounds", "-o", "a.png", status=2)
