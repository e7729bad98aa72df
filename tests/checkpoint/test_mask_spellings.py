"""Masks in hundreds of spellings: the right density, or a refusal that names the entry; never 100 % and never a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boundcalc.checkpoint import from_state_dict
from boundcalc.errors import CheckpointError

KEEPS = (
    "mask", "masks", "Mask", "weight_masks", "pruning_mask", "pruning_masks", "binary_mask", "keep_mask", "kept", "alive",
    "survivors", "sparsity_masks", "supermask", "mask_dict", "masks_by_layer", "current_masks", "backward_masks",
    "nonzero", "non_zero", "keepMask", "active_mask", "remaining_weights", "final_mask", "mask_tensors",
)  # fmt: skip
PRUNES = (
    "prune_mask",
    "pruned",
    "pruned_mask",
    "zero_mask",
    "zeros",
    "dead",
    "removed_mask",
    "isPruned",
    "drop_mask",
)
SILENT = ("extra", "gates", "indicator", "z", "pattern")
KEPT_AT, PRUNED_AT = (
    ("kept_indices", "keep_idx", "nonzero_positions", "alive_indices"),
    ("pruned_indices", "zero_idx", "zero_weights"),
)
NAMES = {"keep": KEEPS, "prune": PRUNES, "silent": SILENT, "kept at": KEPT_AT, "pruned at": PRUNED_AT}
SAY_KEPT = (
    "kept",
    "alive",
    "survivors",
    "keep_mask",
    "keepMask",
    "active_mask",
    "remaining_weights",
    "nonzero",
    "non_zero",
)
DTYPES = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32,
    torch.float64,
)  # fmt: skip
STYLES = (
    "layer",
    "weight",
    "flat",
    "suffix",
    "prefix",
    "tuple",
    "nested",
    "kind first",
    "module.",
    "numbers",
    "list",
    "vector",
    "deep",
)


@dataclass(frozen=True)
class Spelling:
    """A checkpoint with masks in some spelling, and what is right."""

    content: Any
    mask: Any
    kept: dict[str, int]
    total: int
    entry: str


@st.composite
def spellings(draw: st.DrawFn) -> Spelling:
    """Draw a network, its masks, and how they are saved."""
    seed = draw(st.integers(0, 1 << 20))
    generator = torch.Generator().manual_seed(seed)
    layers = draw(st.integers(1, 4))
    sequential, convolution = draw(st.booleans()), draw(st.booleans())
    sizes = draw(st.lists(st.integers(2, 6), min_size=layers + 1, max_size=layers + 1))
    names = [str(2 * place) if sequential else f"fc{place + 1}" for place in range(layers)]
    shapes = [
        (out, width, 3, 3) if convolution else (out, width)
        for width, out in zip(sizes, sizes[1:], strict=False)
    ]
    by_rows = draw(st.sampled_from([False, False, False, True]))
    keeps = {name: _mask(shape, generator, by_rows) for name, shape in zip(names, shapes, strict=True)}
    zeroed = draw(st.booleans())
    state: dict[str, torch.Tensor] = {}
    for name, shape in zip(names, shapes, strict=True):
        weight = torch.rand(shape, generator=generator) + 0.2
        state[f"{name}.weight"] = weight * keeps[name] if zeroed else weight
        if draw(st.booleans()):
            state[f"{name}.bias"] = torch.rand(shape[0], generator=generator) + 0.2
    name, values = _values(draw, keeps, by_rows, zeroed)
    return _saved(draw, state, keeps, name, values)


def _mask(shape: tuple[int, ...], generator: torch.Generator, by_rows: bool) -> torch.Tensor:
    view = (shape[0], *(1 for _ in shape[1:])) if by_rows else shape
    mask = torch.rand(view, generator=generator) < 0.5
    mask.flatten()[0], mask.flatten()[-1] = True, False
    return mask.expand(shape).contiguous()


def _values(
    draw: st.DrawFn, keeps: dict[str, torch.Tensor], by_rows: bool, zeroed: bool
) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(["keep", "keep", "keep", "prune", "silent", "kept at", "pruned at"]))
    name = draw(
        st.sampled_from(
            {"keep": KEEPS, "prune": PRUNES, "silent": SILENT, "kept at": KEPT_AT, "pruned at": PRUNED_AT}[
                kind
            ]
        )
    )
    if kind in {"kept at", "pruned at"}:
        chosen = {layer: keep if kind == "kept at" else ~keep for layer, keep in keeps.items()}
        grid = draw(st.booleans())
        return name, {layer: _positions(where, grid, draw) for layer, where in chosen.items()}
    inverted = kind == "prune" or (zeroed and name not in SAY_KEPT and draw(st.booleans()))
    where = {layer: ~keep if inverted else keep for layer, keep in keeps.items()}
    short = by_rows and draw(st.booleans())
    dtype, container = (
        draw(st.sampled_from(DTYPES)),
        draw(st.sampled_from(["tensor", "tensor", "tensor", "list", "numpy"])),
    )
    return name, {
        layer: _as(_shortened(value, draw) if short else value, dtype, container)
        for layer, value in where.items()
    }


def _positions(where: torch.Tensor, grid: bool, draw: st.DrawFn) -> Any:
    if grid:
        found = where.flatten(1).nonzero()
        return found.T.contiguous() if draw(st.booleans()) else found
    found = where.flatten().nonzero()[:, 0]
    return found.tolist() if draw(st.booleans()) else found


def _shortened(mask: torch.Tensor, draw: st.DrawFn) -> torch.Tensor:
    rows = mask.flatten(1)[:, 0]
    return rows if draw(st.booleans()) else rows.reshape(-1, *(1 for _ in mask.shape[1:]))


def _as(mask: torch.Tensor, dtype: torch.dtype, container: str) -> Any:
    if container == "list":
        return mask.to(torch.int64).tolist()
    typed = mask.to(dtype)
    return typed.numpy() if container == "numpy" and dtype is not torch.bfloat16 else typed


def _saved(
    draw: st.DrawFn,
    state: dict[str, torch.Tensor],
    keeps: dict[str, torch.Tensor],
    name: str,
    values: dict[str, Any],
) -> Spelling:
    kept = {f"{layer}.weight": int(keep.sum()) for layer, keep in keeps.items()}
    total = sum(keep.numel() for keep in keeps.values())
    where = draw(st.sampled_from(["beside", "beside", "inside", "given"]))
    tensors = all(isinstance(value, torch.Tensor) for value in values.values())
    if where == "inside" and tensors:
        masks = {f"{layer}.{name}": value for layer, value in values.items()}
        items = list((state | masks).items())
        return Spelling(
            dict(draw(st.permutations(items)) if draw(st.booleans()) else items), None, kept, total, name
        )
    table = _table(draw, values, state)
    for _ in range(draw(st.integers(0, 2))):
        table = {name: table} if draw(st.booleans()) else {name: table, "epoch": 3, "sparsity": 0.4}
        name = draw(st.sampled_from(["state", "pruner", "compression", "run"]))
    shell = draw(st.sampled_from(["state_dict", "model", "net", "model_state_dict"]))
    if where == "given" and isinstance(table, dict | list):
        return Spelling({shell: state}, {name: table}, kept, total, "")
    return Spelling({"epoch": 1, shell: state, name: table, "best": 0.9}, None, kept, total, name)


def sizes_fit(values: dict[str, Any], state: dict[str, torch.Tensor]) -> bool:
    """Tell whether the values are masks in full shape, which one vector can hold."""
    return all(np.shape(value) == tuple(state[f"{layer}.weight"].shape) for layer, value in values.items())


def _table(draw: st.DrawFn, values: dict[str, Any], state: dict[str, torch.Tensor]) -> Any:
    style = draw(st.sampled_from(STYLES if sizes_fit(values, state) else STYLES[:-2]))
    listed = list(values.values())
    if style == "vector":
        flat = [torch.as_tensor(value).flatten().double() for value in listed]
        return torch.cat(flat)
    if style == "list":
        return listed
    if style == "numbers":
        return dict(
            zip(draw(st.sampled_from([range(4), range(1, 9, 2), range(10, 14)])), listed, strict=False)
        )
    if style == "deep":
        return {"all": {"layers": {layer: {"weight": {"value": value}} for layer, value in values.items()}}}
    form = {
        "weight": "{}.weight", "flat": "{}_weight", "suffix": "{}.weight_mask", "prefix": "mask_{}", "module.": "module.{}.weight"
    }.get(style, "{}")  # fmt: skip
    named: dict[Any, Any] = {}
    for layer, value in values.items():
        name = (layer, "weight") if style == "tuple" else form.format(layer)
        named[name] = {"weight": value} if style == "nested" else value
    if draw(st.booleans()):
        named = dict(draw(st.permutations(list(named.items()))))
    return {"weight": named} if style == "kind first" else named


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spellings())
def test_right_or_refused(spelling: Spelling) -> None:
    try:
        checkpoint = from_state_dict(spelling.content, "drawn", mask=spelling.mask)
    except CheckpointError as refused:
        assert spelling.entry in str(refused)
        assert "cannot be read" not in str(refused)
        return
    found = {key: int(mask.sum()) for key, mask in checkpoint.masks.items() if key in spelling.kept}
    assert found == spelling.kept
    assert sum(found.values()) < spelling.total
    assert not any(key not in spelling.kept for key in checkpoint.masks)


@settings(max_examples=100, deadline=None)
@given(spellings(), st.data())
def test_a_part_of_the_masks_is_refused(spelling: Spelling, data: st.DataObject) -> None:
    """One entry of a table of several is replaced by what is no mask: nothing of the table is applied."""
    name = next(
        (
            key
            for key in spelling.content
            if isinstance(spelling.content[key], dict) and spelling.content[key] and key in KEEPS
        ),
        None,
    )
    table = spelling.content.get(name)
    if (
        spelling.mask is not None
        or not isinstance(table, dict)
        or len(table) < 2
        or any(isinstance(v, dict) for v in table.values())
    ):
        return
    layer = data.draw(st.sampled_from(list(table)))
    spoiled = data.draw(
        st.sampled_from(["a mask", torch.full((2, 2), 0.5), np.float64(0.5), torch.ones(7, 11), {"a": "b"}])
    )
    content = spelling.content | {name: table | {layer: spoiled}}
    try:
        checkpoint = from_state_dict(content, "drawn")
    except CheckpointError as refused:
        assert str(name) in str(refused)
        return
    assert (
        not checkpoint.masks
        or {key: int(mask.sum()) for key, mask in checkpoint.masks.items()} == spelling.kept
    )
