"""The command line as a user meets it: words in, streams and exit status out."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import pytest
import torch

from boundcalc.bounds import registry
from boundcalc.cli.main import main

BIAS_FREE = {
    "graf2022_norms", "graf2022_params", "ledent2021", "lin2019", "gouk2021_1inf", "gouk2021_fro"
}  # fmt: skip
NO_DATA = ["--samples", "1000", "--input-bound", "1"]


@pytest.fixture
def ticket(tmp_path):
    generator = torch.Generator().manual_seed(0)
    weights = {
        "fc1.weight": torch.randn(6, 12, generator=generator),
        "fc1.bias": torch.randn(6, generator=generator),
        "fc2.weight": torch.randn(3, 6, generator=generator),
        "fc2.bias": torch.randn(3, generator=generator),
    }
    weights["fc1.weight"][torch.rand(6, 12, generator=generator) < 0.5] = 0
    torch.save(weights, tmp_path / "ticket.pt")
    return str(tmp_path / "ticket.pt")


@pytest.fixture
def arrays(tmp_path):
    import numpy as np

    generator = np.random.default_rng(0)
    path = tmp_path / "arrays.npz"
    labels = generator.integers(0, 3, 60)
    x = generator.random((60, 12))
    np.savez(path, x_train=x[:40], y_train=labels[:40], x_test=x[40:], y_test=labels[40:])
    return f"npz:{path}"


def run(capsys, *words):
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, status, *words):
    found, out, err = run(capsys, *words)
    assert found == status
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("boundcalc: ")
    return err


def test_help_and_version_do_not_import_torch():
    code = (
        "import sys\nfrom boundcalc.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as e: assert e.code == 0\n"
        "assert not {'torch', 'numpy', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    helps = (["--help"], ["bounds", "--help"], ["compare", "--help"])
    for words in (*helps, ["--version"], ["formats"], ["formats", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_without_data_the_checkpoint_is_described_and_bounds_say_why_not(capsys, ticket):
    status, out, err = run(capsys, ticket, "--format", "json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert report["checkpoint"]["parameters"] == 90
    assert report["checkpoint"]["biases"] == 9
    assert report["bounds"] == {}
    assert {item["part"] for item in report["skipped"]} == {"bounds", "empirical", "gntk"}
    assert report["samples"]["surviving_hidden"] <= 72
    assert len(report["topology"]["layers"]) == 2
    assert report["data"] is None and report["empirical"] is None


def test_without_data_but_a_sample_size(capsys, ticket):
    status, out, _ = run(capsys, ticket, *NO_DATA, "--format", "json")
    report = json.loads(out)
    assert status == 0
    assert report["data"]["m"] == 1000
    assert report["data"]["frobenius"] == pytest.approx((12 * 1000) ** 0.5)
    peeling = report["bounds"]["peeling"]
    assert peeling["status"] == "theorem"
    assert "err_gamma" in peeling["reason"]
    assert peeling["value"] > peeling["terms"]["complexity_term"]


def test_with_data(capsys, ticket, arrays):
    status, out, _ = run(capsys, ticket, "--data", arrays, "--format", "json")
    report = json.loads(out)
    assert status == 0
    assert report["empirical"]["gap"] == pytest.approx(
        report["empirical"]["test_error"] - report["empirical"]["train_error"]
    )
    for name, bound in report["bounds"].items():
        if bound["status"] == "not_covered":
            assert (name in BIAS_FREE) == ("bias" in bound["reason"])
        else:
            assert bound["vacuous"] == (bound["status"] != "score" and bound["log10_value"] >= 0)


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "latex"])
def test_every_format(capsys, ticket, arrays, form):
    status, out, err = run(capsys, ticket, "--data", arrays, "--format", form)
    assert (status, err) == (0, "")
    assert "peeling" in out
    assert out.endswith("\n") and not out.endswith("\n\n\n")
    if form == "table":
        assert max(map(len, out.splitlines())) <= 100
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert set(rows[0]) == {
            *["checkpoint", "part", "name", "quantity", "value", "status", "source", "reason", "subject"]
        }
        assert {row["checkpoint"] for row in rows} == {ticket}
        assert not [row["name"] for row in rows if row["part"] == "skipped"]
        assert sum(row["quantity"] == "vacuous" for row in rows) == len(registry)
    if form == "latex":
        assert r"\toprule" in out


def test_output_goes_to_a_file_whole_or_not_at_all(capsys, ticket, tmp_path):
    place = tmp_path / "out.json"
    status, out, _ = run(capsys, ticket, "--format", "json", "-o", str(place))
    assert (status, out) == (0, "")
    assert json.loads(place.read_text())["schema"] == "boundcalc.report/2"
    place.write_text("kept")
    refused(capsys, 3, str(tmp_path / "missing.pt"), "-o", str(place))
    assert place.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".out")] == []
    assert "cannot be written" in refused(capsys, 2, ticket, "-o", str(tmp_path / "no" / "out.json"))


def test_same_words_same_report(capsys, ticket, arrays):
    reports = []
    for _ in range(2):
        report = json.loads(run(capsys, ticket, "--data", arrays, "--format", "json")[1])
        del report["seconds"]
        reports.append(report)
    assert reports[0] == reports[1]


def test_only(capsys, ticket, arrays):
    status, out, _ = run(capsys, ticket, "--data", arrays, "--only", "empirical", "--format", "json")
    report = json.loads(out)
    assert status == 0
    assert report["bounds"] == {} and report["empirical"] is not None and report["skipped"] == []
    status, out, err = run(capsys, ticket, "--only", "bounds,empirical", "--format", "json")
    assert status == 1
    assert json.loads(out)["skipped"]
    assert "bounds did not run: no sample: give --data" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "CHECKPOINT"),
        (["x.pt", "--dat", "sample"], "did you mean --data?"),
        (["x.pt", "--only", "bound"], "did you mean bounds?"),
        (["x.pt", "--delta", "0"], "--delta 0"),
        (["x.pt", "--delta", "1.5"], "--delta 1.5"),
        (["x.pt", "--margin", "-1"], "--margin -1"),
        (["x.pt", "--margin", "wide"], "neither auto nor a number"),
        (["x.pt", "--input-bound", "1"], "--input-bound needs --samples"),
        (["x.pt", "--target-error", "0.1"], "--target-error needs --calibration"),
        (["x.pt", "--data", "sample", *NO_DATA], "not both"),
        (["x.pt", "--normalize", "0.1,0.3"], "--normalize needs --data"),
        (["x.pt", "--normalize", "a,b", "--data", "sample"], "give MEAN,STD"),
        (["x.pt", "--input-shape", "1,0,28"], "sizes are positive"),
        (["x.pt", "--samples", "0", "--input-bound", "1"], "--samples 0"),
        (["x.pt", "--samples", "10", "--input-bound", "inf"], "--input-bound inf"),
        (["x.pt", "--format", "xml"], "invalid choice"),
        (["bounds", "--formt", "json"], "did you mean --format?"),
    ],
)
def test_wrong_usage(capsys, words, message):
    assert message in refused(capsys, 2, *words)


def test_data_that_does_not_fit(capsys, ticket, tmp_path):
    assert "784" in refused(capsys, 3, ticket, "--data", "sample")
    assert "missing.npz" in refused(capsys, 3, ticket, "--data", f"npz:{tmp_path}/missing.npz")
    import numpy as np

    np.savez(tmp_path / "labels.npz", x_train=np.zeros((4, 12)), y_train=np.array([0, 1, 2, 7]))
    assert "label 7" in refused(capsys, 3, ticket, "--data", f"npz:{tmp_path}/labels.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def make():\n    raise RuntimeError('boom\\nbang')", "raised RuntimeError: boom bang"),
        ("raise ValueError('early')", "raised ValueError: early"),
        ("make = 3", "no callable named make"),
        ("def make():\n    return 3", "returned a int"),
        ("import torch\ndef make():\n    return torch.nn.Linear(3, 2)", "does not fit"),
        ("def make(:", "SyntaxError"),
        ("import torch, sys\ndef make():\n    sys.exit(7)", "SystemExit"),
    ],
)
def test_a_model_file_that_raises_or_does_not_fit(capsys, ticket, tmp_path, content, message):
    (tmp_path / "net.py").write_text(content)
    err = refused(capsys, 3, ticket, "--model", f"{tmp_path}/net.py:make")
    assert message in err
    assert "net.py" in err


def test_own_code_is_run_and_the_report_says_so(capsys, ticket, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc1, self.fc2 = nn.Linear(12, 6), nn.Linear(6, 3)\n"
        "    def forward(self, x):\n"
        "        return self.fc2(self.fc1(x).relu())\n"
    )
    status, out, err = run(capsys, ticket, "--model", f"{tmp_path}/net.py:Net", *NO_DATA, "--format", "json")
    assert (status, err) == (0, "")
    captured = json.loads(out)
    assert captured["network"]["source"] == f"captured by running {tmp_path}/net.py:Net"
    inferred = json.loads(run(capsys, ticket, *NO_DATA, "--format", "json")[1])
    assert captured["bounds"] == inferred["bounds"]


def test_listings(capsys):
    status, out, _ = run(capsys, "bounds", "--format", "json")
    listed = {row["bound"]: row for row in json.loads(out)}
    assert status == 0
    assert listed["galanti2023"]["status"] == "refuted"
    assert listed["bartlett2017"]["kind"] == "loss"
    assert all(row["source"] and row["assumptions"] for row in listed.values())
    assert "open_lth" in run(capsys, "formats")[1]
    assert max(map(len, run(capsys, "bounds")[1].splitlines())) <= 100


def test_a_closed_pipe_is_no_error(ticket):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", ticket],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert done.stderr == ""
    assert done.returncode == 0


def test_what_looks_wrong_is_told_on_standard_error_and_changes_nothing_else(ticket, arrays, capsys):
    words = [ticket, "--data", arrays, "--normalize", "33,78", "--only", "empirical", "--format", "json"]
    status, out, err = run(capsys, *words)
    assert status == 0
    assert json.loads(out)["empirical"] is not None
    assert err.startswith("boundcalc: warning: --normalize 33,78: ")
    assert err.endswith("\n")
    assert run(capsys, *words, "--quiet")[2] == ""
