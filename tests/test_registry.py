"""A registry that fills itself from a folder of modules and from entry points."""

import sys
from dataclasses import dataclass
from importlib import invalidate_caches

import pytest

from boundcalc.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str
    rank: int = 0


MODULE = "from tests_of_things import Thing\nTHING = Thing({name!r}, {rank})\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that puts modules into a package, each with one thing."""
    kind = type(sys)("tests_of_things")
    kind.Thing = Thing
    monkeypatch.setitem(sys.modules, "tests_of_things", kind)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "things_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()

    def write(**ranks):
        for module, (name, rank) in ranks.items():
            (folder / f"{module}.py").write_text(MODULE.format(name=name, rank=rank))
        invalidate_caches()
        return Registry(Thing, folder.name, "group.of_a_test", lambda one: one.rank)

    yield write
    for name in [one for one in sys.modules if one.startswith(folder.name)]:
        del sys.modules[name]


def test_modules_of_the_folder_stand_in_order(package):
    found = package(a=("late", 2), b=("early", 1))
    assert list(found) == ["early", "late"] and len(found) == 2
    assert found["late"] == Thing("late", 2) and "none" not in found


def test_two_of_one_name_are_refused(package):
    with pytest.raises(ValueError, match="two objects of Thing are named same"):
        len(package(a=("same", 1), b=("same", 2)))


@pytest.mark.parametrize(("value", "good"), [("a_thing", True), ("no_thing", False)])
def test_entry_points_of_other_packages_are_found(package, tmp_path, value, good):
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[group.of_a_test]\nmine = other_things:{value}\n")
    (tmp_path / "other_things.py").write_text(
        "from tests_of_things import Thing\na_thing = Thing('mine', 0)\nno_thing = 3\n"
    )
    found = package(a=("own", 1))
    if good:
        assert list(found) == ["mine", "own"]
    else:
        with pytest.raises(TypeError, match="entry point mine of group group.of_a_test: int is no Thing"):
            len(found)
