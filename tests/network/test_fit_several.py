"""Files that hold several networks: one is chosen, or the prefixes are listed."""

from __future__ import annotations

import pytest
from fit_modules import (
    COUNT,
    PLAIN,
    Plain,
    StudentTeacher,
    counts,
    network,
    saved,
    state_of,
)  # fmt: skip
from torch import nn

from boundcalc.errors import CheckpointError

TWO = {**state_of(Plain(), "student."), **Plain().state_dict(prefix="teacher.")}


def test_several_networks_are_refused_with_their_prefixes(tmp_path):
    path = saved(tmp_path, TWO)
    for model in (None, Plain()):
        with pytest.raises(CheckpointError, match="prefixes student, teacher: choose one with --prefix NAME"):
            network(path, model)
        for chosen in ("student", "student."):
            found = network(path, model, chosen)
            assert counts(found) == COUNT
            assert {key for key, _ in found.set_aside} == {key for key in TWO if key.startswith("teacher.")}
        assert counts(network(path, model, "teacher")) == (93, 93)
    with pytest.raises(
        CheckpointError,
        match="--prefix nobody: none of its keys begins with it; they begin with student, teacher",
    ):
        network(path, None, "nobody")


def test_a_model_of_both_reads_the_one_that_its_forward_pass_reads(tmp_path):
    found = network(saved(tmp_path, TWO), StudentTeacher())
    assert counts(found) == COUNT
    assert all(key.startswith("teacher.") and "does not read" in why for key, why in found.set_aside)


def test_the_one_prefix_that_fits_the_model_is_used_and_said(tmp_path):
    path = saved(tmp_path, state_of(Plain(), "student.") | Plain(7).state_dict(prefix="teacher."))
    found = network(path, Plain())
    assert counts(found) == COUNT
    assert "the keys of the file begin with student., and those of the model do not" in found.assumptions


@pytest.mark.parametrize(
    "names", [("generator", "discriminator"), ("netG", "netD"), ("left", "right"), ("actor", "critic")]
)
def test_networks_whose_shapes_would_chain_are_not_read_as_one(names, tmp_path):
    first = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    state = first.state_dict(prefix=f"{names[0]}.") | first.state_dict(prefix=f"{names[1]}.")
    with pytest.raises(CheckpointError, match=f"prefixes {names[0]}, {names[1]}: choose one with --prefix"):
        network(saved(tmp_path, {key: tensor.clone() for key, tensor in state.items()}), shape=(6,))


def test_parts_of_one_network_are_read_as_one(tmp_path):
    parts = nn.ModuleDict(
        {
            "encoder": nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)),
            "head": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
        }
    )
    assert network(saved(tmp_path, parts.state_dict())).depth == 4
    blocks = nn.ModuleDict(
        {f"block{i}": nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)) for i in range(3)}
    )
    assert network(saved(tmp_path, blocks.state_dict())).depth == 6


def test_state_dicts_beside_each_other_are_chosen_among(tmp_path):
    content = {"generator": PLAIN, "discriminator": Plain(7).state_dict(), "optG": {"state": {}}, "epoch": 3}
    path = saved(tmp_path, content)
    with pytest.raises(CheckpointError, match="prefixes generator, discriminator: choose one with --prefix"):
        network(path)
    assert counts(network(path, None, "generator")) == COUNT
    assert counts(network(path, Plain())) == COUNT
    assert network(path, Plain(7), "discriminator").parameters == 106
