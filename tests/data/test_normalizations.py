"""What --normalize takes."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from boundcalc.bounds.normalization import code_length
from boundcalc.data.normalizations import NAMED, name_of, parsed
from boundcalc.errors import DataError, UsageError
from boundcalc.options import Options


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.1307,0.3081", (0.1307, 0.3081)),
        ("0.5/0.4/0.3,0.2/0.25/0.3", (0.5, 0.4, 0.3, 0.2, 0.25, 0.3)),
        ("0.5,0.4,0.3,0.2,0.25,0.3", (0.5, 0.4, 0.3, 0.2, 0.25, 0.3)),
        ("CIFAR10", NAMED["cifar10"]),
        ("imagenet", NAMED["imagenet"]),
    ],
)
def test_spellings(text, numbers):
    assert parsed(text) == numbers
    assert Options(data="sample", normalize=text).normalize == numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cifar", "or a name (mnist, fashion, cifar10, imagenet)"),
        ("0.5/0.4,0.2", "as many of each"),
        ("0.5/0.4,0.2/0.2,0.1", "as many of each"),
        ("0.5", "give MEAN,STD"),
        ("0.5,0", "must be above 0"),
        ("nan,1", "finite"),
        ("", "give MEAN,STD"),
    ],
)
def test_slips(text, said):
    with pytest.raises(DataError) as caught:
        parsed(text)
    assert said in str(caught.value)
    with pytest.raises(UsageError):
        Options(data="sample", normalize=text)


def test_a_named_normalisation_is_paid_for_by_its_digits():
    """Its numbers were computed from a sample, and a code that had a short word for them would have seen it."""
    for numbers in NAMED.values():
        digits = max(len(repr(number)) - 2 for number in numbers)
        assert code_length(numbers) > len(numbers) * digits * math.log2(10)
    assert name_of(NAMED["cifar10"]) == "cifar10" and name_of((0.5, 0.5)) is None


def test_the_command_names_the_slip():
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", "x.pt", "--data", "sample", "--normalize", "minst"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "give MEAN,STD" in done.stderr and "mnist, fashion, cifar10, imagenet" in done.stderr
