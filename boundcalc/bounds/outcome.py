"""What a bound computes before confidence, margins and grids are paid for."""

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
"""What a number bounds: the error, or the error less the share of training samples within the margin, where that is not known."""


@dataclass(frozen=True)
class Margins:
    """R_S of the margins f_y - max_{c != y} f_c of networks whose one homogeneous number is at most rho.

    Attributes:
        log_rho: log of rho, from above: of the network, or of one with the same margins.
        log_unit: log of R_S of the margins at rho = 1, from above.
    """

    log_rho: float
    log_unit: float


@dataclass(frozen=True)
class NormComplexity:
    """Kind F: R_S(F_rho) = rho * R_S(F_1) with one positively homogeneous number rho of the network.

    Attributes:
        log_rho: log of rho, from above; -inf for a network that is 0.
        log_unit: log of R_S(F_1), from above.
        bits: what was chosen after seeing the sample, in bits of a code fixed before.
        terms: ingredients for the report.
        margins: the complexity of the class of margins where it is bounded apart (`boundcalc.rademacher.margin`); None where twice
            R_S(F) stands for it.
        published: the same bound with the constants that it was published with.
    """

    log_rho: float
    log_unit: float
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)
    margins: Margins | None = None
    published: NormComplexity | None = None

    @property
    def of_margins(self) -> Margins:
        """The complexity that the bound on the error takes."""
        return self.margins or Margins(self.log_rho, log_product([LOG2, self.log_unit]))


@dataclass(frozen=True)
class LossComplexity:
    """Kind loss: complexity of the ramp-loss class at several numbers of the network that the sample influenced.

    Attributes:
        numbers: name -> log of each such number, from above; -inf for 0.
        log_complexity: log R of the class of networks whose numbers are at most the given ones, as a function of their logs and of
            log gamma; falls with gamma.
        bits: as in `NormComplexity`.
        terms: ingredients for the report.
        published: as in `NormComplexity`.
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
        numbers: as in `LossComplexity`.
        log_complexity: log R_S of the class of networks whose numbers are at most the given ones, as a function of their logs.
        bits: as in `NormComplexity`.
        terms: ingredients for the report.
        log_margins: log R_S of the margins, as a function of the same logs; None where twice R_S stands for it.
        published: as in `NormComplexity`.
    """

    numbers: Mapping[str, float]
    log_complexity: Callable[[Mapping[str, float]], float]
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)
    log_margins: Callable[[Mapping[str, float]], float] | None = None
    published: ClassComplexity | None = None


@dataclass(frozen=True)
class Score:
    """A number that orders networks, without a statement about the error.

    Attributes:
        log_score: its log.
        terms: ingredients for the report.
    """

    log_score: float
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class Formula:
    """A published number that is reported as it stands: no margin, no grid of ours.

    Attributes:
        log_complexity: log of the complexity in it.
        log_value: log of the number.
        terms: ingredients for the report.
        bounds: what it bounds or claims to bound, `ERROR` or `EXCESS`.
    """

    log_complexity: float
    log_value: float
    terms: Terms = field(default_factory=dict)
    bounds: str = ERROR


@dataclass(frozen=True, eq=False)
class Coded:
    """One codeword of a code that was fixed before the sample.

    Attributes:
        name: how it was found.
        bits: its length, from above.
        errors: training samples on which the network that it describes errs.
        network: that network.
        plan: the architecture as the code sees it.
        word: what it says, for `boundcalc.bounds.encode`.
    """

    name: str
    bits: float
    errors: int
    network: Network
    plan: CodeLayout
    word: Codeword


@dataclass(frozen=True, eq=False)
class CodewordCertificate:
    """Codewords, each with a description-length certificate; the best of them counts, at no price.

    Attributes:
        codewords: at least one.
        terms: ingredients for the report.
    """

    codewords: tuple[Coded, ...]
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class AtDelta:
    """A bound on the error that has no complexity, as a function of its failure probability.

    Attributes:
        value: delta -> the bound, from above; what a normalisation costs is taken from delta before.
        terms: ingredients for the report.
        remark: a sentence printed beside the number.
        any_normalization: whether the network's normalisation, like all else of it, may come from the sample at no price.
        certificate: that the value was computed from, where it speaks of another network that the file holds.
    """

    value: Callable[[float], float]
    terms: Terms = field(default_factory=dict)
    remark: str = ""
    any_normalization: bool = False
    certificate: SavedCertificate | None = None


Outcome = AtDelta | NormComplexity | LossComplexity | ClassComplexity | Score | Formula | CodewordCertificate
