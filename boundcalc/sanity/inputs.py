"""Warn of inputs in unusual units for images, and of normalizations in other units than the inputs.

These limits hold for the mean and standard deviation of data: the mean lies within the range of the data, and the
deviation is at most half that range (Popoviciu 1935). Constants of another data set may be off by a factor;
constants in other units are off by the factor 255.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.sanity.candidates import (
    COMMON_NORMALIZATIONS,
    NamedNormalization,
    base_inputs,
    measured_with,
    normalized_by,
    shown,
)
from boundcalc.sanity.significance import much_worse

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

LEAST_SAMPLES = 20
"""Number of samples from which on their mean and deviation are judged."""

LARGE = 8.0
"""An input above this is not an image in [0, 1]: normalized with the smallest deviation in use, 0.2, such an image reaches 5."""

TINY = 2 / 255
"""Inputs that never exceed this were divided by 255 once too often."""

FACTOR = 5.0
"""Largest ratio of a given deviation to that of the data: 0.5 is common for data of deviation 0.2 to 0.35."""

LARGEST_DISTANCE = 0.06
"""Largest relative distance at which a normalization in units of 0 to 255 is identified with a common one: 33,78 with
0.1307,0.3081."""

LARGEST_DEVIATION = 0.1
"""Largest distance from 0 and 1 of the mean and deviation of data that count as normalized by their own."""

PIXEL = 255.0


def normalization_units(result: AnalysisResult) -> list[str]:
    """Warn if --normalize cannot be intended for these data.

    Fires if a given mean lies outside the range of the data that it is applied to, if a given deviation differs from
    that of the data by a factor of more than 5, or if the data already had mean 0 and deviation 1. A normalization
    that changes nothing is not checked.

    Args:
        result: result of one analysis.
    """
    given, base = normalized_by(result), base_inputs(result)
    if given is None or base is None or len(base) < LEAST_SAMPLES:
        return []
    applied = NamedNormalization.of(given)
    if all(mean == 0 for mean in applied.means) and all(deviation == 1 for deviation in applied.deviations):
        return []
    lowest, highest = float(base.min()), float(base.max())
    mean, deviation = float(base.mean()), float(base.std())
    if lowest < 0 and abs(mean) < LARGEST_DEVIATION and abs(deviation - 1) < LARGEST_DEVIATION:
        return [
            f"--normalize {shown(given)}: the samples are normalized already (mean {mean:.2f}, standard deviation "
            f"{deviation:.2f}), so that it is applied twice: try without it"
        ]
    wrong = any(not lowest <= value <= highest for value in applied.means) or any(
        not deviation / FACTOR <= value <= deviation * FACTOR for value in applied.deviations
    )
    if not wrong:
        return []
    rest = f"the samples range from {lowest:.3g} to {highest:.3g} with mean {mean:.3g} and standard deviation {deviation:.3g}"
    return [f"--normalize {shown(given)}: {rest}{_advice(applied, highest)}"]


def input_units(result: AnalysisResult) -> list[str]:
    """Warn if inputs are far above or below the range of images, unless there is evidence that the network was trained on them.

    Fires for inputs above 8 without --normalize, unless the network errs much more often on the inputs divided by
    255, and for inputs that never exceed 2 / 255.

    Args:
        result: result of one analysis.
    """
    measured = result.measured
    if measured is None or measured.census is None or len(measured.census.x) < LEAST_SAMPLES:
        return []
    largest, base = measured.energies.largest, base_inputs(result)
    if 0 < largest <= TINY:
        return [
            f"the inputs never exceed {largest:.3g}: were they divided by 255 twice? uint8 is divided here, "
            "floats are taken as they are"
        ]
    if largest <= LARGE or normalized_by(result) is not None or base is None:
        return []
    candidates = measured_with(result, (NamedNormalization((0.0,), (PIXEL,)),))
    if candidates is not None and much_worse(candidates.wrong[0], candidates.as_given):
        return []
    pixels = float(base.min()) >= 0 and 128 < largest <= PIXEL + 0.5
    what = "look like pixels of 0 to 255" if pixels else "are far from [0, 1]"
    return [
        f"the inputs reach {largest:.4g} (mean {float(base.mean()):.3g}) and {what}: floats are taken as they are, "
        "only uint8 is divided by 255: try --normalize 0,255, or the normalization of the training"
    ]


def _advice(applied: NamedNormalization, highest: float) -> str:
    if highest > LARGE and max(applied.deviations) < 1:
        scaled = [PIXEL * value for value in (*applied.means, *applied.deviations)]
        return f": it is meant for [0, 1], the samples are not: try {shown(scaled)}, or divide them by 255"
    if highest > LARGE or max(applied.deviations) < 1:
        return ": are these the data's own mean and deviation?"
    smaller = NamedNormalization(
        tuple(value / PIXEL for value in applied.means), tuple(value / PIXEL for value in applied.deviations)
    )
    known = next((found for found in COMMON_NORMALIZATIONS if smaller.is_near(found, LARGEST_DISTANCE)), None)
    numbers = (known or smaller).numbers
    return (
        f": it looks like 0..255 units: try {shown(numbers)}{'' if known is None else ', of ' + known.name}"
    )
