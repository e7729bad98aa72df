"""What benchmarks share: rows and their table, targets, cases in processes of their own, a pruned ResNet-18."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Case = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Row:
    """What was measured: the case, the value and its unit; and the target, and whether it is met, if there is one."""

    case: str
    value: float
    unit: str = ""
    target: str = "-"
    met: bool | None = None


@dataclass(frozen=True)
class Target:
    """What a case measures, and the limit."""

    name: str
    case: str
    key: str
    unit: str
    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the limit is kept."""
        return value >= self.limit if self.at_least else value <= self.limit

    def row(self, value: float) -> Row:
        """Return the row of a measured value."""
        sign = ">=" if self.at_least else "<="
        return Row(self.name, value, self.unit, f"{sign} {self.limit:g}", self.met(value))


def within(case: str, value: float, unit: str, limit: float, at_least: bool = False) -> Row:
    """Return the row of a value that has a limit."""
    return Target(case, "", "", unit, limit, at_least).row(value)


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows of the table are kept")
    return parser


def table(rows: Iterable[Row], file: Path | None = None) -> int:
    """Print rows as soon as they are known.

    Args:
        rows: of the table.
        file: where they are kept as JSON, if anywhere.

    Returns:
        0 if every target is met, else 1.
    """
    kept = []
    print("| case | measured | target | met |\n|---|---|---|---|")
    for row in rows:
        kept.append(row)
        met = "-" if row.met is None else "yes" if row.met else "NO"
        print(f"| {row.case} | {row.value:.3g} {row.unit} | {row.target} | {met} |", flush=True)
    if file is not None:
        file.write_text(json.dumps([asdict(row) for row in kept]), encoding="utf-8")
    return int(any(row.met is False for row in kept))


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def gigabytes() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def masked_resnet18(density: float) -> Any:
    """Return a ResNet-18 for 3 x 32 x 32 images with random masks as a network."""
    import torch

    from boundcalc.checkpoint import from_state_dict
    from boundcalc.network.load import from_checkpoint
    from boundcalc.tickets.architectures import resnet18

    torch.manual_seed(0)
    model = resnet18().eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.weight *= torch.from_numpy(rng.random(tuple(module.weight.shape)) < density)
    return from_checkpoint(from_state_dict(model.state_dict(), "ResNet-18"), model, (3, 32, 32))


def run_cases(
    file: str, cases: Mapping[str, Case], targets: Sequence[Target], description: str | None
) -> int:
    """Run every case in a process of its own and print the table.

    Args:
        file: of the benchmark.
        cases: by name.
        targets: rows of the table.
        description: docstring of the benchmark.

    Returns:
        0 if every target is met, else 1.
    """
    parser = options(description)
    parser.add_argument("--case", choices=tuple(cases))
    given = parser.parse_args()
    if given.case:
        print(json.dumps(cases[given.case]()))
        return 0
    results = dict(_in_processes(file, cases))
    failed = table((target.row(results[target.case][target.key]) for target in targets), given.json)
    for case, found in results.items():
        print(f"\n{case}: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    return failed


def _in_processes(file: str, cases: Iterable[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what each case measures; byte code is kept from one to the next, as Python does by default."""
    with tempfile.TemporaryDirectory() as compiled:
        own = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
        for case in cases:
            command = [sys.executable, file, "--case", case]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | own)
            yield case, json.loads(done.stdout)
