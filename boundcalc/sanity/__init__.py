"""The sanity layer: warnings about a checkpoint, its data and the options given, one line each; it never refuses anything.

A check is a pure function from the result of an analysis to lines. Each check has a file of its own or shares one with
related checks; the docstrings derive the thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from boundcalc.plain_text import one_line
from boundcalc.sanity.batchnorm import batchnorm
from boundcalc.sanity.classes import dead_outputs, one_class
from boundcalc.sanity.errors import near_chance, renamed_classes, train_above_test
from boundcalc.sanity.inputs import input_units, normalization_units
from boundcalc.sanity.masks import alive_under_mask, nothing_left, nothing_pruned, zero_under_mask
from boundcalc.sanity.normalization import normalization
from boundcalc.sanity.reference import reference
from boundcalc.sanity.sparsity import sparsity
from boundcalc.sanity.splits import unused_test_split

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

Check = Callable[["AnalysisResult"], Sequence[str]]

CHECKS: tuple[Check, ...] = (
    unused_test_split,
    normalization,
    normalization_units,
    input_units,
    batchnorm,
    one_class,
    dead_outputs,
    near_chance,
    renamed_classes,
    train_above_test,
    nothing_pruned,
    nothing_left,
    alive_under_mask,
    zero_under_mask,
    sparsity,
    reference,
)
"""Every check, in the order of its lines."""


def warnings_of(result: AnalysisResult) -> tuple[str, ...]:
    """Return the warnings, one line each and without repetitions.

    Args:
        result: result of one analysis; the warnings that it already carries are ignored.
    """
    return tuple(dict.fromkeys(one_line(line) for check in CHECKS for line in check(result)))
