"""A share of the samples that is held out for the test, as part of the form of data: ``folder:DIR@holdout=0.2,seed=0``."""

from __future__ import annotations

import re

from boundcalc.errors import DataError, UsageError

_MARK = re.compile(r"(?P<spec>.*)@holdout=(?P<share>[^,@]*),seed=(?P<seed>\d{1,18})")


def with_holdout(spec: str, share: float, seed: int) -> str:
    """Return the form of data that --holdout makes of --data: some samples are held out for the test.

    Args:
        spec: a form of ``--data``.
        share: share of the samples that is held out, above 0 and below 1.
        seed: seed of the draw.

    Raises:
        UsageError: the share is out of range.

    Example:
        >>> with_holdout("folder:pets", 0.2, 0)
        'folder:pets@holdout=0.2,seed=0'
    """
    if not 0 < share < 1:
        raise UsageError(f"--holdout {share:g}: give a share above 0 and below 1, such as 0.2")
    return f"{spec}@holdout={share!r},seed={seed}"


def split_holdout(spec: str) -> tuple[str, float | None, int]:
    """Split the text that `with_holdout` returned into the form, the share (None without one) and the seed.

    Raises:
        DataError: the share is not a number above 0 and below 1.
    """
    found = _MARK.fullmatch(spec)
    if found is None:
        return spec, None, 0
    try:
        share = float(found["share"])
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise DataError(f"{spec}: holdout={found['share']}: give a share above 0 and below 1, such as 0.2")
    return found["spec"], share, int(found["seed"])
