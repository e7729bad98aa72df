"""Entries that no checkpoint should be, each a function that makes one in a folder and returns its name as bytes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

Make = Callable[[Path], bytes]


def no_utf8(folder: Path) -> bytes:
    name = b"bytes\xff\xfe.pt"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("no checkpoint")
    return name


def surrogates_in_an_index(folder: Path) -> bytes:
    index = {"weight_map": {"w": "\ud800.safetensors", "v\udfff": "x.safetensors"}}
    (folder / "surrogate.safetensors.index.json").write_text(json.dumps(index))
    return b"surrogate.safetensors.index.json"


def index_of_devices(folder: Path) -> bytes:
    index = {"weight_map": {"w": "../../../../../../../dev/zero", "v": "/etc/passwd"}}
    (folder / "outside.safetensors.index.json").write_text(json.dumps(index))
    return b"outside.safetensors.index.json"


def shard_that_is_a_link_outside(folder: Path) -> bytes:
    (folder / "linked").mkdir()
    (folder / "linked" / "a.safetensors").symlink_to("/dev/zero")
    index = {"weight_map": {"w": "a.safetensors"}}
    (folder / "linked" / "m.safetensors.index.json").write_text(json.dumps(index))
    return b"linked/m.safetensors.index.json"


def link_to_itself(folder: Path) -> bytes:
    main = folder / "level_1" / "main"
    main.mkdir(parents=True)
    (main / "model_ep9_it0.pth").symlink_to("model_ep9_it0.pth")
    torch.save({"0.weight": torch.ones(3, 4)}, main / "model_ep0_it0.pth")
    (main / "mask.pth").symlink_to("mask.pth")
    return b"level_1/main"


def broken_link(folder: Path) -> bytes:
    (folder / "broken.pt").symlink_to("nowhere.pt")
    return b"broken.pt"


def pipe(folder: Path) -> bytes:
    os.mkfifo(folder / "pipe.pt")
    return b"pipe.pt"


def pipe_as_an_index(folder: Path) -> bytes:
    os.mkfifo(folder / "pipe.safetensors.index.json")
    return b"pipe.safetensors.index.json"


def pipe_as_a_mask(folder: Path) -> bytes:
    main = folder / "level_2" / "main"
    main.mkdir(parents=True)
    torch.save({"0.weight": torch.ones(3, 4)}, main / "model_ep2_it0.pth")
    os.mkfifo(main / "mask.pth")
    return b"level_2/main"


def unix_socket(folder: Path) -> bytes:
    """Bound under a short name: the path of a socket has at most 107 bytes."""
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/socket.pt")
    os.close(here)
    return b"socket.pt"


def device(folder: Path) -> bytes:
    (folder / "zero.ckpt").symlink_to("/dev/zero")
    return b"zero.ckpt"


def empty(folder: Path) -> bytes:
    (folder / "empty.pt").touch()
    return b"empty.pt"


def empty_too(folder: Path) -> bytes:
    (folder / "empty_too.pt").touch()
    return b"empty_too.pt"


def formula(folder: Path) -> bytes:
    (folder / "=HYPERLINK(1)|.pt").write_text("no checkpoint, but a name")
    return b"=HYPERLINK(1)|.pt"


def line_feed(folder: Path) -> bytes:
    (folder / "two\nlines\r\t.pt").write_text("no checkpoint either")
    return b"two\nlines\r\t.pt"


def right_to_left(folder: Path) -> bytes:
    name = "\u202etp.exe\u2066 \x1b[31m.pt"
    (folder / name).write_text("nor this")
    return name.encode()


def long_name(folder: Path) -> bytes:
    name = "n" * 252 + ".pt"
    (folder / name).write_text("a very long name")
    return name.encode()


def terabytes(folder: Path) -> bytes:
    with open(folder / "sparse.pt", "wb") as file:
        file.truncate(1 << 41)
    return b"sparse.pt"


def deep_json(folder: Path) -> bytes:
    header = b'{"a":' * 20000
    (folder / "deep.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return b"deep.safetensors"


def damaged_zip(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "damaged.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02]q\x00(" + b"]" * 5000)
        archive.writestr("a/version", b"3")
    return b"damaged.pt"


def surrogate_in_a_key(folder: Path) -> bytes:
    header = b'{"\\ud800.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    (folder / "key.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + struct.pack("<4f", 1, 0, 2, 3)
    )
    return b"key.safetensors"


def nested_too_deep(folder: Path) -> bytes:
    """Deeper than Python recurses; the file at its end is found, or the folder whose path is too long is named."""
    deep = folder / "deep"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("end.pt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    return b"deep" + b"/d" * 1200 + b"/end.pt"


EVERY: tuple[Make, ...] = (
    no_utf8, surrogates_in_an_index, index_of_devices, shard_that_is_a_link_outside, link_to_itself, broken_link, pipe,
    pipe_as_an_index, pipe_as_a_mask, unix_socket, device, empty, empty_too, formula, line_feed, right_to_left, long_name,
    terabytes, deep_json, damaged_zip, nested_too_deep,
)  # fmt: skip
"""Each fails under its own name."""


def remove(folder: Path) -> None:
    """Remove a folder deeper than `shutil.rmtree` goes."""
    deep = folder / "deep"
    steps = Path(*["d"] * 300)
    while (deep / steps).exists():
        inner = folder / "inner"
        (deep / steps).rename(inner)
        shutil.rmtree(deep)
        inner.rename(deep)
