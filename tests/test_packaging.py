"""What an installation outside a clone needs is listed."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import boundcalc

PACKAGE = Path(boundcalc.__file__).parent


def test_every_package_is_installed():
    settings = ConfigParser()
    settings.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    listed = set(settings["options"]["packages"].split()) - {"boundcalc.sample"}
    there = {
        ".".join(("boundcalc", *init.parent.relative_to(PACKAGE).parts))
        for init in PACKAGE.rglob("__init__.py")
    }
    assert listed == there
