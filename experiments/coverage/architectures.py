"""The zoo of the tests, as a package of its own name, for scripts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PLACE = Path(__file__).resolve().parents[2] / "tests" / "network" / "zoo"


def zoo() -> ModuleType:
    """Return the package of standard architectures."""
    if "zoo" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "zoo", PLACE / "__init__.py", submodule_search_locations=[str(PLACE)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["zoo"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["zoo"])
    return sys.modules["zoo"]
