"""Figures of a pick certificate: how it grew over the rounds, and a page of what was picked and what is wrong.

matplotlib is imported when a figure is drawn (``pip install -e '.[plot]'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.certificates.file import Certificate
from boundcalc.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from boundcalc.empirical.split import Split

MOST = 64
"""Images of each kind on a page."""


@dataclass(frozen=True)
class Growth:
    """Picks over the rounds.

    Attributes:
        label: of the ticket.
        picked: |T| after each round.
        wrong: examples outside T that the last network gets wrong.
        samples: N.
    """

    label: str
    picked: tuple[int, ...]
    wrong: int
    samples: int


def growth_of(certificate: Certificate, label: str, samples: int | None = None) -> Growth:
    """Return how the picks grew, from a certificate alone.

    Args:
        certificate: by picking.
        label: of the ticket.
        samples: N, where a part was set aside; None for all.

    Example:
        >>> from types import SimpleNamespace
        >>> growth_of(SimpleNamespace(rounds=((3, 1), (7,)), wrong=2, m=50), "a").picked
        (2, 3)
    """
    totals = tuple(int(total) for total in np.cumsum([len(round) for round in certificate.rounds]))
    return Growth(label, totals, certificate.wrong, samples or certificate.m)


def draw_growth(growths: Sequence[Growth]) -> Figure:
    """Draw the picks over the rounds, a line a ticket, and at its end the size k of the compression, the errors on top.

    Args:
        growths: of the tickets, at least one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for growth in growths:
        rounds = range(1, len(growth.picked) + 1)
        (line,) = axes.plot(rounds, growth.picked, marker="o", label=f"{growth.label}: picked")
        last = growth.picked[-1] if growth.picked else 0
        axes.plot(
            [max(1, len(growth.picked))] * 2, [last, last + growth.wrong], color=line.get_color(), linestyle=":",
            marker="_", label=f"{growth.label}: + {growth.wrong} wrong = {last + growth.wrong}",
        )  # fmt: skip
    axes.set_xlabel("round")
    axes.set_ylabel("examples")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def draw_examples(certificate: Certificate, split: Split, wrong: Sequence[int]) -> Figure:
    """Draw a page of images: those picked first and last, and those that the network gets wrong, with their labels.

    Args:
        certificate: by picking.
        split: the training samples.
        wrong: rows outside the picks that the network gets wrong.

    Raises:
        DataError: samples are no images.
    """
    from matplotlib.figure import Figure

    if len(split.shape) not in {2, 3}:
        raise DataError(f"samples of shape {split.shape} are no images")
    picked = certificate.picked
    kinds = [
        ("picked first", list(picked[:MOST])),
        ("picked last", list(picked[-MOST:])),
        ("not picked, wrong", list(wrong[:MOST])),
    ]
    images, labels = rows_of(split, [row for _, rows in kinds for row in rows])
    figure = Figure(figsize=(8.0, 10.5), layout="constrained")
    parts: Any = figure.subfigures(3, 1)
    for part, (title, rows) in zip(parts, kinds, strict=True):
        part.suptitle(f"{title} ({len(rows)} shown)", fontsize=9)
        grid = part.subplots(4, 16).ravel()
        for axes in grid:
            axes.axis("off")
        for axes, row in zip(grid, rows, strict=False):
            axes.imshow(images[row], cmap="gray")
            axes.set_title(str(labels[row]), fontsize=5, pad=1)
    return figure


def rows_of(split: Split, rows: Sequence[int]) -> tuple[dict[int, NDArray[np.float64]], dict[int, int]]:
    """Return some images of a split, (height, width) or (height, width, channels) scaled to [0, 1], and their labels."""
    wanted, start = set(rows), 0
    images: dict[int, NDArray[np.float64]] = {}
    labels: dict[int, int] = {}
    for x, y in split.batches():
        for row in wanted.intersection(range(start, start + len(y))):
            image = x[row - start]
            image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
            low, high = float(image.min()), float(image.max())
            scaled = (image - low) / (high - low) if high > low else image * 0
            images[row] = scaled[..., 0] if scaled.ndim == 3 and scaled.shape[-1] == 1 else scaled
            labels[row] = int(y[row - start])
        start += len(y)
    return images, labels


def save_growth(certificates: Sequence[Path], target: Path) -> None:
    """Draw the growth of several certificates into a file (.pdf, .svg or .png).

    Args:
        certificates: files; each is called by the folder that it lies in.
        target: the picture.
    """
    from boundcalc.certificates.file import read_certificate
    from boundcalc.certificates.pick.claim import apart_of

    found = []
    for path in certificates:
        certificate = read_certificate(path)
        apart = apart_of(certificate.m, certificate.made_by)
        found.append(growth_of(certificate, path.parent.name, certificate.m - len(apart)))
    draw_growth(found).savefig(target)
