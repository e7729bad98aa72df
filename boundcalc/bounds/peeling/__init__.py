"""Peeling over a partition of the neurons into nodes: the theorem, its dynamic program, the search over splits, the bound."""

from boundcalc.bounds.peeling.bound import PEELING, compute, dense_structure, masked_structure, price
from boundcalc.bounds.peeling.search import SharpSearch, positions_for, search_published

__all__ = [
    "PEELING",
    "SharpSearch",
    "compute",
    "dense_structure",
    "masked_structure",
    "positions_for",
    "price",
    "search_published",
]
