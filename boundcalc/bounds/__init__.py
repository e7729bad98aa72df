"""Generalization bounds: one file a paper, one registry, one ledger that turns complexities into bounds on the error.

    >>> from boundcalc import bounds
    >>> bounds.registry["peeling"].status
    'theorem'

A package adds its own with `register`, or through the entry-point group ``boundcalc.bounds``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.bounds.catalogue import Bound, register, registry
    from boundcalc.bounds.outcome import Formula, Homogeneous, PostHoc

__all__ = ["Bound", "Formula", "Homogeneous", "PostHoc", "register", "registry"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "outcome" if name in {"Formula", "Homogeneous", "PostHoc"} else "catalogue"
    return getattr(import_module(f"boundcalc.bounds.{home}"), name)
