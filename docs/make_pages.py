"""Pages of the site that say what the program itself knows: commands from --help, bounds from the registry, checkpoint
formats; and the results that experiments have written.

They are written by docs/conf.py before each build and are not kept in version control, so that they cannot be out of date.

    python docs/make_pages.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def help_text(words: list[str]) -> str:
    """Return what `boundcalc WORDS --help` prints at a width of 100 columns.

    Args:
        words: the command, or none for the main one.

    Returns:
        Its text.
    """
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    return done.stdout


def commands() -> str:
    """Return the page of commands."""
    from boundcalc.cli.commands import NAMES

    parts = ["# Commands\n", "Every command as `--help` prints it.\n"]
    for words in ([], *([command] for command in sorted(NAMES))):
        name = " ".join(("boundcalc", *words)) if words else "boundcalc CHECKPOINT"
        parts.append(f"## {name}\n\n```text\n{help_text(words).rstrip()}\n```\n")
    return "\n".join(parts)


def theory_page(root: Path, name: str) -> str:
    """Return a link to the theory page of a bound: its own, or that of its paper, where there is one.

    Args:
        root: the folder of the site.
        name: a bound, such as ``golowich2018_fro``.

    Returns:
        Markdown, or a hyphen.
    """
    for page in (name, name.split("_", maxsplit=1)[0]):
        if (root / "theory" / f"{page}.md").is_file():
            return f"[{page}](../theory/{page}.md)"
    return "-"


def bounds(root: Path) -> str:
    """Return the page of bounds, made from the registry.

    Args:
        root: the folder of the site, for links to theory pages.

    Returns:
        Markdown.
    """
    from boundcalc.bounds import registry

    lines = [
        "# Bounds",
        "",
        "Every bound of the registry; `boundcalc bounds` prints the same. What status, kind and subject mean is told in",
        "[how to read the answer](../howto/reading-the-answer.md).",
        "",
        "| bound | status | kind | speaks of | source | theory |",
        "|---|---|---|---|---|---|",
    ]
    for bound in registry.values():
        cells = (f"`{bound.name}`", bound.status, bound.kind, bound.subject, bound.source)
        lines.append(f"| {' | '.join(cells)} | {theory_page(root, bound.name)} |")
    for bound in registry.values():
        lines += ["", f"## {bound.name}", "", "Assumes:", ""]
        lines += [f"- {assumption}" for assumption in bound.assumptions]
        if bound.remark:
            lines += ["", f"{bound.remark[0].upper()}{bound.remark[1:]}."]
    return "\n".join(lines) + "\n"


def formats() -> str:
    """Return the page of checkpoint formats, as `boundcalc formats` knows them."""
    import json

    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", "formats", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [
        "# Checkpoint formats",
        "",
        "What `boundcalc formats` prints: what a checkpoint may look like, and what is read.",
        "",
    ]
    for row in json.loads(done.stdout):
        name, *fields = row.items()
        lines += [f"## {name[1]}", ""]
        lines += [
            f"{field}\n: `` {text} ``\n" if "<" in text else f"{field}\n: {text}\n" for field, text in fields
        ]
    return "\n".join(lines)


def experiments() -> dict[str, str]:
    """Return the pages of results: `experiments/NAME/results.md`, which an experiment makes from its `results.json`."""
    return {
        f"results/experiment-{found.parent.name}.md": found.read_text(encoding="utf-8")
        for found in sorted((HERE.parent / "experiments").glob("*/results.md"))
    }


def write(root: Path = HERE) -> list[Path]:
    """Write the pages.

    Args:
        root: the folder of the site.

    Returns:
        What was written.
    """
    pages = {
        "reference/commands.md": commands(),
        "reference/bounds.md": bounds(root),
        "reference/formats.md": formats(),
        **experiments(),
    }
    written = []
    for name, text in pages.items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for page in write():
        print(page.relative_to(HERE.parent))
