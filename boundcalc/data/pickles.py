"""A pickle read as data: its opcodes are gone through, and whatever they would import or call becomes a description of it."""

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


class NoData(Exception):
    """A pickle that is damaged, or made of more than plain values and NumPy arrays; the text says what."""


@dataclass(eq=False)
class Made:
    """What a pickle would make by calling something.

    Attributes:
        call: what it would call: module and name.
        arguments: by which.
        state: with which it would fill the result.
    """

    call: str
    arguments: Any
    state: Any = None


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names.

    Attributes:
        name: its module and its own name.
    """

    name: str


_MARK = object()


def read(content: bytes) -> Any:
    """Read a pickle, without running or importing anything.

    Args:
        content: of the file.

    Returns:
        Dicts, lists, tuples, numbers, text and bytes (text of Python 2 as bytes); arrays of NumPy as arrays; a `Made` for all else.

    Raises:
        NoData: it is damaged, or uses what files of data do not.

    Example:
        >>> import pickle
        >>> read(pickle.dumps({"a": [1, (2.5, None)]}))
        {'a': [1, (2.5, None)]}
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(BytesIO(content)):
            if opcode.name == "STOP":
                return _array(machine.stack.pop())
            machine.step(opcode.name, argument)
    except NoData:
        raise
    except Exception as problem:
        raise NoData(f"a damaged pickle ({type(problem).__name__})") from None
    raise NoData("a pickle without an end")


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

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
            self.stack.append(Name(argument))
        elif name not in {"PROTO", "FRAME"}:
            raise NoData(f"a pickle that uses {name}, which files of data do not")

    def marked(self) -> list[Any]:
        """Take what lies above the last mark."""
        place = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def last(self, count: int) -> list[Any]:
        """Take so many values.

        Raises:
            NoData: the stack holds something else.
        """
        if len(self.stack) < count:
            raise NoData("a damaged pickle")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def extend(self, values: list[Any]) -> None:
        """Append to the list on the top.

        Raises:
            NoData: the stack holds something else.
        """
        if not isinstance(self.stack[-1], list):
            raise NoData("a damaged pickle")
        self.stack[-1].extend(map(_array, values))

    def fill(self, values: list[Any]) -> None:
        """Put pairs into the dict on the top.

        Raises:
            NoData: the stack holds something else.
        """
        if not isinstance(self.stack[-1], dict) or len(values) % 2:
            raise NoData("a damaged pickle")
        self.stack[-1].update(zip(values[::2], map(_array, values[1::2]), strict=True))

    def call(self) -> None:
        """Note a call in the place of its result."""
        function, arguments = self.last(2)
        name = function.name if isinstance(function, Name) else type(function).__name__
        text = name == ENCODE and isinstance(arguments, tuple) and arguments[1:] == ("latin1",)
        self.stack.append(arguments[0].encode("latin-1") if text else Made(name, arguments))

    def build(self) -> None:
        """Note the state of what a call would have made.

        Raises:
            NoData: the stack holds something else.
        """
        made, state = self.last(2)
        if not isinstance(made, Made):
            raise NoData("a damaged pickle")
        made.state = state
        self.stack.append(made)

    def name(self) -> None:
        """Note a class or function."""
        self.stack.append(Name(" ".join(map(str, self.last(2)))))


_TEXT_OF_PYTHON_2 = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_VALUES = frozenset({
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple, "MARK": lambda: _MARK,
}  # fmt: skip
_STEPS: dict[str, Callable[[_Machine], None]] = {
    "POP": lambda machine: machine.stack.pop(),
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
    """Return an array of bytes that a pickle describes as an array, anything else as it is.

    Raises:
        NoData: an array of something else.
    """
    if not isinstance(value, Made) or value.call not in RECONSTRUCT or not isinstance(value.state, tuple):
        return value
    if len(value.state) != 5:
        raise NoData("an array that is not as NumPy writes it")
    _, shape, dtype, by_columns, content = value.state
    code = dtype.arguments[0] if isinstance(dtype, Made) and dtype.call == DTYPE and dtype.arguments else ""
    code = code.decode("latin-1") if isinstance(code, bytes) else code
    sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if code != "u1" or not sizes or not isinstance(content, bytes) or len(content) != math.prod(shape):
        raise NoData("an array that is not one of bytes, as NumPy writes it")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")
