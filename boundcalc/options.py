"""The user's options, checked once, without importing torch so that wrong usage is reported at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.data.holdout import with_holdout
from boundcalc.data.normalizations import parsed
from boundcalc.errors import DataError, UsageError
from boundcalc.nearest import hint
from boundcalc.parts import registry
from boundcalc.parts.topology import ENCODINGS

if TYPE_CHECKING:
    import torch

    from boundcalc.parts.part import Option

MASK_ORIGINS = ("data", "independent")
DEVICES = ("auto", "cpu", "cuda")
MOST_CELLS = 512
LEAST_DELTA = 1e-300
"""Smallest delta: float64 represents every share of it that a bound may get, at full precision."""

COMPARE_AGAINST = ("first", "previous")


@dataclass(frozen=True)
class Options:
    """Everything that a report depends on besides the checkpoint.

    Attributes:
        data: a form of ``--data``, arrays, or an opened data set; None without data.
        model: ``FILE.py:CALLABLE``, ``package.module:CALLABLE`` or a torch module; None to infer.
        input_shape: one sample's shape; None to take the data's or the model's.
        reference: the initialization, a path, a torch module or a state dict; None to use one found beside the checkpoint.
        prefix: prefix of the network's keys, in a file of several networks.
        mask: path of a separate mask file, or a dict or list of masks.
        mask_from_scores: share of each layer to keep, if the masks are the largest scores of edge-popup.
        holdout: share of the samples to draw as the test split, by `seed`, if the data have none; it becomes part of `data`.
        samples: m, for bounds without data and to decide whether a sample is large enough.
        input_bound: B with |x| <= B in every coordinate, for bounds without data.
        only: parts to compute; None for all that the input allows.
        normalize: means then standard deviations, or any other value of ``--normalize``; every bound pays for their digits.
        normalize_fixed: whether they were fixed before the sample, so that bounds do not pay for them.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        seed: seed of all random numbers.
        delta: each bound fails with at most this probability.
        margin: gamma fixed before the sample was seen; None to search for it and pay for the search.
        mask_origin: ``"data"`` (the mask depends on the sample, and bounds pay for it) or ``"independent"``.
        calibration: path of a calibrated constant of the sample complexity.
        target_error: eps0, for which the sample complexity is computed; needs `calibration`.
        encoding: how a convolution's mask becomes a graph, ``"unrolled"`` or ``"rolled"``.
        passes: number of passes over the sample in the search for a compression; 0 for k-means alone; None for as many as are
            quick, at most 20.
        cells: largest number of cells on each side of a graphon.
        batch: largest number of samples for the graphon NTK.
        sigma_w2: variance of the graphon NTK's weights times fan-in.
        exact: whether the graphon NTK uses the masks themselves as graphons, with one cell per unit.
        max_memory: gigabytes that the content of one file may take (None: 4 times its size or 2, whichever is larger), and that the
            graphon NTK's arrays may take (None: 2).
        learning_rate: learning rate of the graphon NTK's residual; None for the inverse of its largest eigenvalue.
        certificate: a certificate file, or several separated by commas or in a list; None for the one beside the checkpoint.
        unlabelled: data, as for ``--data``, that the network did not see, with which another network's certificate is carried
            over.
        further: value by name for the options of parts that have no field here (`boundcalc.parts.part.Option`).

    Raises:
        UsageError: a value is out of range, or options contradict each other.
    """

    data: Any = None
    model: str | torch.nn.Module | None = None
    input_shape: tuple[int, ...] | None = None
    reference: Any = None
    prefix: str | None = None
    mask: Any = None
    mask_from_scores: float | None = None
    holdout: float | None = None
    samples: int | None = None
    input_bound: float | None = None
    only: tuple[str, ...] | None = None
    normalize: tuple[float, ...] | None = None
    normalize_fixed: bool = False
    device: str = "auto"
    seed: int = 0
    delta: float = 0.05
    margin: float | None = None
    mask_origin: str = "data"
    calibration: str | Path | None = None
    target_error: float | None = None
    encoding: str = "unrolled"
    passes: int | None = None
    cells: int = 64
    batch: int = 1024
    sigma_w2: float = 1.0
    exact: bool = False
    max_memory: float | None = None
    learning_rate: float | None = None
    certificate: Any = None
    unlabelled: Any = None
    further: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._normalize_data()
        self._check_types()
        self._check_sample()
        self._check_numbers()
        self._check_calibration()
        self._check_kernel()
        unknown = [part for part in self.only or () if part not in registry]
        if unknown:
            raise UsageError(
                f"unknown part {unknown[0]!r}{hint(unknown[0], registry)} (parts: {', '.join(registry)})"
            )
        self._check_further()
        for name, value, allowed in (
            ("--mask-origin", self.mask_origin, MASK_ORIGINS),
            ("--device", self.device, DEVICES),
            ("--encoding", self.encoding, ENCODINGS),
        ):
            if value not in allowed:
                raise UsageError(f"{name} {value}: choose from {', '.join(allowed)}")

    def _check_further(self) -> None:
        """Set the options of parts that have no field here to the given values or defaults, and check them.

        Raises:
            UsageError: no part has such an option.
        """
        known = {one.name: one for one in further_options()}
        for name in self.further:
            if name not in known:
                raise UsageError(f"unknown option {name}")
        filled = {name: self.further.get(name, one.default) for name, one in known.items()}
        for name, value in filled.items():
            known[name].check(value)
        object.__setattr__(self, "further", filled)

    def _normalize_data(self) -> None:
        """Replace the name of a normalization by its numbers, and make the held-out share part of the data's form.

        Raises:
            UsageError: `data` is not a form that can be split, or the normalization is unknown.
        """
        if isinstance(self.normalize, str):
            try:
                object.__setattr__(self, "normalize", parsed(self.normalize))
            except DataError as error:
                raise UsageError(str(error)) from error
        if self.holdout is None:
            return
        if not isinstance(self.data, str):
            raise UsageError("--holdout needs --data, in a form that has no test split")
        object.__setattr__(self, "data", with_holdout(self.data, self.holdout, self.seed))
        object.__setattr__(self, "holdout", None)

    def _check_types(self) -> None:
        for name, value in (
            ("delta", self.delta),
            ("margin", self.margin),
            ("input_bound", self.input_bound),
            ("sigma_w2", self.sigma_w2),
            ("max_memory", self.max_memory),
            ("learning_rate", self.learning_rate),
            ("mask_from_scores", self.mask_from_scores),
        ):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise UsageError(f"{name}={value!r}: give a number")
        for name, sizes in (("input_shape", self.input_shape), ("normalize", self.normalize)):
            if sizes is not None and (isinstance(sizes, str) or not isinstance(sizes, tuple | list)):
                raise UsageError(f"{name}={sizes!r}: give a tuple of numbers")

    def _check_sample(self) -> None:
        if self.samples is None and self.input_bound is not None:
            raise UsageError("--input-bound needs --samples M: give the sample size, too")
        if self.samples is not None and self.data is not None:
            raise UsageError("give --data, or --samples and --input-bound, not both")
        if self.samples is not None and self.samples < 1:
            raise UsageError(f"--samples {self.samples}: give at least 1")
        if self.input_bound is not None and not (0 < self.input_bound < math.inf):
            raise UsageError(f"--input-bound {self.input_bound}: give a positive number")
        if self.normalize is not None and self.data is None:
            raise UsageError("--normalize needs --data")
        if type(self.normalize_fixed) is not bool:
            raise UsageError(f"normalize_fixed={self.normalize_fixed!r}: give True or False")
        if self.normalize_fixed and self.normalize is None and not getattr(self.data, "normalized", ()):
            raise UsageError(
                "--normalize-fixed needs --normalize: the numbers that were fixed before the sample"
            )

    def _check_numbers(self) -> None:
        if not 0 < self.delta < 1:
            raise UsageError(f"--delta {self.delta}: give a probability between 0 and 1")
        if self.delta < LEAST_DELTA:
            raise UsageError(
                f"--delta {self.delta}: give at least {LEAST_DELTA}; shares of a smaller delta are not "
                "representable in float64"
            )
        if self.margin is not None and not (0 < self.margin < math.inf):
            raise UsageError(f"--margin {self.margin}: give a positive number, or auto")
        if self.mask_from_scores is not None and not 0 < self.mask_from_scores <= 1:
            raise UsageError(
                f"--mask-from-scores {self.mask_from_scores}: give the share that is kept, above 0 and at most 1"
            )
        if self.input_shape is not None and (not self.input_shape or min(self.input_shape) < 1):
            raise UsageError(f"--input-shape {self.input_shape}: give positive sizes, e.g. 1,28,28")
        if self.passes is not None and (type(self.passes) is not int or self.passes < 0):
            raise UsageError(f"--passes {self.passes}: give a whole number, 0 or more")
        if type(self.cells) is not int or not 1 <= self.cells <= MOST_CELLS:
            raise UsageError(f"--cells {self.cells}: give a whole number from 1 to {MOST_CELLS}")

    def _check_calibration(self) -> None:
        if self.target_error is None:
            return
        if self.calibration is None:
            raise UsageError(
                "--target-error needs --calibration FILE: the theory leaves a constant unknown, which "
                "the calibration supplies"
            )
        if not 0 < self.target_error < math.inf:
            raise UsageError(f"--target-error {self.target_error}: give a positive number")

    def _check_kernel(self) -> None:
        if type(self.batch) is not int or self.batch < 2:
            raise UsageError(f"--batch {self.batch}: give a whole number of samples, at least 2")
        if type(self.exact) is not bool:
            raise UsageError(f"exact={self.exact!r}: give True or False")
        for name, value in (
            ("--sigma-w2", self.sigma_w2),
            ("--max-memory", self.max_memory),
            ("--learning-rate", self.learning_rate),
        ):
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} {value}: give a positive number")

    @property
    def needs_a_forward_pass(self) -> bool:
        """Whether an option requires more than the weights."""
        return any(given is not None for given in (self.data, self.samples))

    def wants(self, part: str) -> bool:
        """Return whether a part was requested, by name or by default."""
        return self.only is None or part in self.only


def further_options() -> tuple[Option, ...]:
    """Return the options of parts that have no field in `Options`."""
    own = {one.name for one in fields(Options)}
    return tuple(one for part in registry.values() for one in part.options if one.name not in own)


def options_of(given: Mapping[str, Any]) -> Options:
    """Return options, given the names of fields and of further options.

    Args:
        given: value by name.

    Raises:
        TypeError: a name is unknown.
        UsageError: a value is out of range.
    """
    further = {one.name for one in further_options()}
    own = {name: value for name, value in given.items() if name not in further}
    return Options(**own, further={name: value for name, value in given.items() if name in further})
