"""Short names of many tickets."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the ends of paths, with as few components as distinguish all different paths.

    Example:
        >>> short_names(["a/level_0/main", "a/level_1/main"])
        ['level_0/main', 'level_1/main']
    """
    parts = [path.rstrip("/").split("/") for path in paths]
    for count in range(1, max(map(len, parts), default=0)):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(set(paths)):
            return names
    return list(paths)
