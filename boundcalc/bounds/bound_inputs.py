"""The inputs of every bound: one network, one sample, and quantities that the bounds share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from boundcalc.bounds.normalization import Normalization
from boundcalc.bounds.toeplitz.steps import Block, Fixed, LayerStep, ToeplitzStep, steps_of
from boundcalc.empirical.energies import Energies
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.network.chain import ToeplitzLayer, toeplitz_layers
from boundcalc.network.clamps import has_clamps, in_relus
from boundcalc.network.coverage import blocker, operation_name_by_size, refuse
from boundcalc.network.network import Network
from boundcalc.norms.spectral import spectral_norm
from boundcalc.norms.toeplitz import Rows, rows_of
from boundcalc.threads import one_thread

if TYPE_CHECKING:
    from boundcalc.certificates.evidence import Evidence


@dataclass(frozen=True)
class BoundSettings:
    """Settings that the user fixed before seeing the data.

    Attributes:
        delta: failure probability of each bound, at most.
        margin: margin gamma fixed in advance; None to search it and pay for the search.
        mask_origin: ``"data"`` if the mask depends on the sample and is paid for, otherwise ``"independent"``.
        passes: training passes over the sample in searches for certificates; None for as many as are quick.
        device: device for this training.
        seed: seed of anything random.
        normalization: normalization of the inputs; paid for unless it was fixed before the sample.
        prior_fractions: shares of the sample; for each, a network of the same architecture is trained afresh on that share.
    """

    delta: float = 0.05
    margin: float | None = None
    mask_origin: str = "data"
    passes: int | None = None
    device: str = "cpu"
    seed: int = 0
    normalization: Normalization = field(default_factory=Normalization)
    prior_fractions: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class ToeplitzView:
    """Layers as matrices and their norms, all as upper bounds, of an acyclic graph; a chain is a special case.

    Attributes:
        links: layers in order of execution, each with the average pooling before it.
        rows: row norms of each Toeplitz matrix.
        spectral: certified spectral norms; empty if no bound needs them.
        steps: effect of every operation on norms.
        names: names of the steps; "" for steps without weights, numbered if a module is used several times.
        unlike_a_chain: why the network is not a chain of matrices and ReLUs; None if it is one.
    """

    links: tuple[ToeplitzLayer, ...]
    rows: tuple[Rows, ...]
    spectral: tuple[float, ...]
    steps: tuple[ToeplitzStep, ...] = ()
    names: tuple[str, ...] = ()
    unlike_a_chain: NotCovered | None = None

    @property
    def biased(self) -> bool:
        """Whether any layer has a bias."""
        return any(link.layer.bias is not None for link in self.links)

    def carries_constant(self, index: int) -> bool:
        """Return whether the output of layer `index` must pass the constant on to a later bias."""
        return any(link.layer.bias is not None for link in self.links[index + 1 :])

    def blocks(self) -> list[tuple[str, Block]]:
        """Return name and step of every block with weights, in order of execution."""
        return [
            (name, step) for name, step in zip(self.names, self.steps, strict=True) if isinstance(step, Block)
        ]

    @property
    def smooth(self) -> bool:
        """Whether an activation is one fixed function that is not positively homogeneous."""
        return any(isinstance(step, Fixed) and step.common for step in self.steps)

    def homogeneous(self, network: Network, *, smooth: bool = False) -> ToeplitzView:
        """Return this view if every operation is positively homogeneous, as bounds of kind F by one number require.

        Args:
            network: network that the view was made from.
            smooth: whether activations that are one fixed function are taken as well.

        Raises:
            NotCovered: an operation is not homogeneous; the exception names all of them.
        """
        refuse([
            blocker(network, place, operation_name_by_size(network.nodes[place]))
            for place, step in enumerate(self.steps)
            if isinstance(step, Fixed) and not step.homogeneous and not (smooth and step.common)
        ])  # fmt: skip
        return self


@dataclass(frozen=True, eq=False)
class BoundInputs:
    """A network, a sample and everything that bounds are computed from.

    Attributes:
        network: masked weights in float64.
        energies: energies of the sample, in the network's input shape.
        margins: training margins in ascending order, (m,) float64; None without data.
        settings: settings fixed in advance.
        reference: weights independent of the sample, ``"fc1.weight"`` -> (out, in / groups, kh, kw) float64; empty for zero.
        chain: Toeplitz view, or why there is none.
        patches: upper bound of the largest l2 norm of an input patch over the sample, for each layer in order of execution; None
            without data.
        split: training samples as a stream; None without data.
        margin_rounding: largest amount by which rounding of the float64 pass may raise a margin above the true one.
        margins_in_order: the training margins in the order of the samples, (m,) float64; None without data.
        evidence: certificates and unlabeled examples; None if there are none.
        behind: inputs of bounds by norms behind a fixed first stage, whose values are their sample; None if there is no such stage.
    """

    network: Network
    energies: Energies
    margins: torch.Tensor | None
    settings: BoundSettings = field(default_factory=BoundSettings)
    reference: dict[str, torch.Tensor] = field(default_factory=dict)
    chain: ToeplitzView | NotCovered = field(default_factory=lambda: NotCovered("no Toeplitz view was made"))
    patches: tuple[float, ...] | None = None
    split: Split | None = None
    margin_rounding: float = 0.0
    margins_in_order: torch.Tensor | None = None
    evidence: Evidence | None = None
    behind: BoundInputs | None = None

    @cached_property
    def in_relus(self) -> BoundInputs:
        """Itself with clamps as ReLUs (`boundcalc.network.clamps`) and without spectral norms, where it has clamps."""
        if not has_clamps(self.network):
            return self
        network = in_relus(self.network)
        return replace(self, network=network, chain=chain_of(network, spectral=False))

    def toeplitz(self) -> ToeplitzView:
        """Return the network as a graph of matrices.

        Raises:
            NotCovered: an operation is not a linear map, ReLU, pooling, sum or the like; the exception names all of them.
        """
        if isinstance(self.chain, NotCovered):
            raise NotCovered(self.chain.operation, self.chain.layer, self.chain.every, self.chain.blockers)
        return self.chain

    def plain_chain(self) -> ToeplitzView:
        """Return the network as a chain of matrices with ReLUs (or nothing) between them.

        Raises:
            NotCovered: the network is not such a chain; the exception names all obstacles.
        """
        chain = self.toeplitz()
        why = chain.unlike_a_chain
        if why is not None:
            raise NotCovered(why.operation, why.layer, why.every, why.blockers)
        return chain


def chain_of(network: Network, *, spectral: bool) -> ToeplitzView | NotCovered:
    """Compute the norms shared by the Toeplitz-norm bounds, or return the parts of the network that they do not cover.

    Args:
        network: the network.
        spectral: whether certified spectral norms are needed too.
    """
    try:
        steps = steps_of(network)
        found = tuple(step.link for step in steps if isinstance(step, LayerStep))
        with one_thread():
            rows = tuple(rows_of(link, link.layer.weight) for link in found)
            above = tuple(spectral_norm(link) for link in found) if spectral else ()
    except NotCovered as error:
        return error
    return ToeplitzView(found, rows, above, steps, tuple(_names(steps)), _unlike_a_chain(network))


def _unlike_a_chain(network: Network) -> NotCovered | None:
    try:
        toeplitz_layers(network)
    except NotCovered as error:
        return error
    return None


def _names(steps: tuple[ToeplitzStep, ...]) -> list[str]:
    blocks = [step.name for step in steps if isinstance(step, Block)]
    repeated = {name for name, count in Counter(blocks).items() if count > 1}
    found, use = [], 0
    for step in steps:
        use += isinstance(step, Block)
        name = step.name if isinstance(step, Block) else ""
        found.append(f"{name}#{use}" if name in repeated else name)
    return found
