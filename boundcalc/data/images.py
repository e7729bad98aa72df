"""Image files as arrays, read with Pillow: the values that torchvision's ToTensor has before it divides by 255."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import BinaryIO

import numpy as np

from boundcalc.errors import DataError
from boundcalc.extras import install

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
"""Endings of image files, as in torchvision's ImageFolder."""

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 1 << 26
"""Largest number of pixels of one image."""

GRAY = 1


class UnreadableImage(Exception):
    """A file is not an image, or is damaged; the text says what is wrong."""


class MismatchedImage(Exception):
    """An image is sound, but differs from the first of its data set; the text says how."""


@dataclass(frozen=True)
class ImageKind:
    """The properties that all images of a data set have in common.

    Attributes:
        channels: 1 for gray images, 3 for color images.
        height: height in pixels.
        width: width in pixels.
    """

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a sample."""
        return self.channels, self.height, self.width


def pillow() -> ModuleType:
    """Import Pillow.

    Raises:
        DataError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(f"images need Pillow: {install('images')}") from error
    return Image


def decoded(source: bytes | BinaryIO, like: ImageKind | None = None) -> np.ndarray:
    """Read an image.

    Gray images (modes 1 and L) have one channel, palettes and colors three; a gray image among color images gets three equal
    channels, as in torchvision's ImageFolder. Images with transparent parts are refused, because no rule says what is behind
    them.

    Args:
        source: the file or its bytes.
        like: the properties that the image must have; None for the first image.

    Returns:
        (channels, height, width) uint8.

    Raises:
        UnreadableImage: the file is not an image of 8 bits per channel, or it is damaged.
        MismatchedImage: the size differs from that of the first image, or the image has colors and the first is gray.
    """
    image_module = pillow()
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with image_module.open(file, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise UnreadableImage(f"{image.width} x {image.height} pixels, more than are read")
                if getattr(image, "n_frames", 1) > 1:
                    raise UnreadableImage("several images in one file")
                _check_size(image.width, image.height, like)
                return _array(image, like)
        except (UnreadableImage, MismatchedImage):
            raise
        except Exception as problem:
            said = str(problem).splitlines()[:1] or [type(problem).__name__]
            known = "cannot identify image file" not in said[0]
            raise UnreadableImage(
                f"damaged or truncated: {said[0]}" if known else "no image, or a damaged one"
            ) from None


def _check_size(width: int, height: int, like: ImageKind | None) -> None:
    if like is not None and (height, width) != (like.height, like.width):
        raise MismatchedImage(
            f"{width} x {height} pixels, where the first image has {like.width} x {like.height}"
        )


def _array(image, like: ImageKind | None) -> np.ndarray:  # type: ignore[no-untyped-def]
    if image.mode not in {"1", "L", "P", "RGB", "RGBA", "LA", "PA"}:
        raise UnreadableImage(f"an image of mode {image.mode}, not of 8 bits a channel, grey or RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        whole = image.convert("RGBA")
        if whole.getextrema()[3][0] < 255:
            raise UnreadableImage("an image with transparent parts; save it without")
        image = image.convert("L" if image.mode == "LA" else "RGB") if image.mode != "L" else image
    grey = image.mode in {"1", "L"}
    if like is not None and like.channels == GRAY and not grey:
        raise MismatchedImage("a color image, where the first one is gray")
    wanted = "L" if grey and (like is None or like.channels == GRAY) else "RGB"
    pixels = np.asarray(image.convert(wanted), dtype=np.uint8)
    return pixels[None] if wanted == "L" else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def kind_of(image: np.ndarray) -> ImageKind:
    """Return the properties of the first image, which the others must have too."""
    return ImageKind(*image.shape)
