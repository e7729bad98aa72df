"""Structure of a mask beyond its density: N:M patterns, dead outputs, unread inputs, and survivors equal to their
initialization.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.network.ops import Affine, Masked

GROUPS = (2, 4, 8, 16, 32)
"""The values of M in the N:M patterns that are searched for."""
FIRST_LINES = 64
"""Number of lines that are checked first."""


@dataclass(frozen=True)
class Pattern:
    """An N:M pattern: of every m successive weights along the inputs, at most n are kept.

    Attributes:
        n: largest number of weights kept per group.
        m: number of weights per group.
        exact: whether every full group keeps exactly n, as pruning to the pattern produces; otherwise the layer merely fits
            the pattern.
    """

    n: int
    m: int
    exact: bool

    def __str__(self) -> str:
        """Return the usual notation, such as 2:4."""
        return f"{self.n}:{self.m}" if self.exact else f"fits {self.n}:{self.m}"


@dataclass(frozen=True)
class MaskStructure:
    """The structure of one layer's mask.

    Attributes:
        outputs: number of output units of a linear layer, or of output channels of a convolution.
        dead: indices of the outputs whose weights are all 0 after BatchNorm folding: for every input their value is the
            bias.
        silent: indices of the dead outputs whose bias is at most 0, so that a ReLU after them gives 0.
        inputs: number of input units, or of input channels of one group; of a linear layer that reads the positions of a
            convolution, the channels.
        unread: indices of the inputs that no surviving weight reads, in any group.
        pattern: the N:M pattern that the kept weights follow, or None.
    """

    outputs: int
    dead: tuple[int, ...]
    silent: tuple[int, ...]
    inputs: int
    unread: tuple[int, ...]
    pattern: Pattern | None


def structure(layer: Masked) -> MaskStructure:
    """Return the structure of a layer's mask.

    Args:
        layer: the layer; its weight is (out, in / groups, kernel height, kernel width) or has at least two dimensions.

    Returns:
        The structure of its mask.
    """
    rows = layer.weight.flatten(1)
    dead = ~rows.any(1)
    bias = layer.bias if isinstance(layer, Affine) else None
    silent = dead if bias is None else dead & (bias <= 0)
    # a linear layer that reads the network's input reads pixels, not channels
    whole = isinstance(layer, Affine) and layer.kind == "linear" and layer.inputs == (0,)
    support, mask = (part.flatten(1) if whole else part for part in (layer.support, layer.mask))
    columns = support.transpose(0, 1).flatten(1)
    return MaskStructure(
        len(rows),
        _places(dead),
        _places(silent),
        len(columns),
        _places(~columns.any(1)),
        pattern_of(mask),
    )


def pattern_of(mask: torch.Tensor) -> Pattern | None:
    """Return the N:M pattern of a mask along its inputs, the second axis.

    The smallest m in `GROUPS` for which every full group keeps the same number n gives an exact pattern n:m. If there is
    none, 1:4 or 2:4 is reported as fitting if no group keeps more, which is what 2:4 hardware requires.

    Args:
        mask: bool mask, (out, in, ...), with at least two dimensions.

    Returns:
        The pattern; None if there is none, and for a mask that keeps everything or nothing.

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
        for seen in (lines[:FIRST_LINES, :full], lines[:, :full]):  # few lines tell most patterns apart
            counts = seen.unflatten(1, (-1, m)).sum(-1)
            n, most = int(counts.min()), int(counts.max())
            if n != most:
                break
        if n == most and 0 < n < m and _most_in_last_group(lines, full) <= n:
            return Pattern(n, m, exact=True)
    return _fitting(lines)


def _most_in_last_group(lines: torch.Tensor, full: int) -> int:
    """Return the largest number of weights that a line keeps after its last full group."""
    return int(lines[:, full:].sum(1).max())


def _fitting(lines: torch.Tensor) -> Pattern | None:
    m = 4
    for seen in (lines[:FIRST_LINES], lines):
        padded = torch.nn.functional.pad(seen, (0, -lines.shape[1] % m))
        most = int(padded.unflatten(1, (-1, m)).sum(-1).max())
        if most > m // 2:
            return None
    return Pattern(most, m, exact=False)


def at_reference(weight: torch.Tensor, support: torch.Tensor, start: torch.Tensor) -> float | None:
    """Return the share of surviving weights that equal their initialization exactly, as after rewinding without training.

    Args:
        weight: the weight as stored.
        support: bool, of the same shape: the surviving entries.
        start: the initialization's weight, of the same shape.

    Returns:
        The share; None if nothing survives.
    """
    alive = support.bool()
    count = int(alive.sum())
    return int((weight.double() == start.double())[alive].sum()) / count if count else None


def _places(which: torch.Tensor) -> tuple[int, ...]:
    return tuple(which.nonzero().flatten().tolist())
