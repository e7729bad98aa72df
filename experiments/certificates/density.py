"""Picked + wrong against density: a measured sample complexity, beside the one that Zhang et al. 2021 predict.

    python experiments/certificates/density.py --out RUNS [--tiny]

Every ticket of LeNet-300-100 and LeNet-5 at each density, by random masks, SynFlow and imp, is trained by picking on
`--data sample` (10,000 images of MNIST). The size of the compression, picked + wrong, is the number of examples that the network
needed. Beside it stands the dense network's, times r~ / r~ of the dense network: what Zhang et al. 2021 say that pruning saves.
Writes `density.json` and `docs/_static/density.svg`, a section of the page that `page.py` writes; with --tiny into RUNS, after a few
steps. Tickets that are there are not trained again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import Any

from page import NAMES

import boundcalc
from boundcalc.cli.main import main
from boundcalc.figures.style import canvas, legend_below, series_style, styled

HERE = Path(__file__).parent
PRUNERS = ("random", "synflow", "imp")
SETTING: dict[str, Any] = {
    "data": "sample",
    "archs": ["lenet300", "lenet5"],
    "densities": [1.0, 0.2, 0.05],
    "options": "--pick-augmentation digits --pick-batch 32 --pick-first 100 --pick-growth 1.5 --pick-rounds 7"
    " --pick-candidates 7 --pick-steps 2500 --pick-last-steps 2500",
}
TINY: dict[str, Any] = {
    "data": "sample",
    "archs": ["lenet300"],
    "densities": [1.0, 0.3],
    "options": "--pick-first 100 --pick-rounds 3 --pick-candidates 2 --pick-steps 10 --pick-last-steps 20",
}


def measure(setting: dict[str, Any], out: Path) -> list[dict[str, Any]]:
    """Train the tickets and return what each needed: picked, wrong, k, its bound, and r~ over that of the dense network."""
    rows = []
    for arch in setting["archs"]:
        for pruner in PRUNERS:
            densities = setting["densities"] if pruner == PRUNERS[0] else setting["densities"][1:]
            home = out / f"{arch}_{pruner}"
            words = [
                "train", "--data", setting["data"], "--arch", arch, "--pruner", pruner, "--certify", "pick", "--quiet",
                "--density", ",".join(map(str, densities)), *setting["options"].split(), "--out", str(home),
            ]  # fmt: skip
            with contextlib.redirect_stdout(io.StringIO()):
                assert main(words) == 0
            for level, density in enumerate(densities):
                ticket = home / "replicate_0" / f"level_{level}" / "main"
                told = json.loads((ticket / "ticket.json").read_text(encoding="utf-8"))
                samples = (
                    boundcalc.analyze(ticket, data=setting["data"], only="samples").to_dict()["samples"] or {}
                )
                rows.append(
                    {
                        "arch": arch, "pruner": "dense" if density == 1 else pruner, "density": density,
                        "picked": told["picked"], "wrong": told["wrong"], "k": told["picked"] + told["wrong"],
                        "bound": told["certificate"], "test_error": told["test_error"], "ratio": samples.get("ratio"),
                    }
                )  # fmt: skip
    return rows


def draw(rows: list[dict[str, Any]], target: Path) -> None:
    """Draw picked + wrong against density, and what r~ predicts from the dense network (hollow, dotted)."""
    archs = list(dict.fromkeys(row["arch"] for row in rows))
    with styled():
        figure, panels = canvas(2.1 * len(archs), len(archs))
        for axes, arch in zip(panels, archs, strict=True):
            mine = [row for row in rows if row["arch"] == arch]
            dense = [row for row in mine if row["pruner"] == "dense"]
            handles = []
            for index, pruner in enumerate(PRUNERS):
                points = [*dense, *(row for row in mine if row["pruner"] == pruner)]
                x = [row["density"] for row in points]
                style = series_style(index)
                handles += axes.plot(x, [row["k"] for row in points], markersize=4, **style)
                known = [row for row in points if row["ratio"] is not None]
                axes.plot(
                    [row["density"] for row in known], [dense[0]["k"] * row["ratio"] for row in known], markersize=4,
                    **{**style, "linestyle": ":", "markerfacecolor": "none"},
                )  # fmt: skip
            axes.set(xscale="log", ylim=(0, None), ylabel="picked + wrong", title=NAMES.get(arch, arch))
            axes.set_xticks(sorted({row["density"] for row in mine}), minor=False)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.invert_xaxis()
        panels[-1].set_xlabel("density of the network")
        legend_below(figure, handles, list(PRUNERS), 3)
        figure.savefig(target, metadata={"Date": None})


def run(words: list[str] | None = None) -> None:
    """Measure, and write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the tickets")
    parser.add_argument("--tiny", action="store_true", help="a few seconds, everything into --out")
    given = parser.parse_args(words)
    setting = TINY if given.tiny else SETTING
    rows = measure(setting, given.out)
    home, picture = (given.out, given.out) if given.tiny else (HERE, HERE.parents[1] / "docs" / "_static")
    text = json.dumps({"setting": setting, "tickets": rows}, indent=1) + "\n"
    (home / "density.json").write_text(text, encoding="utf-8")
    draw(rows, picture / "density.svg")


if __name__ == "__main__":
    run()
