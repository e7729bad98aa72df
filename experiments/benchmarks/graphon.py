"""Graphon benchmarks: times of the part on known shapes, against targets. Run with `python experiments/benchmarks/graphon.py`.

Masks are random, at 5 %. The tightness of the cut norm is the largest high / low over the demo ticket and over Gaussian
matrices, where no structure helps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from common import Row, gigabytes, options, table, within

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.cut import cut_norm
from boundcalc.graphon.mask_graphons import of_layer
from boundcalc.graphon.refine import Kernel

DENSITY = 0.05
TIGHT = 1.2
TICKET = Path(__file__).parents[2] / "data" / "tickets" / "lenet300_density10.pt"

Shape = tuple[int, int, int]

LENET300: tuple[Shape, ...] = ((300, 784, 1), (100, 300, 1), (10, 100, 1))
VGG16: tuple[Shape, ...] = (
    (64, 3, 9), (64, 64, 9), (128, 64, 9), (128, 128, 9), (256, 128, 9), (256, 256, 9), (256, 256, 9),
    (512, 256, 9), (512, 512, 9), (512, 512, 9), (512, 512, 9), (512, 512, 9), (512, 512, 9),
    (4096, 512, 49), (4096, 4096, 1), (1000, 4096, 1),
)  # fmt: skip
RESNET18: tuple[Shape, ...] = (
    (64, 3, 9), *((64, 64, 9),) * 4, (128, 64, 9), *((128, 128, 9),) * 3, (128, 64, 1), (256, 128, 9),
    *((256, 256, 9),) * 3, (256, 128, 1), (512, 256, 9), *((512, 512, 9),) * 3, (512, 256, 1), (10, 512, 1),
)  # fmt: skip


def random_counts(shape: Shape, rng: np.random.Generator) -> EntryCounts:
    outputs, inputs, taps = shape
    kept = rng.binomial(taps, DENSITY, (outputs, inputs))
    return EntryCounts(kept.astype(np.min_scalar_type(taps)), taps)


def seconds(shapes: Sequence[Shape]) -> float:
    """Return the time of all layers with one BLAS thread, as the part has it."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    layers = [random_counts(shape, rng) for shape in shapes]
    with threadpool_limits(limits=1, user_api="blas"):
        start = time.perf_counter()
        for index, counts in enumerate(layers):
            of_layer(str(index), counts, 64, [0, index])
        return time.perf_counter() - start


def tightness_of_gaussians(side: int = 64, rounds: int = 5) -> float:
    rng = np.random.default_rng(0)
    weights = np.full(side, 1 / side)
    found = [cut_norm(Kernel(rng.standard_normal((side, side)), weights, weights)) for _ in range(rounds)]
    return max(high / low for low, high in found)


def tightness_of_ticket() -> float:
    import boundcalc
    from boundcalc.graphon.mask_graphons import analyze

    found = [layer.cut_from_constant for layer in analyze(boundcalc.load(TICKET)).layers]
    return max(high / low for low, high in found)


def rows() -> Iterator[Row]:
    """Yield times and tightness, and the peak of memory of all."""
    seconds(LENET300)
    shapes = {
        "LeNet-300-100": (LENET300, 1.0),
        "ResNet-18": (RESNET18, 10.0),
        "VGG-16 for ImageNet": (VGG16, 10.0),
    }
    for name, (layers, most) in shapes.items():
        yield within(f"{name}, all layers", seconds(layers), "s", most)
    yield within("cut norm of Gaussian 64 x 64, high / low", tightness_of_gaussians(), "", TIGHT)
    yield within("cut norm of the demo ticket, high / low", tightness_of_ticket(), "", TIGHT)
    yield Row("peak memory of the process", gigabytes(), "GB")


if __name__ == "__main__":
    given = options(__doc__).parse_args()
    sys.exit(table(rows(), given.json))
