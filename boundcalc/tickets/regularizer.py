"""The norm of the peeling bound as a penalty in training, with masked weights at 0.

rho = sum_p s_p ||V_.p - mean||_2 over the last hidden units p, where s_p is the scale of a unit: the l2 norm of its weights
in the first layer, the sum over predecessors in later layers (`boundcalc.bounds.peeling.theorem`, one unit a node). With
one hidden layer rho = sum_p ||W_p|| ||V_.p|| <= (||W||_F^2 + ||V||_F^2) / 2, with equality if the two are balanced, as
weight decay makes them: weight decay is a special case.
"""

from __future__ import annotations

from torch import Tensor, nn

from boundcalc.bounds.candidates import Architecture
from boundcalc.bounds.peeling.scale import peeling_scales
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.network.coverage import RELU_NETWORK
from boundcalc.network.first_stage import behind_first_stage
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine

MOST_ENTRIES = 2**25
"""Largest number of entries of a layer as a matrix of all its inputs and outputs."""


class Penalty:
    """The penalty, strength times rho, of a module in training.

    Args:
        module: the network, of linear and convolution layers with ReLU, pooling and sums of branches, without BatchNorm.
        shape: shape of one sample.
        strength: factor of rho in the loss.

    Raises:
        UsageError: when the bound does not cover the network, or a layer is too large.
    """

    def __init__(self, module: nn.Module, shape: tuple[int, ...], strength: float) -> None:
        network = _graph(module, shape)
        self._architecture = Architecture(network, RELU_NETWORK)  # nothing beside layers is trained
        self._strength = strength
        parameters = dict(module.named_parameters())
        self._layers = {
            index: (layer, parameters[f"{layer.name}.weight"], parameters.get(f"{layer.name}.bias"))
            for index, layer in self._architecture.layers.items()
        }
        last = max(self._layers)
        self._last = last
        split = {layer.name: 1 for layer, _, _ in self._layers.values()}
        split[network.nodes[last].name] = network.nodes[last].shape[0]
        self._terms = {
            "split": split,
            "norms": {
                layer.name: "l2" if layer.inputs[0] == 0 and index != last else "l1"
                for index, (layer, _, _) in self._layers.items()
            },
            "constant": 1.0,
        }

    def __call__(self) -> Tensor:
        """Return strength times rho, differentiable in the module's parameters."""
        kernels = {}
        for index, (layer, weight, bias) in self._layers.items():
            own = weight.double().reshape(layer.weight.shape)
            shift = None if bias is None else bias.double()
            if index == self._last and own.shape[0] > 1:
                own = own - own.mean(0, keepdim=True)
                shift = None if shift is None else shift - shift.mean()
            kernels[index] = (own[None], None if shift is None else shift[None])
        return self._strength * peeling_scales(self._architecture.with_weights(kernels), self._terms)[0]


def _graph(module: nn.Module, shape: tuple[int, ...]) -> Network:
    from boundcalc import load

    why = "--regularise peeling takes linear and convolution layers with ReLU, pooling and sums of branches"
    try:
        network = load(module, input_shape=shape)
    except BoundcalcError as error:
        raise UsageError(f"{why}: {error}") from error
    network = behind_first_stage(network) or network
    if any(layer.folded for layer in network.layers()):
        raise UsageError(f"{why}, and no BatchNorm: remove it from the network")
    for node in network.nodes:
        if isinstance(node, Affine):
            before = network.nodes[node.inputs[0]].shape
            entries = node.shape[0] * node.shape[1] * node.shape[2] * before[0] * before[1] * before[2]
            if entries > MOST_ENTRIES:
                raise UsageError(f"{why}; {node.name} is too large for it ({entries} entries as a matrix)")
    return network
