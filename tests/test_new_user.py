"""What new users tripped over, each as a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import BoundcalcError, CheckpointError, DataError, UsageError


def chain(*sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        f"fc{number}.weight": torch.randn(out, width, generator=generator)
        for number, (width, out) in enumerate(zip(sizes, sizes[1:], strict=False))
    }


def arrays(shape, classes, m=40):
    generator = np.random.default_rng(0)
    return generator.random((m, *shape)), generator.integers(0, classes, m)


def saved(content, tmp_path, name="net.pt"):
    torch.save(content, tmp_path / name)
    return str(tmp_path / name)


def test_a_ticket_is_not_its_own_reference(tmp_path):
    path = saved(chain(5, 4, 3), tmp_path)
    with pytest.raises(CheckpointError, match="has the checkpoint's own weights"):
        boundcalc.analyze(path, reference=path)


def test_nor_is_a_pruned_one(tickets):
    path = tickets / "lenet300_density02.pt"
    with pytest.raises(CheckpointError, match="has the checkpoint's own weights"):
        boundcalc.analyze(path, reference=path, only=("samples",), input_shape=(1, 28, 28))


def test_the_state_dict_of_a_single_layer_has_no_layer_name(tmp_path, capsys):
    for layer, shape in ((nn.Linear(3, 2), [2, 3]), (nn.Linear(3, 2, bias=False), [2, 3])):
        layer.weight.data[0, 0] = 0
        path = saved(layer.state_dict(), tmp_path)
        assert main([path, "--samples", "9", "--input-bound", "1", "--format", "json"]) == 0
        report = json.loads(capsys.readouterr().out)
        (found,) = report["network"]["layers"]
        assert (found["name"], found["shape"], found["surviving"]) == ("weight", shape, 5)
        assert report["bounds"]["peeling"]["status"] == "theorem"
        by_model = boundcalc.analyze(layer, samples=9, input_bound=1).to_dict()
        assert by_model["network"]["layers"][0]["name"] == "weight"
        assert by_model["bounds"]["peeling"]["value"] == report["bounds"]["peeling"]["value"]


def test_a_single_layer_with_live_pruning_and_a_reference(tmp_path, capsys):
    layer = nn.Linear(6, 4)
    start = saved(layer.state_dict(), tmp_path, "start.pt")
    layer.weight.data += 0.5
    prune.random_unstructured(layer, "weight", 0.5)
    path = saved(layer.state_dict(), tmp_path)
    assert main([path, "--reference", start, "--samples", "9", "--input-bound", "1", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checkpoint"]["density"] == 0.5 and report["checkpoint"]["mask"] == "declared"
    assert report["checkpoint"]["reference"]["path"] == start


class Squeezed(nn.Module):
    """One score a sample, without an axis of outputs, through a sigmoid."""

    def __init__(self):
        super().__init__()
        self.fc0, self.fc1 = nn.Linear(6, 5, bias=False), nn.Linear(5, 1, bias=False)

    def forward(self, x):
        return torch.sigmoid(self.fc1(self.fc0(x).relu())).squeeze(1)


def test_a_final_sigmoid_is_left_out_and_errors_are_those_of_the_logit():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module, x = Squeezed().eval(), torch.randn(50, 6)
    x = x[(module(x) - 0.5).abs() > 1e-3]
    y = (module(x) > 0.5).long()
    report = boundcalc.analyze(module, data=(x.numpy(), y.numpy())).to_dict()
    assert report["empirical"]["train_error"] == 0
    assert report["network"]["outputs"] == 1
    assert any("sigmoid is left out" in line for line in report["network"]["assumptions"])
    assert report["bounds"]["peeling"]["status"] == "theorem"


@pytest.mark.parametrize(("given", "shape"), [((3, 8, 2), (3, 4, 4)), ((3, 4, 4), (4, 4, 3))])
def test_images_are_never_reshaped_into_others(given, shape):
    module = nn.Sequential(
        nn.Conv2d(3, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    with pytest.raises(DataError, match="permute the axes to that order"):
        boundcalc.analyze(module, data=arrays(shape, 2), input_shape=given)


def test_flat_samples_and_channel_axes_of_one_are_taken(tmp_path):
    path = saved({"conv.weight": torch.randn(2, 1, 2, 2), "fc.weight": torch.randn(3, 50)}, tmp_path)
    for shape in ((36,), (6, 6), (1, 6, 6), (6, 6, 1)):
        report = boundcalc.analyze(path, data=arrays(shape, 3), input_shape=(1, 6, 6)).to_dict()
        assert report["network"]["input_shape"] == [1, 6, 6]


def test_the_python_words_that_users_try(tmp_path):
    state = chain(5, 4, 3)
    assert boundcalc.analyze(state, only="bounds", samples=10, input_bound=1).to_dict()["bounds"]
    for wrong in (
        {"delta": "0.05"},
        {"margin": True},
        {"input_shape": "1,5"},
        {"normalize": "0.1,0.3"},
        {"only": "bound"},
    ):
        with pytest.raises(UsageError):
            boundcalc.analyze(state, **wrong)
    with pytest.raises(BoundcalcError, match=r"give y.ravel\(\)"):
        boundcalc.analyze(state, data=(np.zeros((4, 5)), np.zeros((4, 1))))
    with pytest.raises(DataError, match="labels start at 0"):
        boundcalc.analyze(state, data=(np.zeros((3, 5)), np.array([1, 2, 3])))


def test_the_summary_speaks_of_what_was_asked_for(tmp_path):
    state = chain(5, 4, 3)
    summary = boundcalc.analyze(state, only=("samples",), data=arrays((5,), 3)).to_dict()["summary"]
    assert summary == [
        "Nothing is proved about your network: bounds were not asked for (--only).",
        "Empirical part skipped (--only).",
    ]
    nothing = {key: torch.zeros_like(weight) for key, weight in state.items()}
    zero = boundcalc.analyze(nothing, data=arrays((5,), 3)).to_dict()
    assert any("no positive Toeplitz-norm complexity" in line for line in zero["summary"])
    assert zero["bounds"]["peeling"]["complexity"] == 0
    assert zero["empirical"]["train_error"] == 1


def test_output_is_checked_first_and_links_and_devices_are_written_through(tmp_path, capsys):
    ticket = saved(chain(5, 4, 3), tmp_path)
    assert main([str(tmp_path / "missing.pt"), "-o", str(tmp_path / "no" / "x.txt")]) == 2
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert main([ticket, "--format", "json", "-o", str(tmp_path / "link.json")]) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["checkpoint"]["parameters"] == 32
    device = os.stat(os.devnull).st_rdev
    assert main([ticket, "-o", os.devnull]) == 0
    assert os.stat(os.devnull).st_rdev == device


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "boundcalc", saved(chain(5, 4, 3), tmp_path)]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "standard output: cannot be written" in done.stderr


def test_a_second_checkpoint_is_not_an_option(tmp_path, capsys):
    ticket = saved(chain(5, 4, 3), tmp_path)
    assert main([ticket, ticket]) == 2
    assert "this command takes one checkpoint" in capsys.readouterr().err


def test_a_folder_names_what_lies_in_it(tmp_path):
    saved(chain(5, 4, 3), tmp_path, "one.pt")
    saved(chain(5, 4, 3), tmp_path, "two.pth")
    with pytest.raises(CheckpointError, match=r"give the path of one: one.pt, two.pth"):
        boundcalc.analyze(tmp_path)


def test_a_folder_with_one_safetensors_file_names_it(tmp_path):
    from safetensors.torch import save_file

    save_file(chain(5, 4, 3), tmp_path / "only.safetensors")
    evidence = boundcalc.analyze(tmp_path).to_dict()["checkpoint"]["evidence"]
    assert "only.safetensors in the folder" in evidence


def test_images_are_flattened_for_a_model_that_takes_vectors():
    module = nn.Sequential(nn.Linear(16, 5), nn.GELU(), nn.Linear(5, 3)).eval()
    report = boundcalc.analyze(module, data=arrays((1, 4, 4), 3)).to_dict()
    assert report["network"]["input_shape"] == [16]
    assert report["empirical"]["train_error"] > 0
    sparse = [
        bound
        for name, bound in report["bounds"].items()
        if bound["kind"] == "F" and not name.endswith("1inf")
    ]
    assert {bound["status"] for bound in sparse} == {"not_covered"}
    assert report["bounds"]["golowich2018_1inf"]["status"] == "theorem"
    assert all(
        re.search(r"gelu( \(not positively homogeneous\))? at gelu after 0", bound["reason"])
        for bound in sparse
    )
    assert report["bounds"]["bartlett2017"]["status"] == "theorem", (
        "which takes any activation whose Lipschitz constant is known"
    )
