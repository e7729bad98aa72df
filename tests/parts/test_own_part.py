"""A part is one object: everything that goes over the parts finds it."""

import torch

import boundcalc
from boundcalc.cli.main import main
from boundcalc.comparison import compare
from boundcalc.parts import registry
from boundcalc.parts.part import Part, Quantity
from boundcalc.report.document import Cell, Column, Grid, Section
from boundcalc.report.numbers import plain
from boundcalc.report.origin import Origin

COUNTED = Origin("exact", "counted in the file")


def run(given):
    """Return how many weights of each layer survive; given has the network, the data, the options."""
    return {layer.name: layer.surviving for layer in given.network.layers()}


def to_dict(found):
    """Return the report's entry."""
    return {"layers": [{"name": name, "survivors": count} for name, count in found.items()]}


def sections(tree):
    """Build a row a layer."""
    part = tree.get("survivors")
    if not part:
        return ()
    rows = [(one["name"], Cell(plain(one["survivors"]), one["survivors"], COUNTED)) for one in part["layers"]]
    grid = Grid((Column("layer"), Column("survivors", right=True)), tuple(rows))
    return (Section("Survivors", "survivors", grid=grid),)


def quantities(tree):
    """Return the fewest survivors of a layer."""
    part = tree.get("survivors")
    if not part:
        return ()
    least = min(one["survivors"] for one in part["layers"])
    return (Quantity("survivors.least", "fewest survivors of a layer", least, COUNTED, shown=True),)


PART = Part("survivors", 70, "survivors", "how many weights survive", run, to_dict, sections, 80, quantities)


def test_a_part_is_in_every_view_and_in_every_table(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._load(), "survivors", PART)
    networks = [
        {"fc1.weight": torch.eye(4) * keep, "fc2.weight": torch.ones(2, 4)}
        for keep in (1, torch.arange(4) > 0)
    ]
    report = boundcalc.analyze(networks[1], only="survivors")
    assert report.to_dict()["survivors"]["layers"][0] == {"name": "fc1", "survivors": 3}
    for format in ("table", "markdown", "html", "csv"):
        assert "urvivors" in report.to(format)
    for index, network in enumerate(networks):
        torch.save(network, tmp_path / f"{index}.pt")
    paths = [str(tmp_path / f"{index}.pt") for index in range(2)]
    found = compare(*paths, only=("survivors",))
    assert [one["quantities"]["survivors.least"] for one in found.tree["tickets"]] == [4, 3]
    assert "fewest survivors of a layer (" not in found.to("html") and "fewest survivors" in found.to("html")
    assert (
        main(["plot", *paths, "--what", "quantities", "--only", "survivors", "-o", str(tmp_path / "q.svg")])
        == 0
    )
    assert "fewest survivors of a layer" in (tmp_path / "q.svg").read_text()
