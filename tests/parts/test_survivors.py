"""A part is one file: everything that goes over the parts finds it."""

import torch

import boundcalc
from boundcalc.cli.main import main
from boundcalc.comparison import compare


def test_a_part_is_in_every_view_and_in_every_table(tmp_path, capsys):
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
