"""Certificates in the report of a checkpoint: only of the certified network, on the certificate's data, computed afresh."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.certificates import file
from boundcalc.cli.main import main

Made = Callable[..., Path]
PRUNER = ("--pruner", "random", "--density", "0.5")


def inputs(ticket: Path) -> dict[str, Any]:
    root = ticket.parents[3]
    return {
        "data": f"npz:{root / 'blobs.npz'}",
        "model": f"{root / 'net.py'}:make",
        "only": ["bounds"],
        "passes": 0,
    }


def rows(ticket: Path, **more: Any) -> dict[str, Any]:
    given = {**inputs(ticket), **more}
    return boundcalc.analyze(ticket, **given).to_dict()


def test_the_row_is_the_certificates_value_and_the_verdict_takes_it(made: Made) -> None:
    ticket = made(*PRUNER, "--pick-tried", "4")
    claimed = file.read_certificate(ticket / file.NAME)
    tree = rows(ticket)
    row = tree["bounds"]["pick"]
    assert (row["status"], row["kind"], row["subject"], row["prior"]) == (
        "theorem",
        "certificate",
        "network",
        "none",
    )
    assert claimed.value <= row["value"] <= claimed.value * (1 + 1e-12)
    assert row["terms"]["choice_bits"] == 2.0
    assert row["terms"]["wrong"] == claimed.wrong
    assert tree["verdict"]["network"]["bound"] == "pick"
    assert row["value"] < tree["verdict"]["network"]["all_at_once"] < 1
    smaller = rows(ticket, delta=0.01)["bounds"]["pick"]["value"]
    assert smaller > row["value"], "computed afresh at the report's delta"
    for name in ("holdout", "pick_after", "disagreement"):
        assert tree["bounds"][name]["status"] == "not_covered"


@pytest.mark.parametrize("rounds", ["0", "3"])
def test_what_was_set_aside_has_rows_of_its_own(made: Made, rounds: str) -> None:
    ticket = made(*PRUNER, "--set-aside", "0.5", "--set-aside-steps", "40", "--pick-rounds", rounds)
    name = {"0": "holdout", "3": "pick_after"}[rounds]
    row = rows(ticket)["bounds"][name]
    assert row["status"] == "theorem"
    assert row["prior"] == "data-dependent"
    assert row["terms"]["samples"] == 75
    assert row["value"] == pytest.approx(file.read_certificate(ticket / file.NAME).value)


def reason(tree: dict[str, Any]) -> str:
    row = tree["bounds"]["pick"]
    assert row["status"] == "not_covered"
    assert row["value"] is None
    return str(row["reason"])


def test_without_data_nothing_is_claimed(made: Made) -> None:
    ticket = made(*PRUNER)
    given = {**inputs(ticket), "data": None, "samples": 150, "input_bound": 5.0, "input_shape": (1, 6, 6)}
    said = reason(boundcalc.analyze(ticket, **given).to_dict())
    assert "its ledger adds up" in said
    assert "give --data" in said


def test_another_network_gets_nothing(made: Made) -> None:
    ticket = made(*PRUNER)
    weights = torch.load(ticket / "model_ep1_it0.pth", weights_only=True)
    weights["1.bias"] += 1e-6
    torch.save(weights, ticket / "model_ep1_it0.pth")
    said = reason(rows(ticket))
    assert "another network" in said
    assert "--unlabelled" in said


def test_another_wiring_of_the_same_weights_gets_nothing(tmp_path: Path, blobs: Any) -> None:
    np.savez(
        tmp_path / "b.npz", x_train=np.zeros((300, 1, 28, 28), np.uint8) + np.arange(300)[:, None, None, None] % 7,
        y_train=np.arange(300) % 3, x_test=np.zeros((9, 1, 28, 28), np.uint8), y_test=np.zeros(9, int),
    )  # fmt: skip
    data = np.load(tmp_path / "b.npz")
    np.savez(
        tmp_path / "b.npz",
        **{key: data[key].astype(np.uint8) if key[0] == "x" else data[key] for key in data},
    )
    words = [
        "train",
        "--data",
        f"npz:{tmp_path / 'b.npz'}",
        "--arch",
        "lenet300",
        "--certify",
        "pick",
        *PRUNER,
    ]
    few = [
        "--pick-first",
        "5",
        "--pick-rounds",
        "1",
        "--pick-last-steps",
        "2",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*words, *few]) == 0
    ticket = tmp_path / "run" / "replicate_0" / "level_0" / "main"
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom boundcalc.tickets.architectures import LeNet300\n"
        "class Other(LeNet300):\n    def forward(self, x):\n        return self.fc3(self.fc2(self.fc1(x.flatten(1))).relu())\n"
        "def make():\n    return Other()\n"
    )
    given = {"data": f"npz:{tmp_path / 'b.npz'}", "only": ["bounds"], "passes": 0}
    assert boundcalc.analyze(ticket, **given).to_dict()["bounds"]["pick"]["status"] == "theorem"
    other = boundcalc.analyze(ticket, model=f"{tmp_path / 'net.py'}:make", **given).to_dict()
    assert "not connected like those" in reason(other)


DAMAGE: dict[str, Callable[[file.Certificate], file.Certificate]] = {
    "ledger": lambda c: replace(c, ledger=c.ledger[1:]),
    "training data": lambda c: replace(c, data_sha256="0" * 64),
    "picks": lambda c: replace(c, rounds=(*c.rounds, (c.rounds[0][0],))),
    "options": lambda c: replace(c, made_by={}),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_certificate_that_does_not_hold_is_no_bound(made: Made, what: str) -> None:
    ticket = made(*PRUNER, "--pick-tried", "4")
    place = ticket / file.NAME
    place.write_text(DAMAGE[what](file.read_certificate(place)).text())
    assert what in reason(rows(ticket))


def test_a_damaged_certificate_beside_it_is_told_and_one_that_is_named_refused(
    made: Made, tmp_path: Path
) -> None:
    ticket = made(*PRUNER)
    text = (ticket / file.NAME).read_text()
    (ticket / file.NAME).write_text(text.replace('"wrong": ', '"wrong": 1'))
    assert "damaged" in reason(rows(ticket))
    with pytest.raises(boundcalc.errors.CheckpointError, match="damaged"):
        rows(ticket, certificate=ticket / file.NAME)


def test_a_certificate_that_lies_elsewhere_can_be_named(made: Made, tmp_path: Path) -> None:
    ticket = made(*PRUNER)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(ticket / "model.safetensors", alone / "net.safetensors")
    given = inputs(ticket)
    assert "needs a certificate beside" in reason(
        boundcalc.analyze(alone / "net.safetensors", **given).to_dict()
    )
    named = boundcalc.analyze(alone / "net.safetensors", certificate=ticket / file.NAME, **given).to_dict()
    assert named["bounds"]["pick"]["status"] == "theorem"


def test_verify_names_the_line_of_the_ledger(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    ticket = made(*PRUNER, "--set-aside", "0.4", "--set-aside-steps", "10")
    place, given = ticket / file.NAME, inputs(ticket)
    honest = file.read_certificate(place)
    for number, item in enumerate(honest.ledger):
        for planted in (replace(item, bits=item.bits + 1.0), replace(item, item="free")):
            ledger = (*honest.ledger[:number], planted, *honest.ledger[number + 1 :])
            place.write_text(replace(honest, ledger=ledger).text())
            capsys.readouterr()
            words = [
                "verify",
                str(place),
                "--data",
                given["data"],
                "--model",
                given["model"],
                "--format",
                "json",
            ]
            assert main(words) == 4
            tree = json.loads(capsys.readouterr().out)
            assert any(f"line {number + 1} of the ledger" in failure for failure in tree["failures"])
