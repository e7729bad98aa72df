"""open_lth result folders: which ticket, which model, which mask, which initialization."""

from __future__ import annotations

import hashlib
import json
import shutil

import conventions
import pytest
import torch

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError


@pytest.fixture
def replicate(mlp, tmp_path):
    return conventions.write_open_lth(*mlp, tmp_path / "results", levels=3)


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def keep_only(replicate, level):
    for other in replicate.iterdir():
        if other.name != level:
            shutil.rmtree(other)


def test_ticket_named_by_branch_level_or_file(mlp, replicate):
    expected = conventions.truth(*mlp)
    main = replicate / "level_2" / "main"
    for path in (main, main.parent, main / "model_ep10_it0.pth"):
        checkpoint = read(path)
        assert checkpoint.format == "open_lth"
        assert all(torch.equal(checkpoint.tensors[key], tensor) for key, tensor in expected.items())
        assert all(torch.equal(checkpoint.masks[key], mask) for key, mask in mlp[1].items())
        assert checkpoint.reference == replicate / "level_0" / "main" / "model_ep0_it0.pth"
        assert any("sparsity_report.json agrees" in sentence for sentence in checkpoint.evidence)
        assert torch.equal(checkpoint.raw["fc1.weight"], expected["fc1.weight"])


def test_steps_are_compared_as_numbers(mlp, replicate):
    main = replicate / "level_1" / "main"
    assert "model_ep10_it0.pth" in read(main).evidence[0]
    for step in ("ep10_it9", "ep10_it10"):
        torch.save(mlp[0].state_dict(), main / f"model_{step}.pth")
    assert "model_ep10_it10.pth" in read(main).evidence[0]


@pytest.mark.parametrize("up", [0, 1, 2])
def test_folders_above_a_single_ticket(replicate, up):
    keep_only(replicate, "level_1")
    path = [replicate, *replicate.parents][up]
    checkpoint = read(path)
    assert checkpoint.reference == replicate / "level_1" / "main" / "model_ep0_it0.pth"


def test_folders_above_several_tickets_list_them(replicate):
    message = refusal(replicate)
    assert "level_0/main, level_1/main, level_2/main" in message
    message = refusal(replicate.parents[1])
    assert "replicate_1/level_2/main" in message


def test_branch(replicate):
    branch = shutil.copytree(
        replicate / "level_1" / "main", replicate / "level_1" / "oneshot_experiments_0123"
    )
    assert read(branch).reference == replicate / "level_0" / "main" / "model_ep0_it0.pth"
    assert read(replicate / "level_1").evidence == read(replicate / "level_1" / "main").evidence
    shutil.rmtree(replicate / "level_1" / "main")
    assert "oneshot" not in read(replicate / "level_1").evidence[0]


def test_pretraining_is_the_reference(mlp, replicate):
    home = replicate / "level_pretrain" / "main"
    home.mkdir(parents=True)
    for name in ("ep0_it0", "ep2_it0"):
        torch.save(mlp[0].state_dict(), home / f"model_{name}.pth")
    assert read(replicate / "level_2").reference == home / "model_ep0_it0.pth"
    checkpoint = read(home)
    assert checkpoint.reference == home / "model_ep0_it0.pth"
    assert not checkpoint.masks
    keep_only(replicate, "level_pretrain")
    assert read(replicate).evidence == checkpoint.evidence


def test_plain_training(mlp, tmp_path):
    home = tmp_path / f"train_{'1' * 32}" / "replicate_2" / "main"
    home.mkdir(parents=True)
    for name in ("ep0_it0", "ep2_it0"):
        torch.save(mlp[0].state_dict(), home / f"model_{name}.pth")
    for path in (home, home.parent, home.parents[1], tmp_path):
        assert read(path).reference == home / "model_ep0_it0.pth"
    assert read(home / "model_ep0_it0.pth").reference is None


def test_the_initialisation_has_no_reference(replicate):
    assert read(replicate / "level_0" / "main" / "model_ep0_it0.pth").reference is None


def test_a_lone_file_of_that_name_is_an_ordinary_one(mlp, tmp_path):
    torch.save(mlp[0].state_dict(), tmp_path / "model_ep3_it0.pth")
    assert read(tmp_path / "model_ep3_it0.pth").format == "dense-zeros"


def test_missing_mask(replicate, mlp):
    main = replicate / "level_1" / "main"
    (main / "mask.pth").rename(replicate / "mask.pth")
    assert "mask.pth" in refusal(main)
    assert "mask.pth" in refusal(main / "model_ep10_it0.pth")
    assert torch.equal(read(main, mask=replicate / "mask.pth").masks["fc1.weight"], mlp[1]["fc1.weight"])


def test_mask_of_a_layer_that_is_not_there(replicate):
    main = replicate / "level_1" / "main"
    torch.save({"fc7.weight": torch.ones(2, 2).int()}, main / "mask.pth")
    (main / "sparsity_report.json").unlink()
    message = refusal(main)
    assert "fc7.weight" in message
    assert "mask.pth" in message


@pytest.mark.parametrize(
    "text", ['{"total": 168.0, "unpruned": 1.0}', "{}", "[]", "no", '{"total": null, "unpruned": 1}']
)
def test_sparsity_report_that_disagrees(replicate, text):
    main = replicate / "level_1" / "main"
    (main / "sparsity_report.json").write_text(text)
    assert "sparsity_report.json" in refusal(main)


def test_training_state_for_resuming_is_refused(replicate, mlp):
    import numpy as np

    path = replicate / "level_0" / "main" / "checkpoint.pth"
    state = {"ep": 1, "it": 0, "model_state_dict": mlp[0].state_dict(), "optimizer_state_dict": {}}
    for logger in ("test_loss,0,2.0", np.float64(2)):
        torch.save(state | {"logger": logger}, path)
        message = refusal(path)
        assert "training state" in message
        assert "model_ep<E>_it<I>.pth" in message


def test_digest_is_of_all_files_in_name_order(replicate):
    main = replicate / "level_1" / "main"
    names = sorted(["mask.pth", "model_ep10_it0.pth", "sparsity_report.json"])
    together = b"".join((main / name).read_bytes() for name in names)
    assert read(main).sha256 == hashlib.sha256(together).hexdigest()
    model = main / "model_ep10_it0.pth"
    assert read(model).sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


def test_report_counts_are_those_of_the_mask(replicate):
    main = replicate / "level_1" / "main"
    masks = torch.load(main / "mask.pth", weights_only=True)
    report = json.loads((main / "sparsity_report.json").read_text())
    assert report["unpruned"] == sum(int(mask.sum()) for mask in masks.values())
