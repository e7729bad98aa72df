"""The definition of a part of a report: one object that holds everything about it.

A part is a module of this folder, or an object of another package in the entry-point group ``boundcalc.parts``. The analysis, the
report's tree and its views, the columns of compare and batch, the command line and `boundcalc plot` iterate over the registry of
parts without naming any of them (docs/howto/own_part.md).
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
    """The inputs from which a part is computed.

    Attributes:
        options: options of the analysis.
        checkpoint: the checkpoint that was read.
        network: the network that it describes.
        dataset: the data set; None without data.
        measured: results of the data's pass through the network; None without data.
        energies: energies of the data, or of the declared sample; None without a sample.
        start: weights of the initialization by layer; empty if unknown.
    """

    options: Options
    checkpoint: Checkpoint
    network: Network
    dataset: Dataset | None
    measured: Measured | None
    energies: Energies | None
    start: Mapping[str, torch.Tensor]

    def device(self) -> str:
        """Return the device on which the network is run, ``"cpu"`` or ``"cuda"``.

        Raises:
            UsageError: CUDA was requested but is not available.
        """
        return device_of(self.options.device)

    def normalization(self) -> Normalization:
        """Return the normalization of the inputs, and whether bounds pay for it."""
        from boundcalc.bounds.normalization import Normalization

        normalized = () if self.dataset is None else self.dataset.normalized
        return Normalization(normalized, self.options.normalize_fixed)


def device_of(device: str) -> str:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` denotes on this machine.

    Raises:
        UsageError: CUDA was requested but is not available.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: no CUDA device is available; use --device cpu")
    return device


class NotRun(Exception):
    """A part cannot be computed, or not completely.

    Args:
        reason: why, as stated in the report.
        result: the incomplete result; None if there is none.
    """

    def __init__(self, reason: str, result: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.result = result


@dataclass(frozen=True)
class Option:
    """An option of a part, on the command line (``--learning-rate``) and in Python (``learning_rate``).

    Attributes:
        name: name in Python. The value is the field of this name in `boundcalc.options.Options`; without such a field, it is
            ``options.further[name]``.
        help: text for --help, a phrase with the default in parentheses.
        type: function that converts a word to the value.
        default: value if the option is not given.
        metavar: placeholder for the value in --help.
        choices: the allowed values; None for any.
        check: function that raises `boundcalc.errors.UsageError` for a value out of range; not called for fields of `Options`.
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
    """A number by which tickets are compared.

    Attributes:
        key: name in JSON and CSV, such as ``"samples.ratio"``.
        label: name for readers.
        value: the number; None if a ticket lacks it.
        origin: origin of the number.
        unit: format of the number, a key of `boundcalc.report.quantity.UNITS`.
        ranked: whether compare shows it as a column and correlates it with gap and accuracy.
        shown: whether the page about many tickets shows it as a column and a figure.
        subject: for a bound, the network that it is about: ``"network"``, ``"compression"``, ``"retrained"`` or
            ``"interpolant"``; else empty.
        status: status of a bound; else empty.
        kind: kind of a bound: ``"F"``, ``"loss"``, ``"certificate"`` or ``"score"``; else empty.
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
    """Return an empty tuple: the default of optional functions of a part."""
    return ()


@dataclass(frozen=True)
class Part:
    """One part of a report.

    Attributes:
        name: name of the part, in --only and as its key in the report's tree.
        rank: position among the parts: in --only, in the tree, and in the order in which they run.
        title: name of the part in words.
        does: what the part computes, as a phrase for --help.
        run: function that computes the result; it raises `NotRun` if it cannot.
        to_dict: function that converts a result to its plain tree.
        sections: function that builds the part's sections for readers from a report's tree.
        place: position of its sections in the document (1: the verdict, 5: the bounds, 10: what was read, 30: the data, 90: the
            run).
        quantities: function that returns the numbers of a report's tree by which tickets are compared.
        pictures: function that returns the part's own figures (`boundcalc.figures.picture.Picture`).
        options: options that only this part reads.
        needs_order: whether the part needs to know the order in which the layers feed each other.
        absent: function that returns the part's entry in the tree if it did not run.
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
