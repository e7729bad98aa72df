"""The registry of bounds; other packages add theirs through the entry-point group ``boundcalc.bounds``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.classes import Hypotheses
from boundcalc.bounds.outcome import Outcome

KINDS = ("F", "loss", "certificate", "score")
STATUSES = ("theorem", "published", "refuted", "score")
SUBJECTS = ("network", "compression", "retrained", "interpolant")
"""The network whose error a bound is about: the checkpoint's, as it was read; another network found from it; a network of its
architecture that was trained afresh; a kernel's interpolant."""
PRIORS = ("none", "data-free", "data-dependent")
"""The prior of a certificate: none, a code or distribution fixed before the sample, or one computed from a part of the sample."""
BOUND_MODULES = (
    "peeling", "path_norm", "occam", "pacbayes", "golowich2018", "neyshabur2015", "bartlett2017", "graf2022",
    "ledent2021", "lin2019", "gouk2021", "longsedghi2020", "galanti2023",
    "pick", "holdout", "disagreement",
)  # fmt: skip
"""The order in which bounds are listed; every other module of the folder that registers one follows."""


@dataclass(frozen=True)
class Bound:
    """A registered bound.

    Attributes:
        name: unique name, lower case, after its paper.
        kind: what `compute` returns: ``"F"``, ``"loss"``, ``"certificate"`` or ``"score"``.
        status: ``"theorem"``, ``"published"``, ``"refuted"`` or ``"score"``.
        source: authors, year, title or theorem number.
        assumptions: assumptions of the bound, one short sentence each.
        compute: function that evaluates the bound; raises `NotCovered` if the bound does not cover the network.
        toeplitz: whether it is one of the Toeplitz-norm bounds that others are compared with.
        spectral: whether it needs certified spectral norms.
        remark: sentence printed beside the number, e.g. why the bound is refuted.
        hypotheses: class of networks that the bound covers, which `boundcalc falsify` searches; None if it declares none.
        subject: one of `SUBJECTS`; the default is ``"compression"`` for a certificate and ``"network"`` for any other kind. Kinds F
            and loss are evaluated at the checkpoint's own margins, so their subject is always the network.
        prior: one of `PRIORS` for a certificate; None if undeclared, and for any other kind.
    """

    name: str
    kind: str
    status: str
    source: str
    assumptions: tuple[str, ...]
    compute: Callable[[BoundInputs], Outcome]
    toeplitz: bool = False
    spectral: bool = False
    remark: str = ""
    hypotheses: Hypotheses | None = None
    subject: str = ""
    prior: str | None = None

    def __post_init__(self) -> None:
        certificate = self.kind == "certificate"
        if not self.subject:
            object.__setattr__(self, "subject", "compression" if certificate else "network")
        if self.kind not in KINDS:
            raise ValueError(f"bound {self.name}: kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.status not in STATUSES:
            raise ValueError(f"bound {self.name}: status {self.status!r} is none of {', '.join(STATUSES)}")
        if self.subject not in SUBJECTS:
            raise ValueError(f"bound {self.name}: subject {self.subject!r} is none of {', '.join(SUBJECTS)}")
        if self.prior is not None and self.prior not in PRIORS:
            raise ValueError(f"bound {self.name}: prior {self.prior!r} is none of {', '.join(PRIORS)}")
        if not certificate and (self.subject != "network" or self.prior is not None):
            raise ValueError(
                f"bound {self.name}: kind {self.kind} speaks of the network at its own margins; a bound on another network, or"
                " one with a prior, is of kind certificate"
            )


class BoundRegistry(Mapping[str, Bound]):
    """Map from name to bound, in order of registration; entry points are loaded at the first access."""

    def __init__(self) -> None:
        self._bounds: dict[str, Bound] = {}
        self._loaded = False

    def add(self, bound: Bound) -> Bound:
        """Add a bound.

        Raises:
            ValueError: another bound has this name.
        """
        if self._bounds.get(bound.name, bound) != bound:
            raise ValueError(f"a bound named {bound.name} is registered already")
        self._bounds[bound.name] = bound
        return bound

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        folder = import_module("boundcalc.bounds").__path__
        for module in dict.fromkeys((*BOUND_MODULES, *(one.name for one in iter_modules(folder)))):
            import_module(f"boundcalc.bounds.{module}")
        for entry in entry_points(group="boundcalc.bounds"):
            found = entry.load()
            if not isinstance(found, Bound):
                raise TypeError(
                    f"entry point {entry.name} of group boundcalc.bounds is no boundcalc.bounds.Bound"
                )
            self.add(found)

    def __getitem__(self, name: str) -> Bound:
        self._load()
        return self._bounds[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._bounds)

    def __len__(self) -> int:
        self._load()
        return len(self._bounds)


registry = BoundRegistry()


def register(bound: Bound) -> Bound:
    """Add a bound to the registry and return it.

    Raises:
        ValueError: another bound has this name.
    """
    return registry.add(bound)
