"""Which tensors of a file a model takes: prefixes, shared tensors, several networks, heads and losses that no forward pass reads."""

from __future__ import annotations

import warnings

import pytest
import torch
from fit_modules import (
    COUNT,
    PLAIN,
    Heads,
    InAttribute,
    Plain,
    Tied,
    TwoNames,
    WithLoss,
    counts,
    network,
    saved,
    state_of,
)  # fmt: skip
from torch import nn

import boundcalc
from boundcalc.checkpoint import from_state_dict, read
from boundcalc.errors import CheckpointError
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint


def with_prefix(before: str) -> dict[str, torch.Tensor]:
    return {before + key: tensor for key, tensor in PLAIN.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "_forward_module.", "model.", "net.", "a.b.c.", "model.module."]
)
def test_prefixes_of_wrappers_are_cut_to_fit_the_model(prefix, tmp_path):
    path = saved(tmp_path, with_prefix(prefix))
    found = network(path, Plain())
    assert [layer.name for layer in found.layers()] == ["fc1", "fc2", "fc3"]
    assert (counts(found), found.set_aside) == (COUNT, ())


@pytest.mark.parametrize("prefix", ["", "module.", "net."])
def test_a_model_may_have_a_prefix_that_the_file_lacks(prefix, tmp_path):
    found = network(saved(tmp_path, with_prefix(prefix)), InAttribute())
    assert [layer.name for layer in found.layers()] == ["net.fc1", "net.fc2", "net.fc3"]
    assert (counts(found), found.set_aside) == (COUNT, ())


EXTRA = {
    "criterion.weight": torch.rand(3),
    "train_acc.tp": torch.tensor([1, 2, 3]),
    "val_metric.total": torch.rand(3, 3),
    "loss_fn.features.0.weight": torch.rand(4, 4),
}


@pytest.mark.parametrize("make", [Plain, InAttribute, WithLoss, None])
def test_what_belongs_to_the_loss_is_set_aside_by_every_way(make, tmp_path):
    """No advice leads in circles: with and without a model, whether or not the model has it."""
    path = saved(tmp_path, {"state_dict": with_prefix("net.") | EXTRA, "pytorch-lightning_version": "2.4"})
    found = network(path, make and make())
    assert counts(found) == COUNT
    aside = dict(found.set_aside)
    assert {"criterion.weight", "val_metric.total", "loss_fn.features.0.weight"} <= set(aside)
    assert all(aside.values())


def test_copies_of_weights_are_set_aside_by_name(tmp_path):
    copies = {
        f"{name}._init_weights": torch.rand(PLAIN[f"{name}.weight"].shape) for name in ("fc1", "fc2", "fc3")
    }
    path = saved(tmp_path, PLAIN | copies)
    for model in (None, Plain()):
        found = network(path, model)
        assert counts(found) == COUNT
        assert dict(found.set_aside) == dict.fromkeys(copies, "a copy of the layer's weights or biases")


def test_a_layer_that_is_called_like_a_copy_is_none(tmp_path):
    path = saved(tmp_path, {"init.weight": torch.rand(6, 8), "best.weight": torch.rand(3, 6)})
    assert network(path).parameters == 66


def test_what_a_name_does_not_tell_is_no_part_of_a_chain(tmp_path):
    path = saved(tmp_path, PLAIN | {"fc1.gate": torch.rand(6)})
    with pytest.raises(CheckpointError, match="fc1.gate .* is not part of a chain"):
        network(path)
    assert counts(network(path, Plain())) == COUNT


def test_missing_tensors_are_an_error_that_names_them(tmp_path):
    lacking = {key: tensor for key, tensor in PLAIN.items() if key != "fc2.weight"}
    with pytest.raises(CheckpointError, match=r"does not fit .*net.pt: the checkpoint lacks fc2.weight"):
        network(saved(tmp_path, lacking), Plain())
    with pytest.raises(CheckpointError, match=r"fc1.weight is \(7, 8\), the model has \(6, 8\)"):
        network(saved(tmp_path, state_of(Plain(7))), Plain())


@pytest.mark.parametrize("aux", [True, False])
def test_an_unused_head_is_listed_and_the_rest_is_read(aux, tmp_path):
    state = state_of(Heads(True))
    found = network(saved(tmp_path, state), Heads(aux))
    assert counts(found) == (66, sum(int((state[f"{n}.weight"] != 0).sum()) for n in "ac"))
    assert [key for key, _ in found.set_aside] == ["aux.weight", "aux.bias"]
    tree = boundcalc.analyze(tmp_path / "net.pt", model=Heads(aux), only=("samples",)).to_dict()
    roles = {entry["key"]: entry["role"] for entry in tree["checkpoint"]["tensors"]}
    assert (roles["aux.weight"], roles["aux.bias"], roles["a.weight"]) == ("not read", "not read", "weight")
    assert {entry["key"] for entry in tree["network"]["set_aside"]} == {"aux.weight", "aux.bias"}
    assert "aux.weight, aux.bias: the" in boundcalc.analyze(tmp_path / "net.pt", model=Heads(aux)).to("table")


def test_an_unused_head_in_an_exported_graph_is_listed(tmp_path):
    module = Heads(True).eval()
    program = torch.export.export(module, (torch.zeros(2, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    found = network(tmp_path / "net.pt2")
    assert found.parameters == 66
    assert dict(found.set_aside) == dict.fromkeys(
        ("aux.weight", "aux.bias"), "the forward pass does not read it"
    )


def test_a_head_whose_answer_is_dropped_is_not_read(tmp_path):
    class Dropped(Heads):
        def forward(self, x):
            hidden = torch.relu(self.a(x))
            self.aux(hidden)
            return self.c(hidden)

    found = network(saved(tmp_path, state_of(Heads(True))), Dropped(True))
    assert (found.parameters, len(found.set_aside)) == (66, 2)


@pytest.mark.parametrize("make,parameters,biases", [(TwoNames, 102, 15), (Tied, 102, 21)])
def test_a_tensor_under_two_names_counts_once(make, parameters, biases, tmp_path):
    torch.manual_seed(0)
    module = make().eval()
    path = saved(tmp_path, module.state_dict())
    torch.export.save(torch.export.export(module, (torch.zeros(2, 8),)), tmp_path / "net.pt2")
    ways = {
        "with its model": network(path, module),
        "as a graph": network(tmp_path / "net.pt2"),
        "as a module": from_checkpoint(from_state_dict(module.state_dict(), "net"), module, (8,)),
    }
    x = torch.rand(4, 8)
    for way, found in ways.items():
        assert len(list(found.layers())) == 4
        assert (found.parameters, found.surviving) == (parameters, parameters), way
        assert found.biases == biases, way
        assert found.set_aside == (), way
        assert any("one tensor under 2 names" in note for note in found.assumptions), way
        with torch.no_grad():
            assert torch.allclose(run(found, x.double()).float(), module(x), atol=1e-5), way


@pytest.mark.parametrize("order", ["abdc", "abcd", "cdba"])
def test_a_layer_under_two_names_has_one_place_in_a_chain(order, tmp_path):
    """Orders that exchange the two names are one reading; the file tells that they are one tensor."""
    module = TwoNames()
    state = module.state_dict()
    path = saved(tmp_path, {key: state[key] for name in order for key in (f"{name}.weight", f"{name}.bias")})
    found = network(path)
    assert [layer.name for layer in found.layers()] == ["a", "b" if order != "cdba" else "d"] + (
        ["b", "c"] if order != "cdba" else ["d", "c"]
    )
    assert (found.parameters, found.biases) == (102, 15)
    x = torch.rand(4, 8)
    with torch.no_grad():
        assert torch.allclose(run(found, x.double()).float(), module(x), atol=1e-5)


def test_layers_that_share_a_weight_but_no_bias_may_be_read_in_two_ways(tmp_path):
    with pytest.raises(CheckpointError, match="two readings"):
        network(saved(tmp_path, Tied().state_dict()))


def test_equal_values_are_no_shared_tensor(tmp_path):
    """Copies of one initialization are layers of their own."""
    layers = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    layers[2].load_state_dict(layers[0].state_dict())
    assert network(saved(tmp_path, layers.state_dict())).parameters == 128


def test_one_of_two_names_is_enough(tmp_path):
    """As safetensors.torch.save_model writes shared tensors."""
    state = {key: tensor for key, tensor in TwoNames().state_dict().items() if not key.startswith("d.")}
    assert network(saved(tmp_path, state), TwoNames()).parameters == 102


def test_two_names_with_equal_values_are_one_and_with_different_ones_refused(tmp_path):
    state = {key: tensor.clone() for key, tensor in TwoNames().state_dict().items()}
    assert network(saved(tmp_path, state), TwoNames()).parameters == 102
    state["d.weight"] = state["d.weight"] + 1
    with pytest.raises(
        CheckpointError, match="b.weight and d.weight are one tensor .* different values"
    ) as caught:
        network(saved(tmp_path, state), TwoNames())
    assert "\n" not in str(caught.value)


def test_a_mask_for_one_name_is_one_for_both(tmp_path):
    module = TwoNames()
    path = saved(tmp_path, module.state_dict())
    mask = torch.rand(6, 6) > 0.5
    for names in (("b.weight",), ("d.weight",), ("b.weight", "d.weight")):
        masks = saved(tmp_path, {name: mask.float() for name in names}, "mask.pt")
        for model in (module, None):
            found = from_checkpoint(read(path, mask=masks), model, (8,))
            assert found.surviving == 48 + 18 + int(mask.sum()), names
    other = saved(tmp_path, {"b.weight": mask.float(), "d.weight": (~mask).float()}, "mask.pt")
    with pytest.raises(CheckpointError, match="b.weight and d.weight are one tensor, with two masks"):
        from_checkpoint(read(path, mask=other), module, (8,))


class Versioned(nn.Linear):
    """Refuses to load what no version is known of, and knows only its own two, like torchvision's mnasnet."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *others) -> None:
        version = local_metadata.get("version")
        if version not in {1, 2}:
            raise ValueError(f"version should be set to 1 or 2 instead of {version}")
        if version == 1:
            state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}kernel").T
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


@pytest.mark.parametrize("before", ["", "module.", "net."])
@pytest.mark.parametrize("kept", [True, False])
def test_modules_that_look_at_their_version_are_loaded(before, kept, tmp_path):
    module = nn.Sequential(Versioned(8, 5), nn.ReLU(), nn.Linear(5, 3))
    state = module.state_dict(prefix=before)
    path = saved(tmp_path, state if kept else dict(state))
    assert network(path, module).parameters == 55
    assert bool(read(path).metadata) == kept


def test_an_older_version_is_loaded_as_its_module_says(tmp_path):
    module = nn.Sequential(Versioned(8, 5), nn.ReLU(), nn.Linear(5, 3))
    state = module.state_dict()
    state["0.kernel"] = state.pop("0.weight").T.contiguous()
    state._metadata["0"]["version"] = 1
    assert network(saved(tmp_path, state), module).parameters == 55


def test_a_loader_that_raises_is_told_in_one_line(tmp_path):
    module = nn.Sequential(Versioned(8, 5))
    state = module.state_dict()
    state._metadata["0"]["version"] = 7
    with pytest.raises(CheckpointError, match="loading it raised ValueError: version should be") as caught:
        network(saved(tmp_path, state), module)
    assert "\n" not in str(caught.value)


def test_lazy_modules_take_their_shapes_from_the_file(tmp_path):
    lazy = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 3))
    path = saved(tmp_path, nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)).state_dict())
    assert network(path, lazy).parameters == 55


@pytest.mark.parametrize("kind", ["model", "graph"])
def test_batch_norm_without_statistics_is_refused_as_what_it_is(kind, tmp_path):
    module = nn.Sequential(
        nn.Linear(8, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.ReLU(), nn.Linear(5, 3)
    ).eval()
    path = saved(tmp_path, module.state_dict())
    if kind == "graph":
        torch.export.save(torch.export.export(module, (torch.zeros(2, 8),)), tmp_path / "net.pt2")
        path = tmp_path / "net.pt2"
    with pytest.raises(
        CheckpointError, match="1 is a BatchNorm without running statistics .* in eval mode too"
    ) as caught:
        network(path, module if kind == "model" else None)
    assert "model.eval()" not in str(caught.value)


@pytest.mark.parametrize("decomposed", [False, True])
def test_an_instance_norm_without_statistics_is_none(decomposed, tmp_path):
    module = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.InstanceNorm2d(2, affine=True), nn.Flatten(), nn.Linear(18, 3)
    ).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (torch.zeros(2, 1, 4, 4),))
        torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "net.pt2")
    found = network(tmp_path / "net.pt2", shape=(1, 4, 4))
    assert found.parameters == 8 + 54
    assert dict(found.roles)["1.weight"] == "normalisation"


def test_a_mask_that_the_module_holds_is_no_weight(tmp_path):
    class Masked(nn.ConvTranspose1d):
        def __init__(self) -> None:
            super().__init__(2, 3, 2)
            self.mask = nn.Parameter((torch.rand(self.weight.shape) > 0.5).float(), requires_grad=False)

        def forward(self, x):
            return nn.functional.conv_transpose1d(x, self.weight * self.mask, self.bias)

    module = nn.Sequential(Masked(), nn.Flatten(), nn.Linear(15, 3)).eval()
    found = network(saved(tmp_path, module.state_dict()), module, shape=(2, 4))
    assert counts(found) == (12 + 45, int(module[0].mask.sum()) + 45)
    assert [(weight.operation, weight.layer) for weight in found.uncounted] == [("conv_transpose1d", "0")]


def test_reference_under_the_same_prefix(tmp_path):
    path = saved(tmp_path, {**state_of(Plain(), "student."), **Plain().state_dict(prefix="teacher.")})
    start = saved(
        tmp_path, Plain().state_dict(prefix="student.") | Plain().state_dict(prefix="teacher."), "start.pt"
    )
    for model in (None, Plain()):
        options = {"samples": 50, "input_bound": 1.0, "prefix": "student", "model": model}
        tree = boundcalc.analyze(path, reference=start, **options).to_dict()
        assert tree["checkpoint"]["reference"]["how"] == "given"


def test_a_mask_for_one_name_in_a_graph_is_one_for_both(tmp_path):
    module = TwoNames().eval()
    torch.export.save(torch.export.export(module, (torch.zeros(2, 8),)), tmp_path / "net.pt2")
    mask = torch.rand(6, 6) > 0.5
    for name in ("b.weight", "d.weight"):
        found = from_checkpoint(
            read(tmp_path / "net.pt2", mask=saved(tmp_path, {name: mask.float()}, "mask.pt"))
        )
        assert counts(found) == (102, 66 + int(mask.sum()))
        assert found.set_aside == ()


def test_a_model_that_holds_masks_takes_those_of_another_file(tmp_path):
    class Holding(nn.Linear):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__(inputs, outputs)
            self.register_buffer("weight_mask_of_mine", torch.ones(outputs, inputs))

        def forward(self, x):
            return nn.functional.linear(x, self.weight * self.weight_mask_of_mine, self.bias)

    module = nn.Sequential(Holding(8, 5), nn.ReLU(), nn.Linear(5, 3))
    path = saved(tmp_path, nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)).state_dict())
    mask = torch.rand(5, 8) > 0.5
    found = from_checkpoint(read(path, mask=saved(tmp_path, {"0.weight": mask.float()}, "mask.pt")), module)
    assert counts(found) == (55, 15 + int(mask.sum()))
    assert next(found.layers()).name == "0"


def test_a_loss_is_no_layer_even_where_its_shape_would_chain(tmp_path):
    path = saved(tmp_path, PLAIN | {"criterion.weight": torch.rand(3, 3)})
    found = network(path)
    assert (counts(found), found.set_aside) == (COUNT, (("criterion.weight", "a loss's own tensor"),))


def test_a_network_that_is_called_like_a_metric_is_read(tmp_path):
    path = saved(tmp_path, {f"metric.{key}": tensor for key, tensor in PLAIN.items()})
    assert (counts(network(path)), network(path).set_aside) == (COUNT, ())


class Uncopied(Plain):
    """A module whose copy is itself."""

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("kind", [Plain, Uncopied])
def test_the_callers_module_keeps_its_weights(kind):
    module = kind().eval()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    x = torch.rand(3, module.fc1.in_features)
    found = from_checkpoint(from_state_dict(module.state_dict(), "plain"), module, (module.fc1.in_features,))
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
    assert torch.allclose(run(found, x.double()).float(), module(x), atol=1e-5)
