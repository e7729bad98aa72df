"""The certified network goes back into the module it came from, as a state dict that loads."""

from __future__ import annotations

import copy

import modules
import pytest
import torch
from spelt import COVERED, MODULES, captured, checkpoint, inputs, ready
from torch import nn

from boundcalc.errors import BoundcalcError
from boundcalc.network.forward import run
from boundcalc.occam.codeword import plan_of
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.spelling import dequantize, quantize, spell
from boundcalc.occam.state import state_dict


def certified_of(network, mode="own"):
    base = flattened(network)
    plan = plan_of(base)
    return dequantize(plan, spell(plan, quantize(plan, base, 5, mode), None), base)


def loaded(module: nn.Module, network, certified) -> nn.Module:
    state = state_dict(checkpoint(module).tensors, network, certified)
    twin = copy.deepcopy(module)
    for name, tensor in twin.state_dict().items():
        assert state[name].shape == tensor.shape
    twin.load_state_dict(state, strict=True)
    return twin.eval()


def without_scale(module: nn.Module) -> bool:
    return any(isinstance(part, nn.BatchNorm2d) and not part.affine for part in module.modules())


RIGHT = ("right matrix", "square right matrix")
STORED = tuple(name for name in COVERED if name not in RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_matrices_stored_the_other_way_round_are_refused(name):
    module, network = ready(name)
    with pytest.raises(BoundcalcError, match=r"not stored in the key w\.weight"):
        state_dict(checkpoint(module).tensors, network, certified_of(network))


def _from_the_right(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return m.out(torch.relu(x @ m.inner.weight))


def test_a_linear_layer_used_from_the_right_is_refused():
    module = modules.ready(
        lambda: modules.Does(_from_the_right, inner=nn.Linear(5, 5, bias=False), out=nn.Linear(5, 3)), (5,)
    )
    network = captured(module, (5,))
    with pytest.raises(BoundcalcError, match=r"not stored in the key inner\.weight"):
        state_dict(checkpoint(module).tensors, network, certified_of(network))


@pytest.mark.parametrize("name", STORED)
def test_the_module_computes_what_was_certified(name):
    """To float64, but for BatchNorms without a scale: 1 - eps is not a float32."""
    module, network = ready(name)
    certified = certified_of(network)
    x = inputs(network)
    own = run(certified, x)
    twin = loaded(module, network, certified)
    outputs = modules.exact_output(twin, x.reshape(x.shape[0], *MODULES[name][1]))
    tolerance = 1e-6 if without_scale(module) else 1e-9
    assert torch.allclose(outputs, own, rtol=0, atol=tolerance * float(own.abs().max()))


@pytest.mark.parametrize("name", [name for name in STORED if not without_scale(ready(name)[0])])
def test_the_module_is_read_as_what_was_certified(name):
    module, network = ready(name)
    certified = certified_of(network, "raw")
    again = captured(loaded(module, network, certified), MODULES[name][1])
    for one, other in zip(again.stored(), certified.stored(), strict=True):
        assert torch.equal(one.weight.reshape(other.weight.shape), other.weight)
        if other.bias is not None:
            assert torch.equal(one.bias, other.bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_batchnorms_that_were_folded(bias, affine, number):
    norms = [nn.BatchNorm2d(4, affine=affine, eps=10.0 ** -(3 + place)) for place in range(number)]
    module = modules.ready(
        lambda: nn.Sequential(nn.Conv2d(2, 4, 2, bias=bias), *norms, nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)), (2, 4, 4)
    )  # fmt: skip
    network = captured(module, (2, 4, 4))
    certified = certified_of(network)
    x = inputs(network)
    own = run(certified, x)
    outputs = modules.exact_output(loaded(module, network, certified), x)
    assert torch.allclose(outputs, own, rtol=0, atol=(1e-9 if affine else 1e-6) * float(own.abs().max()))
    with torch.no_grad():
        single = loaded(module, network, certified)(x.float())
    assert torch.allclose(single.double(), own, rtol=0, atol=1e-5 * float(own.abs().max()))


def test_what_is_not_a_parameter_stays():
    module, network = ready("BatchNorm2d")
    state = state_dict(checkpoint(module).tensors, network, certified_of(network))
    key = next(key for key in state if key.endswith("num_batches_tracked"))
    assert torch.equal(state[key], module.state_dict()[key])


def test_the_stored_tensors_are_left_alone():
    module, network = ready("deep")
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    stored = dict(module.state_dict())
    state_dict(stored, network, certified_of(network))
    assert all(torch.equal(stored[key], before[key]) for key in before)
