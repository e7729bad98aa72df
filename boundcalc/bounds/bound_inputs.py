"""What every bound is computed from: one network, one sample, quantities that bounds share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from boundcalc.bounds.normalization import Normalization
from boundcalc.bounds.toeplitz.steps import Block, Fixed, LayerStep, ToeplitzStep, steps_of
from boundcalc.empirical.energies import Energies
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.network.chain import ToeplitzLayer, toeplitz_layers
from boundcalc.network.coverage import blocker, refuse
from boundcalc.network.network import Network
from boundcalc.norms.spectral import spectral_norm
from boundcalc.norms.toeplitz import Rows, rows_of
from boundcalc.threads import one_thread

if TYPE_CHECKING:
    from boundcalc.certificates.evidence import Evidence


@dataclass(frozen=True)
class BoundSettings:
    """What the user fixed before the data was seen.

    Attributes:
        delta: each bound fails with at most this probability.
        margin: gamma fixed in advance, or None to search it (and pay for the search).
        mask_origin: ``"data"`` (the mask saw the sample and is paid for) or ``"independent"``.
        passes: how often the occam search trains on the sample; None for as often as is quick.
        device: where it trains.
        seed: of anything random.
        normalization: of the inputs; paid for unless it was fixed, too.
        prior_fractions: shares of the sample on each of which a network of the same architecture is trained afresh.
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
    """The network as matrices and their norms, all from above: a graph without loops, of which a chain is a special case.

    Attributes:
        links: the layers in order of execution, with the average pooling before them.
        rows: row norms of each Toeplitz matrix.
        spectral: certified spectral norms; empty when no bound asked for them.
        steps: what every operation does to norms.
        names: of the steps; "" for those without weights, numbered where a module is used several times.
        unlike_a_chain: why the network is no chain of matrices and ReLUs; None where it is one.
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
        """Return whether the output of layer `index` must hand the constant on to a later bias."""
        return any(link.layer.bias is not None for link in self.links[index + 1 :])

    def blocks(self) -> list[tuple[str, Block]]:
        """Return name and step of everything with weights, in order of execution."""
        return [
            (name, step) for name, step in zip(self.names, self.steps, strict=True) if isinstance(step, Block)
        ]

    def homogeneous(self, network: Network) -> ToeplitzView:
        """Return itself where every operation is positively homogeneous, as bounds of kind F need it.

        Args:
            network: that it was made from.

        Raises:
            NotCovered: naming every operation that is not.
        """
        refuse([
            blocker(network, place)
            for place, step in enumerate(self.steps)
            if isinstance(step, Fixed) and not step.homogeneous
        ])  # fmt: skip
        return self


@dataclass(frozen=True, eq=False)
class BoundInputs:
    """A network and a sample.

    Attributes:
        network: masked weights in float64.
        energies: of the sample, in the network's input shape.
        margins: training margins in rising order, (m,) float64; None without data.
        settings: fixed in advance.
        reference: weights independent of the sample, ``"fc1.weight"`` -> (out, in / groups, kh, kw) float64; empty: zero.
        chain: Toeplitz view, or why there is none.
        patches: for each layer in order of execution the largest l2 norm of an input patch over the sample, from above; None
            without data.
        split: the training samples, to be streamed; None without data.
        margin_rounding: by how much a margin may be above the true one for rounding of the float64 pass.
        margins_in_order: the training margins in the order of the samples, (m,) float64; None without data.
        evidence: certificates and unlabelled examples; None where there are none.
        behind: the same behind a fixed first stage, whose values are the sample of bounds by norms; None where there is none.
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

    def toeplitz(self) -> ToeplitzView:
        """Return the network as matrices.

        Raises:
            NotCovered: an operation is no linear map, ReLU, pooling, sum or the like; names all of them.
        """
        if isinstance(self.chain, NotCovered):
            raise NotCovered(self.chain.operation, self.chain.layer, self.chain.every, self.chain.blockers)
        return self.chain

    def plain_chain(self) -> ToeplitzView:
        """Return the network as a chain of matrices with ReLUs (or nothing) between them.

        Raises:
            NotCovered: it is none; names all that is in the way.
        """
        chain = self.toeplitz()
        why = chain.unlike_a_chain
        if why is not None:
            raise NotCovered(why.operation, why.layer, why.every, why.blockers)
        return chain


def chain_of(network: Network, *, spectral: bool) -> ToeplitzView | NotCovered:
    """Compute the norms that the Toeplitz-norm bounds share, or return what of the network they do not cover.

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
