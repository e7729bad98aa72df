"""The key under which a result is stored: the content of the checkpoint, and everything else that its numbers depend on."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from boundcalc.batch.names import stored
from boundcalc.certificates.beside import beside as certificate_beside
from boundcalc.checkpoint import open_lth
from boundcalc.checkpoint.masks import folder
from boundcalc.checkpoint.reader import digest, files_of
from boundcalc.errors import CheckpointError, DataError, UsageError
from boundcalc.files import Refuse, stamp_of
from boundcalc.nearest import path_hint
from boundcalc.options import Options
from boundcalc.report.tree import SCHEMA

MOST_REFUSED = 1 << 30
"""The largest file whose bytes are hashed although it is no checkpoint: a sparse file of terabytes costs nothing to make."""

Tree = dict[str, Any]


@dataclass(frozen=True)
class BatchSettings:
    """The settings of a batch command.

    Attributes:
        options: options of every analysis.
        hash: hash of `tree`, with every file replaced by the digest of its content, so that files may be moved.
        tree: each field with its value as given and, if it names files, with their digests.
    """

    options: Options
    hash: str
    tree: Tree


@dataclass(frozen=True)
class Key:
    """The key of a checkpoint under given settings.

    Attributes:
        sha256: hash of the checkpoint's content.
        options: hash of the settings, and of the reference, masks and certificate found beside the checkpoint.
        path: absolute path of the checkpoint.
    """

    sha256: str
    options: str
    path: str


def settings_of(options: Options) -> BatchSettings:
    """Return the settings of a run.

    Args:
        options: options in which data, model, reference, mask and calibration are given by name.

    Raises:
        CheckpointError: a file named in the options cannot be read.
        DataError: the data cannot be read.
        UsageError: data or model is an object in memory, which other processes cannot open.
    """
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    for name in ("data", "model", "unlabelled", "mask", "reference", "certificate"):
        if given[name] is not None and not isinstance(
            given[name], str | Path if name in {"mask", "reference", "certificate"} else str
        ):
            raise UsageError(
                f"batch takes {name} as a string, not {type(given[name]).__name__}, because its "
                "workers open it"
            )
    identities: dict[str, Callable[[str], Any]] = {
        "data": _data,
        "unlabelled": _data,
        "certificate": _certificates,
        "model": _code,
        "reference": _checkpoint,
        "mask": _checkpoint,
        "calibration": partial(_file, DataError.at),
    }
    named = {
        name: identify(str(given[name])) for name, identify in identities.items() if given[name] is not None
    }
    values = {name: _plain(value) for name, value in given.items() if name not in named}
    for name in ("further", "certificate", "unlabelled"):
        if not values.get(name, True):
            del values[name]  # so that results of a boundcalc without them are known again
    del values["only"]
    values["parts"] = (
        None if options.only is None else sorted(set(options.only))
    )  # its name when stores began
    plugins = sorted(
        f"{one.name} = {one.value} {_version(one)}" for one in entry_points(group="boundcalc.bounds")
    )
    hashed = {"values": values, "files": named, "plugins": plugins, "schema": SCHEMA}
    tree = {**values, **{name: str(given[name]) for name in named}, "digests": named, "plugins": plugins}
    return BatchSettings(options, _hash(hashed), tree)


def key_of(path: Path, settings: BatchSettings) -> Key:
    """Return the key under which the result of one checkpoint is stored, whatever is at its path.

    For content that cannot be read, the path takes its place, so that the failure can be stored too.
    """
    beside: Tree = {"settings": settings.hash}
    try:
        ticket = open_lth.ticket_at(path)
    except Exception:
        ticket = None
    if ticket is not None and ticket.reference is not None and settings.options.reference is None:
        beside["reference"] = _readable(ticket.reference)
    if ticket is not None and not path.is_dir():
        beside["masks"] = [_readable(file) for file in ticket.files if file != ticket.model]
    if ticket is None and settings.options.mask is None and (masks := _masks_beside(path)):
        beside["masks"] = masks
    if settings.options.certificate is None and (certificate := certificate_beside(path)) is not None:
        beside["certificate"] = _readable(certificate)
    return Key(content_of(path), _hash(beside), str(path))


def _masks_beside(path: Path) -> list[str]:
    """Return the digest of the file of masks that reading the checkpoint would use, if there is one beside it."""
    try:
        found, _ = folder.mask_files_beside(files_of(path)[0])
    except Exception:
        return []
    return [] if found is None else [_readable(found.path)]


def content_of(path: Path) -> str:
    """Return the sha256 of a checkpoint as in its report; if the path holds none, that of the file's bytes or of the path.

    Nothing is raised here: problems with the checkpoint are reported when it is read.
    """
    try:
        return digest(files_of(path))
    except Exception:
        return by_path(path) if _size(path) > MOST_REFUSED else _readable(path)


def _readable(path: Path) -> str:
    try:
        return digest([path])
    except Exception:
        return by_path(path)


def _size(path: Path) -> int:
    try:
        return stamp_of(path).size
    except CheckpointError:
        return 0


def by_path(path: Path) -> str:
    """Return a hash of a path, used as the content hash where no content can be read."""
    return hashlib.sha256(stored(path).encode()).hexdigest()


def _data(form: str) -> Any:
    kind, _, rest = form.partition(":")
    if kind == "mnist":
        return [_file(DataError.at, label) for label in _labels(form)]
    if kind == "npz":
        place = Path(rest).expanduser()
        files = sorted(place.glob("*.npy")) if place.is_dir() else [place]
        return [_file(DataError.at, str(file)) for file in files]
    if form == "sample":
        return [_file(DataError.at, label.partition(": ")[0]) for label in _labels(form)[:1]]
    if form == "digits":
        return ["digits", _installed("scikit-learn")]
    return _code(form)


def _certificates(words: str) -> Any:
    return [_file(CheckpointError, word) for word in words.split(",")]


def _labels(form: str) -> list[str]:
    """Return the names that messages use for a data set's arrays; for an array in a file of its own, this is the path."""
    from boundcalc.empirical.datasets import open_data

    data = open_data(form)
    splits = [split.source for split in (data.train, data.test) if split is not None]
    return [label for source in splits for label in (source.x_label, source.y_label)]


def _code(spec: str) -> Any:
    """Return the name of a callable and the digest of the file that defines it; modules that this file imports are ignored."""
    where, _, name = spec.rpartition(":")
    if where.endswith(".py"):
        return [name, _file(DataError.at, where)]
    try:
        found = importlib.util.find_spec(where) if where else None
    except (ImportError, ValueError):
        found = None
    origin = None if found is None else found.origin
    return [spec, _readable(Path(origin)) if origin is not None and os.path.isfile(origin) else None]


def _checkpoint(path: str) -> str:
    if not Path(path).exists():
        raise CheckpointError(path, f"no such file or folder{path_hint(path)}")
    return content_of(Path(path))


def _file(refuse: Refuse, path: str) -> str:
    return digest([Path(path).expanduser()], refuse)


def _installed(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _version(point: Any) -> str:
    return point.dist.version if point.dist is not None else ""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _hash(tree: Tree) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
