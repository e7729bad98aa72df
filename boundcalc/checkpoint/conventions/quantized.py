"""Layouts of quantized weights, whose values the file does not store as plain numbers; such files are refused."""

from __future__ import annotations

from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.errors import CheckpointError

_LAYOUTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("GPTQ or AWQ", ("qweight", "scales")),
    ("compressed-tensors", ("weight_packed", "weight_scale")),
    ("compressed-tensors or FP8", ("weight", "weight_scale")),
    ("FP8", ("weight", "weight_scale_inv")),
    ("bitsandbytes", ("weight", "weight.absmax")),
    ("bitsandbytes", ("weight", "SCB")),
    ("optimum-quanto", ("weight._data", "weight._scale")),
    ("HQQ", ("W_q", "scale")),
    ("torch.ao", ("_packed_params._packed_params",)),
)


def refuse(state: StateDict) -> None:
    """Refuse a file whose weights are quantized and packed.

    Args:
        state: the state dict as stored in the file.

    Raises:
        CheckpointError: when they are; the message names the layout, one of its keys, and what to do.
    """
    keys = dict.fromkeys((*state.tensors, *(str(path[-1]) for path, _ in state.beside)))
    for key in keys:
        for tool, parts in _LAYOUTS:
            layer = _layer(key, parts[0])
            if (
                layer is not None
                and all(f"{layer}{part}" in keys for part in parts)
                and _is_small(state, key)
            ):
                others = "".join(f" beside {layer}{part}" for part in parts[1:])
                raise CheckpointError(
                    state.path,
                    f"{key}{others}: quantized and packed weights ({tool}) are not supported; save the network from "
                    'before quantization, or dequantized, with torch.save(model.state_dict(), "model.pt")',
                )


def _is_small(state: StateDict, key: str) -> bool:
    """Return whether an entry called ``weight`` has one-byte numbers; an entry of any other name in a layout is quantized
    in any case.
    """
    tensor = state.tensors.get(key)
    return key.rpartition(".")[2] != "weight" or (tensor is not None and tensor.element_size() == 1)


def _layer(key: str, part: str) -> str | None:
    """Return the layer of a key, with its trailing dot, or None if the key does not end in this part."""
    layer = key.removesuffix(part)
    return layer if layer != key and (not layer or layer.endswith(".")) else None
