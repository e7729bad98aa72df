"""The plan of a run: which network, which pruner, which densities and which training recipe; does not import torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from boundcalc.certificates.pick.plan import PickPlan
from boundcalc.errors import UsageError
from boundcalc.features.names import cells_of
from boundcalc.files import read_bytes
from boundcalc.tickets.pruners import registry
from boundcalc.tickets.recipe import Recipe, at_least, check_number, one_of

ARCHITECTURES = (
    "lenet300",
    "lenet5",
    "vgg16",
    "resnet20",
    "resnet20_option_a",
    "resnet18",
    "strided-W",
    "conv-L-H",
    "shallow-W",
)
FAMILIES = {"strided-W": r"strided-(\d+)", "shallow-W": r"shallow-(\d+)", "conv-L-H": r"conv-(\d+)-(\d+)"}
"""Architectures whose names contain numbers -> the pattern of those names."""
ALIASES = {"vgg": "vgg16"}
COMPRESSIONS = ("pacbayes", "occam")
BETA = 8.0
"""Default weight of the divergence in pacbayes: cross-entropy needs a multiple of its weight in the bound."""
INIT_PRUNERS = tuple(registry)
PRUNERS = (*INIT_PRUNERS, "imp")
SCOPES = ("global", "layerwise")
DATA_INDEPENDENT_PRUNERS = tuple(name for name, pruner in registry.items() if pruner.blind)
"""Pruners that use at most the initial weights, and no sample."""


@dataclass(frozen=True)
class RunPlan:
    """The options of one run, except its seed.

    Attributes:
        data: value of `--data`.
        normalize: means, then standard deviations; or None.
        arch: name of an architecture, with numbers for those of `FAMILIES`; None if `model` is given.
        model: `FILE.py:CALLABLE` or `package.module:CALLABLE` that makes the network; None if `arch` is given.
        pruner: one of `PRUNERS`.
        scope: whether weights compete across all layers or within each layer.
        density: density of each ticket, for pruners at initialization; None to use `levels`.
        levels: number of times that `prune_fraction` is removed; None if densities are given.
        prune_fraction: fraction of the surviving weights that a level removes.
        rewind: epoch to whose weights imp rewinds.
        per_class: number of samples of each class that snip and grasp use.
        normalize_fixed: whether `normalize` was fixed before the sample was drawn, so that certificates do not pay for it.
        first_stage: name of a fixed first stage in front of `arch`, see `boundcalc.features.names`; or None.
        picking: options for training on picked examples; None to train on all.
        certify: number of passes over the sample in the search for each level's certificate; None for no certificates.
        method: method of these certificates, one of `COMPRESSIONS`.
        beta: factor of the divergence in pacbayes' training objective.
        tried: number of settings tried on the sample for these certificates, including this one.
        recipe: training recipe.

    Raises:
        UsageError: when a value is out of range, or options contradict each other.
    """

    data: str
    pruner: str
    arch: str | None = None
    model: str | None = None
    normalize: tuple[float, ...] | None = None
    scope: str = "global"
    density: tuple[float, ...] | None = None
    levels: int | None = None
    prune_fraction: float = 0.2
    rewind: int = 0
    per_class: int = 10
    certify: int | None = None
    method: str = "occam"
    beta: float = BETA
    tried: int = 1
    normalize_fixed: bool = False
    first_stage: str | None = None
    picking: PickPlan | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if (self.arch is None) == (self.model is None):
            raise UsageError("give either --arch NAME or --model FILE.py:CALLABLE")
        if self.arch is not None and numbers_in(self.arch) is None:
            named = [name for name in ARCHITECTURES if name not in FAMILIES]
            one_of("--arch", self.arch, (*named, "strided-16", "conv-4-50"))
        if self.first_stage is not None:
            if self.model is not None:
                raise UsageError(
                    "--first-stage needs --arch; a network of --model contains its own first stage"
                )
            cells_of(self.first_stage)
        one_of("--pruner", self.pruner, PRUNERS)
        one_of("--scope", self.scope, SCOPES)
        at_least("--samples-per-class", self.per_class, 1)
        if self.certify is not None:
            at_least("--passes", self.certify, 1 if self.method == "pacbayes" else 0)
        one_of("--certify", self.method, COMPRESSIONS)
        check_number("--beta", self.beta, 0 < self.beta < 1e6, "a positive number")
        at_least("--tried", self.tried, 1)
        fraction = self.prune_fraction
        check_number("--prune-fraction", fraction, 0 < fraction < 1, "a number between 0 and 1")
        if self.normalize_fixed and self.normalize is None:
            raise UsageError(
                "--normalize-fixed needs --normalize: the numbers that were fixed before the sample"
            )
        self._check_levels()
        self._check_rewind()
        self._check_picking()

    def _check_levels(self) -> None:
        if self.pruner == "imp" and self.density is not None and self.picking is None:
            raise UsageError(
                "--pruner imp takes --levels N instead of --density: level N keeps (1 - prune "
                "fraction)^N of the weights"
            )
        if (self.levels is None) == (self.density is None):
            kinds = "--levels N" if self.pruner == "imp" else "either --density P,... or --levels N"
            raise UsageError(f"--pruner {self.pruner}: give {kinds}")
        if self.levels is not None:
            at_least("--levels", self.levels, 0)
        for density in self.density or ():
            check_number("--density", density, 0 < density <= 1, "a number above 0 and at most 1")

    def _check_rewind(self) -> None:
        if self.rewind and self.pruner != "imp":
            raise UsageError("--rewind is for --pruner imp: the others prune at initialization")
        if not 0 <= self.rewind < self.recipe.epochs:
            raise UsageError(
                f"--rewind {self.rewind}: give an epoch from 0 to below --epochs {self.recipe.epochs}"
            )

    def _check_picking(self) -> None:
        if self.picking is None:
            return
        if self.pruner not in {*DATA_INDEPENDENT_PRUNERS, "imp"}:
            raise UsageError(
                f"--certify pick --pruner {self.pruner}: its mask would depend on examples that are "
                f"not picked; choose from {', '.join((*DATA_INDEPENDENT_PRUNERS, 'imp'))}"
            )
        if self.certify is not None or self.rewind or self.recipe.weight_norm:
            raise UsageError("--certify pick cannot be combined with --rewind, --weight-norm or --passes")

    def densities(self) -> tuple[float, ...]:
        """Return the target density of each level.

        Example:
            >>> RunPlan("sample", "snip", arch="lenet300", levels=2, prune_fraction=0.5).densities()
            (1.0, 0.5, 0.25)
        """
        if self.density is not None:
            return self.density
        return tuple((1 - self.prune_fraction) ** level for level in range((self.levels or 0) + 1))

    def mask_origin(self, density: float) -> str:
        """Return whether a ticket's mask may depend on the training sample: `"data"` or `"independent"`.

        A mask is independent if it keeps everything, is random, or depends only on an initialization that is itself random.
        Initial weights made by the user's own code may depend on the sample.
        """
        blind = self.pruner == "random" or (self.pruner in DATA_INDEPENDENT_PRUNERS and self.model is None)
        return "independent" if blind or density == 1 else "data"

    def start(self, level: int) -> int:
        """Return the epoch at which a level's training starts."""
        return self.rewind if level else 0

    def tree(self) -> dict[str, Any]:
        """Return the options as JSON values, with a digest of the user's model file if there is one."""
        tree = asdict(self)
        for name in ("normalize_fixed", "first_stage", "picking"):
            if not tree[name]:
                del tree[name]  # so that a run of an earlier version can go on
        for name, default in (("method", "occam"), ("beta", BETA), ("tried", 1)):
            if tree[name] == default:
                del tree[name]
        if tree["recipe"]["regularize"] is None:
            del tree["recipe"]["regularize"]
        place = (self.model or "").rpartition(":")[0]
        if place.endswith(".py") and Path(place).is_file():
            tree["model_sha256"] = hashlib.sha256(read_bytes(place)).hexdigest()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in tree.items()} | {
            "recipe": {**tree["recipe"], "milestones": list(self.recipe.milestones)}
        }


def of_tree(tree: Mapping[str, Any]) -> RunPlan:
    """Return the plan for a tree of options; this is the inverse of `RunPlan.tree`.

    Raises:
        KeyError: when an option is missing.
        TypeError: when there is an unknown option, or one is of the wrong type.
        UsageError: when a value is out of range.
    """
    options: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in tree.items()
        if key not in {"recipe", "picking", "model_sha256"}
    }
    recipe = {**tree["recipe"], "milestones": tuple(tree["recipe"]["milestones"])}
    picking = tree.get("picking")
    return RunPlan(
        **options, recipe=Recipe(**recipe), picking=None if picking is None else PickPlan(**picking)
    )


def numbers_in(arch: str) -> tuple[int, ...] | None:
    """Return the numbers in the name of an architecture of one of `FAMILIES`; None for any other name.

    Example:
        >>> numbers_in("conv-4-50"), numbers_in("lenet5")
        ((4, 50), None)
    """
    found = next(filter(None, (re.fullmatch(form, arch) for form in FAMILIES.values())), None)
    return None if found is None else tuple(int(word) for word in found.groups())


def canonical(arch: str) -> str:
    """Return the canonical name of an architecture.

    Example:
        >>> canonical("VGG"), canonical("conv_4_50")
        ('vgg16', 'conv-4-50')
    """
    word = arch.lower()
    return ALIASES.get(
        word, word.replace("_", "-") if word.startswith(("conv", "strided", "shallow")) else word
    )
