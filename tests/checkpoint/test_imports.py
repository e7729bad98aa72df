"""The readers import each other in one direction, functions' own imports included."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import boundcalc.checkpoint

PACKAGE = Path(boundcalc.checkpoint.__file__).parents[1]


def imports(path: Path) -> set[str]:
    """Modules of boundcalc/checkpoint that a file imports anywhere, except for types alone."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in typing:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_there_is_no_circle():
    modules = {
        "boundcalc." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in (PACKAGE / "checkpoint").rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {name: (imports(path) & modules.keys()) - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()
    assert graph["boundcalc.checkpoint.pickle_scan"] == set()
