"""The values of ``--normalize``: two numbers, numbers for each channel, or the name of a data set with its usual numbers."""

from __future__ import annotations

import math

from boundcalc.errors import DataError

Numbers = tuple[float, ...]

NAMED: dict[str, Numbers] = {
    "mnist": (0.1307, 0.3081),
    "fashion": (0.2860, 0.3530),
    "cifar10": (0.4914, 0.4822, 0.4465, 0.2470, 0.2435, 0.2616),
    "imagenet": (0.485, 0.456, 0.406, 0.229, 0.224, 0.225),
}
"""Name -> means, then as many standard deviations, for inputs in [0, 1].

A bound pays for the digits of a named normalization as for any other: these numbers were computed from the training samples of the
data sets that they are called after, so a code that gave them short names would not be fixed before the sample.
"""

FORM = "MEAN,STD, with one of each a channel MEAN/MEAN/MEAN,STD/STD/STD"


def parsed(text: str) -> Numbers:
    """Parse a normalization.

    Args:
        text: a name; ``MEAN,STD``; ``MEAN/MEAN/MEAN,STD/STD/STD``; or all means and then all deviations, with commas.

    Returns:
        Means, then as many standard deviations.

    Raises:
        DataError: the text is neither a name nor numbers, or there are not as many means as deviations.

    Example:
        >>> parsed("mnist"), parsed("0.5/0.4,0.25/0.2")
        ((0.1307, 0.3081), (0.5, 0.4, 0.25, 0.2))
    """
    if text.strip().lower() in NAMED:
        return NAMED[text.strip().lower()]
    groups = [group.split("/") for group in text.split(",")]
    try:
        numbers = [[float(word) for word in group] for group in groups]
    except ValueError:
        names = ", ".join(NAMED)
        raise DataError(f"--normalize {text}: give {FORM}, or a name ({names})") from None
    slashes = any(len(group) > 1 for group in numbers)
    if slashes and (len(numbers) != 2 or len(numbers[0]) != len(numbers[1])):
        raise DataError(f"--normalize {text}: give {FORM}, as many of each")
    return checked(tuple(number for group in numbers for number in group))


def checked(numbers: Numbers) -> Numbers:
    """Return means and deviations after checking them.

    Args:
        numbers: means, then as many standard deviations.

    Raises:
        DataError: there are not as many means as deviations, a number is not finite, or a deviation is not above 0.
    """
    text = ",".join(f"{value:g}" for value in numbers)
    if not numbers or len(numbers) % 2:
        raise DataError(
            f"--normalize {text}: give MEAN,STD, or all channels' means and then their standard deviations"
        )
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"--normalize {text}: every number must be finite")
    least = min(numbers[len(numbers) // 2 :])
    if least <= 0:
        raise DataError(f"--normalize {text}: a standard deviation must be above 0, not {least:g}")
    return numbers


def name_of(numbers: Numbers) -> str | None:
    """Return the name of a normalization; None if it has none.

    Example:
        >>> name_of((0.1307, 0.3081))
        'mnist'
    """
    return next((name for name, known in NAMED.items() if known == tuple(numbers)), None)
