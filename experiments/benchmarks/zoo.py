"""Costs of standard networks: times and peak memory of one run. Run with `python experiments/benchmarks/zoo.py`.

ResNet-50, ResNet-18, VGG-16 and ResNeXt-50 for 3 x 224 x 224 images, random weights, 90 % pruned, `--samples 50000 --input-bound 1`,
each in a process of its own. Seconds are of the processor, on all its cores together; imports of torch, torch.export and scipy, about
two seconds, are not counted. The peak of memory is that of the report, the module included, after it was made.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

from common import Target, gigabytes, run_cases

sys.modules.pop("zoo", None)

TARGETS = (
    Target("ResNet-50, all bounds: time", "resnet50", "bounds", "s", 20.0),
    Target("the same: peak memory", "resnet50", "gigabytes", "GB", 2.0),
    Target("ResNet-50, all parts: time", "resnet50_all", "all", "s", 40.0),
    Target("VGG-16, all bounds: time", "vgg16", "bounds", "s", 60.0),
    Target("the same: peak memory", "vgg16", "gigabytes", "GB", 4.0),
    Target("ResNet-18, all bounds: time", "resnet18", "bounds", "s", 6.0),
    Target("ResNeXt-50, all bounds: peak memory", "resnext50", "gigabytes", "GB", 2.5),
    Target("ResNet-50, ten times the weights: times the time", "growth", "growth", "x", 12.0),
    Target("slowest capture", "captures", "slowest", "s", 10.0),
)
NAMES = {"resnet50": "ResNet-50", "resnet18": "ResNet-18", "vgg16": "VGG-16", "resnext50": "ResNeXt"}


def zoo() -> Any:
    import importlib.util

    place = Path(__file__).resolve().parents[1] / "coverage" / "architectures.py"
    spec = importlib.util.spec_from_file_location("architectures", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.zoo()


def spent(name: str, make: Any, shape: tuple[int, ...], **options: Any) -> dict[str, float]:
    """Return processor seconds of reading a module and of the rest of a report."""
    import boundcalc

    for module in (
        "scipy.linalg",
        "scipy.sparse",
        "scipy.special",
        "torch.export._trace",
        "torch._inductor.ir",
    ):
        importlib.import_module(module)

    module = zoo().pruned(make)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is that of what follows
    start = time.process_time()
    tree = boundcalc.analyze(module, input_shape=shape, samples=50_000, input_bound=1.0, **options).to_dict()
    total = time.process_time() - start
    covered = sum(bound["status"] != "not_covered" for bound in tree["bounds"].values())
    return {"total": total, "covered": covered, "gigabytes": gigabytes(), **tree["seconds"]}


def bounds_of(name: str) -> dict[str, float]:
    architecture = zoo().ZOO[NAMES[name]]
    found = spent(name, architecture.full, architecture.full_shape, only=["bounds"])
    return found | {"bounds": found["total"]}


def all_parts() -> dict[str, float]:
    architecture = zoo().ZOO["ResNet-50"]
    found = spent("ResNet-50", architecture.full, architecture.full_shape)
    return found | {"all": found["total"]}


def growth() -> dict[str, float]:
    package = zoo()
    seconds = []
    for width in (16, 51):
        make = lambda width=width: package.ResNet(package.Bottleneck, [3, 4, 6, 3], width)  # noqa: E731
        seconds.append(spent("ResNet-50", make, (3, 224, 224), only=["bounds"])["total"])
    return {"growth": seconds[1] / seconds[0], "narrow": seconds[0], "wide": seconds[1]}


def captures() -> dict[str, float]:
    from boundcalc.checkpoint import from_state_dict
    from boundcalc.network.load import from_checkpoint

    found = {}
    for name, architecture in zoo().ZOO.items():
        make, shape = architecture.full or architecture.small, architecture.full_shape
        module = zoo().pruned(make)
        checkpoint = from_state_dict(module.state_dict(), name)
        start = time.process_time()
        from_checkpoint(checkpoint, module, shape if architecture.full else architecture.shape)
        found[name] = time.process_time() - start
    return {"slowest": max(found.values()), **found}


CASES = {
    **{name: (lambda name=name: bounds_of(name)) for name in NAMES},
    "resnet50_all": all_parts, "growth": growth, "captures": captures,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(run_cases(__file__, CASES, TARGETS, __doc__))
