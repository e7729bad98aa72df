"""Changes to sound files: bytes, numbers, members of archives, nodes of JSON, files of folders. All by one `random.Random`."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
import struct
import warnings
import zlib
from pathlib import Path
from random import Random
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

NUMBERS = (0, 1, 2, -1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
LEAVES = (
    *NUMBERS, -(2**63), 10**400, 1e308, float("nan"), float("inf"), None, True, "", "x" * 2000, "\x1b[31m\u202e", "\udcff",
    "../../../etc/passwd", "/dev/zero", "/etc/passwd", ".", "..", "a\0b", [], {}, [[]], {"a": {}}, [1] * 50,
)  # fmt: skip
NAMES = (
    "data.pkl", "../../../etc/passwd", "/etc/passwd", "other/data.pkl", "other/archive_format", "x" * 5000, "\x1b]0;pwned\x07\u202e",
    "serialized_exported_program.json", "archive/version", "a/b/c", "", "code/__torch__.py", "constants.pkl",
)  # fmt: skip


def bytes_mutated(draw: Random, content: bytes, other: bytes = b"") -> bytes:
    """Return bytes with a few changes.

    Args:
        draw: of all that is random.
        content: what is changed.
        other: of another sound file, of which pieces are taken.
    """
    changed = bytearray(content)
    for _ in range(1 + min(6, int(draw.expovariate(0.7)))):
        place = draw.randrange(len(changed) + 1)
        _EDITS[draw.randrange(len(_EDITS))](draw, changed, place, other)
    return bytes(changed)


def _flip(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    if place < len(content):
        content[place] ^= 1 << draw.randrange(8)


def _poke(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    if place < len(content):
        content[place] = draw.choice((0, 1, 0x2E, 0x7F, 0x80, 0xFF, draw.randrange(256)))


def _number(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    size = draw.choice((2, 4, 8))
    value = draw.choice(NUMBERS) % (1 << 8 * size)
    content[place : place + size] = value.to_bytes(size, draw.choice(("little", "big")))


def _cut(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    del content[place : place + draw.choice((1, 2, 8, 64, 1 << 30))]


def _insert(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    content[place:place] = draw.randbytes(draw.choice((1, 4, 64)))


def _repeat(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    content[place:place] = content[place : place + draw.choice((1, 8, 256))] * draw.choice((1, 3, 100))


def _splice(draw: Random, content: bytearray, place: int, other: bytes) -> None:
    start = draw.randrange(len(other) + 1)
    content[place : place + 64] = other[start : start + draw.choice((8, 64, 1024))]


_EDITS = (_flip, _flip, _poke, _poke, _number, _number, _cut, _insert, _repeat, _splice)


def json_mutated(draw: Random, text: bytes) -> bytes:
    """Return JSON with a few nodes changed, left out, doubled or renamed; of bytes that are none, other bytes.

    Args:
        draw: of all that is random.
        text: perhaps JSON.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return bytes_mutated(draw, text)
    for _ in range(draw.choice((1, 1, 2, 4))):
        node, key = _somewhere(draw, tree)
        if node is None:
            tree = copy.deepcopy(draw.choice(LEAVES))
            break
        way = draw.randrange(5)
        if way == 0:
            del node[key]
        elif way == 1 and isinstance(node, dict):
            node[draw.choice(("", "\u202e", "__metadata__", "name", "x" * 600))] = node.pop(key)
        elif way == 2:
            other, place = _somewhere(draw, tree)
            node[key] = (
                copy.deepcopy(draw.choice(LEAVES)) if other is None else json.loads(json.dumps(other[place]))
            )
        else:
            node[key] = copy.deepcopy(draw.choice(LEAVES))
    changed = json.dumps(tree)
    if draw.random() < 0.05:
        changed = '{"a":' * 5000 + changed
    if draw.random() < 0.1 and changed.startswith("{"):
        changed = changed[:-1] + "," + changed[1:]
    return changed.encode()


def _somewhere(draw: Random, tree: object):
    places = []
    stack = [tree]
    while stack and len(places) < 4000:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            stack.append(value)
    return draw.choice(places) if places else (None, None)


def zip_mutated(draw: Random, content: bytes, other: bytes = b"") -> bytes:
    """Return a zip, its directory sound, with members changed, renamed, added, doubled, left out or compressed.

    Args:
        draw: of all that is random.
        content: a sound archive.
        other: another one, of which members are taken.
    """
    members = _members(content)
    for _ in range(draw.choice((1, 1, 2, 3))):
        place = draw.randrange(len(members))
        name, data = members[place]
        way = draw.randrange(10)
        if way <= 4:
            members[place] = (name, member_mutated(draw, data))
        elif way == 5:
            members[place] = (_renamed(draw, name), data)
        elif way == 6:
            members.insert(
                place,
                (draw.choice((name, _renamed(draw, name))), draw.choice((data, b"", draw.randbytes(30)))),
            )
        elif way == 7 and len(members) > 1:
            del members[place]
        elif way == 8 and other:
            members += draw.sample(_members(other), 1) if draw.random() < 0.7 else _members(other)
        else:
            members[place] = (name, draw.choice((b"", bytes(1 << 16), data * 20)))
    return _zipped(members, draw.choice((ZIP_STORED, ZIP_STORED, ZIP_DEFLATED)))


def member_mutated(draw: Random, data: bytes) -> bytes:
    """Return a member changed as what it is: JSON, a zip within, or bytes."""
    if data[:1] in (b"{", b"[") and draw.random() < 0.8:
        return json_mutated(draw, data)
    if data[:2] == b"PK" and draw.random() < 0.5:
        return zip_mutated(draw, data)
    return bytes_mutated(draw, data)


def _renamed(draw: Random, name: str) -> str:
    root, _, last = name.rpartition("/")
    return draw.choice(
        (draw.choice(NAMES), f"{root}/{draw.choice(NAMES)}", f"two/{last}", name.upper(), last)
    )


def _members(content: bytes) -> list[tuple[str, bytes]]:
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            return [(name, archive.read(name)) for name in archive.namelist()] or [("a", b"")]
    except (BadZipFile, ValueError, NotImplementedError, OSError, RuntimeError, zlib.error):
        return [("a", content)]


def _zipped(members: list[tuple[str, bytes]], way: int) -> bytes:
    written = io.BytesIO()
    with warnings.catch_warnings(), ZipFile(written, "w", way) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            info = ZipInfo()
            info.filename = name
            archive.writestr(info, data, way)
    return written.getvalue()


def safetensors_mutated(draw: Random, content: bytes) -> bytes:
    """Return a safetensors file with a changed header, its length right or nearly so."""
    size = struct.unpack("<Q", content[:8])[0]
    if draw.random() < 0.3:
        values = bytearray(content[8 + size :])
        for _ in range(draw.choice((1, 4))):
            _number(draw, values, draw.randrange(0, max(1, len(values)), 4), b"")
        return content[: 8 + size] + bytes(values[: len(content) - 8 - size])
    header = json_mutated(draw, content[8 : 8 + size])
    length = len(header) + draw.choice((0, 0, 0, 0, 1, -1, 8, 1 << 20))
    return struct.pack("<Q", max(0, length)) + header + content[8 + size :]


def changed(draw: Random, content: bytes, other: bytes = b"") -> bytes:
    """Return the bytes of a file of any kind, changed as what it is or as bytes."""
    if draw.random() < 0.4:
        return bytes_mutated(draw, content, other)
    if content[:2] == b"PK":
        return zip_mutated(draw, content, other)
    if content[8:9] == b"{" and content[:1] != b"{":
        return safetensors_mutated(draw, content)
    if content[:1] == b"{":
        return json_mutated(draw, content)
    return bytes_mutated(draw, content, other)


def folder_mutated(draw: Random, folder: Path) -> None:
    """Change a folder: the content of a file, or what stands in its place.

    Args:
        draw: of all that is random.
        folder: is changed.
    """
    for _ in range(draw.choice((1, 1, 2))):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        if not files:
            return
        file = draw.choice(files)
        if draw.random() < 0.6:
            file.write_bytes(changed(draw, file.read_bytes(), draw.choice(files).read_bytes()))
        else:
            _REPLACE[draw.randrange(len(_REPLACE))](draw, file, files)


def _link(draw: Random, file: Path, files: list[Path]) -> None:
    file.unlink()
    file.symlink_to(
        draw.choice(("/etc/passwd", "/dev/zero", "/", "..", file.name, str(draw.choice(files)), "gone"))
    )


def _pipe(draw: Random, file: Path, files: list[Path]) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(draw: Random, file: Path, files: list[Path]) -> None:
    file.unlink()
    file.mkdir()


def _gone(draw: Random, file: Path, files: list[Path]) -> None:
    file.unlink()


def _empty(draw: Random, file: Path, files: list[Path]) -> None:
    file.write_bytes(b"")


def _swapped(draw: Random, file: Path, files: list[Path]) -> None:
    shutil.copyfile(draw.choice(files), file.with_name("copied"))
    os.replace(file.with_name("copied"), file)


def _another_name(draw: Random, file: Path, files: list[Path]) -> None:
    name = draw.choice(
        (
            b"\xff\xfe.pt",
            b"model_ep999999999999_it0.pth",
            b"mask.pth",
            b"\x1b[31m.pth",
            os.fsencode(file.name) + b"x",
        )
    )
    os.replace(file, os.path.join(os.fsencode(file.parent), name))


_REPLACE = (_link, _link, _pipe, _folder, _gone, _empty, _swapped, _another_name)
