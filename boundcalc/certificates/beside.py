"""Finds the certificate beside a checkpoint, without importing torch and without opening the certificate."""

from __future__ import annotations

from pathlib import Path

NAME = "certificate.json"
"""Name of the certificate's file beside the checkpoint."""


def beside(checkpoint: str | Path) -> Path | None:
    """Return the certificate that lies beside a checkpoint, if any.

    Args:
        checkpoint: a file, a ticket's folder, or the folder of its level.
    """
    place = Path(checkpoint)
    for folder in (place, place / "main") if place.is_dir() else (place.parent,):
        if (folder / NAME).is_file():
            return folder / NAME
    return None
