"""List what a pickle mentions, opcode by opcode with the standard library alone; nothing in it is executed."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The integer with which a torch.save file from before PyTorch 1.6 begins."""

_MOST_PICKLES = 3
_MOST_OPERATIONS = 5_000_000


@dataclass(frozen=True)
class PickleContent:
    """What a pickle mentions, found without executing it.

    Attributes:
        names: classes and functions, with their modules, in order.
        strings: all strings, dictionary keys among them.
        integers: all integers.
        protocol: protocol number of the pickle.
        complete: whether it ends like a complete pickle.
    """

    names: tuple[str, ...]
    strings: frozenset[str]
    integers: frozenset[int]
    protocol: int
    complete: bool


def scan(file: IO[bytes]) -> PickleContent:
    """List what a stream of pickles mentions, without executing any of it.

    Args:
        file: the stream, positioned at the start of the first pickle.

    Returns:
        The content of the first pickle, or of the first four in a legacy torch.save file, which has a magic number, a
        version and the machine's sizes before the object.
    """
    names: list[str] = []
    strings: set[str] = set()
    integers: set[int] = set()
    protocol, complete = 0, False
    for _ in range(_MOST_PICKLES + 1):
        try:
            for kind, value in _mentions(file):
                if kind == "global":
                    names.append(value)
                elif kind == "string":
                    strings.add(value)
                elif kind == "int":
                    integers.add(value)
                elif kind == "PROTO":
                    protocol = max(protocol, value)
            complete = True
        except (ValueError, LookupError, ArithmeticError, MemoryError):
            break
        if LEGACY_MAGIC not in integers:
            break
    return PickleContent(tuple(names), frozenset(strings), frozenset(integers), protocol, complete)


def _mentions(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    recent: list[str] = []
    memo: dict[int, str] = {}
    places, last = 0, None
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        if count > _MOST_OPERATIONS:
            return
        if name in {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}:
            if last is not None:
                memo[places if argument is None else argument] = last
            places += 1
            continue
        last = argument if isinstance(argument, str) and name not in {"GLOBAL", "INST"} else None
        if name in {"GLOBAL", "INST"}:
            yield "global", str(argument).replace(" ", ".", 1)
        elif name == "STACK_GLOBAL":
            yield "global", ".".join(recent[-2:])
        elif isinstance(argument, str):
            recent.append(argument)
            yield "string", argument
        elif "GET" in name and argument in memo:
            last = memo[argument]
            recent.append(last)
        elif isinstance(argument, int):
            yield ("PROTO" if name == "PROTO" else "int"), argument
