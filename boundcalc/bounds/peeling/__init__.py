"""Peeling over a partition of the neurons into nodes: the theorem, its dynamic programme, the search over splits, the bound."""

from boundcalc.bounds.peeling.bound import (
    PEELING,
    dense_structure,
    masked_structure,
    positions_for,
    price,
    search,
)

__all__ = ["PEELING", "dense_structure", "masked_structure", "positions_for", "price", "search"]
