"""A page of images: the examples that a certified ticket picked, and the examples outside its picks that it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boundcalc.errors import CheckpointError, DataError, UsageError
from boundcalc.figures.pick import certificate_of
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture
from boundcalc.report.numbers import plain
from boundcalc.report.origin import Origin

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

    from boundcalc.certificates.file import Certificate
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.split import Split

IMAGE_COLUMNS, IMAGE_ROWS = 16, 4
"""Columns and rows of the images of each kind."""
CAPTION = (
    "Examples of the training sample, each under its label: the first and the last that were picked, "
    "and those that the ticket gets wrong although it was not trained on them. All other examples that "
    "it was not trained on are classified correctly."
)


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw the first ticket that has a certificate; None if there is none.

    Raises:
        UsageError: there is a certificate, but no data.
        DataError: the samples are not images.
    """
    found = [(ticket, one) for ticket in tickets if (one := certificate_of(ticket)) is not None]
    if not found:
        return None
    from matplotlib.figure import Figure

    from boundcalc.empirical.datasets import open_data

    ticket, certificate = found[0]
    if not ticket.data:
        raise UsageError("--what examples: give --data DATA, the sample of the certificate")
    dataset = open_data(ticket.data, certificate.normalize)
    split = dataset.train
    if len(split.shape) not in {2, 3}:
        raise DataError(f"{ticket.data}: samples of shape {split.shape} are not images")
    most, picked = IMAGE_COLUMNS * IMAGE_ROWS, certificate.picked
    wrong = wrong_rows(ticket, certificate, dataset)
    kinds = {
        f"picked first ({plain(len(picked))} in all)": picked[:most],
        "picked last": picked[max(most, len(picked) - most) :],
        f"not picked, wrong ({plain(len(wrong))} in all)": wrong[:most],
    }
    kinds = {title: rows for title, rows in kinds.items() if rows}
    images = images_of(split, [row for rows in kinds.values() for row in rows])
    figure = Figure(figsize=(4.6, 0.1 + 1.6 * len(kinds)), layout="constrained")
    parts = figure.subfigures(len(kinds), 1, squeeze=False)[:, 0]
    for part, (title, rows) in zip(parts, kinds.items(), strict=True):
        _draw_rows(part, f"{ticket.name}: {title}", [images[row] for row in rows])
    told = f"{certificate.method} of {ticket.name}: picked and wrong examples."
    return DrawnFigure(figure, told, CAPTION, Origin("measured", "certificate.json"), {})


def _draw_rows(part: SubFigure, title: str, images: Sequence[tuple[NDArray[np.float64], int]]) -> None:
    part.suptitle(title, fontsize=6.5)
    grid = part.subplots(-(-len(images) // IMAGE_COLUMNS), IMAGE_COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, (image, label) in zip(grid, images, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(str(label), fontsize=4, pad=1)


def wrong_rows(ticket: NamedReport, certificate: Certificate, dataset: Dataset) -> tuple[int, ...]:
    """Return the rows that the certified network gets wrong, outside the picks and outside the examples set aside.

    Args:
        ticket: the ticket, whose folder is read.
        certificate: certificate of the ticket.
        dataset: the data, normalized as the certificate says.

    Raises:
        CheckpointError: the network is not the certified one, or is made by the user's own code, or an entry of the certificate
            does not hold.
        DataError: the data are not the certificate's.
    """
    from pathlib import Path

    from boundcalc.analysis import sample_shape
    from boundcalc.certificates.file import NAME, digest_of_split
    from boundcalc.certificates.held import Held
    from boundcalc.certificates.pick import claim

    if digest_of_split(dataset.train) != certificate.data_sha256:
        raise DataError(f"{ticket.data}: not the sample of the certificate of {ticket.name}")
    place, shape = Path(ticket.folder) / NAME, sample_shape(dataset)
    assert shape is not None
    margins = claim.margins_in_order(Held(place, certificate, "").network(shape), dataset.train)
    try:
        apart = claim.apart_of(len(margins), certificate.made_by)
        claim.counted(margins, certificate.picked, apart)
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckpointError(place, f"its picks or options do not hold: {problem}") from None
    wrong = margins.numpy() <= 0
    wrong[[*certificate.picked, *apart]] = False
    return tuple(np.flatnonzero(wrong).tolist())


def images_of(split: Split, rows: Sequence[int]) -> dict[int, tuple[NDArray[np.float64], int]]:
    """Return some images of a split, (height, width) or (height, width, channels) scaled to [0, 1], each with its label."""
    wanted, start = set(rows), 0
    found: dict[int, tuple[NDArray[np.float64], int]] = {}
    for x, y in split.batches():
        for row in wanted.intersection(range(start, start + len(y))):
            image = x[row - start]
            image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
            low, high = float(image.min()), float(image.max())
            scaled = (image - low) / (high - low) if high > low else image * 0
            single = scaled.ndim == 3 and scaled.shape[-1] == 1
            found[row] = (scaled[..., 0] if single else scaled), int(y[row - start])
        start += len(y)
    return found


PICTURE = Picture("examples", 95, "Picked and wrong examples", (), draw, across=False)
