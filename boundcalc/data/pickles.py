"""A pickle read as data: its opcodes are interpreted, and anything they would import or call is only described."""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
DTYPE = "numpy dtype"
ENCODE = "_codecs encode"
MOST_STEPS = 1 << 20
"""Opcodes of one pickle: a batch of CIFAR-10 has a few for each of its 10,000 images."""
MOST_AXES = 32


class UnsupportedPickle(Exception):
    """A pickle that is damaged, or contains more than plain values and NumPy arrays; the text says what."""


@dataclass(eq=False)
class UnbuiltObject:
    """An object that a pickle would make by a call.

    Attributes:
        call: module and name of what it would call.
        arguments: the arguments of that call.
        state: the state that it would set on the result.
    """

    call: str
    arguments: Any
    state: Any = None


@dataclass(frozen=True)
class GlobalName:
    """A class or function to which a pickle refers.

    Attributes:
        name: the module and the name in it.
    """

    name: str


def read(content: bytes) -> Any:
    """Read a pickle, without running or importing anything.

    Args:
        content: content of the file.

    Returns:
        Dicts, lists, tuples, numbers, text and bytes (text of Python 2 as bytes); NumPy arrays as arrays; an `UnbuiltObject`
        for anything else.

    Raises:
        UnsupportedPickle: the pickle is damaged, or uses opcodes that data files do not use.

    Example:
        >>> import pickle
        >>> read(pickle.dumps({"a": [1, (2.5, None)]}))
        {'a': [1, (2.5, None)]}
    """
    machine = _Machine(len(content))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(BytesIO(content))):
            if opcode.name == "STOP":
                return _array(machine.stack.pop())
            if count == MOST_STEPS:
                raise UnsupportedPickle(f"a pickle of more than {MOST_STEPS} steps")
            machine.step(opcode.name, argument)
    except UnsupportedPickle:
        raise
    except Exception as problem:
        raise UnsupportedPickle(f"a damaged pickle ({type(problem).__name__})") from None
    raise UnsupportedPickle("a pickle that ends too early")


class _Machine:
    """The stack and the memo of a pickle.

    Args:
        room: the most bytes that encoded text may take in all; each text of a file is encoded once.
    """

    def __init__(self, room: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.room = room

    def step(self, name: str, argument: Any) -> None:
        if name in _TEXT_OF_PYTHON_2:
            self.stack.append(argument.encode("latin-1"))
        elif name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            self.stack.append(self.memo[argument])
        elif name in _STEPS:
            _STEPS[name](self)
        elif name == "GLOBAL":
            self.stack.append(GlobalName(argument))
        elif name not in {"PROTO", "FRAME"}:
            raise UnsupportedPickle(f"a pickle that uses {name}, which a data file never needs")

    def marked(self) -> list[Any]:
        """Pop the values above the last mark."""
        return self.last(len(self.stack) - self.marks.pop())

    def mark(self) -> None:
        """Mark the current top of the stack."""
        self.marks.append(len(self.stack))

    def last(self, count: int) -> list[Any]:
        """Pop the last `count` values.

        Raises:
            UnsupportedPickle: the stack has fewer values.
        """
        if not 0 <= count <= len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise UnsupportedPickle("a damaged pickle")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def extend(self, values: list[Any]) -> None:
        """Append to the list on top of the stack.

        Raises:
            UnsupportedPickle: the top of the stack is not a list.
        """
        if not isinstance(self.stack[-1], list):
            raise UnsupportedPickle("a damaged pickle")
        self.stack[-1].extend(map(_array, values))

    def fill(self, values: list[Any]) -> None:
        """Put pairs into the dict on top of the stack.

        Raises:
            UnsupportedPickle: the top of the stack is not a dict, or a key is not text: only hashes of text are safe from deliberate
                collisions.
        """
        if not isinstance(self.stack[-1], dict) or len(values) % 2:
            raise UnsupportedPickle("a damaged pickle")
        if not all(isinstance(key, str | bytes) for key in values[::2]):
            raise UnsupportedPickle("a pickle whose tables have keys that are not text")
        self.stack[-1].update(zip(values[::2], map(_array, values[1::2]), strict=True))

    def call(self) -> None:
        """Push a description of a call instead of its result.

        Raises:
            UnsupportedPickle: encoded text is longer than the file.
        """
        function, arguments = self.last(2)
        name = function.name if isinstance(function, GlobalName) else type(function).__name__
        if name != ENCODE or not isinstance(arguments, tuple) or arguments[1:] != ("latin1",):
            self.stack.append(UnbuiltObject(name, arguments))
            return
        self.room -= len(arguments[0])
        if self.room < 0:
            raise UnsupportedPickle("a pickle that encodes one text many times")
        self.stack.append(arguments[0].encode("latin-1"))

    def build(self) -> None:
        """Record the state that would be set on the result of a call.

        Raises:
            UnsupportedPickle: the stack does not hold the result of a call.
        """
        made, state = self.last(2)
        if not isinstance(made, UnbuiltObject):
            raise UnsupportedPickle("a damaged pickle")
        made.state = state
        self.stack.append(made)

    def name(self) -> None:
        """Push a reference to a class or function."""
        self.stack.append(GlobalName(" ".join(map(str, self.last(2)))))


_TEXT_OF_PYTHON_2 = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_VALUES = frozenset({
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}  # fmt: skip
_STEPS: dict[str, Callable[[_Machine], object]] = {
    "POP": lambda machine: machine.last(1),
    "MARK": _Machine.mark,
    "LIST": lambda machine: machine.stack.append(list(map(_array, machine.marked()))),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.last(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.last(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.last(3))),
    "APPEND": lambda machine: machine.extend(machine.last(1)),
    "APPENDS": lambda machine: machine.extend(machine.marked()),
    "SETITEM": lambda machine: machine.fill(machine.last(2)),
    "SETITEMS": lambda machine: machine.fill(machine.marked()),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "STACK_GLOBAL": _Machine.name,
}


def _array(value: Any) -> Any:
    """Return the array of bytes that a pickle describes; return any other value as it is.

    Raises:
        UnsupportedPickle: the array is not one of bytes.
    """
    if (
        not isinstance(value, UnbuiltObject)
        or value.call not in RECONSTRUCT
        or not isinstance(value.state, tuple)
    ):
        return value
    if len(value.state) != 5:
        raise UnsupportedPickle("an array that is not as NumPy writes it")
    _, shape, dtype, by_columns, content = value.state
    code = (
        dtype.arguments[0]
        if isinstance(dtype, UnbuiltObject) and dtype.call == DTYPE and dtype.arguments
        else ""
    )
    code = code.decode("latin-1") if isinstance(code, bytes) else code
    sound = isinstance(content, bytes) and isinstance(shape, tuple) and len(shape) <= MOST_AXES
    sizes = sound and all(type(size) is int and 0 <= size <= len(content) for size in shape)
    if code != "u1" or not sizes or len(content) != math.prod(shape):
        raise UnsupportedPickle("an array whose entries are not bytes")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")
