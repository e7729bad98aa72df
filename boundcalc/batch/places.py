"""Options whose files are named by absolute paths, for workers that may stand elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from boundcalc.options import Options

FOLDERED = ("mnist:", "npz:")


def absolute(options: Options) -> Options:
    """Return the same options with absolute paths.

    Args:
        options: with files named relative to the working directory, or not.

    Returns:
        Options that mean the same in any working directory.

    Example:
        >>> absolute(Options(data="npz:/a/../b.npz")).data
        'npz:/b.npz'
    """
    return replace(
        options,
        data=_data(options.data),
        model=_code(options.model),
        reference=_path(options.reference),
        mask=_path(options.mask),
        calibration=_path(options.calibration),
    )


def _data(form: Any) -> Any:
    for prefix in FOLDERED:
        if isinstance(form, str) and form.startswith(prefix):
            return prefix + _absolute(form.removeprefix(prefix))
    return _code(form)


def _code(spec: Any) -> Any:
    if not isinstance(spec, str):
        return spec
    where, _, name = spec.rpartition(":")
    return f"{_absolute(where)}:{name}" if where.endswith(".py") else spec


def _path(path: str | Path | None) -> str | None:
    return None if path is None else _absolute(str(path))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
