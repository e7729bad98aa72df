"""Which bound covers which network: the value, or the complete list of what stands in its way.

    python experiments/coverage/run.py

The networks are those of `tests/network/zoo`, at small width, with random weights and BatchNorm statistics, 90 % pruned. The sample
is Gaussian noise with labels drawn at random, so that bounds which need data have some; the values say nothing of any task.
Results go to results.json and results.md beside this file; the second is a page of the documentation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from architectures import zoo

import boundcalc

SAMPLES = 48
TINY = ("MLP, BatchNorm before", "LeNet-5 Caffe", "Conv1d")


def cell(bound: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a report says of one bound."""
    if bound["status"] != "not_covered":
        log10 = bound["log10_value"] if bound["log10_value"] is not None else bound["log10_complexity"]
        return {"status": bound["status"], "log10_value": None if log10 is None else round(log10, 2)}
    blockers = [[one["operation"], one["layer"]] for one in bound["blockers"]]
    return {"status": "not_covered", "blockers": blockers, "reason": bound["reason"]}


def covered(name: str) -> dict[str, Any]:
    """Return every bound of one network of the zoo."""
    package = zoo()
    architecture = package.ZOO[name]
    module = package.pruned(architecture.small)
    random = np.random.default_rng(0)
    x = random.normal(size=(2 * SAMPLES, *architecture.shape)).astype(np.float32)
    y = np.arange(2 * SAMPLES) % 5
    data = (x[:SAMPLES], y[:SAMPLES], x[SAMPLES:], y[SAMPLES:])
    start = time.process_time()
    tree = boundcalc.analyze(module, data=data, only=["bounds"], passes=0).to_dict()
    bounds = {
        name: cell(found)
        for name, found in tree["bounds"].items()
        if found["kind"] != "certificate" or name == "occam"
    }
    return {
        "family": architecture.family, "shape": list(architecture.shape), "parameters": tree["checkpoint"]["parameters"],
        "depth": tree["network"]["depth"], "numbers": sum(one["status"] != "not_covered" for one in bounds.values()),
        "seconds": round(time.process_time() - start, 1), "bounds": bounds,
    }  # fmt: skip


def operations(found: Mapping[str, Any]) -> str:
    """Return the operations that stand in a bound's way, once each, with how often and where first."""
    if not found["blockers"]:
        return str(found["reason"]).removeprefix("not covered: ")
    where: dict[str, list[str]] = {}
    for operation, layer in found["blockers"]:
        where.setdefault(operation, []).append(layer or "")
    return "; ".join(
        operation
        + (f" ({len(places)} times)" if len(places) > 1 else "")
        + (f" at {places[0]}" if places[0] else "")
        for operation, places in where.items()
    )


def page(results: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    names = list(dict.fromkeys(bound for row in results.values() for bound in row["bounds"]))
    most = [network for network, row in results.items() if row["numbers"] >= len(names) - 2]
    bare = [network for network, row in results.items() if not row["numbers"]]
    lines = [
        "# Which bound covers which network", "",
        f"{len(most)} of {len(results)} standard networks get a number from all, or all but one or two, of {len(names)} bounds;"
        f" no bound covers {', '.join(bare) or 'none of them'}.", "",
        "Made by `python experiments/coverage/run.py` on the networks of",
        "`tests/network/zoo`: random weights and BatchNorm statistics, 90 % pruned, small width, random data. A cell is log10 of the",
        "value, which says nothing of a trained network; `·` stands for a reason, which the list below tells in full.", "",
        f"| network | numbers | {' | '.join(names)} |", f"|---|---:|{'---:|' * len(names)}",
    ]  # fmt: skip
    for network, row in results.items():
        cells = [str(row["bounds"][name].get("log10_value", "·")) for name in names]
        lines.append(f"| {network} | {row['numbers']} of {len(names)} | {' | '.join(cells)} |")
    for network, row in results.items():
        missing: dict[str, list[str]] = {}
        for name, found in row["bounds"].items():
            if found["status"] == "not_covered":
                missing.setdefault(operations(found), []).append(name)
        if missing:
            lines += ["", f"## {network}", ""]
            lines += [
                f"- {', '.join(f'`{name}`' for name in bounds)}: {why}" for why, bounds in missing.items()
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the table, write it and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--tiny", action="store_true", help="three small networks")
    parser.add_argument("--only", help="networks, by commas")
    parser.add_argument(
        "--out", type=Path, help="folder of the results; without it, some networks are only printed"
    )
    options = parser.parse_args()
    names = options.only.split(",") if options.only else TINY if options.tiny else list(zoo().ZOO)
    results = {}
    for name in names:
        results[name] = covered(name)
        print(
            f"{name}: {results[name]['numbers']} of {len(results[name]['bounds'])}, {results[name]['seconds']} s",
            flush=True,
        )
        for bound, found in results[name]["bounds"].items():
            print(
                f"    {bound:20} {found['log10_value'] if 'log10_value' in found else operations(found)}",
                flush=True,
            )
    if options.out is None and (options.tiny or options.only):
        return
    out = options.out or Path(__file__).parent
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (out / "results.md").write_text(page(results))


if __name__ == "__main__":
    main()
