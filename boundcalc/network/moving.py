"""Operations that only move entries: slices, splits, shuffles, padding, concatenation."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from boundcalc.checkpoint.program import Call, Ref
from boundcalc.network.draft import Draft, Value, by_channel
from boundcalc.network.ops import Concat, Rearrange
from boundcalc.network.weights import references

_SAMPLES = 2
"""Number of samples on which an operation is traced; it must do the same to each of them."""

_MOST = 1 << 28
"""Largest number of entries of a value."""

Change = Callable[[Draft, Call, torch.Tensor], torch.Tensor | list[torch.Tensor] | None]


def _by_itself(draft: Draft, call: Call, places: torch.Tensor) -> torch.Tensor | list[torch.Tensor] | None:
    """Run the operation on a tensor that holds the numbers of the positions."""
    packet, _, overload = call.op.partition(".")
    operation = getattr(getattr(torch.ops.aten, packet.rstrip("_")), overload or "default")
    names = [argument.name for argument in operation._schema.arguments]
    given = {name: value for name, value in call.args.items() if name in names}
    for name, value in given.items():
        if isinstance(value, Ref):
            known = None if value.name in draft.values else draft.computed(value)
            given[name] = places if known is None else known.long()
    if any(references(value) for value in given.values()):
        return None
    result = operation(**given)
    return list(result) if isinstance(result, tuple | list) else result


def _padded(draft: Draft, call: Call, places: torch.Tensor) -> torch.Tensor:
    mode = call.args.get("mode", "constant")
    if mode == "constant" and call.args.get("value"):
        raise ValueError("padding with a number other than 0 is not understood")
    sides = call.args["pad"] if "pad" in call.args else call.args["padding"]
    mode = next((name for name in ("reflect", "replicat") if call.packet.startswith(name)), mode)
    mode = "replicate" if mode == "replicat" else mode
    return torch.nn.functional.pad(places, sides, mode)


def _expanded(draft: Draft, call: Call, places: torch.Tensor) -> torch.Tensor:
    return places.expand(_SAMPLES, *draft.out_shape(call))


def _copying(change: Change) -> Callable[[Draft, Call], Value | list[Value] | None]:
    def convert(draft: Draft, call: Call) -> Value | list[Value] | None:
        source = draft.input_of(call)
        size = math.prod(source.shape)
        _check_size(draft, call, change, source)
        places = torch.arange(1, _SAMPLES * size + 1, dtype=torch.float64).reshape(_SAMPLES, *source.shape)
        try:
            moved = change(draft, call, places)
        except (RuntimeError, TypeError, IndexError):
            return None
        if isinstance(moved, list):
            values = [_copied(draft, call, source, part) for part in moved]
            found = [value for value in values if value is not None]
            return found if len(found) == len(call.outputs) == len(moved) else None
        return None if moved is None else _copied(draft, call, source, moved)

    return convert


def _check_size(draft: Draft, call: Call, change: Change, source: Value) -> None:
    """Refuse an operation whose output would be too large, as in a damaged graph, before running it.

    Raises:
        ValueError: when the output would have more than `_MOST` entries.
    """
    try:
        outline = change(draft, call, torch.empty(_SAMPLES, *source.shape, device="meta"))
    except (RuntimeError, TypeError, IndexError, NotImplementedError):
        return
    parts = outline if isinstance(outline, list) else [outline]
    if any(part is not None and part.numel() > _MOST for part in parts):
        raise ValueError(f"{call.op} makes a value of more than {_MOST} entries")


def _copied(draft: Draft, call: Call, source: Value, moved: torch.Tensor) -> Value | None:
    """Return the value whose entries are copied from these positions; None unless each sample is rearranged in the same way
    by itself.
    """
    size, shape = math.prod(source.shape), tuple(moved.shape[1:])
    if moved.shape[0] != _SAMPLES or not shape or not moved.numel():
        return None
    first = moved[0].long() - 1
    second = moved[1].long() - 1
    if not bool((second == torch.where(first >= 0, first + size, -1)).all()) or int(first.max()) >= size:
        return None
    if first.numel() == size and bool((first.flatten() == torch.arange(size)).all()):
        return Value(source.node, shape)
    image = by_channel(shape)
    return draft.append(Rearrange(call.packet, (source.node,), image, first.reshape(image)), shape)


def _pad(draft: Draft, call: Call) -> Value | list[Value] | None:
    value, source = _copying(_padded)(draft, call), draft.input_of(call)
    if isinstance(value, Value) and call.args.get("mode") == "circular" and value.node != source.node:
        inner = Value(draft.nodes[value.node].inputs[0], source.shape)
        draft.wrapped[value.node] = inner, [*call.args["pad"], 0, 0][:4]
    return value


def _concatenated(draft: Draft, call: Call) -> Value | None:
    parts = call.args.get("tensors")
    if not isinstance(parts, list) or not all(isinstance(p, Ref) and p.name in draft.values for p in parts):
        return None
    values, shape = [draft.values[part.name] for part in parts], draft.out_shape(call)
    axis = int(call.args.get("dim") or 0) % (len(shape) + 1)
    if axis == 0 or any(len(value.shape) != len(shape) for value in values):
        return None
    if axis == 1 and len(shape) <= 3:
        values = [draft.by_channel(value) for value in values]
        node = Concat("cat", tuple(value.node for value in values), by_channel(shape))
        return draft.append(node, shape)
    columns = [draft.by_channel(Value(value.node, (math.prod(value.shape),))) for value in values]
    size = math.prod(shape)
    joined = draft.append(Concat("cat", tuple(value.node for value in columns), (size, 1, 1)), (size,))
    starts = [0, *torch.tensor([math.prod(value.shape) for value in values]).cumsum(0).tolist()]
    places = torch.cat(
        [start + torch.arange(math.prod(v.shape)).reshape(v.shape) for start, v in zip(starts, values, strict=False)],
        axis - 1,
    )  # fmt: skip
    image = by_channel(shape)
    return draft.append(Rearrange("cat", (joined.node,), image, places.reshape(image)), shape)


MOVING_OPERATIONS: dict[str, Callable[[Draft, Call], Value | list[Value] | None]] = {
    **dict.fromkeys((
        "channel_shuffle", "chunk", "flip", "index_select", "movedim", "narrow", "native_channel_shuffle", "permute",
        "pixel_shuffle", "pixel_unshuffle", "repeat", "roll", "select", "slice", "split", "split_with_sizes", "swapaxes",
        "tensor_split", "transpose", "unbind", "upsample_nearest1d", "upsample_nearest2d",
    ), _copying(_by_itself)),
    **dict.fromkeys((
        "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d",
    ), _copying(_padded)),
    "pad": _pad, "expand": _copying(_expanded), "cat": _concatenated, "concat": _concatenated,
}  # fmt: skip
