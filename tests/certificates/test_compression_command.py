"""From `train --certify pacbayes` or `occam` to `boundcalc verify`: the file alone is decoded, and nothing in it may change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boundcalc.certificates import file
from boundcalc.certificates.file import Item
from boundcalc.cli.main import main
from boundcalc.tickets.samples import Samples

Capture = pytest.CaptureFixture[str]
SHORT = [
    "--pruner",
    "random",
    "--density",
    "0.5",
    "--epochs",
    "2",
    "--passes",
    "4",
    "--tried",
    "4",
    "--quiet",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 images (1, 6, 6) of three classes as an npz file."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 600)
    x = rng.normal(0, 0.5, (600, 1, 6, 6))
    for label, (row, column) in enumerate(((0, 0), (0, 3), (3, 0))):
        x[labels == label, 0, row : row + 3, column : column + 3] += 1.0
    place = tmp_path_factory.mktemp("data") / "blobs.npz"
    np.savez(place, x_train=x, y_train=labels, x_test=x[:50], y_test=labels[:50])
    return place


@pytest.fixture(scope="module", params=["pacbayes", "occam"])
def certificate(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a small ticket."""
    out = tmp_path_factory.mktemp("run")
    more = ["--first-stage", "orientations-3"] if request.param == "pacbayes" else []
    words = [
        "train",
        "--data",
        f"npz:{data}",
        "--arch",
        "shallow-4",
        "--certify",
        request.param,
        "--out",
        str(out),
    ]
    assert main([*words, *SHORT, *more]) == 0
    return out / "replicate_0" / "level_0" / "main" / file.NAME


def verified(place: Path, data: Path, capsys: Capture) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    status = main(["verify", str(place), "--data", f"npz:{data}", "--format", "json"])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def test_it_holds_and_needs_no_network_beside_it(
    certificate: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    alone = tmp_path / "alone.json"
    alone.write_bytes(certificate.read_bytes())
    status, tree, err = verified(alone, data, capsys)
    assert status == 0, err
    assert (tree["subject"], tree["prior"]) == ("compression", "data-free")
    assert 0 < tree["value"] < 1
    assert tree["value"] == tree["claimed"]
    assert sum(item["item"].startswith("setting") and item["bits"] == 2.0 for item in tree["ledger"]) == 1
    certified = json.loads((certificate.parents[2] / "certified" / "level_0.json").read_text())
    assert certified["value"] == tree["value"]
    assert certified["train_error"] == tree["wrong"] / 600


def coded(c: file.Certificate, **changes: Any) -> file.Certificate:
    return replace(c, coded={**c.coded, **changes})


CHANGES: dict[str, Callable[[file.Certificate], file.Certificate]] = {
    "a smaller value": lambda c: replace(c, value=c.value / 2),
    "fewer errors": lambda c: replace(c, wrong=c.wrong - 1),
    "other data": lambda c: replace(c, data_sha256="0" * 64),
    "another network": lambda c: replace(c, network_sha256="0" * 64),
    "more samples": lambda c: replace(c, m=c.m + 1),
    "another subject": lambda c: replace(c, subject="network"),
    "another prior": lambda c: replace(c, prior="none"),
    "a pick": lambda c: replace(c, rounds=((1,),)),
    "settings that were not paid for": lambda c: replace(c, made_by={**c.made_by, "tried": 1}),
    "another method": lambda c: replace(c, method="occam" if c.method == "pacbayes" else "pacbayes"),
    "nothing coded": lambda c: replace(c, coded={"kept": [], "layers": [], "word": ""}),
    "a codeword cut": lambda c: coded(
        c, word=str(c.coded.get("word", ""))[:-5], layers=list(c.coded.get("layers", []))[:-1]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_error_fails(
    certificate: Path, data: Path, tmp_path: Path, capsys: Capture, change: str
) -> None:
    changed = tmp_path / file.NAME
    changed.write_text(CHANGES[change](file.read_certificate(certificate)).text())
    status, tree, err = verified(changed, data, capsys)
    assert status == 4
    assert not tree["holds"]
    assert err.startswith("boundcalc: ")


def test_every_line_of_the_ledger_is_checked(
    certificate: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    whole = file.read_certificate(certificate)
    for number, line in enumerate(whole.ledger):
        bad = ((Item(line.item, line.bits - 0.5),), (Item("nothing", line.bits),), ())[number % 3]
        changed = tmp_path / file.NAME
        ledger = (*whole.ledger[:number], *bad, *whole.ledger[number + 1 :])
        changed.write_text(replace(whole, ledger=ledger).text())
        status, _, err = verified(changed, data, capsys)
        assert status == 4
        assert f"line {number + 1} of the ledger" in err


def test_another_draw_is_another_network(
    certificate: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    whole = file.read_certificate(certificate)
    if whole.method != "pacbayes":
        return
    layers = [dict(layer) for layer in whole.coded["layers"]]
    layers[0]["draw"] += 1
    changed = tmp_path / file.NAME
    changed.write_text(coded(whole, layers=layers).text())
    status, _, err = verified(changed, data, capsys)
    assert status == 4
    assert "not the one whose checksum the certificate states" in err


def test_there_is_nothing_to_replay(certificate: Path, data: Path, capsys: Capture) -> None:
    assert main(["verify", str(certificate), "--data", f"npz:{data}", "--replay"]) == 2
    assert "leave out --replay" in capsys.readouterr().err


def test_the_row_of_pick_does_not_take_it(certificate: Path, data: Path, capsys: Capture) -> None:
    words = [
        str(certificate.parent),
        "--data",
        f"npz:{data}",
        "--only",
        "bounds",
        "--quick",
        "--format",
        "json",
    ]
    assert main(words) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["bounds"]["pick"]["status"] == "not_covered"


def test_an_analysis_searches_saves_and_uses_a_certificate(
    certificate: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    saved, form = tmp_path / "saved.json", f"npz:{data}"
    words = [str(certificate.parent), "--data", form, "--only", "bounds", "--passes", "4", "--format", "json"]
    assert main([*words, "--save-certificate", str(saved)]) == 0
    row = json.loads(capsys.readouterr().out)["bounds"]["pacbayes"]
    given = file.read_certificate(saved)
    searched = file.read_certificate(certificate).method == "occam"
    assert row["terms"]["found_by"] == ("search" if searched else "its certificate")
    assert row["terms"]["errors"] == given.wrong
    assert row["value"] == pytest.approx(given.value, rel=1e-9)
    other = row["terms"]["randomized"]
    assert (
        "randomized network" in other["subject"]
        and other["wrong"] / other["predictions"] < other["train_error"]
    )
    assert other["train_error"] < other["value"] <= 1
    assert main(["verify", str(saved), "--data", form, "--checkpoint", str(certificate.parent)]) == 0
    capsys.readouterr()
    assert main([*words[:5], "--quick", "--certificate", str(saved), "--format", "json"]) == 0
    again = json.loads(capsys.readouterr().out)["bounds"]["pacbayes"]
    assert again["terms"]["found_by"] == "its certificate"
    assert again["value"] == row["value"]
    assert main([str(certificate.parent), "--data", form, "--quick", "--save-certificate", str(saved)]) == 2


def test_the_search_is_the_same_twice(data: Path, tmp_path: Path) -> None:
    texts = []
    for out in (tmp_path / "a", tmp_path / "b"):
        words = [
            "train",
            "--data",
            f"npz:{data}",
            "--arch",
            "shallow-3",
            "--certify",
            "pacbayes",
            "--out",
            str(out),
        ]
        assert main([*words, *SHORT]) == 0
        texts.append(file.read_certificate(out / "replicate_0" / "level_0" / "main" / file.NAME).coded)
    assert texts[0] == texts[1]


def test_layers_that_are_no_chain_are_refused(blobs: Samples, tmp_path: Path, capsys: Capture) -> None:
    np.savez(tmp_path / "d.npz", x_train=np.zeros((40, 3, 32, 32), np.float32), y_train=np.arange(40) % 10,
             x_test=np.zeros((2, 3, 32, 32), np.float32), y_test=np.zeros(2, np.int64))  # fmt: skip
    words = [
        "train",
        "--data",
        f"npz:{tmp_path / 'd.npz'}",
        "--arch",
        "resnet20",
        "--pruner",
        "random",
        "--density",
        "0.1",
    ]
    assert (
        main([*words, "--epochs", "1", "--certify", "pacbayes", "--out", str(tmp_path / "run"), "--quiet"])
        != 0
    )
    assert "chain" in capsys.readouterr().err
