"""Spectral-norm benchmarks: ratios of one run, against targets. Run with `python experiments/benchmarks/spectral.py`.

The layers of a ResNet-18 with random masks, 3 x 32 x 32 input. Beside the certificates run, all in float64: the discrete Fourier
transform and complex singular values of every frequency of the circulant majorant, the same of half of them (the kernel is real),
and six steps of Gram iteration (Delattre, Barthelemy, Araujo & Allauzen 2023) on half of them. All take turns in each
round, and the best round counts: other work on the machine slows threads that wait for each other most.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import Row, masked_resnet18, options, table, within

DENSITY = 0.1
GRAM_STEPS = 6
HELD = 2**22
"""Complex entries that a rival holds at once."""


def certified(layer: Any) -> tuple[float, float]:
    from boundcalc.network.chain import ToeplitzLayer
    from boundcalc.norms.spectral import spectral_interval

    norm = spectral_interval(ToeplitzLayer(layer, ()))
    return norm.upper, norm.lower


def grid(layer: Any) -> tuple[int, int]:
    """Return the sides of the circulant majorant; a layer with one output position needs a single frequency."""
    if layer.window.out == (1, 1):
        return 1, 1
    axes = layer.window.height, layer.window.width
    high, wide = (axis.size + min(max(axis.before, axis.after), axis.reach - 1) for axis in axes)
    return high, wide


def symbols(layer: Any, transform: Callable[..., torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield (f, out, in) complex128 at all frequencies that the transform keeps."""
    kernel = layer.weight if grid(layer) != (1, 1) else layer.weight.flatten(1)[:, :, None, None]
    found = transform(kernel, s=grid(layer)).flatten(2)
    step = max(1, HELD // (kernel.shape[0] * kernel.shape[1]))
    for start in range(0, found.shape[2], step):
        yield found[:, :, start : start + step].permute(2, 0, 1).contiguous()


def singular_values(layer: Any, transform: Callable[..., torch.Tensor]) -> tuple[float]:
    return (max(float(torch.linalg.svdvals(block).amax()) for block in symbols(layer, transform)),)


def every_frequency(layer: Any) -> tuple[float]:
    return singular_values(layer, torch.fft.fft2)


def half_the_frequencies(layer: Any) -> tuple[float]:
    return singular_values(layer, torch.fft.rfft2)


def gram_iteration(layer: Any) -> tuple[float]:
    """Return max over frequencies of ||(A^* A)^(2^5)||_F^(1/2^6), rescaled at every step."""
    best = 0.0
    for block in symbols(layer, torch.fft.rfft2):
        gram = block.mH if block.shape[1] < block.shape[2] else block
        logarithm = torch.zeros(len(gram), dtype=torch.float64)
        for _ in range(GRAM_STEPS):
            size = torch.linalg.vector_norm(gram, dim=(1, 2))
            logarithm = 2 * (logarithm + size.log())
            scaled = gram / size[:, None, None]
            gram = scaled.mH @ scaled
        logarithm += torch.linalg.vector_norm(gram, dim=(1, 2)).log()
        best = max(best, float((logarithm / 2**GRAM_STEPS).exp().max()))
    return (best,)


METHODS: dict[str, Callable[[Any], tuple[float, ...]]] = {
    "certified": certified,
    "every frequency": every_frequency,
    "half": half_the_frequencies,
    "Gram": gram_iteration,
}


def measure(layers: list[Any], rounds: int) -> tuple[dict[str, list[list[float]]], dict[str, list[Any]]]:
    """Return the seconds of each method for each layer and round, and the values."""
    for method in METHODS.values():
        method(layers[-1])
    times: dict[str, list[list[float]]] = {name: [[] for _ in layers] for name in METHODS}
    values: dict[str, list[Any]] = {name: [()] * len(layers) for name in METHODS}
    for _ in range(rounds):
        for index, layer in enumerate(layers):
            for name, method in METHODS.items():
                start = time.perf_counter()
                values[name][index] = method(layer)
                times[name][index].append(time.perf_counter() - start)
    return times, values


def main(rounds: int, threads: int, file: Path | None) -> int:
    """Print both tables; the exit status says whether every target is met."""
    torch.set_num_threads(threads)
    layers = list(masked_resnet18(DENSITY).layers())
    times, values = measure(layers, rounds)
    seconds = {name: [min(spent) for spent in times[name]] for name in METHODS}
    print(
        "| layer | lower | true, every frequency | upper | upper / true | Gram / true | ms | SVD ms | Gram ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    ratios, tighter = [], []
    for index, layer in enumerate(layers):
        upper, lower = values["certified"][index]
        (true,), (gram,) = values["every frequency"][index], values["Gram"][index]
        ratios.append(upper / true)
        tighter.append(gram / upper)
        spent = [seconds[name][index] * 1e3 for name in ("certified", "every frequency", "Gram")]
        print(
            f"| {layer.name} | {lower:.6g} | {true:.6g} | {upper:.6g} | {upper / true:.8f} | {gram / true:.8f} "
            f"| {spent[0]:.1f} | {spent[1]:.0f} | {spent[2]:.0f} |"
        )
    total = {name: math.fsum(spent) for name, spent in seconds.items()}
    print(
        f"\nBest of {rounds} rounds, seconds on {threads} threads (certified: one): "
        + ", ".join(f"{n} {t:.2f}" for n, t in total.items())
    )
    print("A stride lets upper fall below the majorant: rows between two outputs are left out of it.\n")
    return table(rows(total, tighter, max(ratios)), file)


def rows(total: dict[str, float], tighter: list[float], loosest: float) -> Iterator[Row]:
    """Yield the ratios that have limits.

    Args:
        total: method -> seconds of all layers.
        tighter: bound of Gram iteration over ours, for each layer.
        loosest: largest ratio of our bound to the true norm.
    """
    rivals = {
        "every frequency": "the SVD of every frequency",
        "half": "the SVD of half the frequencies",
        "Gram": "six steps of Gram iteration",
    }
    for (name, rival), least in zip(rivals.items(), (5.0, 1.0, 1.0), strict=True):
        yield within(f"times faster than {rival}", total[name] / total["certified"], "", least, True)
    mean = statistics.geometric_mean(tighter)
    yield within("Gram iteration's bound over ours, geometric mean", mean, "", 1.0, True)
    yield within("the same, least (1 up to 1e-7: both are the truth)", min(tighter), "", 1 - 1e-7, True)
    yield within("1.01 times the true norm over ours, least", 1.01 / loosest, "", 1.0, True)


if __name__ == "__main__":
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of the rivals; the certificates use one")
    given = parser.parse_args()
    sys.exit(main(given.rounds, given.threads, given.json))
