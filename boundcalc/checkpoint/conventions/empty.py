"""Error messages for saved objects that hold no state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from boundcalc.checkpoint.conventions.state import listing

_PASS_THE_MODEL = "pass the file of model.state_dict()"
_KNOWN: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"state", "param_groups"}), "an optimizer's state (keys state and param_groups)"),
    (
        frozenset({"last_epoch", "_step_count"}),
        "the state of a learning-rate scheduler (keys last_epoch, ...)",
    ),
    (frozenset({"last_epoch", "base_lrs"}), "the state of a learning-rate scheduler (keys last_epoch, ...)"),
    (
        frozenset({"scale", "growth_factor"}),
        "the state of a gradient scaler (keys scale, growth_factor, ...)",
    ),
)
_OF_AN_OPTIMIZER = frozenset({
    "acc_delta", "ax", "exp_avg", "exp_avg_sq", "exp_inf", "grad_avg", "max_exp_avg_sq", "momentum_buffer", "prev", "square_avg",
    "step", "step_size", "sum",
})  # fmt: skip


def is_training_state(key: object, value: object) -> bool:
    """Return whether an entry belongs to an optimizer, a scheduler or the like: no network, though it may hold tensors.

    Args:
        key: key of the entry.
        value: value of the entry.
    """
    if "optim" in str(key).lower() or not isinstance(value, Mapping):
        return "optim" in str(key).lower()
    return describe_training_state(value) is not None or (bool(value) and _OF_AN_OPTIMIZER.issuperset(value))


def describe_training_state(saved: Mapping[Any, Any]) -> str | None:
    """Return a description of the part of a training run's state that a table holds, None if it is not a known one.

    Args:
        saved: a table.
    """
    return next((what for keys, what in _KNOWN if keys <= saved.keys()), None)


def describe_without_state_dict(saved: Mapping[Any, Any]) -> str:
    """Describe a table without a state dict and say what to do.

    Args:
        saved: the content of the file.

    Returns:
        The text of the error.
    """
    known = describe_training_state(saved)
    if known is not None:
        return f"{known}, no weights: {_PASS_THE_MODEL}"
    for key, value in saved.items():
        if isinstance(value, list | tuple) and value:
            said = _of_list(str(key), list(value))
            if said:
                return said
    parts = [f"{key}: {what}" for key, value in saved.items() if (what := _part(value))]
    if parts:
        return f"no state dict in it, but {listing(parts, 3)}: {_PASS_THE_MODEL}"
    if not saved:
        return "an empty table: it holds no tensors, so no weights"
    return f"holds no tensors, so no weights; its keys are {listing(map(str, saved))}"


def _part(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    if value and _OF_AN_OPTIMIZER.issuperset(value):
        return "an optimizer's state"
    return describe_training_state(value)


def _of_list(key: str, values: list[Any]) -> str | None:
    if not all(isinstance(value, torch.Tensor) for value in values):
        return None
    how = "copy them into the model (torch_ema: ema.copy_to(model.parameters()))" if "shadow" in key else ""
    how = how or "load them into the model in their order"
    return (
        f"{key} is a list of {len(values)} tensors without names, so no layer is known: {how} and "
        'save it with torch.save(model.state_dict(), "model.pt")'
    )
