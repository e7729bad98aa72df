"""Edge-popup: the largest scores of each layer are the network, and never weights."""

from __future__ import annotations

import json
import math

import mask_files
import pytest
import torch
from mask_files import LAYERS, dense, masks

import boundcalc
from boundcalc.checkpoint import read
from boundcalc.cli.main import main
from boundcalc.errors import CheckpointError, UsageError


def scored(seed=0, name="scores"):
    generator = torch.Generator().manual_seed(seed)
    scores = {f"{layer}.{name}": torch.randn(shape, generator=generator) for layer, shape in LAYERS.items()}
    return dense() | scores


def subnet(scores, k):
    """GetSubnet of hidden-networks, as the paper's code computes it."""
    out = scores.abs().clone()
    _, order = scores.abs().flatten().sort()
    j = int((1 - k) * scores.numel())
    flat = out.flatten()
    flat[order[:j]] = 0
    flat[order[j:]] = 1
    return flat.reshape(scores.shape).bool()


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("name", ["scores", "popup_scores"])
def test_the_largest_scores_of_each_layer(tmp_path, density, name):
    content = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in scored(name=name).items()}}
    torch.save(content, tmp_path / "model.pth")
    checkpoint = read(tmp_path / "model.pth", mask_from_scores=density)
    for layer in LAYERS:
        assert torch.equal(checkpoint.masks[f"{layer}.weight"], subnet(scored()[f"{layer}.scores"], density))
    assert set(checkpoint.tensors) == set(dense())
    assert checkpoint.format == "edge-popup"
    assert any("--mask-from-scores" in sentence for sentence in checkpoint.evidence)


def test_without_a_density_a_file_with_scores_is_refused(tmp_path):
    torch.save(scored(), tmp_path / "model.pt")
    with pytest.raises(
        CheckpointError, match=r"fc1\.scores.*--mask-from-scores DENSITY, or give masks with --mask"
    ):
        read(tmp_path / "model.pt")
    checkpoint = read(tmp_path / "model.pt", mask=masks())
    assert {key: int(mask.sum()) for key, mask in checkpoint.masks.items()} == mask_files.RIGHT
    with pytest.raises(CheckpointError, match=r"--mask-from-scores"):
        read(tmp_path / "model.pt", mask={"fc1": masks()["fc1"]})


def test_a_density_without_scores(tmp_path):
    torch.save(dense(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="no scores beside its weights"):
        read(tmp_path / "model.pt", mask_from_scores=0.5)
    torch.save(scored() | {"fc1.scores": torch.full((16, 20), math.nan)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"fc1\.scores holds NaN"):
        read(tmp_path / "model.pt", mask_from_scores=0.5)


def test_command_line_and_python(tmp_path, capsys):
    torch.save(scored(), tmp_path / "model.pt")
    words = [str(tmp_path / "model.pt"), "--input-shape", "20", "--only", "topology", "--format", "json"]
    assert main([*words, "--mask-from-scores", "0.3"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checkpoint"]["surviving"] == sum(
        math.prod(s) - int(0.7 * math.prod(s)) for s in LAYERS.values()
    )
    roles = {entry["key"]: entry["role"] for entry in report["checkpoint"]["tensors"]}
    assert roles["fc1.scores"] == "mask"
    assert (
        boundcalc.load(tmp_path / "model.pt", mask_from_scores=0.3).surviving
        == report["checkpoint"]["surviving"]
    )
    assert main([*words, "--mask-from-scores", "1.5"]) == 2
    with pytest.raises(UsageError, match="mask_from_scores"):
        boundcalc.analyze(scored(), mask_from_scores="0.3")
    assert main(words) == 3
