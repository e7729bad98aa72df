"""The price of a normalization: a prefix code, and every bound pays it."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.bounds.normalization import COMMON_DIGITS, MOST_DIGITS, NOT_GIVEN, Normalization, code_length
from boundcalc.cli.main import main
from boundcalc.errors import UsageError
from boundcalc.occam.kl import certificate

STATE = {"fc.weight": 20 * torch.eye(3)}
GIVEN = (0.1307, 0.3081)


def arrays(m=400, seed=0):
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, m)
    return np.eye(3)[y] + 0.05 * random.random((m, 3)), y


def weight(k):
    return Fraction(2, 3 * (abs(k) + 1) * (abs(k) + 2))


def written_with(digits, exponents):
    """Every number that some codewords of so many digits spell."""
    for exponent, number in itertools.product(exponents, range(10**digits)):
        yield float(Decimal(number).scaleb(exponent - digits))


def test_the_code_has_a_place_for_everything_and_its_weights_sum_to_at_most_1():
    """All codewords of one mean and one deviation with at most 2 digits and a few exponents, each once."""
    total = Fraction(0)
    for digits, first, second in itertools.product((1, 2), range(-2, 3), range(-2, 3)):
        numbers = 10**digits
        own = (
            Fraction(1, 2) * weight(digits - COMMON_DIGITS) * Fraction(1, 2) * weight(first) * weight(second)
        )
        total += own * Fraction(1, numbers**2) * (2 * numbers) * numbers
    assert total < 1
    counts = sum(weight(n - COMMON_DIGITS) for n in range(1, MOST_DIGITS + 1))
    assert counts < 1
    assert total <= Fraction(1, 2) * counts, "and half of the code is left for a pair a channel"


def test_no_number_costs_less_than_its_codeword():
    """Enumerated: each pair of short decimals has the length of its shortest spelling; together they keep Kraft's inequality."""
    spelled = sorted({*written_with(1, range(-1, 3)), *written_with(2, range(-1, 3))})
    kraft = math.fsum(
        2 ** -code_length((sign * mean, deviation))
        for mean in spelled for deviation in spelled if deviation > 0
        for sign in ((1, -1) if mean else (1,))
    )  # fmt: skip
    assert 0.005 < kraft <= 1
    shares = [2 ** -code_length((mean, 1.0)) for mean in spelled]
    assert math.fsum(shares) <= 1


@pytest.mark.parametrize(
    ("numbers", "bits"),
    [
        ((0.1307, 0.3081), 8 * math.log2(10) + 2 * math.log2(3) + math.log2(3) + 2),
        ((0.13070, 0.30810), 8 * math.log2(10) + 3 * math.log2(3) + 2),
        ((0.0, 1.0), 2 * math.log2(10) + math.log2(1.5 * 4 * 5) + math.log2(3) + math.log2(9) + 2),
        ((-0.5, 2.0), 2 * math.log2(10) + math.log2(1.5 * 4 * 5) + math.log2(3) + math.log2(9) + 2),
        ((123.675, 58.395), 12 * math.log2(10) + 2 * math.log2(1.5 * 3 * 4) + math.log2(1.5 * 4 * 5) + 2),
    ],
)
def test_known_prices(numbers, bits):
    assert code_length(numbers) == pytest.approx(bits, rel=1e-12)
    assert code_length(numbers) >= bits * (1 - 1e-15)


def test_mnist_pays_its_digits_and_a_few_bits_more():
    bits = Normalization(GIVEN).bits
    assert 26.57 < bits < 34
    assert Normalization(GIVEN, fixed=True).bits == Normalization().bits == 0
    three = (0.4914, 0.4822, 0.4465, 0.2470, 0.2435, 0.2616)
    assert 24 * math.log2(10) < Normalization(three).bits < 24 * math.log2(10) + 16


def test_any_float_has_a_price():
    for number in (5e-324, 1.7e308, 0.1 + 0.2, 1e22, 123456789.0):
        assert 0 < code_length((number, number)) < 200


def report(**options):
    data = (*arrays(), *arrays(60, 1))
    return boundcalc.analyze(STATE, data=data, passes=0, only=("bounds",), **options).to_dict()


def test_every_bound_pays_unless_the_numbers_were_fixed():
    paid, free, none = report(normalize=GIVEN), report(normalize=GIVEN, normalize_fixed=True), report()
    bits = Normalization(GIVEN).bits
    for name, bound in paid["bounds"].items():
        same = free["bounds"][name]
        if bound["bounds"] == "error":
            assert bound["terms"]["normalization_bits"] == bits
            assert (
                same["terms"]["normalization_bits"]
                == none["bounds"][name]["terms"]["normalization_bits"]
                == 0
            )
            assert bound["value"] > same["value"]
            assert any("its digits are paid for, 33.3 bits" in line for line in bound["assumptions"])
        assert any(
            "was fixed before the sample (--normalize-fixed)" in line for line in same["assumptions"]
        ), name
        assert NOT_GIVEN in none["bounds"][name]["assumptions"]
    occam, m = paid["bounds"]["occam"], 400
    errors = round(occam["terms"]["train_error"] * m)
    assert occam["value"] == pytest.approx(
        certificate(errors, m, occam["terms"]["bits"] + bits, 0.05), rel=1e-9
    )
    assert math.fsum(occam["terms"]["sections"].values()) == pytest.approx(occam["terms"]["bits"])
    for name in ("path_norm", "bartlett2017"):
        terms = paid["bounds"][name]["terms"]
        value = terms["margin_error"] + terms["complexity_term"] + terms["confidence_term"]
        assert paid["bounds"][name]["value"] == pytest.approx(value)


def test_the_kernel_bound_pays():
    state = {"fc0.weight": torch.ones(4, 3), "fc1.weight": torch.ones(3, 4)}
    paid, free = (
        boundcalc.analyze(
            state,
            data=arrays(40),
            only=("gntk",),
            normalize=GIVEN,
            normalize_fixed=fixed,
            mask_origin="independent",
        ).to_dict()["gntk"]["bound"]
        for fixed in (False, True)
    )
    assert paid["normalization_bits"] == Normalization(GIVEN).bits
    assert free["normalization_bits"] == 0
    assert paid["confidence_term"] > free["confidence_term"]
    assert paid["subject"] == free["subject"] == "interpolant"
    assert "paid for" in paid["assumptions"][0]
    assert "fixed" in free["assumptions"][0]


@pytest.fixture
def files(tmp_path):
    (x, y), (x_test, y_test) = arrays(), arrays(60, 1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    for name, scale in (("a.pt", 20), ("b.pt", 10)):
        torch.save({"fc.weight": scale * torch.eye(3)}, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("fixed", [False, True])
def test_opening_the_data_once_for_many_networks_does_not_make_it_free(files, fixed):
    options = {"data": f"npz:{files / 'data.npz'}", "normalize": GIVEN, "normalize_fixed": fixed, "passes": 0}
    alone = boundcalc.analyze(files / "a.pt", only=("bounds", "graphon"), **options).to_dict()["bounds"][
        "occam"
    ]
    assert (alone["terms"]["normalization_bits"] > 0) != fixed
    found = boundcalc.compare(files / "a.pt", files / "b.pt", only=("bounds", "graphon"), **options).to_dict()
    assert found["tickets"][0]["quantities"]["bounds.occam.log10_value"] == alone["log10_value"]
    words = [
        "batch",
        str(files / "a.pt"),
        "--store",
        str(files / "s.sqlite"),
        "--data",
        options["data"],
        "--quiet",
    ]
    words += ["--normalize", "0.1307,0.3081", "--only", "bounds", "--passes", "0", "--workers", "1"]
    assert main([*words, *(["--normalize-fixed"] if fixed else []), "-o", str(files / "out.txt")]) == 0
    with boundcalc.batch.opened(files / "s.sqlite") as store:
        (row,) = store.rows()
        assert store.report(row.id)["bounds"]["occam"] == alone


def test_fixed_without_numbers_is_wrong_usage(files, capsys):
    with pytest.raises(UsageError, match="--normalize-fixed needs --normalize"):
        boundcalc.analyze(STATE, data=arrays(), normalize_fixed=True)
    with pytest.raises(UsageError, match="give True or False"):
        boundcalc.analyze(STATE, data=arrays(), normalize=GIVEN, normalize_fixed="yes")
    assert main([str(files / "a.pt"), "--data", f"npz:{files / 'data.npz'}", "--normalize-fixed"]) == 2
    assert "--normalize-fixed needs --normalize" in capsys.readouterr().err
