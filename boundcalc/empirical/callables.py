"""Data from the user's own code: `package.module:CALLABLE` or `FILE.py:CALLABLE`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from boundcalc.errors import DataError
from boundcalc.nearest import path_hint


def call(spec: str) -> Any:
    """Import a module or run a file, and call the named callable without arguments.

    Args:
        spec: `package.module:CALLABLE` or `FILE.py:CALLABLE`; CALLABLE may be dotted. The folder of FILE.py is importable, as if
            the file were run as a script.

    Returns:
        The return value of the callable.

    Raises:
        DataError: the file, module or name is missing, or the user's code raises; the message names the exception.
    """
    where, _, name = spec.rpartition(":")
    found: Any = _run_file(Path(where)) if where.endswith(".py") else _import(where)
    for part in name.split("."):
        if not hasattr(found, part):
            raise DataError(f"{where}: has no {name!r}")
        found = getattr(found, part)
    if not callable(found):
        raise DataError(f"{spec}: {type(found).__name__} is not callable; give a function without arguments")
    return _guard(found, f"{spec}: the callable")


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DataError(f"{path}: no such file; FILE.py:CALLABLE takes a Python file{path_hint(path)}")
    name = f"_boundcalc_data_{path.stem}"
    description = importlib.util.spec_from_file_location(name, path)
    if description is None or description.loader is None:
        raise DataError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(description)
    loader = description.loader
    folder = str(path.resolve().parent)
    sys.modules[name] = module
    sys.path.insert(0, folder)
    try:
        _guard(lambda: loader.exec_module(module), f"{path}: running the file")
    finally:
        sys.path.remove(folder)
    return module


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise DataError(
                f"{name}: no module {error.name!r}; install it, put its folder on PYTHONPATH, or give FILE.py:CALLABLE"
            ) from error
        raise DataError(f"{name}: importing the module raised {type(error).__name__}: {error}") from error
    except (Exception, SystemExit) as error:
        raise DataError(f"{name}: importing the module raised {type(error).__name__}: {error}") from error


def _guard(function: Callable[[], Any], what: str) -> Any:
    try:
        return function()
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{what} raised {type(error).__name__}: {error}") from error
