"""What a part of a report is: one object that says everything about it.

A part is a file of this folder, or an object of another package under the entry-point group ``boundcalc.parts``. The analysis, the
report's tree and its views, the columns of compare and batch, the command line and `boundcalc plot` go over the registry of parts and
name none of them (docs/howto/own_part.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boundcalc.errors import UsageError
from boundcalc.report.document import Section
from boundcalc.report.origin import Origin

if TYPE_CHECKING:
    import argparse

    import torch

    from boundcalc.bounds.normalization import Normalization
    from boundcalc.checkpoint.types import Checkpoint
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.energies import Energies
    from boundcalc.empirical.measure import Measured
    from boundcalc.figures.picture import Picture
    from boundcalc.network.network import Network
    from boundcalc.options import Options

Tree = dict[str, Any]

NO_DATA = "no data: give --data DATA"
NO_SAMPLE = "no sample: give --data DATA, or --samples M and --input-bound B"


@dataclass(frozen=True, eq=False)
class Given:
    """What a part is computed from.

    Attributes:
        options: what the user asks for.
        checkpoint: what was read.
        network: what it means.
        dataset: the data set; None without data.
        measured: its pass through the network; None without data.
        energies: of the data, or declared; None without a sample.
        start: the weights of the initialisation by layer; empty where it is not known.
    """

    options: Options
    checkpoint: Checkpoint
    network: Network
    dataset: Dataset | None
    measured: Measured | None
    energies: Energies | None
    start: Mapping[str, torch.Tensor]

    def device(self) -> str:
        """Return where the network is run, ``"cpu"`` or ``"cuda"``.

        Raises:
            UsageError: CUDA was asked for and is not there.
        """
        return device_of(self.options.device)

    def normalization(self) -> Normalization:
        """Return what the inputs were normalized by, and whether that is paid for."""
        from boundcalc.bounds.normalization import Normalization

        normalized = () if self.dataset is None else self.dataset.normalized
        return Normalization(normalized, self.options.normalize_fixed)


def device_of(device: str) -> str:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        UsageError: CUDA was asked for and is not there.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: no CUDA device is available; use --device cpu")
    return device


class NotRun(Exception):
    """A part that cannot be computed, or not wholly.

    Args:
        reason: why, as the report says it.
        result: what there is all the same; None for nothing.
    """

    def __init__(self, reason: str, result: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.result = result


@dataclass(frozen=True)
class Option:
    """An option of a part, on the command line (``--learning-rate``) and in Python (``learning_rate``).

    Attributes:
        name: in Python. A field of `boundcalc.options.Options` of this name holds it; where there is none, ``options.further[name]``.
        help: for --help, a phrase with the default in parentheses.
        type: makes the value from a word.
        default: the value where it is not given.
        metavar: what stands for the value in --help.
        choices: the allowed values; None for any.
        check: raises `boundcalc.errors.UsageError` for a value out of range; not called for fields of `Options`.
    """

    name: str
    help: str
    type: Callable[[str], Any] = str
    default: Any = None
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    check: Callable[[Any], None] = field(default=lambda value: None)

    def add(self, group: argparse._ArgumentGroup) -> None:
        """Add the option to a command."""
        name = f"--{self.name.replace('_', '-')}"
        if self.type is bool:
            group.add_argument(name, action="store_true", help=self.help)
            return
        group.add_argument(
            name,
            type=self.type,
            default=self.default,
            metavar=self.metavar,
            choices=self.choices,
            help=self.help,
        )


@dataclass(frozen=True)
class Quantity:
    """A number by which tickets are put side by side.

    Attributes:
        key: its name in JSON and CSV, such as ``"samples.ratio"``.
        label: its name for readers.
        value: the number; None where a ticket lacks it.
        origin: where it comes from.
        unit: how it is written, a key of `boundcalc.report.quantity.UNITS`.
        ranked: whether compare has it as a column and correlates it with gap and accuracy.
        shown: whether the page on many tickets has it as a column and a figure.
        subject: whose error it speaks of, for a bound: ``"network"``, ``"compression"``, ``"retrained"`` or
            ``"interpolant"``; else empty.
        status: of a bound; else empty.
        kind: of a bound: ``"F"``, ``"loss"``, ``"certificate"`` or ``"score"``; else empty.
    """

    key: str
    label: str
    value: float | None
    origin: Origin
    unit: str = "number"
    ranked: bool = True
    shown: bool = False
    subject: str = ""
    status: str = ""
    kind: str = ""


def nothing(*_: Any) -> tuple[()]:
    """Return nothing: the default of what a part need not have."""
    return ()


@dataclass(frozen=True)
class Part:
    """One part of a report.

    Attributes:
        name: of the part: in --only, and its key in the report's tree.
        rank: where it stands among the parts: in --only, in the tree, and in which order they run.
        title: what it is called in words.
        does: what it computes, a phrase for --help.
        run: computes the result; raises `NotRun`.
        to_dict: makes the plain tree of a result.
        sections: the part of a report's tree as sections for readers.
        place: where its sections stand in the document (1: the verdict, 5: the bounds, 10: what was read, 30: the data, 90: the run).
        quantities: the numbers of a report's tree by which tickets are compared.
        pictures: makes the figures that it brings with it (`boundcalc.figures.picture.Picture`).
        options: that only this part reads.
        needs_order: whether it needs to know in which order the layers feed each other.
        absent: what stands in the tree where it did not run.
    """

    name: str
    rank: int
    title: str
    does: str
    run: Callable[[Given], Any]
    to_dict: Callable[[Any], Mapping[str, Any]]
    sections: Callable[[Tree], tuple[Section, ...]] = nothing
    place: int = 80
    quantities: Callable[[Tree], tuple[Quantity, ...]] = nothing
    pictures: Callable[[], tuple[Picture, ...]] = nothing
    options: tuple[Option, ...] = ()
    needs_order: bool = False
    absent: Callable[[], Tree | None] = lambda: None
