"""Generalization bounds: one file per paper, one registry, and one ledger that turns complexities into bounds on the error.

    >>> from boundcalc import bounds
    >>> bounds.registry["peeling"].status
    'theorem'

Another package adds its bounds with `register`, or through the entry-point group ``boundcalc.bounds``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.bounds.catalogue import Bound, register, registry
    from boundcalc.bounds.outcome import (
        AtDelta,
        ClassComplexity,
        Coded,
        CodewordCertificate,
        Formula,
        LossComplexity,
        NormComplexity,
        Score,
    )
    from boundcalc.occam.codeword import plan_of
    from boundcalc.occam.exact import describe
    from boundcalc.occam.spelling import dequantize
    from boundcalc.occam.transmit import decode, encode, lengths

_HOMES = {
    "AtDelta": "bounds.outcome",
    "Bound": "bounds.catalogue",
    "CodewordCertificate": "bounds.outcome",
    "Coded": "bounds.outcome",
    "Formula": "bounds.outcome",
    "NormComplexity": "bounds.outcome",
    "LossComplexity": "bounds.outcome",
    "ClassComplexity": "bounds.outcome",
    "Score": "bounds.outcome",
    "decode": "occam.transmit",
    "describe": "occam.exact",
    "encode": "occam.transmit",
    "lengths": "occam.transmit",
    "plan_of": "occam.codeword",
    "dequantize": "occam.spelling",
    "register": "bounds.catalogue",
    "registry": "bounds.catalogue",
}

__all__ = [
    "AtDelta",
    "Bound",
    "CodewordCertificate",
    "Coded",
    "Formula",
    "NormComplexity",
    "LossComplexity",
    "ClassComplexity",
    "Score",
    "decode",
    "describe",
    "encode",
    "lengths",
    "plan_of",
    "dequantize",
    "register",
    "registry",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: there is no public name like this.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"boundcalc.{_HOMES[name]}"), name)
