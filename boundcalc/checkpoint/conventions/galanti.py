"""Galanti et al. (norm-based bounds for sparse networks): {model_state_dict, graphs, optimizer_state_dict,
epoch}.

Weights are ``weight_g`` and ``weight_v``, without masks. As published, ``graphs`` is a pickled class and the
file is refused before this is reached; a file saved again with plain values is read.
"""

from __future__ import annotations

from typing import Any

from boundcalc.checkpoint.conventions.state import StateDict


def recognise(saved: dict[str, Any], taken: str, state: StateDict) -> StateDict:
    """Note the convention.

    Args:
        saved: the top level of the file.
        taken: the key of the state dict.
        state: to add to.

    Returns:
        The state, with evidence if this is such a file.
    """
    if taken == "model_state_dict" and "graphs" in saved:
        return state.noting("keys model_state_dict and graphs, as Galanti et al. save", "galanti")
    return state
