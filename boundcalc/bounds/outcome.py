"""What a bound computes before confidence, margins and grids are paid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Terms = dict[str, Any]


@dataclass(frozen=True)
class Homogeneous:
    """Kind F: R_S(F_rho) = rho * R_S(F_1) with one positively homogeneous number rho of the network.

    Attributes:
        log_rho: log of rho, from above; -inf for a network that is 0.
        log_unit: log of R_S(F_1), from above.
        bits: what was chosen after seeing the sample, in bits of a code fixed before.
        terms: ingredients for the report.
    """

    log_rho: float
    log_unit: float
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class PostHoc:
    """Kind loss: complexity of the ramp-loss class at several numbers of the network that the sample influenced.

    Attributes:
        numbers: name -> log of each such number, from above; -inf for 0.
        log_complexity: log R as a function of the logs of these numbers and of log gamma; rises with the numbers,
            falls with gamma.
        bits: as in `Homogeneous`.
        terms: ingredients for the report.
    """

    numbers: Mapping[str, float]
    log_complexity: Callable[[Mapping[str, float], float], float]
    bits: float = 0.0
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class Formula:
    """A published number that is reported as it stands: no margin, no grid of ours.

    Attributes:
        log_complexity: log of the complexity in it.
        log_value: log of the number.
        terms: ingredients for the report.
    """

    log_complexity: float
    log_value: float
    terms: Terms = field(default_factory=dict)


Outcome = Homogeneous | PostHoc | Formula
