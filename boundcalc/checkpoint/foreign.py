"""Files and folders of other frameworks and of distributed training: what they are, and how to extract their weights."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from boundcalc.files import entries, is_folder

SAVE_COMMAND = 'torch.save({name: torch.as_tensor(array)}, "model.pt")'
_TO_TORCH = (
    f"boundcalc reads PyTorch: save its arrays with {SAVE_COMMAND}, linear weights as (outputs, inputs)"
)

FIRST_BYTES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", f"an HDF5 file (Keras or TensorFlow). {_TO_TORCH}"),
    (0, b"\x1f\x8b", "compressed with gzip; decompress it first"),
    (0, b"BZh", "compressed with bzip2; decompress it first"),
    (0, b"\xfd7zXZ\x00", "compressed with xz; decompress it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it first"),
    (0, b"GGUF", "a GGUF file of quantized weights; pass the PyTorch file"),
    (4, b"TFL3", "a TensorFlow Lite model; pass the PyTorch file"),
    (0, b"MATLAB 5.0 MAT-file", f"a MATLAB file. {_TO_TORCH}"),
    (0, b"\x7fELF", "a program or shared library, not a checkpoint"),
)
"""Offset, the bytes at it, and what kind of file they begin."""

_SSTABLE = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


def message_pack(head: bytes) -> str | None:
    """Recognize a MessagePack file that is a map whose first key is a short text, as Flax writes it.

    Args:
        head: the first bytes of the file.
    """
    start = 3 if head[:1] == b"\xde" else 1 if head[:1] and 0x81 <= head[0] <= 0x8F else 0
    if not start or len(head) <= start or not 0xA1 <= head[start] <= 0xBF:
        return None
    name = head[start + 1 : start + 1 + (head[start] & 0x1F)]
    return (
        f"a file of MessagePack (Flax). {_TO_TORCH}"
        if name.isascii() and name.decode("ascii").isprintable()
        else None
    )


def is_protocol_buffer(head: bytes) -> bool:
    """Recognize a model stored as one protocol buffer whose first field is a version: ONNX, Core ML or TensorFlow.

    Args:
        head: the first bytes of the file.
    """
    numbered = len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 32
    return numbered and head[2] in {0x12, 0x1A, 0x22, 0x2A, 0x3A, 0x42}


def protocol_buffer(path: Path, head: bytes) -> str | None:
    """Describe a protocol buffer that is not read; None for ONNX.

    Args:
        path: path of the file; Core ML and ONNX begin with the same bytes, so the name decides.
        head: the first bytes of the file.
    """
    if path.suffix == ".mlmodel":
        return "a Core ML model; pass the PyTorch file that it was converted from"
    if path.suffix == ".pb" or b"serve" in head:
        return f"a TensorFlow SavedModel. {_TO_TORCH}"
    return None


def tensorflow_index(tail: bytes) -> str | None:
    """Recognize the index of a TensorFlow checkpoint, which ends with the magic number of a sorted table.

    Args:
        tail: the last bytes of the file.
    """
    return f"the index of a TensorFlow checkpoint. {_TO_TORCH}" if tail.endswith(_SSTABLE) else None


def folder(path: Path) -> str | None:
    """Describe a folder that distributed training or another framework wrote, None for any other folder.

    Args:
        path: path of the folder.
    """
    inside = entries(path)
    names = {entry.name for entry in inside}
    return next((said for test, said in _FOLDERS if test(names, inside)), None)


def _ends(names: Collection[str], *endings: str) -> bool:
    return any(name.endswith(endings) for name in names)


_Test = Callable[[set[str], list[Path]], bool]
_FOLDERS: tuple[tuple[_Test, str], ...] = (
    (
        lambda names, _: ".metadata" in names or _ends(names, ".distcp"),
        "a folder of torch.distributed.checkpoint, whose tensors are in pieces: join them with "
        "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt, and pass model.pt",
    ),
    (
        lambda names, inside: (
            "zero_to_fp32.py" in names
            or (any(name.startswith("global_step") for name in names) and "latest" in names)
            or _ends(names, "_optim_states.pt")
        ),
        "a folder of DeepSpeed, whose weights may be in pieces (ZeRO): join them with "
        "`python zero_to_fp32.py . weights` in the folder that has that script, and pass `weights`",
    ),
    (lambda names, _: "saved_model.pb" in names, f"a TensorFlow SavedModel. {_TO_TORCH}"),
    (
        lambda names, _: _ends(names, ".index") and any(".data-0" in name for name in names),
        f"a TensorFlow checkpoint. {_TO_TORCH}",
    ),
    (
        lambda names, _: bool(
            names & {"_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt", "ocdbt.process_0"}
        ),
        f"a folder of Orbax (JAX, Flax). {_TO_TORCH}",
    ),
    (
        lambda names, inside: (
            "Manifest.json" in names and any(e.name == "Data" and is_folder(e) for e in inside)
        ),
        "a Core ML package; pass the PyTorch file that it was converted from",
    ),
)
