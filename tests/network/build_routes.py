"""The ways by which a module becomes a network."""

from __future__ import annotations

import warnings

import modules
import torch
from torch import nn

from boundcalc.checkpoint import read
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.network import tracing
from boundcalc.network.build import Builder
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network


def checkpoint(module: nn.Module, masks=None, **changes: torch.Tensor) -> Checkpoint:
    tensors = {key: tensor.detach().clone() for key, tensor in module.state_dict().items()} | changes
    return Checkpoint("file.pth", "0", "dense-zeros", (), tensors, masks or {}, dict(tensors))


def captured(module: nn.Module, shape: tuple[int, ...]) -> Network:
    return from_checkpoint(checkpoint(module), module, shape)


def program_of(module: nn.Module, shape, dynamic: bool = False) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = ({0: torch.export.Dim("batch", min=2, max=64)},) if dynamic else None
        return torch.export.export(module, (torch.zeros(3, *shape),), dynamic_shapes=sizes)


def saved_and_read(program: torch.export.ExportedProgram, shape, path, decomposed: bool = False) -> Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program.run_decompositions() if decomposed else program, path / "net.pt2")
    return from_checkpoint(read(path / "net.pt2"), None, shape)


def exported(module: nn.Module, shape, path, dynamic: bool = False, decomposed: bool = False) -> Network:
    return saved_and_read(program_of(module, shape, dynamic), shape, path, decomposed)


def traced(module: nn.Module, shape: tuple[int, ...]) -> Network:
    program, state = tracing.trace(module, torch.zeros(2, *shape))
    return Builder(program, state, {}, {}).network("traced")


def assert_same(network: Network, module: nn.Module, shape: tuple[int, ...], log: bool = False) -> None:
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    theirs = modules.exact_output(module, x)
    ours = run(network, x)
    ours = ours.log_softmax(1) if log else ours
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * float(theirs.abs().max()))
