"""Count what makes the code easy or hard to take over, and write results.json and results.md beside this file (`make counts`).

python experiments/house/counts.py
python experiments/house/counts.py --starts 1 -o /tmp     fewer timings, written elsewhere
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "boundcalc"
LONG_FILE, LONG_FUNCTION = 400, 60
OUTSIDE = re.compile(
    r"theory[ -]sheet|the sheet\b|(?<![\w-])theory\.md|theory section|\.\./shared", re.IGNORECASE
)
"""Sources that a reader of the repository would not have."""

STARTS = {
    "import torch": ["-c", "import torch"],
    "import boundcalc": ["-c", "import boundcalc"],
    "boundcalc --help": ["-m", "boundcalc", "--help"],
}

READING = {
    "the peeling bound": ("peeling", "bounds/peeling/theorem.py"),
    "Bartlett, Foster & Telgarsky 2017": ("bartlett2017", "bounds/bartlett2017.py"),
    "r~ of Zhang et al. 2021": ("zhang2021", "samples/zhang2021.py"),
    "the Ramanujan gap of Hoang et al. 2023": ("hoang2023", "topology/hoang2023.py"),
    "the graphon NTK of Pham et al. 2025": ("pham2025", "graphon/pham2025.py"),
}
"""What a reader checks against its source, with the page of docs/theory and the file of the package that say it."""

Tree = dict[str, Any]


def long_functions(path: Path) -> list[tuple[str, int]]:
    """Return the functions of a file that are longer than `LONG_FUNCTION` lines, docstrings left out.

    Args:
        path: of Python source.

    Returns:
        Name and lines of each.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno is None:
            continue
        text = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
        prose = 0 if text is None or text.end_lineno is None else text.end_lineno - text.lineno + 1
        lines = node.end_lineno - node.lineno + 1 - prose
        if lines > LONG_FUNCTION:
            found.append((f"{path.relative_to(ROOT)}:{node.name}", lines))
    return found


def kinds_of_lines(path: Path) -> dict[str, int]:
    """Return the numbers of lines of a file by kind; a string that stands alone is a docstring.

    Args:
        path: of Python source.
    """
    text = path.read_text(encoding="utf-8")
    kind = dict.fromkeys(range(1, len(text.splitlines()) + 1), "code")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.strip().startswith("#"):
            kind[number] = "comments" if line.strip() else "blank lines"
    for node in ast.walk(ast.parse(text)):
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)  # fmt: skip
        if alone or isinstance(node, ast.Import | ast.ImportFrom):
            assert node.end_lineno is not None
            kind |= dict.fromkeys(
                range(node.lineno, node.end_lineno + 1), "docstrings" if alone else "imports"
            )
    return Counter(kind.values())


def median_seconds(words: list[str], starts: int) -> float:
    """Return the median time of a fresh interpreter.

    Args:
        words: after `python`.
        starts: how many.
    """
    times = []
    for _ in range(starts):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=ROOT)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def timed(starts: int) -> dict[str, float]:
    """Return the median seconds of every start, those of the last results for no starts."""
    if starts:
        return {name: round(median_seconds(words, starts), 3) for name, words in STARTS.items()}
    last = Path(__file__).with_name("results.json").read_text(encoding="utf-8")
    return dict(json.loads(last)["seconds"])


def count(starts: int) -> Tree:
    """Return the counts.

    Args:
        starts: interpreters started for each time.
    """
    files = sorted(PACKAGE.rglob("*.py"))
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    everything = [
        path for folder in ("boundcalc", "tests", "experiments") for path in (ROOT / folder).rglob("*.py")
    ]
    kinds = sum((Counter(kinds_of_lines(path)) for path in files), Counter())
    outside = [path for path in everything if path != Path(__file__) and path.parent.name != "docs"]
    return {
        "files of the package": len(files),
        "lines of the package": sum(lines.values()),
        **{f"of these, {kind}": number for kind, number in kinds.most_common()},
        "lines of tests": sum(
            len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py")
        ),
        f"files over {LONG_FILE} lines": {
            str(path.relative_to(ROOT)): n for path, n in lines.items() if n > LONG_FILE
        },
        f"functions over {LONG_FUNCTION} lines": dict(
            found for path in files for found in long_functions(path)
        ),
        "files that cite outside the repository": [
            str(path.relative_to(ROOT))
            for path in outside
            if OUTSIDE.search(path.read_text(encoding="utf-8"))
        ],
        "bytes of README.md": (ROOT / "README.md").stat().st_size,
        "pages of documentation": len(
            [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
        ),
        "seconds": timed(starts),
    }


def markdown(counts: Tree) -> str:
    """Return results.md.

    Args:
        counts: of `count`.
    """
    lines = [
        "# The house in numbers",
        "",
        "Written by `python experiments/house/counts.py`.",
        "",
        "| what | count |",
        "|---|---|",
    ]
    for name, value in counts.items():
        if name == "seconds":
            lines += [f"| seconds of `{what}` (median) | {seconds} |" for what, seconds in value.items()]
        elif isinstance(value, dict | list):
            listed = ", ".join(f"`{item}`" for item in value) or "none"
            lines.append(f"| {name} | {len(value)}: {listed} |")
        else:
            lines.append(f"| {name} | {value:,} |")
    lines += [
        "",
        "## Two files for each theorem",
        "",
        "| to check | read the statement | and the formula |",
        "|---|---|---|",
    ]
    for what, (page, file) in READING.items():
        lines.append(f"| {what} | `docs/theory/{page}.md` | `boundcalc/{file}` |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    """Count and write.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--starts", type=int, default=7, help="interpreters started for each time; 0 keeps the last times"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args(argv)
    counts = count(given.starts)
    (given.output / "results.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    (given.output / "results.md").write_text(markdown(counts), encoding="utf-8")
    print(markdown(counts))


if __name__ == "__main__":
    main()
