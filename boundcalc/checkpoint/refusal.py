"""Why torch.load refused a file, in words: the convention, the class at fault, and how to save it again."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO
from zipfile import ZipFile, is_zipfile

from boundcalc.checkpoint import special_tensors
from boundcalc.checkpoint.container import RESAVE
from boundcalc.checkpoint.masks.advice import keep_masks
from boundcalc.checkpoint.pickle_scan import LEGACY_MAGIC, PickleContent, scan
from boundcalc.checkpoint.stand_ins import STAND_INS

AS_IT_IS = 'torch.save(pickle.load(open(FILE, "rb")), "model.pt")'
_TENSOR_GLOBALS = (
    "torch._utils._rebuild",
    "torch.storage.",
    "torch.serialization._get_layout",
    "torch._tensor.",
)
_PLAIN_GLOBALS = frozenset({"collections.OrderedDict", "torch.Size", "torch.device", "_codecs.encode"})


def explain(source: BinaryIO, problem: Exception) -> str:
    """Say why a file was refused.

    Args:
        source: what torch.load was given.
        problem: what it raised.

    Returns:
        One sentence that names the convention, the offending class, and how to save the weights again.
    """
    content = _content(source)
    if content is None or not content.complete:
        return f"truncated or damaged ({_first_line(problem)})"
    offending = _offending(source, content)
    if not offending and not _is_zip(source) and LEGACY_MAGIC not in content.integers:
        return f"a plain pickle (pickle.dump), not a torch.save file; save it with {AS_IT_IS}, masks and weights alike"
    special = special_tensors.told([*offending, *content.names])
    if special is not None and not {"_parameters", "_modules"} <= content.strings:
        return f"{special}{keep_masks(content.strings)}"
    if offending:
        what = _convention(source, content)
        masks = keep_masks(content.strings)
        return f"{what} that needs {_list(offending)} to be executed; re-save with {RESAVE}{masks}"
    if content.protocol > 2:
        return (
            f"saved with pickle protocol {content.protocol}, which is not read safely; load it and save it with torch.save "
            "as it is, without pickle_protocol"
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
    return sorted({name for name in content.names if not _usual(name)})


def _usual(name: str) -> bool:
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
