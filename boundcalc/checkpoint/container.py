"""Recognize a file's format from its first bytes and, for a zip, from its members' names; never from its extension."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path

from boundcalc.archive import OLD_EXPORT, SMALL, open_zip
from boundcalc.checkpoint import foreign
from boundcalc.checkpoint.pickle_scan import scan
from boundcalc.errors import CheckpointError
from boundcalc.files import is_folder, open_file, stamp_of


class Container(Enum):
    """The file formats that can be opened."""

    TORCH_ZIP = "torch.save archive"
    TORCH_LEGACY = "torch.save file of before 1.6"
    SAFETENSORS = "safetensors file"
    SHARD_INDEX = "safetensors index"
    PT2 = "torch.export archive"
    ONNX = "ONNX model"


RESAVE = 'torch.save(model.state_dict(), "model.pt")'
_HEAD = 512

_TAR = f"a tar archive (torch.save of before 0.2, or not a checkpoint); unpack it or re-save with {RESAVE}"
_FROM_NUMPY = 'torch.save({k: torch.as_tensor(v) for k, v in numpy.load(FILE).items()}, "model.pt")'
_REFUSED_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    *foreign.FIRST_BYTES,
    (0, b"\x93NUMPY", "a NumPy array, not a checkpoint: no layer names"),
    (257, b"ustar", _TAR),
)


def container(path: Path) -> Container:
    """Return the format of a file.

    Args:
        path: any path.

    Returns:
        The format, if it is one that can be opened.

    Raises:
        CheckpointError: for every other format; the message says what the file is.
    """
    head, size = _head(path)
    for offset, magic, what in _REFUSED_MAGIC:
        if head[offset:].startswith(magic):
            raise CheckpointError(path, what)
    for test, container_of in _KINDS:
        if test(head):
            return container_of(path, head, size)
    _refuse_bare_pickle(path, size)
    said = foreign.tensorflow_index(_tail(path, size)) or "not a checkpoint: its bytes match no known format"
    raise CheckpointError(path, said)


def regular_file(path: Path) -> int:
    """Check, without opening it, that a path is a nonempty regular file.

    Args:
        path: any path; symbolic links are followed.

    Returns:
        The file's size in bytes.

    Raises:
        CheckpointError: when it is missing, empty, a device, a pipe or a socket.
    """
    if is_folder(path):
        raise CheckpointError(path, "a folder without a checkpoint in it")
    size = stamp_of(path).size
    if size == 0:
        raise CheckpointError(path, "empty file")
    return size


def _head(path: Path) -> tuple[bytes, int]:
    size = regular_file(path)
    with open_file(path) as file:
        return file.read(_HEAD), size


def _tail(path: Path, size: int) -> bytes:
    with open_file(path) as file:
        file.seek(max(0, size - _HEAD))
        return file.read(_HEAD)


def _container_of_zip(path: Path, head: bytes, size: int) -> Container:
    with open_file(path) as file, open_zip(file, path) as archive:
        names = archive.namelist()
    if is_pt2(names):
        return Container.PT2
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last and any("/code/" in name for name in names):
        raise CheckpointError(
            path,
            "TorchScript archive (torch.jit.save), which holds code; save its weights, masks among them, with "
            'torch.save(torch.jit.load(FILE).state_dict(), "model.pt")',
        )
    if any(name.endswith("/data.pkl") for name in names):
        return Container.TORCH_ZIP
    raise CheckpointError(path, _other_zip(names, last))


def is_pt2(names: list[str]) -> bool:
    """Recognize a torch.export archive by its members' names.

    Args:
        names: names of the archive's members.

    Returns:
        Whether it is one, in the current layout or in the one from before PyTorch 2.8.
    """
    return OLD_EXPORT in names or any(name.count("/") and name.endswith("/archive_format") for name in names)


def _other_zip(names: list[str], last: set[str]) -> str:
    if names and all(name.endswith(".npy") for name in names):
        return _npz({name.removesuffix(".npy") for name in names})
    if "model.weights.h5" in last:
        return "a Keras archive; boundcalc reads PyTorch checkpoints"
    if any("extern_modules" in name for name in names):
        return f"a torch.package archive, which holds code; re-save the weights with {RESAVE}"
    return "a zip archive, but not a checkpoint: it contains no data.pkl"


def _npz(arrays: set[str]) -> str:
    if {"x_train", "y_train"} <= arrays:
        return "an .npz of data (x_train, y_train), not a checkpoint: pass it with --data npz:FILE"
    what = "an .npz of NumPy arrays, which is read as masks (--mask) or, with x_train and y_train, as data (--data npz:FILE)"
    return f"{what}; save weights under PyTorch's names with {_FROM_NUMPY}"


def _container_of_pickle(path: Path, head: bytes, size: int) -> Container:
    from tarfile import is_tarfile

    with open_file(path) as file:
        is_tar = is_tarfile(file)
    if is_tar:
        raise CheckpointError(path, f"a tar archive that begins like a pickle; re-save with {RESAVE}")
    return Container.TORCH_LEGACY


def _container_of_safetensors(path: Path, head: bytes, size: int) -> Container:
    length = int.from_bytes(head[:8], "little")
    if length > size - 8:
        raise CheckpointError(
            path, f"safetensors header of {length} bytes in a file of {size}: truncated or not a checkpoint"
        )
    return Container.SAFETENSORS


def _container_of_text(path: Path, head: bytes, size: int) -> Container:
    text = head.decode("utf-8", "ignore").lstrip()
    if text.startswith("version https://git-lfs"):
        raise CheckpointError(path, "a Git LFS pointer, not the file itself; run `git lfs pull`")
    if text.startswith("{") and path.name.endswith(".index.json"):
        return Container.SHARD_INDEX
    _refuse_bare_pickle(path, size)
    raise CheckpointError(path, "a text file, not a checkpoint")


def _refuse_bare_pickle(path: Path, size: int) -> None:
    if size > SMALL:
        return
    with open_file(path) as file:
        content = scan(file)
    if content.complete and (content.names or content.strings):
        needs = f" and needs {', '.join(content.names[:4])} to be executed" if content.names else ""
        raise CheckpointError(
            path, f"a plain pickle of protocol 0 or 1, which can hold code{needs}; re-save with {RESAVE}"
        )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as problem:
        cut_short = len(head) == _HEAD and problem.start > _HEAD - 4
        text = head[: problem.start].decode("utf-8") if cut_short else "\0"
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _container_of_foreign(path: Path, head: bytes, size: int) -> Container:
    said = foreign.message_pack(head) or foreign.protocol_buffer(path, head)
    if said:
        raise CheckpointError(path, said)
    return Container.ONNX


def _is_foreign(head: bytes) -> bool:
    return foreign.message_pack(head) is not None or foreign.is_protocol_buffer(head)


_Decide = Callable[[Path, bytes, int], Container]
_KINDS: tuple[tuple[Callable[[bytes], bool], _Decide], ...] = (
    (lambda head: head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}, _container_of_zip),
    (
        lambda head: head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5 and head[8:9] != b"{",
        _container_of_pickle,
    ),
    (lambda head: head[8:9] == b"{", _container_of_safetensors),
    (_is_foreign, _container_of_foreign),
    (_is_text, _container_of_text),
)
