"""Explain why torch.load refused a file: the convention, the class at fault, and how to save it again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from typing import BinaryIO
from zipfile import ZipFile, is_zipfile

from boundcalc.checkpoint.container import RESAVE
from boundcalc.checkpoint.masks.words import direction, mentions_masks, says_mask
from boundcalc.checkpoint.pickle_scan import LEGACY_MAGIC, PickleContent, scan
from boundcalc.checkpoint.stand_ins import STAND_INS

CONVERT_PICKLE = 'torch.save(pickle.load(open(FILE, "rb")), "model.pt")'
_TENSOR_GLOBALS = (
    "torch._utils._rebuild",
    "torch.storage.",
    "torch.serialization._get_layout",
    "torch._tensor.",
)
_PLAIN_GLOBALS = frozenset({"collections.OrderedDict", "torch.Size", "torch.device", "_codecs.encode"})


def explain(source: BinaryIO, problem: Exception) -> str:
    """Explain why a file was refused.

    Args:
        source: the argument of torch.load.
        problem: the exception that it raised.

    Returns:
        One sentence that names the convention, the offending class, and how to save the weights again.
    """
    content = _content(source)
    if content is None or not content.complete:
        return f"truncated or damaged ({_first_line(problem)})"
    offending = _offending(source, content)
    if not offending and not _is_zip(source) and LEGACY_MAGIC not in content.integers:
        return f"a plain pickle (pickle.dump), not a torch.save file; save it with {CONVERT_PICKLE}, masks and weights alike"
    special = special_tensors([*offending, *content.names])
    if special is not None and not {"_parameters", "_modules"} <= content.strings:
        return f"{special}{keep_masks(content.strings)}"
    if offending:
        what = _convention(source, content)
        masks = keep_masks(content.strings)
        return f"{what} that needs {_list(offending)} to be executed; re-save with {RESAVE}{masks}"
    if content.protocol > 2:
        return (
            f"saved with pickle protocol {content.protocol}, which cannot be read safely; load it and "
            "save it again with torch.save without the argument pickle_protocol"
        )
    return f"truncated or damaged ({_first_line(problem)})"


def _convention(source: BinaryIO, content: PickleContent) -> str:
    strings = content.strings
    if {"graphs", "model_state_dict"} <= strings:
        return "a Galanti et al. checkpoint with a pickled class under `graphs`"
    if {"_parameters", "_modules"} <= strings:
        return "a whole module (torch.save(model))"
    if "pytorch-lightning_version" in strings:
        return "a Lightning checkpoint with pickled hyper-parameters"
    if {"model_state_dict", "optimizer_state_dict", "logger"} <= strings:
        return "a training state of open_lth"
    if not _is_zip(source) and LEGACY_MAGIC not in content.integers:
        return "a plain pickle (pickle.dump)"
    return "a pickle with code"


def _list(names: list[str]) -> str:
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return lines[0][:160]


def _is_zip(source: BinaryIO) -> bool:
    return is_zipfile(_rewound(source))


def _rewound(source: BinaryIO) -> BinaryIO:
    source.seek(0)
    return source


def _offending(source: BinaryIO, content: PickleContent) -> list[str]:
    if _is_zip(source):
        from torch.serialization import get_unsafe_globals_in_checkpoint

        try:
            found = get_unsafe_globals_in_checkpoint(_rewound(source))
            return sorted(name for name in found if name not in STAND_INS)
        except Exception:
            return _suspicious(content)
    return _suspicious(content)


def _suspicious(content: PickleContent) -> list[str]:
    return sorted({name for name in content.names if not _is_allowed_global(name)})


def _is_allowed_global(name: str) -> bool:
    storage = name.startswith("torch.") and name.endswith("Storage")
    return name in _PLAIN_GLOBALS or name in STAND_INS or storage or name.startswith(_TENSOR_GLOBALS)


def _content(source: BinaryIO) -> PickleContent | None:
    try:
        if not _is_zip(source):
            return scan(_rewound(source))
        with ZipFile(_rewound(source)) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            return scan(BytesIO(archive.read(member)))
    except Exception:
        return None


_NAME = re.compile(r"[A-Za-z_][\w.]{0,60}")
_KEPT_BY_STATE_DICT = re.compile(
    r"(?:.*[._])?(?:weight|bias)_mask|mask_(?:type|ratio|rate|fn|scores?)|apply_mask|compute_mask"
)
_SECTIONS = {"masks_dict": "compression_sched.masks_dict"}
"""Name of a table of masks -> its full path in the file of the tool that writes it."""
_MOST = 3


def keep_masks(strings: Iterable[str]) -> str:
    """Say how to keep the masks that a refused pickle mentions.

    Args:
        strings: all strings in it, including keys.

    Returns:
        The continuation of a sentence on how to save the weights; empty if no key mentions masks.
    """
    names = sorted(name for name in strings if _NAME.fullmatch(name) and _is_key_of_masks(name))
    if not names:
        return ""
    shown = ", ".join(f"`{_SECTIONS.get(name, name)}`" for name in names[:_MOST])
    return (
        f", and its masks ({shown}), if model.state_dict() does not hold them, with "
        'torch.save({name of the weight: mask}, "mask.pt") for --mask: without its masks it is another network'
    )


def _is_key_of_masks(name: str) -> bool:
    if _KEPT_BY_STATE_DICT.fullmatch(name) or "bitmask" in name:
        return False
    indices = mentions_masks(name) and name.lower().endswith(("indices", "indexes", "idx", "positions"))
    return says_mask(name) or (indices and direction([name]) is not None)


_FULL = (
    'torch.save(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)), "model.pt"), both of '
    "torch.distributed.checkpoint.state_dict"
)
_CLASSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("torch.nn.parameter.Uninitialized",),
        "parameters of lazy layers that are uninitialized: run a batch through the model first, then save it with "
        'torch.save(model.state_dict(), "model.pt")',
    ),
    (
        ("torch.sparse.semi_structured.",),
        "weights in torch's semi-structured 2:4 format: save them dense, with "
        'torch.save({k: v.to_dense() for k, v in model.state_dict().items()}, "model.pt")',
    ),
    (
        ("torch.distributed.tensor.", "torch.distributed._tensor."),
        f"sharded tensors (DTensor), of which this file holds one shard: save the full tensors, with {_FULL}",
    ),
    (
        ("torch.distributed._shard.", "torch.distributed.fsdp."),
        f"sharded tensors (FSDP), of which this file holds one shard: save the full tensors, with {_FULL}",
    ),
    (
        ("torchao.", "bitsandbytes.", "optimum.quanto.", "quanto.", "hqq.", "torch.ao.quantization."),
        "quantized weights, which are not supported: save the network from before quantization, or dequantized, with "
        'torch.save(model.state_dict(), "model.pt")',
    ),
)


def special_tensors(names: Iterable[str]) -> str | None:
    """Describe the special tensors in a refused pickle.

    Args:
        names: classes and functions that it mentions and that are not read.

    Returns:
        A sentence that says what to do, or None if it holds no known kind of special tensor.
    """
    mentioned = list(names)
    return next(
        (said for starts, said in _CLASSES if any(name.startswith(starts) for name in mentioned)), None
    )
