"""boundcalc: what theory says about a pruned neural network.

    >>> import boundcalc
    >>> report = boundcalc.analyze("ticket.pt", data="sample")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP

The names below are imported on first use, so that importing boundcalc does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boundcalc._version import __version__

if TYPE_CHECKING:
    from boundcalc.api import analyze, load
    from boundcalc.comparison import compare
    from boundcalc.graphon.ntk import gntk
    from boundcalc.network.network import Network
    from boundcalc.report.tree import Report

__all__ = ["Network", "Report", "__version__", "analyze", "compare", "gntk", "load"]

_HOMES = {
    "analyze": "boundcalc.api",
    "compare": "boundcalc.comparison",
    "gntk": "boundcalc.graphon.ntk",
    "load": "boundcalc.api",
    "Network": "boundcalc.network.network",
    "Report": "boundcalc.report.tree",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: there is no such name.
    """
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'boundcalc' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
