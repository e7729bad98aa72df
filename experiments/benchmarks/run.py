"""Every benchmark, one after the other; their tables are kept in results.json.

    python -m experiments.benchmarks.run --data mnist:DIR
    python -m experiments.benchmarks.run --only gntk throughput      measures these again and keeps the other tables

The machine should do nothing else; what other processes took is kept, too. The time of training needs full MNIST: without `--data`
its table stays as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.common.record import Tree, hashes, rounded, versions

HERE = Path(__file__).parent
SCRIPTS: dict[str, tuple[str, ...]] = {
    "zoo": (),
    "train": (),
    "throughput": ("--tickets", "120"),
    "gntk": (),
    "start": (),
    "bounds": (),
    "spectral": ("--rounds", "1"),
    "topology": (),
    "samples": (),
    "graphon": (),
    "discovery": (),
    "mapped": ("--gigabytes", "2"),
}
"""Script -> the words that it is given, in the order of the page."""


def processor() -> str:
    """Return the model of the processor, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def busy() -> float:
    """Return the processor seconds of all processes of the machine since it was started."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text(encoding="ascii").split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    """Return the processor seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def measured(name: str, data: str | None, using: Tree) -> Tree:
    """Run a script and return its rows, and all that they depend on.

    Args:
        name: of the script.
        data: full MNIST, for the script that trains.
        using: the versions of boundcalc, before results.json is written, and of others.

    Raises:
        RuntimeError: the script broke off; a target that is missed is none of its business.
    """
    words = SCRIPTS[name]
    where, shown = (data, "mnist:DIR") if name == "train" else (None, "")
    print(f"\n{name}", flush=True)
    start, others = time.perf_counter(), busy() - own()
    with tempfile.TemporaryDirectory() as place:
        rows = Path(place) / "rows.json"
        given = (*words, *filter(None, [where]), "--json", str(rows))
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *given], check=False)
        if not rows.is_file():
            raise RuntimeError(f"{name}.py broke off with exit status {done.returncode}")
        found = json.loads(rows.read_text(encoding="utf-8"))
    return {
        "command": " ".join(filter(None, [f"python experiments/benchmarks/{name}.py", *words, shown])),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "seconds": round(time.perf_counter() - start),
        "others": round(busy() - own() - others),
        "versions": using,
        "inputs": hashes(where) if where else {},
        "rows": rounded(found),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="mnist:DIR")
    parser.add_argument("--only", nargs="+", choices=tuple(SCRIPTS), default=tuple(SCRIPTS))
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json")
    given = parser.parse_args(argv)
    path = given.out / "results.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    using = versions()
    for name in SCRIPTS:
        if name not in given.only:
            continue
        if name == "train" and given.data is None:
            print("train: left out, needs --data mnist:DIR", file=sys.stderr)
            continue
        results[name] = measured(name, given.data, using)
        ordered = {script: results[script] for script in SCRIPTS if script in results}
        path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
