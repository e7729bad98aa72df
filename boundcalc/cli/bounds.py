"""`boundcalc bounds`: every bound with its kind, status, source and assumptions."""

from __future__ import annotations

from boundcalc.cli.listing import show


def run(words: list[str]) -> int:
    """Print the registry."""
    return show(
        "bounds",
        "Every bound that is known.",
        words,
        ("bound", "kind", "status", "source", "assumptions", "subject"),
        _rows,
    )


def _rows() -> list[tuple[str, ...]]:
    from boundcalc.bounds import registry

    return [
        (bound.name, bound.kind, bound.status, bound.source, "; ".join(bound.assumptions), bound.subject)
        for bound in registry.values()
    ]
