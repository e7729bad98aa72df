"""What benchmarks share: targets, cases in processes of their own, the table, a pruned ResNet-18."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Case = Callable[[], dict[str, float]]


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
    parser = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--case", choices=tuple(cases))
    chosen = parser.parse_args().case
    if chosen:
        print(json.dumps(cases[chosen]()))
        return 0
    results = {}
    with (
        tempfile.TemporaryDirectory() as compiled
    ):  # byte code is kept from one case to the next, as Python does by default
        own = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
        for case in cases:
            command = [sys.executable, file, "--case", case]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | own)
            results[case] = json.loads(done.stdout)
    print("| case | measured | target | met |")
    print("|---|---|---|---|")
    failed = 0
    for target in targets:
        value = results[target.case][target.key]
        failed += not target.met(value)
        sign, met = ">=" if target.at_least else "<=", "yes" if target.met(value) else "NO"
        print(f"| {target.name} | {value:.3g} {target.unit} | {sign} {target.limit:g} | {met} |")
    for case, found in results.items():
        print(f"\n{case}: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    return 1 if failed else 0
