"""From `boundcalc train --certify pick` to `boundcalc verify`: what is made holds, what is changed does not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from boundcalc.certificates import file
from boundcalc.certificates.file import Item
from boundcalc.checkpoint import from_state_dict
from boundcalc.cli.main import main
from boundcalc.network.capture import make_module
from boundcalc.network.digest import digest_of_network
from boundcalc.network.load import from_checkpoint

Made = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def verified(ticket: Path, capsys: Capture, *more: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    root = ticket.parents[3]
    data, model = f"npz:{root / 'blobs.npz'}", f"{root / 'net.py'}:make"
    status = main(
        ["verify", str(ticket / file.NAME), "--data", data, "--model", model, "--format", "json", *more]
    )
    out, err = capsys.readouterr()
    return status, json.loads(out), err


PRUNED = [["random", "--density", "0.5"], ["imp", "--density", "0.3"], ["synflow", "--density", "0.4"]]


@pytest.mark.parametrize("pruner", PRUNED)
def test_a_certified_ticket_holds_and_replays(made: Made, capsys: Capture, pruner: list[str]) -> None:
    ticket = made("--pruner", *pruner)
    status, tree, err = verified(ticket, capsys, "--replay")
    assert status == 0, err
    assert tree["holds"] and tree["replayed"]
    assert tree["picked"] == 31
    assert 0 < tree["value"] < 1
    assert tree["value"] == pytest.approx(tree["claimed"])
    said = json.loads((ticket / "ticket.json").read_text())
    assert said["certificate"] == tree["claimed"]
    assert said["wrong"] == tree["wrong"]


def test_a_kept_candidate_is_paid_for_and_replays(made: Made, capsys: Capture) -> None:
    ticket = made("--pruner", "imp", "--density", "0.3", "--pick-candidates", "3")
    status, tree, err = verified(ticket, capsys, "--replay")
    assert status == 0, err
    assert [line["bits"] for line in tree["ledger"] if "among the last 3" in line["item"]] == [math.log2(3)]
    certificate = file.read_certificate(ticket / file.NAME)
    assert certificate.made_by["wrong"][-1] == tree["wrong"]
    assert len(certificate.made_by["wrong"]) == len(certificate.rounds)


CHANGES: dict[str, Callable[[file.Certificate], file.Certificate]] = {
    "a smaller value": lambda c: replace(c, value=c.value / 2),
    "fewer errors": lambda c: replace(c, wrong=c.wrong - 1),
    "a line of the ledger": lambda c: replace(c, ledger=(Item(c.ledger[0].item, 1.0), *c.ledger[1:])),
    "a line less": lambda c: replace(c, ledger=c.ledger[1:]),
    "the price of what was tried": lambda c: replace(c, ledger=tuple(replace(i, bits=0.0) for i in c.ledger)),
    "a pick twice": lambda c: replace(c, rounds=(*c.rounds, (c.rounds[0][0],))),
    "a pick outside": lambda c: replace(c, rounds=(*c.rounds, (10**6,))),
    "a round less": lambda c: replace(c, rounds=c.rounds[:-1]),
    "other data": lambda c: replace(c, data_sha256="0" * 64),
    "another network": lambda c: replace(c, network_sha256="0" * 64),
    "another delta": lambda c: replace(c, delta=0.01),
    "another prior": lambda c: replace(c, prior="data-dependent"),
    "another subject": lambda c: replace(c, subject="compression"),
    "another method": lambda c: replace(c, method="holdout"),
    "a part set aside that was not": lambda c: replace(
        c,
        made_by={
            **c.made_by,
            "plan": {**c.made_by["plan"], "picking": {**c.made_by["plan"]["picking"], "set_aside": 0.5}},
        },
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_error_fails(made: Made, capsys: Capture, change: str) -> None:
    ticket = made("--pruner", "random", "--density", "0.5", "--pick-tried", "4")
    place = ticket / file.NAME
    place.write_text(CHANGES[change](file.read_certificate(place)).text())
    status, tree, err = verified(ticket, capsys)
    assert status == 4
    assert not tree["holds"]
    assert err.count("\n") == len(tree["failures"]) > 0


def test_a_changed_network_fails(made: Made, capsys: Capture) -> None:
    ticket = made("--pruner", "random", "--density", "0.5")
    weights = torch.load(ticket / "model_ep1_it0.pth", weights_only=True)
    weights["1.bias"] += 1e-4
    torch.save(weights, ticket / "model_ep1_it0.pth")
    status, _, err = verified(ticket, capsys)
    assert status == 4
    assert "not the certified ones" in err


def test_training_on_more_than_the_picks_is_caught_by_the_replay(made: Made, capsys: Capture) -> None:
    ticket = made("--pruner", "random", "--density", "0.5")
    place = ticket / file.NAME
    claimed = file.read_certificate(place)
    weights = torch.load(ticket / "model_ep1_it0.pth", weights_only=True)
    weights["1.bias"] += 1e-4
    torch.save(weights, ticket / "model_ep1_it0.pth")
    module = make_module(f"{ticket.parents[3] / 'net.py'}:make")
    module.load_state_dict(weights)
    network = from_checkpoint(from_state_dict(weights, "changed"), module, (1, 6, 6))
    place.write_text(replace(claimed, network_sha256=digest_of_network(network)).text())
    assert verified(ticket, capsys)[0] == 0, "nothing but a replay can tell"
    status, _, err = verified(ticket, capsys, "--replay")
    assert status == 4
    assert "the same examples but" in err


def test_code_that_a_certificate_names_is_never_run(made: Made, capsys: Capture, tmp_path: Path) -> None:
    ticket = made("--pruner", "random", "--density", "0.5")
    place, code, trace = ticket / file.NAME, tmp_path / "named.py", tmp_path / "trace"
    code.write_text(f"open({str(trace)!r}, 'w').close()\ndef make(): pass\n")
    claimed = file.read_certificate(place)
    plan = {**claimed.made_by["plan"], "model": f"{code}:make"}
    place.write_text(replace(claimed, made_by={**claimed.made_by, "plan": plan}).text())
    data = f"npz:{ticket.parents[3] / 'blobs.npz'}"
    assert main(["verify", str(place), "--data", data, "--replay"]) == 2
    assert "give --model FILE.py:CALLABLE, which is run" in capsys.readouterr().err
    status, tree, err = verified(ticket, capsys, "--replay")
    assert status == 0 and tree["replayed"], err
    assert not trace.exists()


REFUSED = [
    (["--pruner", "snip", "--density", "0.5"], "would depend on examples that are not picked"),
    (["--pruner", "imp", "--levels", "1", "--rewind", "1"], "cannot be combined with --rewind"),
    (["--pruner", "random", "--density", "0.5", "--pick-rounds", "0"], "--pick-rounds 0"),
    (["--pruner", "random", "--density", "0.5", "--pick-candidates", "11"], "--pick-candidates 11"),
    (
        ["--pruner", "random", "--density", "0.5", "--pick-score", "nearest-wron"],
        "did you mean nearest-wrong",
    ),
]


@pytest.mark.parametrize(("words", "what"), REFUSED)
def test_options_that_break_the_theorem_are_refused(
    tmp_path: Path, capsys: Capture, words: list[str], what: str
) -> None:
    run = [
        "train",
        "--data",
        "sample",
        "--arch",
        "lenet300",
        "--certify",
        "pick",
        "--out",
        str(tmp_path / "r"),
    ]
    assert main([*run, *words]) == 2
    assert what in capsys.readouterr().err
