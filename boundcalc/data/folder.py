"""Images by class, as torchvision's ImageFolder reads them: ``train/CLASS/...`` and ``test/CLASS/...``, or only class folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from boundcalc.budget import Budget
from boundcalc.data.images import (
    ENDINGS,
    ImageKind,
    MismatchedImage,
    UnreadableImage,
    decoded,
    kind_of,
    pillow,
)
from boundcalc.data.streams import Stream
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError, SampleError
from boundcalc.files import check_inside, entries, is_file, is_folder, read_bytes, stamp_of
from boundcalc.nearest import path_hint

TRAIN, TESTS = "train", ("test", "val")
MOST_BYTES = 1 << 28
"""Largest size of one image file, in bytes."""

DEEPEST = 8
SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini"})
"""Files that operating systems add to folders of images; they are skipped, like files whose names begin with a dot."""

IMAGES_AT_ONCE = 256
"""Largest number of images that are decoded at once."""

PIECE_ENTRIES = 1 << 24
"""Largest number of entries in those images, unless a single image has more."""


@dataclass(frozen=True)
class ImageFile:
    """One image file.

    Attributes:
        path: path of the file.
        label: label of its class.
    """

    path: Path
    label: int


def find_folder(folder: Path, max_memory: float | None = None) -> tuple[Split, Split | None]:
    """Find the images in a folder; only the first of each split is decoded.

    Classes are numbered in the order of their names, and the images are in the order of their names, both as in torchvision.

    Args:
        folder: contains `train` and `test` (or `val` if there is no `test`), each with one folder per class; or only the class
            folders.
        max_memory: gigabytes that an image may take; None for the rule of `Budget`.

    Returns:
        The training samples, and the test samples or None if there are none.

    Raises:
        DataError: the folder or a class is missing, a file in it is not an image, or Pillow is not installed.
    """
    if not is_folder(folder):
        raise DataError(
            f"{folder}: no such folder; folder:DIR takes a folder with one subfolder of images per "
            f"class{path_hint(folder)}"
        )
    pillow()
    if not is_folder(folder / TRAIN):
        alone = next((name for name in TESTS if is_folder(folder / name)), None)
        if alone is not None:
            raise DataError(
                f"{folder}: holds {alone} but no {TRAIN}; folder:DIR takes a folder with both splits, "
                "or a folder of classes"
            )
        classes = _classes(folder)
        return _split(folder, folder, classes, max_memory), None
    classes = _classes(folder / TRAIN)
    train = _split(folder / TRAIN, folder, classes, max_memory)
    test = next((folder / name for name in TESTS if is_folder(folder / name)), None)
    return train, None if test is None else _split(test, folder, classes, max_memory)


def _classes(home: Path) -> dict[str, int]:
    names = [path.name for path in entries(home, DataError.at) if is_folder(path) and not _is_ignored(path)]
    if not names:
        raise DataError(
            f"{home}: no folder in it; folder:DIR takes a folder with one subfolder of images per class"
        )
    return {name: number for number, name in enumerate(sorted(names))}


def _split(home: Path, whole: Path, classes: dict[str, int], max_memory: float | None) -> Split:
    items: list[ImageFile] = []
    odd: list[Path] = []
    for place in entries(home, DataError.at):
        if _is_ignored(place):
            continue
        if not is_folder(place):
            odd.append(place)
        elif place.name not in classes:
            known = ", ".join(list(classes)[:4])
            raise DataError(
                f"{place}: a class that {TRAIN} does not have (it has {known}{', ...' if len(classes) > 4 else ''})"
            )
        else:
            found = len(items)
            items += [ImageFile(path, classes[place.name]) for path in _files(place, whole, odd)]
            if len(items) == found and not odd:
                raise DataError(
                    f"{place}: a class without an image; remove the folder, or put its images there"
                )
    if odd:
        raise DataError(
            f"{odd[0]}: no image ({', '.join(ENDINGS)}){_counted(len(odd), 'file')}; remove such files "
            "from the folder"
        )
    first = _read(items[0], None, max_memory) if items else None
    if first is None:
        raise DataError(f"{home}: no images")
    kind = kind_of(first)

    def pieces(batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size = piece(batch_size, kind)
        for start in range(0, len(items), size):
            some = items[start : start + size]
            images = [read_or_count(items, start + place, kind, max_memory) for place in range(len(some))]
            yield np.stack(images), np.array([item.label for item in some], dtype=np.int64)

    return Stream(str(home), kind.shape, len(items), pieces).split()


def piece(batch_size: int, kind: ImageKind) -> int:
    """Return how many images are decoded before they are passed on; the larger the images, the fewer.

    Args:
        batch_size: the requested batch size.
        kind: the properties that all images have.

    Example:
        >>> piece(1000, ImageKind(3, 32, 32)), piece(1000, ImageKind(3, 1000, 1000)), piece(1000, ImageKind(3, 8000, 8000))
        (256, 5, 1)
    """
    return max(1, min(batch_size, IMAGES_AT_ONCE, PIECE_ENTRIES // math.prod(kind.shape)))


def _files(place: Path, whole: Path, odd: list[Path], depth: int = 1) -> Iterator[Path]:
    """Yield the images of a class, those directly in it before those in subfolders; add files that are not images to `odd`.

    Raises:
        DataError: folders are nested too deeply, or a link leads out of the data set.
    """
    if depth > DEEPEST:
        raise DataError(f"{place}: folders are nested more than {DEEPEST} deep")
    inner = []
    for path in entries(place, DataError.at):
        if _is_ignored(path):
            continue
        if path.is_symlink():
            check_inside(path, whole, DataError.at)
        if is_folder(path):
            inner.append(path)
        elif path.suffix.lower() in ENDINGS and is_file(path):
            yield path
        else:
            odd.append(path)
    for path in inner:
        yield from _files(path, whole, odd, depth + 1)


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in SYSTEM_FILES


def _read(item: ImageFile, like: ImageKind | None, max_memory: float | None) -> np.ndarray:
    size = stamp_of(item.path, DataError.at).size
    try:
        image = decoded(read_bytes(item.path, DataError.at, most=MOST_BYTES), like)
    except UnreadableImage as problem:
        raise SampleError(f"{item.path}: {problem}") from None
    except MismatchedImage as problem:
        raise DataError(f"{item.path}: {problem}; {SAME_SIZE_ADVICE}") from None
    Budget.of(item.path, size, max_memory, DataError.at).check(8 * image.size, "the image in float64")
    return image


SAME_SIZE_ADVICE = (
    "save all images as the network saw them (for example with torchvision's Resize and Grayscale), or "
    "give --data FILE.py:CALLABLE"
)


def read_or_count(
    items: list[ImageFile], place: int, kind: ImageKind, max_memory: float | None
) -> np.ndarray:
    """Read an image; if it is damaged, count the damaged ones among those that follow.

    Args:
        items: all images of the split.
        place: index of the image to read; the images before it are sound.
        kind: the properties that all images have.
        max_memory: gigabytes that an image may take.

    Raises:
        SampleError: the image is damaged; the message names it, and says how many images are damaged.
        DataError: the image has other properties than the first.
    """
    try:
        return _read(items[place], kind, max_memory)
    except SampleError as problem:
        more = count_damaged(partial(_read, item, kind, max_memory) for item in items[place + 1 :])
        raise SampleError(f"{problem}{_counted(more + 1, 'image')} of {len(items)}; {REPAIR}") from None


REPAIR = "repair or remove these files: a file that cannot be read is never skipped silently"


def count_damaged(readings: Iterable[Callable[[], object]]) -> int:
    """Return how many of the readings fail because the image is damaged; an image of another kind is not counted."""
    count = 0
    for read in readings:
        try:
            read()
        except SampleError:
            count += 1
        except DataError:
            continue
    return count


def _counted(count: int, what: str) -> str:
    return f", the first of {count} such {what}s" if count > 1 else f", the only such {what}"
