"""Generalization bounds: one file a paper, one registry, one ledger that turns complexities into bounds on the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.bounds.registry import Bound, register, registry

__all__ = ["Bound", "register", "registry"]


def __getattr__(name: str) -> Any:
    """Import the registry when it is first asked for."""
    if name in __all__:
        from boundcalc.bounds import registry as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
