"""results.json of an experiment: one cell a run, written as soon as it is known, so that a stop loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import boundcalc

Tree = dict[str, Any]
DIGITS = 6
"""Significant digits of a number in results.json."""


def rounded(value: Any) -> Any:
    """Return a tree with floats of `DIGITS` significant digits.

    Example:
        >>> rounded({"a": [0.123456789, None]})
        {'a': [0.123457, None]}
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on, boundcalc's with its commit where there is a clone."""
    described = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(described, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "boundcalc": f"{boundcalc.__version__} ({commit})" if commit else boundcalc.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def all_versions(known: Tree, now: Mapping[str, str]) -> Tree:
    """Return the versions of a file whose cells were run by several: a list of what differs, in the order of the runs.

    Args:
        known: of the cells so far, a version or a list of them by name.
        now: of the next cell.

    Example:
        >>> all_versions({"torch": "2.1", "numpy": "2.0"}, {"torch": "2.2", "numpy": "2.0"})
        {'torch': ['2.1', '2.2'], 'numpy': '2.0'}
    """
    found = dict(known)
    for name, version in now.items():
        before = known.get(name, version)
        listed = before if isinstance(before, list) else [before]
        found[name] = before if version in listed else [*listed, version]
    return found


def hashes(data: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a data set, by name.

    Args:
        data: a form of `--data`: `mnist:DIR`, `npz:FILE`, or a built-in one, whose name is all there is to know.
    """
    if ":" not in data:
        return {data: "built in"}
    place = Path(data.partition(":")[2])
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


class Record:
    """results.json in a folder.

    Args:
        folder: where results.json is, or will be.
        setting: all that the cells share; those of another setting are refused.
        inputs: name -> digest of the data.
        command: that makes the results again.
    """

    def __init__(self, folder: Path, setting: Tree, inputs: Mapping[str, str], command: str) -> None:
        self.path = folder / "results.json"
        about = {"setting": rounded(setting), "inputs": dict(inputs)}
        self.versions = versions()
        self.tree: Tree = {"command": command, **about, "versions": self.versions, "cells": {}, "summary": {}}
        if self.path.is_file():
            self.tree = json.loads(self.path.read_text(encoding="utf-8"))
            for name, value in about.items():
                if self.tree[name] != json.loads(json.dumps(value)):
                    sys.exit(f"{self.path}: made with other {name}; give another --out")

    @property
    def cells(self) -> dict[str, Tree]:
        """Key -> what is known of the cell, in the order in which they were run."""
        return self.tree["cells"]

    def add(self, key: str, values: Tree) -> None:
        """Add a cell and the versions that it was run by, and write."""
        self.cells[key] = rounded(values)
        self.tree["versions"] = all_versions(self.tree["versions"], self.versions)
        self.write()

    def write(self) -> None:
        """Write results.json, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        text = json.dumps(self.tree, indent=1, allow_nan=False)
        draft.write_text(_narrow(text) + "\n", encoding="utf-8")
        os.replace(draft, self.path)

    def run(self, plan: Iterable[tuple[str, Callable[[], Tree]]], seconds: float) -> bool:
        """Run the cells that are missing, in the plan's order.

        Args:
            plan: key and run of every cell.
            seconds: no cell is begun after so long.

        Returns:
            Whether all are there.
        """
        start = time.monotonic()
        for key, cell in plan:
            if key in self.cells:
                continue
            if time.monotonic() - start > seconds:
                return False
            self.add(key, cell())
            print(f"{time.monotonic() - start:7.0f} s  {key}", file=sys.stderr, flush=True)
        return True


def _narrow(text: str) -> str:
    """Put lists of numbers on one line."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        if inside:
            lines[-1] += line.strip() + (" " if line.endswith(",") else "")
        else:
            lines.append(line)
        if line.endswith("["):
            inside = True
        elif line.strip() in {"]", "],"}:
            inside = False
            lines[-1] = lines[-1].rstrip()
    return "\n".join(lines)
