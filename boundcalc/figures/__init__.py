"""The figures, drawn with matplotlib: one module per figure, used on pages, by `boundcalc plot` and in experiments.

>>> from boundcalc.figures import pictures
>>> list(pictures())[:3]
['bounds', 'gap', 'samples']
"""

from __future__ import annotations

from boundcalc.figures.picture import DrawnFigure, Mark, NamedReport, Picture
from boundcalc.parts import registry as parts
from boundcalc.registry import Registry

registry: Registry[Picture] = Registry(
    Picture, __name__, "boundcalc.figures", lambda one: (one.rank, one.name)
)


def pictures() -> dict[str, Picture]:
    """Return every figure by name: those of this folder, then those that parts define."""
    return {**registry, **{one.name: one for part in parts.values() for one in part.pictures()}}


__all__ = ["DrawnFigure", "Mark", "Picture", "NamedReport", "pictures", "registry"]
