"""The sparse bound by peeling over a partition of the neurons into nodes: its value, and the bits paid for its choices.

`theorem` has the statement, `dynamic_program` the walk over the node graph, `search` the choice of nodes, norms and the constant that
carries biases. These are chosen after the sample was seen, from a grid that was fixed before, and the choice is paid for in bits. So
is a mask that depends on the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from boundcalc import progress
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import PEELED
from boundcalc.bounds.code_lengths import constant_bits, mask_bits
from boundcalc.bounds.margin_networks import with_layer_at_end
from boundcalc.bounds.outcome import Margins, NormComplexity, Terms
from boundcalc.bounds.path_lengths import has_constant
from boundcalc.bounds.peeling.kernels import Kernels, KernelStructure
from boundcalc.bounds.peeling.search import (
    SEARCHED_APART,
    PeelingSearchResult,
    SharpSearch,
    positions_for,
    search_published,
    sharp_options,
    split_options,
)
from boundcalc.bounds.peeling.theorem import PeelingResult, output_norm
from boundcalc.errors import NotCovered
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import log_product, shown, shown_log10


def dense_structure() -> KernelStructure:
    """Return the structure of every connection that the architecture has."""
    return KernelStructure(
        "dense",
        lambda layer: layer.support.new_ones(()).expand(layer.support.shape),
        lambda layer: None if layer.bias is None else torch.ones_like(layer.bias, dtype=torch.bool),
    )


def masked_structure(mask_origin: str) -> KernelStructure:
    """Return the structure of the surviving connections.

    Args:
        mask_origin: ``"data"``: the nonzero weights and biases, which are paid for; ``"independent"``: the declared mask, or the
            nonzero weights of a layer without one, and every bias.
    """
    if mask_origin == "data":
        return KernelStructure(
            "masked",
            lambda layer: layer.support,
            lambda layer: None if layer.bias is None else layer.bias != 0,
        )
    return KernelStructure("masked", _declared, dense_structure().biases)


def _declared(layer: Affine) -> torch.Tensor:
    return layer.support if layer.declared is None else layer.declared


def price(problem: BoundInputs, structure: KernelStructure, *, published: bool = False) -> Terms:
    """Return the price of each choice in bits: structure, split, constant, mask."""
    masked_by_data = structure.name == "masked" and problem.settings.mask_origin == "data"
    biased = has_constant(problem.network)
    options = (
        split_options(problem.network) if published else sharp_options(with_layer_at_end(problem.network))
    )
    return {
        "structure": 1.0,
        "split": math.log2(options),
        "constant": constant_bits(biased),
        "mask": mask_bits(problem.network) if masked_by_data else 0.0,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def sharp_outcome(
    problem: BoundInputs, structure: KernelStructure, found: PeelingSearchResult
) -> NormComplexity:
    """Return the complexity of the sharper theorem for one structure, with all its choices."""
    code_lengths = price(problem, structure)
    outputs, margins = found.outputs, found.margins
    classes, z = problem.network.outputs, found.sharp_outputs
    terms: Terms = {
        "structure": structure.name,
        "positions": positions_for(problem.network).name,
        "rho": shown(outputs.log_rho),
        "log10_rho": shown_log10(outputs.log_rho),
        "output_norm": output_norm(outputs.last, classes),
        "rho_of_margins": shown(margins.log_rho),
        "log10_rho_of_margins": shown_log10(margins.log_rho),
        "output_norm_of_margins": output_norm(margins.last, 1 if classes == 2 else classes),
        "input_sets": found.sharp_margins.family,
        "log_relu_factor": found.log_factor,
        "root_second_moment": shown(z.log_z),
        "log_moments": {"z": _finite(z.log_z), "z_top": _finite(z.log_top), "w": _finite(z.log_width)},
        "output_pairs": z.pairs,
        "split": {name: choice.group for name, choice in outputs.split.items()},
        "norms": {name: choice.norm.name for name, choice in outputs.split.items()},
        "constant": found.constant,
        "bits": code_lengths,
        "mask_origin": problem.settings.mask_origin,
    }
    return NormComplexity(
        outputs.log_rho, found.sharp_outputs.log_outputs, sum(code_lengths.values()), terms,
        margins=Margins(margins.log_rho, found.sharp_margins.log_margins),
    )  # fmt: skip


def published_outcome(
    problem: BoundInputs, structure: KernelStructure, walk: PeelingResult, constant: float
) -> NormComplexity:
    """Return the complexity of the published theorem for one structure, with all its choices."""
    code_lengths = price(problem, structure, published=True)
    terms: Terms = {
        "structure": structure.name,
        "rho": shown(walk.log_rho),
        "B": shown(walk.log_b),
        "output_pairs": shown(walk.log_output_pairs),
        "paths": shown(walk.log_paths),
        "log_relu_factor": walk.log_factor,
        "split": {name: choice.group for name, choice in walk.split.items()},
        "norms": {name: choice.norm.name for name, choice in walk.split.items()},
        "constant": constant,
        "bits": code_lengths,
    }
    return NormComplexity(walk.log_rho, walk.log_unit(problem.energies.m), sum(code_lengths.values()), terms)


@progress.counting("walks over the graph")
def compute(problem: BoundInputs) -> NormComplexity:
    """Return the better of the masked and the dense structure; the choice costs 1 bit.

    Raises:
        NotCovered: the theorem does not cover an operation; the message names its layer.
    """
    from boundcalc.bounds.risk import risk_bound

    sharp = replace(problem, network=with_layer_at_end(problem.network))
    structures = dense_structure(), masked_structure(problem.settings.mask_origin)
    positions = positions_for(problem.network)
    first = Kernels(structures[0], positions)
    kernels = [first, Kernels(structures[1], positions, first)]
    dense = SharpSearch(sharp, structures[0], kernels[0]).run()
    found = [dense, SharpSearch(sharp, structures[1], kernels[1]).run(dense)]
    candidates = [
        sharp_outcome(problem, structure, each) for structure, each in zip(structures, found, strict=True)
    ]
    chosen, other = sorted(candidates, key=lambda outcome: risk_bound(outcome, problem).log_value)
    alternative = {
        "structure": other.terms["structure"],
        "log10_complexity": shown_log10(log_product([other.log_rho, other.log_unit])),
        "bits": other.bits,
    }
    published, reason = _published(problem, structures, kernels, found)
    terms = {**chosen.terms, "alternative": alternative}
    if published is None:
        terms["as_published"] = reason
    return replace(chosen, terms=terms, published=published)


def _published(
    problem: BoundInputs,
    structures: Sequence[KernelStructure],
    kernels: list[Kernels],
    found: list[PeelingSearchResult],
) -> tuple[NormComplexity | None, str]:
    """Return the published form for the better structure, or the reason why it does not cover the network."""
    from boundcalc.bounds.risk import risk_bound

    outcomes: list[NormComplexity] = []
    split = None
    large = problem.network.parameters > SEARCHED_APART
    try:
        # the masked structure is searched, and the dense one takes its split: on tickets the search of its own finds no other
        for structure, grouped, sharp in reversed(list(zip(structures, kernels, found, strict=True))):
            given = (sharp.outputs.split, sharp.constant) if large else None
            walk, constant = search_published(problem, structure, grouped, given, split)
            split = walk.split
            outcomes.insert(0, published_outcome(problem, structure, walk, constant))
    except NotCovered as error:
        return None, f"not covered: {error}"
    return min(outcomes, key=lambda outcome: risk_bound(outcome, problem).log_value), ""


PEELING = register(
    Bound(
        name="peeling",
        kind="F",
        status="theorem",
        source="Peeling over a node partition, after Galanti, Xu, Galanti & Poggio 2023 and Golowich, Rakhlin & Shamir 2018, Lemma 1,"
        " with the lemmas of boundcalc.rademacher",
        assumptions=(
            "iid sample; the architecture is fixed before the sample",
            "ReLU (or no) activations; BatchNorm in evaluation mode, folded",
            (
                "a mask that depends on the sample is paid for in bits; --mask-origin independent states "
                "that it does not"
            ),
            (
                "split, norms and t are chosen from a grid that was fixed before the sample, and the "
                "choice is paid for"
            ),
        ),
        compute=compute,
        hypotheses=PEELED,
    )
)
