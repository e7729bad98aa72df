"""The parts of a report, one module each: bounds, samples, topology, graphon, gntk, empirical, and those of other packages.

>>> from boundcalc.parts import registry
>>> list(registry)
['bounds', 'samples', 'topology', 'graphon', 'gntk', 'empirical']
"""

from __future__ import annotations

from boundcalc.parts.part import Given, NotRun, Option, Part, Quantity
from boundcalc.registry import Registry

registry: Registry[Part] = Registry(Part, __name__, "boundcalc.parts", lambda part: (part.rank, part.name))

__all__ = ["Given", "NotRun", "Option", "Part", "Quantity", "registry"]
