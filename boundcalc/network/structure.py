"""What a mask looks like beyond its density: N:M patterns, dead outputs, inputs that nothing reads, survivors still at the start."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.network.ops import Affine, Masked

GROUPS = (2, 4, 8, 16, 32)
"""M of the N:M patterns that are looked for."""
FEW = 64
"""Lines that are looked at first."""


@dataclass(frozen=True)
class Pattern:
    """At most n of every m weights that follow each other along the inputs are kept.

    Attributes:
        n: that are kept.
        m: of so many.
        exact: whether every full group keeps exactly n, as pruning to the pattern makes it; otherwise the layer merely fits.
    """

    n: int
    m: int
    exact: bool

    def __str__(self) -> str:
        """Return it as the field writes it."""
        return f"{self.n}:{self.m}" if self.exact else f"fits {self.n}:{self.m}"


@dataclass(frozen=True)
class MaskStructure:
    """The structure of one layer's mask.

    Attributes:
        outputs: output units of a linear layer, output channels of a convolution.
        dead: those whose weights are all 0 after a BatchNorm is folded in: whatever the input, their value is the bias.
        silent: those of the dead whose bias is 0 or below, so that a ReLU after them gives 0.
        inputs: input units or channels, those of one group.
        unread: those of them that no surviving weight reads, in any group.
        pattern: the N:M pattern that the kept weights follow; None where they follow none.
    """

    outputs: int
    dead: tuple[int, ...]
    silent: tuple[int, ...]
    inputs: int
    unread: tuple[int, ...]
    pattern: Pattern | None


def structure(layer: Masked) -> MaskStructure:
    """Look at a layer.

    Args:
        layer: weights (out, in / groups, kernel height, kernel width), or of at least two dimensions.

    Returns:
        Its structure.
    """
    rows = layer.weight.flatten(1)
    dead = ~rows.any(1)
    bias = layer.bias if isinstance(layer, Affine) else None
    silent = dead if bias is None else dead & (bias <= 0)
    columns = layer.support.transpose(0, 1).flatten(1)
    return MaskStructure(
        len(rows),
        _places(dead),
        _places(silent),
        len(columns),
        _places(~columns.any(1)),
        pattern_of(layer.mask),
    )


def pattern_of(mask: torch.Tensor) -> Pattern | None:
    """Return the N:M pattern of a mask along its inputs, the second axis.

    A pattern that every full group of m keeps exactly is found for m of `GROUPS`, the smallest first. Where there is none, 1:4 and
    2:4 are said to fit if no group keeps more, which hardware for 2:4 asks for.

    Args:
        mask: bool, (out, in, ...), at least two dimensions.

    Returns:
        The pattern; None where there is none, and for a mask that keeps everything or nothing.

    Example:
        >>> print(pattern_of(torch.tensor([[True, True, False, False], [False, True, True, False]])))
        2:4
        >>> pattern_of(torch.tensor([[True, True, True, False], [True, True, False, False]])) is None
        True
    """
    if not mask.any() or mask.all():
        return None
    lines = mask.movedim(1, -1).flatten(0, -2)
    for m in GROUPS:
        full = lines.shape[1] // m * m
        if not full:
            break
        for seen in (lines[:FEW, :full], lines[:, :full]):  # few lines tell most patterns apart
            counts = seen.unflatten(1, (-1, m)).sum(-1)
            n, most = int(counts.min()), int(counts.max())
            if n != most:
                break
        if n == most and 0 < n < m and _rest(lines, full) <= n:
            return Pattern(n, m, exact=True)
    return _fitting(lines)


def _rest(lines: torch.Tensor, full: int) -> int:
    """Return the most that a line keeps after its last full group."""
    return int(lines[:, full:].sum(1).max())


def _fitting(lines: torch.Tensor) -> Pattern | None:
    m = 4
    for seen in (lines[:FEW], lines):
        padded = torch.nn.functional.pad(seen, (0, -lines.shape[1] % m))
        most = int(padded.unflatten(1, (-1, m)).sum(-1).max())
        if most > m // 2:
            return None
    return Pattern(most, m, exact=False)


def at_reference(weight: torch.Tensor, support: torch.Tensor, start: torch.Tensor) -> float | None:
    """Return the share of surviving weights that equal the initialisation's to the bit, as after rewinding without training.

    Args:
        weight: as stored.
        support: bool, of the same shape: what survives.
        start: the initialisation's, of the same shape.

    Returns:
        The share; None where nothing survives.
    """
    alive = support.bool()
    count = int(alive.sum())
    return int((weight.double() == start.double())[alive].sum()) / count if count else None


def _places(which: torch.Tensor) -> tuple[int, ...]:
    return tuple(which.nonzero().flatten().tolist())
