"""Symbolic forms of the bounds, one file per paper, as in `boundcalc.bounds`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from boundcalc.theory.symbolic import SymbolicForm

PAPERS = (
    "peeling", "path_norm", "occam", "golowich2018", "neyshabur2015", "bartlett2017", "graf2022",
    "ledent2021", "lin2019", "gouk2021", "longsedghi2020", "galanti2023",
    "certified",
)  # fmt: skip
"""The order of forms of one bound; every other module of the folder with ``FORMS`` follows."""


@cache
def all_forms() -> dict[str, tuple[SymbolicForm, ...]]:
    """Return the forms of every bound that has any, with the main form first."""
    found: dict[str, tuple[SymbolicForm, ...]] = {}
    for paper in dict.fromkeys((*PAPERS, *(one.name for one in iter_modules(__path__)))):
        for form in getattr(import_module(f"{__name__}.{paper}"), "FORMS", ()):
            found[form.bound] = (*found.get(form.bound, ()), form)
    return found


def forms_of(name: str) -> tuple[SymbolicForm, ...]:
    """Return the forms of a bound, with the main form first; empty for a bound of another package."""
    return all_forms().get(name, ())
