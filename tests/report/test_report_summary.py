"""Sentences of the summary at the edges."""

import math
from types import SimpleNamespace

import pytest

from boundcalc.report.summary import _sparse


@pytest.mark.parametrize(
    ("log_ratio", "words"),
    [
        (-math.inf, "the sparse complexity is 0."),
        (-math.log(2.519), "2.51 times below"),
        (-math.log(10) * 12.38, "10^12.3 times below"),
        (0.0, "not below the best"),
        (None, "no positive Toeplitz-norm complexity"),
    ],
)
def test_sparse_against_dense(log_ratio, words):
    found = SimpleNamespace(bounds={"peeling": SimpleNamespace(judged=object(), log_ratio=log_ratio)})
    assert words in _sparse(found)
