"""Galanti et al. (norm-based bounds for sparse networks): {model_state_dict, graphs, optimizer_state_dict,
epoch}.

Weights are ``weight_g`` and ``weight_v``, without masks. As published, ``graphs`` is a pickled class and the file is
refused before it gets here; a file that was saved again with plain values is read.
"""

from __future__ import annotations

from typing import Any

from boundcalc.checkpoint.conventions.state import StateDict


def recognize(saved: dict[str, Any], taken: str, state: StateDict) -> StateDict:
    """Return the state, with evidence if the file `saved`, whose state dict is under the key `taken`, follows this convention."""
    if taken == "model_state_dict" and "graphs" in saved:
        return state.with_note("keys model_state_dict and graphs, as Galanti et al. save", "galanti")
    return state
