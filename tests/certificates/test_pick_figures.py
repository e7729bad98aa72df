"""Figures of picked tickets are drawn from their certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boundcalc.certificates import file
from boundcalc.certificates.pick.figures import draw_examples, draw_growth, growth_of, rows_of, save_growth
from boundcalc.empirical.datasets import open_data

pytest.importorskip("matplotlib")


def test_growth_and_pages_are_drawn(made: Callable[..., Path], tmp_path: Path) -> None:
    ticket = made("--pruner", "random", "--density", "0.5")
    certificate = file.read_certificate(ticket / file.NAME)
    growth = growth_of(certificate, "ticket")
    assert growth.picked[-1] == len(certificate.picked) == 31
    lines = draw_growth([growth]).axes[0].get_lines()
    assert list(lines[0].get_ydata()) == list(growth.picked)
    assert list(lines[1].get_ydata()) == [31, 31 + certificate.wrong]
    save_growth([ticket / file.NAME], tmp_path / "growth.svg")
    assert "<svg" in (tmp_path / "growth.svg").read_text()
    split = open_data(f"npz:{tmp_path / 'blobs.npz'}").train
    page = draw_examples(certificate, split, [0, 5])
    assert sum(len(axes.get_images()) for axes in page.axes) == 31 + 31 + 2


def test_rows_are_those_of_the_split(made: Callable[..., Path], tmp_path: Path) -> None:
    made("--pruner", "random", "--density", "0.5")
    split = open_data(f"npz:{tmp_path / 'blobs.npz'}").train
    images, labels = rows_of(split, [3, 149])
    x, y = next(iter(split.batches(150)))
    assert labels == {3: y[3], 149: y[149]}
    assert images[3].shape == (6, 6)
    assert (images[3].argmax(), images[149].argmin()) == (x[3].argmax(), x[149].argmin())
