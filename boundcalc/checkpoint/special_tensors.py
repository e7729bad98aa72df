"""Tensors of special classes that a pickle mentions: what they are, and how they are saved as plain ones."""

from __future__ import annotations

from collections.abc import Iterable

_FULL = (
    'torch.save(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)), "model.pt"), both of '
    "torch.distributed.checkpoint.state_dict"
)
_CLASSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("torch.nn.parameter.Uninitialized",),
        "parameters of lazy layers that are uninitialised: run a batch through the model first, then save it with "
        'torch.save(model.state_dict(), "model.pt")',
    ),
    (
        ("torch.sparse.semi_structured.",),
        "weights in torch's semi-structured 2:4 format: save them dense, with "
        'torch.save({k: v.to_dense() for k, v in model.state_dict().items()}, "model.pt")',
    ),
    (
        ("torch.distributed.tensor.", "torch.distributed._tensor."),
        f"tensors in pieces (DTensor), of which this file has one: save them whole, with {_FULL}",
    ),
    (
        ("torch.distributed._shard.", "torch.distributed.fsdp."),
        f"tensors in pieces (FSDP), of which this file has one: save them whole, with {_FULL}",
    ),
    (
        ("torchao.", "bitsandbytes.", "optimum.quanto.", "quanto.", "hqq.", "torch.ao.quantization."),
        "quantised weights, which are not read: save the network as it was before, or dequantised, with "
        'torch.save(model.state_dict(), "model.pt")',
    ),
)


def told(names: Iterable[str]) -> str | None:
    """Say what special tensors a refused pickle holds.

    Args:
        names: classes and functions that it mentions and that are not read.

    Returns:
        A sentence with what to do, None where it holds none that is known.
    """
    mentioned = list(names)
    return next(
        (said for starts, said in _CLASSES if any(name.startswith(starts) for name in mentioned)), None
    )
