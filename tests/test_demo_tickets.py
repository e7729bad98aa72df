"""The whole job on the tickets that ship: what the documentation claims holds."""

from __future__ import annotations

import json
import math
from importlib import resources

import numpy as np
import pytest
import torch
from ticket_runs import FULL

import boundcalc
from boundcalc.tickets import architectures

TOEPLITZ = ("golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf")
PRUNED = ("lenet300_density10", "lenet300_density02", "conv_density10")
OF_DISTANCES = {
    "bartlett2017", "graf2022_norms", "graf2022_params", "ledent2021", "lin2019", "gouk2021_1inf", "gouk2021_fro",
    "longsedghi2020", "occam",
}  # fmt: skip
OPTIONS = {"samples": 10_000, "input_bound": 1.0, "input_shape": (1, 28, 28), "only": ("bounds",)}


@pytest.fixture(scope="module")
def few(once, shared_folder):
    """Every twentieth image of the sample: a convolution takes long."""

    def made():
        with np.load(resources.files("boundcalc.sample") / "mnist_sample.npz") as arrays:
            np.savez(place, **{key: arrays[key][::20] for key in arrays})

    place = shared_folder / "few.npz"
    once("few", made)
    return f"npz:{place}"


@pytest.fixture(scope="module")
def reports(tree_of, few):
    some = {"data": "sample", "only": ("bounds", "empirical"), "passes": 0}
    options = dict.fromkeys((*PRUNED, "lenet300_dense"), some) | {
        "lenet300_density02": FULL, "conv_density10": {**some, "data": few, "input_shape": (1, 28, 28)},
    }  # fmt: skip
    return {name: tree_of(name, **given) for name, given in options.items()}


@pytest.mark.parametrize("name", PRUNED)
def test_the_sparse_complexity_is_below_every_toeplitz_norm_one(reports, name):
    bounds = reports[name]["bounds"]
    for other in TOEPLITZ:
        assert bounds["peeling"]["complexity"] < bounds[other]["complexity"] / 2, other
    terms = bounds["peeling"]["terms"]
    assert {terms["structure"], terms["alternative"]["structure"]} == {"masked", "dense"}
    bits = {
        terms["structure"]: sum(terms["bits"].values()),
        terms["alternative"]["structure"]: terms["alternative"]["bits"],
    }
    assert bits["masked"] > 1000 + bits["dense"], "a mask that training chose is paid for"


def test_errors_are_those_measured_in_training(reports, tickets):
    recorded = {item["file"]: item for item in json.loads((tickets / "results.json").read_text())}
    for name in ("lenet300_density10", "lenet300_density02", "lenet300_dense"):
        entry, found = recorded[f"{name}.pt"], reports[name]["empirical"]
        assert found["train_error"] == pytest.approx(entry["train_error"], abs=1e-3)
        assert found["test_error"] == pytest.approx(entry["test_error"], abs=1e-3)


def test_errors_of_the_convolutional_ticket_are_those_of_torch(reports, tickets, few):
    """On the whole sample torch has the recorded errors (tests/data/test_files.py)."""
    raw = torch.load(tickets / "conv_density10.pt", weights_only=True)
    module = architectures.conv_4_16().double()
    module.load_state_dict({key: raw[f"{key}_orig"] * raw[f"{key}_mask"] for key in module.state_dict()})
    with np.load(few.removeprefix("npz:")) as arrays, torch.no_grad():
        for split in ("train", "test"):
            x = torch.from_numpy(arrays[f"x_{split}"][:, None] / 255.0)
            wrong = module(x).argmax(1).numpy() != arrays[f"y_{split}"]
            assert reports["conv_density10"]["empirical"][f"{split}_error"] == wrong.mean()


@pytest.mark.parametrize("ticket", PRUNED)
def test_every_value_follows_from_its_terms(reports, ticket):
    report = reports[ticket]
    for name, bound in report["bounds"].items():
        if bound["value"] is None:
            assert bound["status"] in {"not_covered", "score"}
            continue
        assert bound["value"] == pytest.approx(10 ** bound["log10_value"], rel=1e-9)
        if bound["status"] == "refuted" or bound["kind"] == "certificate":
            continue
        terms = bound["terms"]
        parts = terms["margin_error"] + terms["complexity_term"] + terms["confidence_term"]
        assert bound["value"] == pytest.approx(parts, rel=1e-9)
        assert bound["value"] >= parts * (1 - 1e-15)
        assert terms["confidence_term"] >= 2 * math.sqrt(math.log(1 / 0.05) / (2 * report["data"]["m"]))
        if bound["kind"] == "F":
            assert terms["margin_complexity"] <= 2 * bound["complexity"] * (1 + 1e-9)
            half = terms["complexity_term"] * bound["margin"] / 2
            least = terms["margin_complexity"] * (1 - 1e-6)
            assert (
                least <= half
                if "gouk" in name
                else half == pytest.approx(terms["margin_complexity"], rel=1e-6)
            )


def test_an_independent_mask_is_not_paid_for(tickets):
    paid, free = (
        boundcalc.analyze(tickets / "lenet300_density02.pt", mask_origin=origin, **OPTIONS).to_dict()[
            "bounds"
        ]["peeling"]
        for origin in ("data", "independent")
    )
    assert free["terms"]["bits"]["mask"] == 0
    assert free["value"] < paid["value"]


def test_the_reference_moves_only_the_distances(tickets):
    with_reference = boundcalc.analyze(
        tickets / "lenet300_dense.pt", reference=tickets / "lenet300_init.pt", **OPTIONS
    ).to_dict()
    without = boundcalc.analyze(tickets / "lenet300_dense.pt", **OPTIONS).to_dict()
    assert with_reference["checkpoint"]["reference"]["how"] == "given"
    assert with_reference["bounds"]["bartlett2017"]["terms"]["distance_from"] == "initialisation"
    assert without["bounds"]["bartlett2017"]["terms"]["distance_from"] == "zero"
    for name, bound in without["bounds"].items():
        assert name in OF_DISTANCES or bound == with_reference["bounds"][name]


def test_the_convolutional_ticket_is_read_in_the_only_way_that_fits(reports):
    network = reports["conv_density10"]["network"]
    assert [layer["stride"] for layer in network["layers"][:3]] == [[1, 1]] * 3
    assert any("only uniform reading" in sentence for sentence in network["assumptions"])
