"""Checks of orderings: one complexity is never above another."""

from __future__ import annotations

from dataclasses import replace

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.peeling import dense_structure, masked_structure, positions_for, search_published
from boundcalc.bounds.peeling.dynamic_program import PeelingProgram
from boundcalc.bounds.peeling.kernels import Choice, Kernels, KernelStructure
from boundcalc.bounds.peeling.norms import L2
from boundcalc.bounds.peeling.rules import PublishedRules, Setting
from boundcalc.bounds.peeling.theorem import PeelingResult
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine
from boundcalc.testing.invariances import changed
from boundcalc.testing.subject import complexity, with_network


def check_mask_inclusion(bound: Bound, problem: BoundInputs, share: float = 0.5, seed: int = 0) -> None:
    """Check that pruning further never raises the complexity.

    This holds for products of entrywise norms and for path norms. It fails for spectral norms, which may grow when an
    entry is deleted, and for bounds that search.

    Args:
        bound: bound with a complexity.
        problem: network and sample; distances are measured from zero.
        share: share of the surviving weights that are kept, in expectation.
        seed: seed of the choice.

    Raises:
        AssertionError: the complexity rises.
    """
    random = torch.Generator().manual_seed(seed)

    def prune(number: int, layer: Affine) -> tuple[torch.Tensor, torch.Tensor | None]:
        del number
        return layer.weight * (torch.rand(layer.weight.shape, generator=random) < share), layer.bias

    fewer = with_network(replace(problem, split=None), changed(problem.network, prune))
    before, after = complexity(bound, problem), complexity(bound, fewer)
    assert after <= before + 1e-12, (
        f"{bound.name}: keeping {share:g} of the weights raises log complexity from {before:.12g} to {after:.12g}"
    )


def _walk(problem: BoundInputs, structure: KernelStructure, split: dict[str, Choice]) -> PeelingResult:
    positions = positions_for(problem.network)
    setting = Setting(structure, positions, problem.energies)
    return PeelingProgram(
        problem.network, setting, Kernels(structure, positions), 1.0, PublishedRules()
    ).best(split)


def one_node_a_position(network: Network) -> dict[str, Choice]:
    """Return the split of Galanti et al. 2023: all channels of a position form one node, with l2 norms."""
    return {layer.name: Choice(layer.shape[0], L2()) for layer in network.layers()}


def one_node_a_unit(network: Network) -> dict[str, Choice]:
    """Return the finest split: each channel of a position is a node, with l2 norms."""
    return {layer.name: Choice(1, L2()) for layer in network.layers()}


def check_masked_structure(problem: BoundInputs, split: dict[str, Choice] | None = None) -> None:
    """Check that, for the same split, the peeling bound of the mask's node graph is at most that of the dense node graph.

    The masked graph has fewer predecessors, less energy and fewer paths, while the scales are the same.

    Args:
        problem: network and sample.
        split: node size and norm of every layer; None checks both the coarsest split and the finest.

    Raises:
        AssertionError: the masked bound is above the dense one.

    Source: theory of `boundcalc.bounds.peeling`.
    """
    network = problem.network
    splits = [one_node_a_position(network), one_node_a_unit(network)] if split is None else [split]
    structures = masked_structure("data"), dense_structure()
    for chosen in splits:
        masked, dense = (
            _walk(problem, structure, chosen).log_complexity(problem.energies.m) for structure in structures
        )
        assert masked <= dense + 1e-12, f"peeling: masked {masked:.12g} is above dense {dense:.12g} (logs)"


def check_peeling_dominance(problem: BoundInputs) -> None:
    """Check that the split found by the search is not worse than one node per position, the form of the paper.

    Raises:
        AssertionError: the bound of the search is above that of the paper's form.

    Source: Galanti, Xu, Galanti & Poggio 2023, with the constants of `boundcalc.bounds.peeling`.
    """
    structure, m = masked_structure(problem.settings.mask_origin), problem.energies.m
    kernels = Kernels(structure, positions_for(problem.network))
    found = search_published(problem, structure, kernels)[0].log_complexity(m)
    plain = _walk(problem, structure, one_node_a_position(problem.network)).log_complexity(m)
    assert found <= plain + 1e-12, (
        f"peeling: the search gives {found:.12g}, one node per position {plain:.12g} (logs of R_S)"
    )
