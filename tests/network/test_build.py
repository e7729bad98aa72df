"""Captured networks compute what the module computes, or say in one line why they cannot."""

from __future__ import annotations

import warnings

import modules
import pytest
import torch
from build_routes import assert_same, captured, checkpoint, exported, program_of, saved_and_read, traced
from torch import nn
from unknown_modules import UNKNOWN

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError, NotCovered
from boundcalc.network.chain import toeplitz_layers
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, ChannelAffine, Unknown
from boundcalc.tickets import architectures

READ = modules.MODULES | modules.NODES


def weights_of(module: nn.Module) -> list[torch.Tensor]:
    return [t for t in module.state_dict().values() if t.ndim > 1]


@pytest.mark.parametrize("name", READ)
def test_modules(name):
    make, shape = READ[name]
    module = modules.ready(make, shape)
    network = captured(module, shape)
    assert_same(network, module, shape, log=name == "log_softmax")
    assert network.outputs == 3
    assert network.input_shape == shape
    assert not any(isinstance(node, Unknown) for node in network.nodes)
    if name != "shared layer":
        weights = weights_of(module)
        assert network.parameters == sum(w.numel() for w in weights)
        assert network.surviving == sum(int((w != 0).sum()) for w in weights)
        assert sorted(layer.stored_shape for layer in network.layers()) == sorted(
            tuple(w.shape) for w in weights
        )


@pytest.mark.parametrize(
    "name",
    ["depthwise", "max, ceil", "view", "residual, in place", "unflattened input", "BatchNorm2d", "mean"],
)
def test_dynamic_batches(name, tmp_path):
    make, shape = READ[name]
    module = modules.ready(make, shape)
    assert_same(exported(module, shape, tmp_path, dynamic=True), module, shape)


LOST_WHEN_DECOMPOSED = {
    "Conv1d, circular",
    "Conv1d, reflect",
    "circular",
    "circular, even",
    "reflect",
    "replicate",
    "adaptive average",
    "adaptive average, larger",
    "Upsample",
    "adaptive maximum",
    "Mish7",
    "CELU11",
}


@pytest.mark.parametrize("name", READ)
def test_modules_from_their_own_file_and_in_core_operations(name, tmp_path):
    make, shape = READ[name]
    module, log = modules.ready(make, shape), name == "log_softmax"
    program = program_of(module, shape)
    assert_same(saved_and_read(program, shape, tmp_path), module, shape, log)
    for network in (
        lambda: saved_and_read(program, shape, tmp_path, decomposed=True),
        lambda: traced(module, shape),
    ):
        try:
            assert_same(network(), module, shape, log)
        except (NotCovered, CheckpointError, ValueError):
            assert name in LOST_WHEN_DECOMPOSED


@pytest.mark.parametrize("converts", [False, True])
@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_other_precisions(kind, converts):
    """Their input has the precision of their weights, whether they convert it or not."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3)).to(kind)
    forward = (lambda m, x: m.body(x.float().to(kind))) if converts else (lambda m, x: m.body(x))
    module = modules.Does(forward, body=body)
    network = captured(module, (1, 5, 5))
    assert_same(network, body.double(), (1, 5, 5))


@pytest.mark.parametrize("name", ["circular", "circular, even"])
def test_circular_padding_belongs_to_its_layer(name):
    make, shape = READ[name]
    network = captured(modules.ready(make, shape), shape)
    assert layer_of(network).circular
    assert len(toeplitz_layers(network)) == 2


@pytest.mark.parametrize("name", UNKNOWN)
def test_operations_outside_the_theory_are_kept_by_name(name):
    make, shape, operation = UNKNOWN[name]
    module = modules.ready(make, shape)
    network = captured(module, shape)
    unknown = [node.op.partition(".")[0] for node in network.nodes if isinstance(node, Unknown)]
    assert operation in unknown
    try:
        assert_same(network, module, shape)
    except NotCovered as error:
        assert error.operation in unknown and "\n" not in str(error)


ARCHITECTURES = {
    "lenet300": (architectures.lenet300, (1, 28, 28), 3),
    "lenet300 on vectors": (architectures.lenet300, (784,), 3),
    "lenet5": (architectures.lenet5, (1, 28, 28), 5),
    "conv": (lambda: architectures.conv(4, 6), (1, 28, 28), 4),
    "conv, stride 2": (lambda: architectures.conv(3, 5, 2, bias=True), (1, 28, 28), 3),
    "resnet20": (architectures.resnet20, (3, 32, 32), 20),
    "resnet20 option A": (architectures.resnet20_option_a, (3, 32, 32), 20),
    "vgg16": (architectures.vgg16, (3, 32, 32), 14),
    "resnet18": (architectures.resnet18, (3, 32, 32), 18),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name):
    make, shape, depth = ARCHITECTURES[name]
    module = modules.ready(make, shape)
    network = captured(module, shape)
    assert_same(network, module, shape)
    weights = weights_of(module)
    assert (network.depth, network.outputs) == (depth, 10)
    assert network.parameters == sum(w.numel() for w in weights)
    assert network.surviving == sum(int((w != 0).sum()) for w in weights)
    assert not any(isinstance(node, Unknown | ChannelAffine) for node in network.nodes)


def layer_of(network: Network) -> Affine:
    return next(network.layers())


@pytest.mark.parametrize("name", ["right matrix", "square right matrix"])
def test_masks_of_matrices_that_multiply_from_the_right(name):
    make, shape = READ[name]
    module = modules.ready(make, shape)
    mask = module.w.detach() != 0
    found = from_checkpoint(checkpoint(module, {"w": mask}), module, shape)
    layer = layer_of(found)
    assert torch.equal(layer.support.flatten(1), mask.T)
    assert torch.equal(layer.declared.flatten(1), mask.T)
    assert layer.stored_shape == tuple(mask.shape)


@pytest.mark.parametrize("decomposed", [False, True])
def test_masks_survive_every_route(decomposed, tmp_path):
    module = modules.ready(lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)), (5,))
    mask = module[0].weight.detach() != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (torch.zeros(3, 5),))
        torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "net.pt2")
    torch.save({"0.weight": mask.float()}, tmp_path / "mask.pth")
    layer = layer_of(from_checkpoint(read(tmp_path / "net.pt2", mask=tmp_path / "mask.pth")))
    assert torch.equal(layer.declared.flatten(1), mask)
    assert torch.equal(layer.support.flatten(1), mask)
    assert layer.stored_shape == (5, 5)


def test_zeros_under_an_open_mask_are_not_pruned_but_do_not_survive():
    module = modules.ready(lambda: nn.Sequential(nn.Linear(5, 3)), (5,))
    found = from_checkpoint(checkpoint(module, {"0.weight": torch.ones(3, 5, dtype=torch.bool)}), module)
    assert found.surviving == int((module[0].weight != 0).sum())
    assert bool(layer_of(found).declared.all())


def test_a_shared_layer_is_two_layers_of_one_name():
    make, shape = modules.MODULES["shared layer"]
    network = captured(modules.ready(make, shape), shape)
    assert [layer.name for layer in network.layers()] == ["inner", "inner", "out"]
    assert network.depth == 3
    assert (network.parameters, network.biases) == (40, 8)


def test_unused_keys_of_a_layer_that_follows_are_read():
    """Sixty-four and more layers: every one is found in execution order."""
    module = modules.ready(lambda: nn.Sequential(*(nn.Linear(3, 3) for _ in range(70))), (3,))
    assert [layer.name for layer in captured(module, (3,)).layers()] == [str(i) for i in range(70)]


class Branching(nn.Module):
    """torch.export cannot follow a branch on values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(32, 3)
        self.scale = torch.tensor(2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.sum()) > 1e9:
            return self.fc(x)
        return self.fc(torch.relu(self.bn(self.conv(x))).flatten(1))


def test_a_branch_on_values_is_recorded_instead():
    module = modules.ready(Branching, (1, 6, 6))
    network = captured(module, (1, 6, 6))
    assert_same(network, module, (1, 6, 6))
    assert any("branches that depend on values" in note for note in network.assumptions)
    assert [type(node).__name__ for node in network.nodes] == ["Input", "Affine", "ReLU", "Affine"]


def view_changed_in_place(m, x):
    x = m.a(x)
    y = x.view(-1, 6)
    y.relu_()
    return m.b(x)


def part_changed_in_place(m, x):
    x = m.a(x)
    x[:, :3].relu_()
    return m.b(x)


def image_part_zeroed(m, x):
    x = m.a(x)
    x[:, 0].zero_()
    return m.b(x.flatten(1))


def test_a_view_changed_in_place_changes_the_whole(tmp_path):
    module = modules.ready(
        lambda: modules.Does(view_changed_in_place, a=nn.Linear(5, 6), b=nn.Linear(6, 3)), (5,)
    )
    assert_same(exported(module, (5,), tmp_path), module, (5,))


@pytest.mark.parametrize("route", ["model", "file"])
def test_a_part_changed_in_place_is_never_missed(route, tmp_path):
    cases = [
        (lambda: modules.Does(part_changed_in_place, a=nn.Linear(5, 6), b=nn.Linear(6, 3)), (5,)),
        (lambda: modules.Does(image_part_zeroed, a=nn.Conv2d(2, 3, 2), b=nn.Linear(90, 3)), modules.IMAGE),
    ]
    for make, shape in cases:
        module = modules.ready(make, shape)
        with pytest.raises(CheckpointError, match="changes a part of"):
            captured(module, shape) if route == "model" else exported(module, shape, tmp_path)


def test_numbers_cut_to_integers_are_no_identity(tmp_path):
    module = modules.ready(
        lambda: modules.Does(lambda m, x: m.fc(x.to(torch.int32).float()), fc=nn.Linear(5, 3)), (5,)
    )
    network = exported(module, (5,), tmp_path)
    assert any(isinstance(node, Unknown) for node in network.nodes)
