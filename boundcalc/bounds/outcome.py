"""Outcomes of bounds, before confidence, margins and grids are paid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boundcalc.norms.rounding import LOG2, log_product

if TYPE_CHECKING:
    from boundcalc.certificates.file import Certificate as SavedCertificate
    from boundcalc.network.network import Network
    from boundcalc.occam.codeword import CodeLayout, Codeword

Terms = dict[str, Any]

ERROR = "error"
EXCESS = "error - margin error"
"""What a number bounds: the error, or, if the margins are unknown, the error minus the share of training samples within the
margin."""


@dataclass(frozen=True)
class Margins:
    """R_S of the margins f_y - max_{c != y} f_c over networks whose homogeneous number is at most rho.

    Attributes:
        log_rho: upper bound of log rho, for the network or for one with the same margins.
        log_unit: upper bound of log R_S of the margins at rho = 1.
    """

    log_rho: float
    log_unit: float


@dataclass(frozen=True)
class NormComplexity:
    """Kind F: R_S(F_rho) = rho * R_S(F_1), where rho is a positively homogeneous number of the network.

    Attributes:
        log_rho: upper bound of log rho; -inf for a network that is 0.
        log_unit: upper bound of log R_S(F_1).
        bits: price of the choices made after seeing the sample, in bits of a code fixed before it.
        terms: numbers for the report.
        margins: complexity of the class of margins if it is bounded separately (`boundcalc.rademacher.margin`); None if twice
            R_S(F) is used.
        published: the same bound with its published constants.
    """

    log_rho: float
    log_unit: float
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)
    margins: Margins | None = None
    published: NormComplexity | None = None

    @property
    def of_margins(self) -> Margins:
        """The complexity of the margins that enters the bound on the error."""
        return self.margins or Margins(self.log_rho, log_product([LOG2, self.log_unit]))


@dataclass(frozen=True)
class LossComplexity:
    """Kind loss: complexity of the ramp-loss class as a function of several numbers of the network that the sample influenced.

    Attributes:
        numbers: name -> upper bound of the log of the number; -inf for 0.
        log_complexity: log R of the class of networks whose numbers are at most the given ones, as a function of the logs of the
            numbers and of log gamma; decreasing in gamma.
        bits: price of the choices made after seeing the sample, in bits of a code fixed before it.
        terms: numbers for the report.
        published: the same bound with its published constants.
    """

    numbers: Mapping[str, float]
    log_complexity: Callable[[Mapping[str, float], float], float]
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)
    published: LossComplexity | None = None


@dataclass(frozen=True)
class ClassComplexity:
    """Kind F: R_S of a class given by several numbers of the network that the sample influenced.

    Attributes:
        numbers: name -> upper bound of the log of the number; -inf for 0.
        log_complexity: log R_S of the class of networks whose numbers are at most the given ones, as a function of their logs.
        bits: price of the choices made after seeing the sample, in bits of a code fixed before it.
        terms: numbers for the report.
        log_margins: log R_S of the margins, as a function of the same logs; None if twice R_S is used.
        published: the same bound with its published constants.
    """

    numbers: Mapping[str, float]
    log_complexity: Callable[[Mapping[str, float]], float]
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)
    log_margins: Callable[[Mapping[str, float]], float] | None = None
    published: ClassComplexity | None = None


@dataclass(frozen=True)
class Score:
    """A number that orders networks but makes no statement about the error.

    Attributes:
        log_score: log of the score.
        terms: numbers for the report.
    """

    log_score: float
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class Formula:
    """A number reported exactly as published, without a margin or a grid.

    Attributes:
        log_complexity: log of the complexity in the formula.
        log_value: log of the number.
        terms: numbers for the report.
        bounds: what the number bounds or claims to bound, `ERROR` or `EXCESS`.
    """

    log_complexity: float
    log_value: float
    terms: Terms = field(default_factory=dict)
    bounds: str = ERROR


@dataclass(frozen=True, eq=False)
class Coded:
    """One codeword of a code fixed before the sample.

    Attributes:
        name: how the codeword was found.
        bits: its length in bits, rounded up.
        errors: number of training samples that the described network misclassifies.
        network: the described network.
        plan: layout of the code for the architecture.
        word: content of the codeword, for `boundcalc.bounds.encode`.
    """

    name: str
    bits: float
    errors: int
    network: Network
    plan: CodeLayout
    word: Codeword


@dataclass(frozen=True, eq=False)
class CodewordCertificate:
    """Codewords, each with a description-length certificate; the best of them is used, which costs nothing.

    Attributes:
        codewords: codewords, at least one.
        terms: numbers for the report.
    """

    codewords: tuple[Coded, ...]
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class AtDelta:
    """A bound on the error without a complexity, as a function of its failure probability.

    Attributes:
        value: maps delta to the bound, rounded up; the price of a normalization is taken from delta before.
        terms: numbers for the report.
        remark: sentence printed beside the number.
        any_normalization: whether the network's normalization may come from the sample at no price, like the rest of the network.
        certificate: the certificate of the value, if it certifies another network that its file holds.
    """

    value: Callable[[float], float]
    terms: Terms = field(default_factory=dict)
    remark: str = ""
    any_normalization: bool = False
    certificate: SavedCertificate | None = None


Outcome = AtDelta | NormComplexity | LossComplexity | ClassComplexity | Score | Formula | CodewordCertificate
