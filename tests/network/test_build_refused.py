"""Models and files of models that are refused."""

from __future__ import annotations

import modules
import pytest
import torch
from build_routes import captured, checkpoint, exported
from torch import nn

from boundcalc.checkpoint import program_from_bytes, read
from boundcalc.errors import CheckpointError, NotCovered
from boundcalc.network import capture
from boundcalc.network.build import Builder
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.fc(x + y)


def raising(m, x):
    raise RuntimeError("out of luck\non two lines")


UNUSABLE = {
    "raises": (lambda: modules.Does(raising, fc=nn.Linear(5, 3)), "raised RuntimeError on input 5: out of luck on two"),
    "two inputs": (TwoInputs, "raised TypeError"),
    "returns a tuple": (lambda: modules.Does(lambda m, x: (m.fc(x), x), fc=nn.Linear(5, 3)), "a tuple of 2 values, not one"),
    "returns a dict": (lambda: modules.Does(lambda m, x: {"y": m.fc(x)}, fc=nn.Linear(5, 3)), "a dict of y, not one tensor"),
    "ignores its input": (lambda: modules.Does(lambda m, x: m.fc(torch.ones(2, 5)), fc=nn.Linear(5, 3)), "does not depend"),
    "returns its input": (lambda: modules.Does(lambda m, x: x, fc=nn.Linear(5, 3)), "at least one|never used"),
    "wrong input": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), "is --input-shape right"),
    "random": (lambda: modules.Does(lambda m, x: m.fc(x + torch.rand_like(x)), fc=nn.Linear(5, 3)), "rand|reproduce"),
    "no layer": (lambda: nn.Sequential(nn.ReLU()), "at least one linear"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_models_are_refused_in_one_line(name):
    make, message = UNUSABLE[name]
    module = make().eval()
    with pytest.raises((CheckpointError, NotCovered), match=message) as caught:
        network = captured(module, (5,))
        run(network, torch.ones(2, 5).double())
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_does_not_fit_is_named():
    module = nn.Sequential(nn.Linear(5, 3))
    lacking = checkpoint(module)
    del lacking.tensors["0.bias"], lacking.raw["0.bias"]
    with pytest.raises(CheckpointError, match=r"the checkpoint lacks 0.bias"):
        from_checkpoint(lacking, module)
    with pytest.raises(CheckpointError, match=r"0.weight is \(3, 4\), the model has \(3, 5\)"):
        from_checkpoint(checkpoint(module, **{"0.weight": torch.ones(3, 4)}), module)


def test_the_input_shape_has_to_be_known():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 3))
    with pytest.raises(CheckpointError, match="give --input-shape"):
        from_checkpoint(checkpoint(module), module)


@pytest.mark.parametrize(
    "content,spec,message",
    [
        (None, "gone.py:make", "no such file"),
        ("def make(:", "{file}:make", "SyntaxError"),
        ("raise OSError('no\\nluck')", "{file}:make", "OSError: no luck"),
        ("import nothing_of_this_name", "{file}:make", "ModuleNotFoundError"),
        ("x = 1", "{file}:make", "no callable named make"),
        ("make = 1", "{file}:make", "no callable named make"),
        ("def make(): return 1", "{file}:make", "returned a int"),
        ("def make(): raise ValueError('bad')", "{file}:make", "calling it raised ValueError: bad"),
        ("def make(n): pass", "{file}:make", "calling it raised TypeError"),
        ("def make(): raise SystemExit(3)", "{file}:make", "SystemExit"),
        ("import sys; sys.exit(3)", "{file}:make", "SystemExit"),
        ("", "{file}", "FILE.py:CALLABLE"),
        ("", "no_such_package_at_all:make", "ModuleNotFoundError"),
        ("", ".x:make", "importing it raised|given as"),
    ],
)
def test_model_files_that_fail(content, spec, message, tmp_path):
    file = tmp_path / "their_model.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        capture.make_module(spec.format(file=file))
    assert "\n" not in str(caught.value)


def test_a_model_file_is_read(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("import torch\nclass Zoo:\n  @staticmethod\n  def make(): return torch.nn.Linear(4, 2)\n")
    module = capture.make_module(f"{file}:Zoo.make")
    network = from_checkpoint(checkpoint(module), f"{file}:Zoo.make")
    assert (network.inputs, network.outputs) == (4, 2)


def test_two_inputs_in_a_file_are_refused(tmp_path):
    torch.export.save(
        torch.export.export(TwoInputs().eval(), (torch.ones(2, 5), torch.ones(2, 5))), tmp_path / "n.pt2"
    )
    with pytest.raises(CheckpointError, match="takes 2 inputs"):
        from_checkpoint(read(tmp_path / "n.pt2"))


def test_a_file_for_another_input_shape_is_refused(tmp_path):
    make, shape = modules.MODULES["depthwise"]
    exported(modules.ready(make, shape), shape, tmp_path)
    with pytest.raises(CheckpointError, match=r"takes inputs of shape \(2, 7, 6\), not \(2, 9, 9\)"):
        from_checkpoint(read(tmp_path / "net.pt2"), None, (2, 9, 9))


def test_an_operation_outside_aten_is_named():
    @torch.library.custom_op("boundcalc_test::double_it", mutates_args=())
    def double_it(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    double_it.register_fake(torch.empty_like)
    module = modules.Does(lambda m, x: m.fc(double_it(x)), fc=nn.Linear(5, 3)).eval()
    program, state = capture.export(module, torch.zeros(2, 5), "model")
    network = Builder(program, dict(state), {}, {}).network("test")
    with pytest.raises(NotCovered, match="double_it"):
        run(network, torch.ones(2, 5).double())


def test_program_from_bytes_is_what_export_reads(tmp_path):
    module = nn.Linear(4, 2).eval()
    torch.export.save(torch.export.export(module, (torch.ones(2, 4),)), tmp_path / "n.pt2")
    program, state = program_from_bytes((tmp_path / "n.pt2").read_bytes(), "n")
    assert set(program.state.values()) == set(state) == {"weight", "bias"}
