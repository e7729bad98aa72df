"""Images in Parquet files as on the Hugging Face hub: a column of images, {bytes, path} or bytes, and a column of labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from boundcalc.budget import Budget
from boundcalc.data.folder import REPAIR, SAME_SIZE_ADVICE, count_damaged, piece
from boundcalc.data.images import ImageKind, MismatchedImage, UnreadableImage, decoded, kind_of, pillow
from boundcalc.data.streams import Stream
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError, SampleError, only_own_errors
from boundcalc.extras import install
from boundcalc.files import check_inside, entries, is_file, is_folder, open_file, stamp_of
from boundcalc.nearest import path_hint

ENDING = ".parquet"
IMAGES, LABELS = ("image", "img"), ("label", "labels")
"""Possible names of the columns of images and of labels."""

TRAIN, TESTS = "train", ("test", "validation", "valid", "val")
"""First words of the names of a split's files; of the test splits, the first one that exists is used."""

_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?")
_SPLIT = re.compile(r"(?P<split>[a-z]+)(?:[-_.]|$)")


@dataclass(frozen=True)
class ImageTable:
    """One Parquet file of images.

    Attributes:
        path: path of the file.
        image: name of the column of images.
        label: name of the column of labels.
        rows: number of rows.
    """

    path: Path
    image: str
    label: str
    rows: int


def find_parquet(place: str, max_memory: float | None = None) -> tuple[Split, Split | None]:
    """Find the files of a data set; only the first image of each split is decoded.

    Args:
        place: a file, whose samples are the training split unless its name indicates another; several files, separated by commas;
            or a folder with files named `train-00000-of-00001.parquet`, `test-...` and so on, either in it or in its folder
            `data`.
        max_memory: gigabytes that a row group may take; None for the rule of `Budget`.

    Returns:
        The training samples, and the test samples or None if there are none.

    Raises:
        DataError: a file or a column is missing or of another type, or pyarrow or Pillow is not installed.
    """
    pyarrow()
    pillow()
    splits = _by_split(_paths(place), place)
    test = next((splits[name] for name in TESTS if name in splits), None)
    train = _split(splits[TRAIN], place, max_memory)
    return train, None if test is None else _split(test, place, max_memory)


def pyarrow() -> Any:
    """Import pyarrow.parquet.

    Raises:
        DataError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"parquet: needs pyarrow: {install('parquet')}") from error
    return pyarrow.parquet


def _paths(place: str) -> list[Path]:
    path = Path(place).expanduser()
    if is_folder(path):
        found = [file for home in (path, path / "data") if is_folder(home) for file in _parquets(home)]
        if not found:
            raise DataError(f"{path}: no {ENDING} file in it, nor in its data")
        return [check_inside(file, path, DataError.at) for file in found]
    if is_file(path) or "," not in place:
        if not is_file(path):
            raise DataError(
                f"{path}: no such file or folder; parquet:FILE takes Parquet files{path_hint(path)}"
            )
        return [path]
    return [Path(one.strip()).expanduser() for one in place.split(",")]


def _parquets(home: Path) -> list[Path]:
    return [path for path in entries(home, DataError.at) if path.suffix == ENDING]


def _by_split(paths: list[Path], place: str) -> dict[str, list[Path]]:
    """Return the files of each split, complete and in order.

    Raises:
        DataError: the name of a file does not identify its split, or files are missing.
    """
    found: dict[str, list[Path]] = {}
    for path in paths:
        match = _SPLIT.match(path.name.removesuffix(ENDING))
        name = match["split"] if match is not None else ""
        found.setdefault(name if name in {TRAIN, *TESTS} else "", []).append(path)
    odd = found.pop("", [])
    if odd and (found or len(odd) > 1):
        raise DataError(
            f"{odd[0]}: the name of this file does not say to which split it belongs: name the files "
            f"train-*{ENDING} and test-*{ENDING}, or give one file"
        )
    if odd:
        return {TRAIN: odd}
    for files in found.values():
        _check_shards(files)
    if TRAIN not in found:
        if len(found) == 1:
            return {TRAIN: next(iter(found.values()))}
        raise DataError(f"{place}: no train-*{ENDING} in this folder; its splits are {', '.join(found)}")
    return found


def _check_shards(files: list[Path]) -> None:
    shards = [_SHARD.fullmatch(path.name.removesuffix(ENDING)) for path in files]
    for path, shard in zip(files, shards, strict=True):
        if shard is None:
            continue
        there = {one["number"] for one in shards if one is not None and one["count"] == shard["count"]}
        lacking = [f"{number:05d}" for number in range(int(shard["count"])) if f"{number:05d}" not in there]
        if lacking:
            name = f"{shard['name']}-{lacking[0]}-of-{shard['count']}{ENDING}"
            raise DataError(
                f"{path.parent / name}: missing; all {int(shard['count'])} files of a split are needed"
            )


def _split(paths: list[Path], place: str, max_memory: float | None) -> Split:
    tables = [_table(path, max_memory) for path in paths]
    first = next((content for table in tables for content, _ in _rows(table)), None)
    if first is None:
        raise DataError(f"{paths[0]}: no samples")
    kind = kind_of(_image(first, tables[0].path, 0, None))
    total = sum(table.rows for table in tables)

    def pieces(batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        held: list[tuple[np.ndarray, int]] = []
        size = piece(batch_size, kind)
        for number, table in enumerate(tables):
            for row, (content, label) in enumerate(_rows(table)):
                try:
                    image = _image(content, table.path, row, kind)
                except SampleError as problem:
                    more = _damaged(tables[number:], row + 1, kind)
                    counted = f"the first of {more + 1} such images" if more else "the only such image"
                    raise SampleError(f"{problem}, {counted} of {total}; {REPAIR}") from None
                held.append((image, _number(label, table, row)))
                if len(held) == size:
                    yield _stacked(held)
                    held = []
        if held:
            yield _stacked(held)

    label = str(paths[0]) if len(paths) == 1 else f"{place}: {paths[0].name} and {len(paths) - 1} more"
    return Stream(label, kind.shape, total, pieces).split()


def _damaged(tables: list[ImageTable], start: int, kind: ImageKind) -> int:
    """Count the damaged images from a row of the first table on."""
    readings = (
        partial(_image, content, table.path, row, kind)
        for number, table in enumerate(tables)
        for row, (content, _) in enumerate(_rows(table))
        if number or row >= start
    )
    return count_damaged(readings)


def _stacked(held: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([image for image, _ in held]), np.array([label for _, label in held], dtype=np.int64)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with (
        only_own_errors(path, DataError.at),
        open_file(path, DataError.at) as file,
        pyarrow().ParquetFile(file) as table,
    ):
        yield table


def _table(path: Path, max_memory: float | None) -> ImageTable:
    with _opened(path) as table:
        schema, described = table.schema_arrow, table.metadata
        image, label = _column(path, schema, IMAGES), _column(path, schema, LABELS)
        _check_types(path, schema, image, label)
        budget = Budget.of(path, stamp_of(path, DataError.at).size, max_memory, DataError.at)
        for number in range(described.num_row_groups):
            budget.check(described.row_group(number).total_byte_size, f"group {number} of its rows")
        return ImageTable(path, image, label, described.num_rows)


def _column(path: Path, schema: Any, names: tuple[str, ...]) -> str:
    found = [name for name in names if name in schema.names]
    if len(found) != 1:
        has = ", ".join(schema.names[:8])
        raise DataError(
            f"{path}: {'no' if not found else 'more than one'} column {' or '.join(names)}; its columns are {has}"
        )
    return found[0]


def _check_types(path: Path, schema: Any, image: str, label: str) -> None:
    import pyarrow

    types = pyarrow.types
    kind, content = schema.field(label).type, schema.field(image).type
    if not types.is_integer(kind):
        raise DataError(
            f"{path}: column {label} is {kind}; labels are integers from 0 (ClassLabel): number the classes first"
        )
    if types.is_struct(content):
        place = content.get_field_index("bytes")
        content = content.field(place).type if place >= 0 else content
    if not types.is_binary(content) and not types.is_large_binary(content):
        raise DataError(
            f"{path}: column {image} is {schema.field(image).type}, not image files (bytes, or {{bytes, path}})"
        )


def _rows(table: ImageTable) -> Iterator[tuple[bytes | None, int | None]]:
    """Yield images and labels one row at a time, because each row of a dictionary-encoded column is decoded to its full length."""
    with _opened(table.path) as file:
        for batch in file.iter_batches(batch_size=1, columns=[table.image, table.label], use_threads=False):
            for image, label in zip(batch.column(table.image), batch.column(table.label), strict=True):
                content = image.as_py()
                yield content["bytes"] if isinstance(content, dict) else content, label.as_py()


def _image(content: bytes | None, path: Path, row: int, like: ImageKind | None) -> np.ndarray:
    if content is None:
        raise SampleError(f"{path}: row {row}: no image (its bytes are not in the file)")
    try:
        return decoded(content, like)
    except UnreadableImage as problem:
        raise SampleError(f"{path}: row {row}: {problem}") from None
    except MismatchedImage as problem:
        raise DataError(f"{path}: row {row}: {problem}; {SAME_SIZE_ADVICE}") from None


def _number(label: int | None, table: ImageTable, row: int) -> int:
    if label is None or label < 0:
        said = "no label" if label in {None, -1} else f"label {label}"
        raise SampleError(f"{table.path}: row {row}: {said}; labels are integers from 0")
    return label
