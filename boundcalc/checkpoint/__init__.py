"""Read pruned networks from disk: weights, masks and, where the file holds one, the forward pass.

All code here only reads bytes; nothing that a file contains is ever executed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.checkpoint.listing import formats
    from boundcalc.checkpoint.program import Call, Program, Ref
    from boundcalc.checkpoint.pt2 import program_from_bytes
    from boundcalc.checkpoint.reader import from_state_dict, read
    from boundcalc.checkpoint.types import Checkpoint

__all__ = ["Call", "Checkpoint", "Program", "Ref", "formats", "from_state_dict", "program_from_bytes", "read"]

_HOMES = {
    "Call": "program",
    "Checkpoint": "types",
    "Program": "program",
    "Ref": "program",
    "formats": "listing",
    "from_state_dict": "reader",
    "program_from_bytes": "pt2",
    "read": "reader",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
