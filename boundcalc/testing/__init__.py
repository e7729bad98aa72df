"""Checks of the properties that theory promises, for your own bound, checkpoint or kernel, and strategies that draw
test subjects.

Each ``check_...`` returns None, or raises AssertionError with the numbers in its message. The strategies need hypothesis
(``pip install -e '.[testing]'``).

    >>> import torch
    >>> from boundcalc.bounds import registry
    >>> from boundcalc.testing import check_symbolic_form, mlp, problem_of
    >>> network = mlp((4, 5, 3), seed=0)
    >>> problem = problem_of(network, torch.ones(6, 4), torch.arange(6) % 3)
    >>> check_symbolic_form(registry["path_norm"], problem)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.testing.coding import check_code, check_kraft, fixed_bits, small_codewords
    from boundcalc.testing.cuts import check_cut_norm, check_cut_triangle
    from boundcalc.testing.invariances import (
        check_batchnorm_folding,
        check_layer_rescaling,
        check_permutation,
        check_repeated_sample,
        check_rescaling,
        permuted,
        rescaled,
        rescaled_layers,
    )
    from boundcalc.testing.kernels import check_gntk_power_law, check_gntk_psd
    from boundcalc.testing.ledger import check_certificate, check_confidence, check_grid_weights
    from boundcalc.testing.ordering import (
        check_mask_inclusion,
        check_masked_structure,
        check_peeling_dominance,
    )
    from boundcalc.testing.overlap import check_r_tilde
    from boundcalc.testing.paths import check_peeling_paths
    from boundcalc.testing.rounding import check_rounds_up, check_symbolic_form
    from boundcalc.testing.strategies import (
        cut_matrices,
        graphons,
        masks,
        modules,
        networks,
        samples,
        supports,
    )
    from boundcalc.testing.subject import complexity, mlp, problem_of
    from boundcalc.testing.toeplitz import check_path_norm, check_toeplitz

_HOMES = {
    "coding": ("check_code", "check_kraft", "fixed_bits", "small_codewords"),
    "cuts": ("check_cut_norm", "check_cut_triangle"),
    "invariances": (
        "check_batchnorm_folding", "check_layer_rescaling", "check_permutation", "check_repeated_sample",
        "check_rescaling", "permuted", "rescaled", "rescaled_layers",
    ),
    "kernels": ("check_gntk_power_law", "check_gntk_psd"),
    "ledger": ("check_certificate", "check_confidence", "check_grid_weights"),
    "ordering": ("check_mask_inclusion", "check_masked_structure", "check_peeling_dominance"),
    "overlap": ("check_r_tilde",),
    "paths": ("check_peeling_paths",),
    "rounding": ("check_rounds_up", "check_symbolic_form"),
    "strategies": ("cut_matrices", "graphons", "masks", "modules", "networks", "samples", "supports"),
    "subject": ("complexity", "mlp", "problem_of"),
    "toeplitz": ("check_path_norm", "check_toeplitz"),
}  # fmt: skip

__all__ = [
    "check_batchnorm_folding", "check_certificate", "check_code", "check_confidence", "check_cut_norm", "check_cut_triangle",
    "check_gntk_power_law", "check_gntk_psd", "check_grid_weights", "check_kraft", "check_layer_rescaling",
    "check_mask_inclusion", "check_masked_structure", "check_path_norm", "check_peeling_dominance", "check_peeling_paths",
    "check_permutation", "check_r_tilde", "check_repeated_sample", "check_rescaling", "check_rounds_up",
    "check_symbolic_form", "check_toeplitz", "complexity", "cut_matrices", "fixed_bits", "graphons", "masks", "mlp",
    "modules", "networks",
    "permuted", "problem_of", "rescaled", "rescaled_layers", "samples", "small_codewords", "supports",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: there is no public name like this.
    """
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"boundcalc.testing.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
