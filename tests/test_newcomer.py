"""Fifty things that somebody new does in the first hour, each with what must be seen."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import BoundcalcError

DATA = ["--data", "npz:data.npz", "--passes", "0", "--batch", "20"]


def pruned(seed=0, density=0.5):
    generator = torch.Generator().manual_seed(seed)
    state = {
        "fc1.weight": torch.randn(6, 12, generator=generator),
        "fc1.bias": torch.randn(6, generator=generator),
        "fc2.weight": torch.randn(3, 6, generator=generator),
        "fc2.bias": torch.randn(3, generator=generator),
    }
    for key in ("fc1.weight", "fc2.weight"):
        state[key][torch.rand(state[key].shape, generator=generator) > density] = 0
    return state


def convolution():
    generator = torch.Generator().manual_seed(1)
    state = {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=generator),
        "fc.weight": torch.randn(2, 64, generator=generator),
    }
    state["conv.weight"][0] = 0
    return state


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder as a newcomer has it: tickets, a mask, an initialization, data, a model."""
    place = tmp_path_factory.mktemp("newcomer")
    start = {
        key: torch.randn(tensor.shape, generator=torch.Generator().manual_seed(9))
        for key, tensor in pruned().items()
    }
    (place / "kept").mkdir()
    torch.save(pruned(), place / "ticket.pt")
    torch.save(pruned(3, 0.2), place / "sparser.pt")
    torch.save(start, place / "init.pt")
    torch.save({key: start[key] * (pruned()[key] != 0) for key in start}, place / "rewound.pt")
    torch.save({"fc1.weight": pruned()["fc1.weight"] != 0}, place / "kept" / "masks.pt")
    torch.save(convolution(), place / "cnn.pt")
    torch.save(
        {"fc1.weight": torch.ones(4, 8) * (torch.arange(8) % 4 < 2), "fc2.weight": torch.ones(2, 4)},
        place / "nm.pt",
    )
    torch.save({"fc1.weight": torch.randn(5, 12), "fc2.weight": torch.randn(3, 5)}, place / "dense.pt")
    random = np.random.default_rng(0)
    x, y = random.random((90, 12)), random.integers(0, 3, 90)
    np.savez(place / "data.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    (place / "notes.txt").write_text("hello")
    (place / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc1, self.fc2 = nn.Linear(12, 6), nn.Linear(6, 3)\n"
        "    def forward(self, x):\n"
        "        return self.fc2(self.fc1(x).relu())\n"
    )
    return place


@pytest.fixture
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "80")
    return home


def run(capsys, words):
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


COMMANDS = {
    "ask for help": (["--help"], 0, ["commands:", "compare A B...", "examples:"], ""),
    "ask for help on a command": (["help", "batch"], 0, ["usage: boundcalc batch"], ""),
    "type nothing": ([], 2, [], "give a CHECKPOINT or a command"),
    "ask for the version": (["--version"], 0, ["boundcalc 0."], ""),
    "look at a ticket": (["ticket.pt", "--only", "topology"], 0, ["of 90 weights", "fc1", "Layers"], ""),
    "is it really sparse": (["ticket.pt", "--only", "topology"], 0, ["sparsity", " %)", "density"], ""),
    "is a dense one dense": (["dense.pt", "--only", "topology"], 0, ["no mask found: the network is dense"], ""),
    "does the mask count": (
        ["init.pt", "--mask", "kept/masks.pt", "--only", "topology"], 0, ["mask declared"], "",
    ),
    "did rewinding work": (
        ["rewound.pt", "--reference", "init.pt", "--only", "topology"], 0, ["rewound", "100 % of the surviving", "at start"], "",
    ),
    "was it trained since": (
        ["ticket.pt", "--reference", "init.pt", "--only", "topology"], 0, ["rewound", "0 % of the surviving"], "",
    ),
    "are there 2:4 patterns": (["nm.pt", "--only", "topology"], 0, ["N:M", "2:4"], ""),
    "which channels are dead": (["cnn.pt", "--only", "graphon"], 0, ["dead", "outputs whose weights are all 0"], ""),
    "a cnn without an input size": (["cnn.pt"], 0, ["conv2d", "architecture not known", "--input-shape"], ""),
    "get bounds": (["ticket.pt", *DATA], 0, ["your network", "peeling", "theorem", "test set", "measured"], ""),
    "get bounds without data": (
        ["ticket.pt", "--samples", "1000", "--input-bound", "1"], 0, ["error - margin error", "peeling"], "",
    ),
    "read all of it": (["ticket.pt", *DATA, "--only", "bounds", "--verbose"], 0, ["sha256", "seconds"], ""),
    "ask for one part": (["ticket.pt", "--only", "samples"], 0, ["Sample complexity"], ""),
    "misspell a part": (["ticket.pt", "--only", "sample"], 2, [], "did you mean samples?"),
    "misspell a command": (["comapre", "ticket.pt", "sparser.pt"], 2, [], "did you mean compare?"),
    "misspell an option": (["ticket.pt", "--dta", "sample"], 2, [], "did you mean --data"),
    "misspell a file": (["tickett.pt"], 3, [], "did you mean ticket.pt?"),
    "misspell a bound": (["explain", "peeing"], 2, [], "did you mean peeling?"),
    "misspell a format": (["ticket.pt", "--format", "htlm"], 2, [], "did you mean html?"),
    "misspell data": (["ticket.pt", "--data", "npz:dat.npz"], 3, [], "did you mean data.npz?"),
    "forget the name of the option": (["ticket.pt", "digits"], 2, [], "did you mean --data digits?"),
    "pass two checkpoints": (["ticket.pt", "sparser.pt"], 2, [], "boundcalc compare"),
    "pass a text file": (["notes.txt"], 3, [], "notes.txt"),
    "pass a folder of many": (["."], 3, [], "give the path of one"),
    "data of another shape": (["ticket.pt", "--data", "sample"], 3, [], "784"),
    "give the model": (["ticket.pt", "--model", "net.py:Net", "--only", "topology"], 0, ["outputs 3", "captured"], ""),
    "save a page": (["ticket.pt", *DATA, "--only", "bounds,empirical", "--format", "html", "-o", "ticket.html"], 0, [], ""),
    "save json": (["ticket.pt", "--format", "json", "--only", "samples"], 0, ['"schema": "boundcalc.report/2"'], ""),
    "save csv": (["ticket.pt", "--format", "csv", "--only", "graphon"], 0, ["checkpoint,part,name"], ""),
    "a table for a paper": (["ticket.pt", *DATA, "--only", "bounds", "--format", "latex"], 0, ["toprule", "peeling"], ""),
    "write into no folder": (["ticket.pt", "-o", "no/where.txt"], 2, [], "no such folder"),
    "list the bounds": (["bounds"], 0, ["peeling", "theorem"], ""),
    "list the formats": (["formats"], 0, ["safetensors"], ""),
    "what does a bound say": (["explain", "golowich2018_fro"], 0, ["Golowich"], ""),
    "print the schema": (["schema"], 0, ["json-schema.org"], ""),
    "complete in the shell": (["completion", "bash"], 0, ["complete -o filenames -F _boundcalc boundcalc"], ""),
    "compare two": (["compare", "ticket.pt", "sparser.pt", "--only", "samples"], 0, ["sparser.pt"], ""),
    "many at once": (
        ["batch", "ticket.pt", "sparser.pt", "--store", "s.sqlite", "--only", "samples", "--workers", "1"],
        0, ["density"], "analyzed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("action", COMMANDS)
def test_a_command(capsys, here, action):
    words, status, seen, told = COMMANDS[action]
    found, out, err = run(capsys, words)
    assert found == status, err
    joined = " ".join(out.split())
    for word in seen:
        assert word in joined, (word, out)
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    if status:
        assert out == "" and err.count("\n") == 1


def module():
    made = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    for layer in (made[0], made[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    return made


def held(m=60):
    random = np.random.default_rng(0)
    return TensorDataset(torch.from_numpy(random.random((m, 12))), torch.from_numpy(random.integers(0, 3, m)))


def test_a_pruned_module():
    report = boundcalc.analyze(module(), only="samples")
    assert report.to_dict()["checkpoint"]["density"] == 0.5


def test_a_loader_of_training():
    loader = DataLoader(held(), batch_size=8, shuffle=True, drop_last=True)
    report = boundcalc.analyze(module(), data=loader, only=("bounds", "empirical"), passes=0)
    assert report.to_dict()["data"]["m"] == 60
    assert set(report.verdict) >= {"network", "compression", "test_set", "warnings"}


def test_a_pair_of_data_sets():
    report = boundcalc.analyze(module(), data=(held(), held(20)), only="empirical")
    assert report.to_dict()["empirical"]["test_error"] is not None


def test_augmented_data_are_no_sample():
    class Noisy(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + torch.rand(1), y

    with pytest.raises(BoundcalcError, match="not the same when it is read again"):
        boundcalc.analyze(module(), data=Noisy(*held().tensors))


def test_a_misspelt_keyword():
    with pytest.raises(TypeError, match="did you mean reference"):
        boundcalc.analyze(module(), referense="init.pt")


def test_a_table_in_pandas():
    frame = boundcalc.analyze(module(), only="samples").to_pandas()
    assert {"name", "quantity", "value"} <= set(frame.columns)


def test_a_report_in_a_notebook():
    assert "<h4>Verdict</h4>" in boundcalc.analyze(module(), only="samples")._repr_html_()


def test_a_report_printed():
    assert "looks wrong" in str(boundcalc.analyze(module(), only="samples"))


def test_the_saved_files_are_there(here, capsys):
    assert run(capsys, COMMANDS["save a page"][0])[0] == 0
    assert (here / "ticket.html").read_text().startswith("<!DOCTYPE html>")
    assert run(capsys, ["ticket.pt", "--only", "samples", "--format", "json", "-o", "r.json"])[0] == 0
    assert json.loads((here / "r.json").read_text())["checkpoint"]["parameters"] == 90


def test_the_first_screen_answers(here, capsys):
    status, out, _ = run(capsys, ["ticket.pt", *DATA])
    assert status == 0
    screen = out.splitlines()[:24]
    assert all(len(line) <= 80 for line in screen)
    labels = [match[0].strip() for line in screen if (match := re.match(r"[a-z][a-z ]*?(?=  )", line))]
    for topic in ("read", "sparsity", "your network", "compression", "test set", "measured", "looks wrong"):
        assert topic in labels


def test_there_are_fifty_of_them():
    others = [name for name in globals() if name.startswith("test_") and name != "test_a_command"]
    assert len(COMMANDS) + len(others) - 1 >= 50
