"""The certificates that ship: small, whole, and what they claim follows from their counts; in full where MNIST is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boundcalc.certificates import file
from boundcalc.certificates.compressed import decoded
from boundcalc.certificates.held import Held, module_of
from boundcalc.certificates.pacbayes.theorem import error_bound
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.claim import Counted
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.checkpoint import from_state_dict
from boundcalc.cli.main import main
from boundcalc.empirical.datasets import open_data
from boundcalc.network.digest import digest_of_network
from boundcalc.network.load import from_checkpoint
from boundcalc.occam.kl import certificate as occam_bound

ROOT = Path(__file__).parents[2] / "data" / "certificates"
FOUND = sorted(path.parent.name for path in ROOT.glob("*/certificate.json"))
SHIPPED = [name for name in FOUND if (ROOT / name / "model.safetensors").is_file()]
CODED = [name for name in FOUND if name not in SHIPPED]
"""Certificates whose file holds the network, of a compression."""
BOUNDS = {"pacbayes": error_bound, "occam": occam_bound}
DATA = {"mnist": os.environ.get("BOUNDCALC_MNIST", ""), "fashion": os.environ.get("BOUNDCALC_FASHION", "")}
"""Folders of the four files of MNIST and Fashion-MNIST, where there are any."""


def test_they_are_there() -> None:
    assert SHIPPED == ["fashion_pick", "mnist_holdout", "mnist_pick"]
    assert CODED == ["fashion_pacbayes", "mnist_occam", "mnist_pacbayes"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_value_follows_from_the_counts_and_the_ledger(name: str) -> None:
    folder = ROOT / name
    certificate = file.read_certificate(folder / file.NAME)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 700_000
    assert certificate.ledger == ledger(certificate.normalize, certificate.made_by)
    aside = claim.apart_of(certificate.m, certificate.made_by)
    counted = Counted(len(certificate.picked), certificate.wrong, certificate.m - len(aside))
    assert counted.value(certificate.delta, certificate.bits) <= certificate.value * (1 + 1e-12)
    assert not set(certificate.picked) & set(aside.tolist())
    assert certificate.data == "mnist:DIR"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_network_is_the_certified_one_and_as_good_on_a_sample(name: str) -> None:
    certificate = file.read_certificate(ROOT / name / file.NAME)
    network = Held(ROOT / name / file.NAME, certificate, "").network((1, 28, 28))
    if name.startswith("fashion"):
        return  # the sample in data/ is of MNIST
    test = open_data("sample").test
    assert test is not None
    wrong = int((claim.margins_in_order(network, test) <= 0).sum())
    assert wrong <= 25, "of 2,000 test images"


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_they_hold_on_all_of_the_data(name: str) -> None:
    kind = name.partition("_")[0]
    if not DATA[kind]:
        pytest.skip(f"BOUNDCALC_{kind.upper()} names no folder of the four files")
    replay = ["--replay"] if name in SHIPPED else []  # minutes each; the same version of torch
    assert main(["verify", str(ROOT / name / file.NAME), "--data", f"mnist:{DATA[kind]}", *replay]) == 0


@pytest.mark.parametrize("name", CODED)
def test_a_compression_is_decoded_again_and_as_good_on_a_sample(name: str) -> None:
    """The file alone: codeword, or laws and hash, and ledger give the network that it names; errors are counted on the sample's."""
    place = ROOT / name / file.NAME
    certificate = file.read_certificate(place)
    assert place.stat().st_size < 12_000
    module = module_of(certificate.made_by, (1, 28, 28))
    network = from_checkpoint(from_state_dict(module.state_dict(), "architecture"), module, (1, 28, 28))
    test = open_data("sample").test
    assert test is not None
    found = decoded(certificate, network, test)
    assert found.lines == certificate.ledger
    assert digest_of_network(found.network) == certificate.network_sha256
    assert found.errors <= 55 or name.startswith("fashion"), "of 2,000 test images of MNIST"
    bits, by = sum(line.bits for line in found.lines), BOUNDS[certificate.method]
    assert by(certificate.wrong, certificate.m, bits, certificate.delta) <= certificate.value * (1 + 1e-9)
    assert certificate.value < {"mnist_pacbayes": 0.06, "mnist_occam": 0.075, "fashion_pacbayes": 0.195}[name]
