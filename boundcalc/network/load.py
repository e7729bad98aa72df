"""Convert a checkpoint to a network: by its own graph, by the user's model, or by inference."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from boundcalc.checkpoint.program import Program
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import ArchitectureUnknown, CheckpointError, NotCovered, only_own_errors
from boundcalc.network import fit, tied
from boundcalc.network.bare import with_layer_name
from boundcalc.network.forward import run
from boundcalc.network.infer import infer
from boundcalc.network.network import Network
from boundcalc.threads import one_thread

MOST_ZEROS = 1e-4
"""Largest share of zeros in a random initialization; float32 draws give about 1e-7."""


def from_checkpoint(
    checkpoint: Checkpoint,
    model: str | torch.nn.Module | None = None,
    input_shape: tuple[int, ...] | None = None,
    prefix: str | None = None,
) -> Network:
    """Read the architecture of a checkpoint.

    Args:
        checkpoint: canonical tensors, and the program if the file holds one.
        model: ``FILE.py:CALLABLE``, ``package.module:CALLABLE`` or a module; None for the file's own graph, or
            inference from shapes and keys.
        input_shape: one sample's shape; None means the model's number of inputs if it starts with a linear layer.
        prefix: prefix of the keys of the network to read, for a file of several networks.

    Returns:
        The network with masked weights in float64.

    Raises:
        CheckpointError: when the architecture does not fit, or is not understood; the message names the key or layer.
    """
    with only_own_errors(checkpoint.path, what="its network cannot be read"):
        if model is None and checkpoint.program is not None:
            checkpoint.check_memory()
            return _from_graph(checkpoint, checkpoint.program, input_shape, prefix)
        fitted = fit.select_prefix(checkpoint, prefix)
        own = fitted.checkpoint
        own.check_memory()
        with one_thread():  # a few passes; threads that wait for each other take longer than they save
            network = infer(own, input_shape) if model is None else _from_model(own, model, input_shape)
        return fit.with_file_keys(network, fitted)


def _from_graph(
    checkpoint: Checkpoint, program: Program, input_shape: tuple[int, ...] | None, prefix: str | None
) -> Network:
    if prefix:
        raise CheckpointError(
            checkpoint.path,
            f"--prefix {prefix}: the file holds the graph of a single network: leave --prefix out",
        )
    shared = tied.plain(checkpoint.shared, checkpoint.tensors)
    own = tied.agreed(checkpoint, shared)
    state = tied.in_one_memory(own.raw, own.shared, own.tensors)
    where = "ONNX" if checkpoint.format == "onnx" else ".pt2"
    network = _built(checkpoint.path, program, own, state, f"graph in the {where} file")
    network = replace(network, assumptions=(*tied.notes(shared), *network.assumptions))
    _check_input(checkpoint.path, network, input_shape)
    return network


def reference_weights(network: Network, reference: Checkpoint) -> dict[str, torch.Tensor]:
    """Return the reference weights of the network's layers, (out, in / groups, kh, kw) float64, and their biases.

    Keys are ``"fc1.weight"`` and ``"fc1.bias"``. BatchNorm is not folded into a reference, so a layer whose BatchNorm was
    folded has no entry. Neither has a layer whose reference was pruned with the checkpoint, such as the rewound weights of
    a later level: its zeros are the mask, which may depend on the sample (docs/theory/risk.md).

    Raises:
        CheckpointError: when a layer is missing, or has another shape.
    """
    found: dict[str, torch.Tensor] = {}
    for layer in network.layers():
        for kind, own in (("weight", layer.weight), ("bias", layer.bias)):
            key = f"{layer.name}.{kind}"
            if own is None or layer.folded or (kind == "bias" and key not in reference.tensors):
                continue
            if key not in reference.tensors:
                raise CheckpointError(reference.path, f"the reference lacks {key}")
            tensor = reference.tensors[key]
            if tensor.numel() != own.numel() or tensor.shape[0] != own.shape[0]:
                raise CheckpointError(
                    reference.path,
                    f"{key} is {tuple(tensor.shape)}, the checkpoint's is {layer.stored_shape}",
                )
            start = tensor.double().reshape(own.shape)
            if kind == "bias" or not _is_pruned_reference(start, layer.support):
                found[key] = start
    return found


def check_independent(
    network: Network, checkpoint: Checkpoint, start: Checkpoint, prefix: str | None
) -> None:
    """Refuse a reference that equals the checkpoint at all its surviving weights, since such weights depend on the sample.

    Args:
        network: the checkpoint's network.
        checkpoint: the checkpoint.
        start: the reference.
        prefix: prefix that was chosen for the checkpoint.

    Raises:
        CheckpointError: when the reference does so.
    """
    told = network.counted() if network.unplaced else network.layers()
    keys = [f"{layer.name}.weight" for layer in told]
    checkpoint = fit.strip_prefix_of(with_layer_name(checkpoint), keys, prefix)
    pairs = [(checkpoint.tensors.get(key), start.tensors.get(key)) for key in keys]
    if keys and all(
        own is not None and other is not None and _same_survivors(own, other) for own, other in pairs
    ):
        raise CheckpointError(
            start.path,
            "has the checkpoint's own weights; give the initialization, which does not depend on the sample",
        )


def rewound(network: Network, start: Checkpoint) -> bool:
    """Return whether the checkpoint is pruned and its reference, an initialization, is not, as after rewinding.

    Args:
        network: the checkpoint's network.
        start: the reference.
    """
    found = [start.tensors.get(weight.key or f"{weight.name}.weight") for weight in network.counted()]
    dense = [
        int((tensor == 0).sum()) <= 2 + MOST_ZEROS * tensor.numel() for tensor in found if tensor is not None
    ]
    return network.surviving < network.parameters and bool(dense) and all(dense)


def _same_survivors(own: torch.Tensor, start: torch.Tensor) -> bool:
    return own.shape == start.shape and torch.equal(start.double() * (own != 0), own.double())


def _is_pruned_reference(start: torch.Tensor, support: torch.Tensor) -> bool:
    """Return whether a reference is 0 only at pruned weights, and more often than a dense initialization ever is."""
    zeros = int((start == 0).sum())
    by_chance = 2 + MOST_ZEROS * start.numel()
    return by_chance < zeros < start.numel() and not bool((support & (start == 0)).any())


def _built(
    path: str, program: Program, checkpoint: Checkpoint, state: dict[str, torch.Tensor], source: str
) -> Network:
    from boundcalc.network.build import Builder

    if len(program.inputs) != 1:
        raise CheckpointError(path, f"its forward pass takes {len(program.inputs)} inputs, not one")
    try:
        masks_are_no_weights = replace(program, buffers=program.buffers | set(checkpoint.owners))
        network = Builder(masks_are_no_weights, state, checkpoint.tensors, checkpoint.masks).network(source)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise CheckpointError(path, f"its forward pass is not understood: {error}") from error
    unread = tuple((key, why) for key, why in network.set_aside if key not in checkpoint.owners)
    return replace(network, set_aside=unread)


def _check_input(path: str, network: Network, input_shape: tuple[int, ...] | None) -> None:
    if input_shape is not None and math.prod(input_shape) != network.inputs:
        raise CheckpointError(
            path,
            f"its graph takes inputs of shape {network.input_shape}, not {input_shape}: leave "
            "--input-shape out",
        )


def _from_model(
    checkpoint: Checkpoint, model: str | torch.nn.Module, input_shape: tuple[int, ...] | None
) -> Network:
    from boundcalc.network import capture

    named = model if isinstance(model, str) else type(model).__name__
    module = capture.make_module(model) if isinstance(model, str) else capture.own_copy(model)
    fitted = fit.load(module, checkpoint, named)
    shapes = _input_shapes(input_shape) if input_shape else [_first_width(named, module)]
    example, output = capture.example(module, shapes)
    program, state = capture.export(module, example, named, output)
    network = _built(named, program, fitted.checkpoint, dict(state), f"captured by running {named}")
    _check_against(named, network, module, example)
    if not isinstance(model, str):
        capture.empty(module, model)
    return fit.with_file_keys(network, fitted)


def _input_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes in which a model may take a sample: unchanged, without the axis of a single channel, or as a
    vector.
    """
    rows = [shape[1:]] if len(shape) == 3 and shape[0] == 1 else []
    return [shape, *rows, (math.prod(shape),)]


_OTHER_INPUTS = (
    torch.nn.modules.conv._ConvNd, torch.nn.Bilinear, torch.nn.Embedding, torch.nn.EmbeddingBag, torch.nn.MultiheadAttention,
    torch.nn.RNNBase, torch.nn.modules.rnn.RNNCellBase,
)  # fmt: skip
"""Layers for which the size of the input does not follow from the width."""


def _first_width(named: str, module: torch.nn.Module) -> tuple[int, ...]:
    first = next(
        (part for part in module.modules() if isinstance(part, (torch.nn.Linear, *_OTHER_INPUTS))), None
    )
    if isinstance(first, torch.nn.Linear):
        return (first.in_features,)
    raise ArchitectureUnknown(named, "its input size is not known: give --input-shape, e.g. 1,28,28")


def _check_against(named: str, network: Network, module: torch.nn.Module, example: torch.Tensor) -> None:
    from boundcalc.network.capture import quiet

    if not example.is_floating_point():
        return
    x = torch.rand(example.shape, generator=torch.Generator().manual_seed(0)).to(example.dtype)
    tolerance = max(1e-3, 8 * torch.finfo(example.dtype).eps)
    try:
        ours = run(network, x[-1:].double())
        with torch.no_grad(), quiet():  # with all samples: one that sees the others gives itself away
            theirs = module(x).reshape(len(x), -1)[-1:].double()
    except NotCovered:
        return
    except Exception as error:
        raise CheckpointError(named, f"evaluating it raised {type(error).__name__}: {error}") from error
    if any("log_softmax is left out" in note for note in network.assumptions):
        ours = ours.log_softmax(1)
    elif any("softmax is left out" in note for note in network.assumptions):
        ours = ours.softmax(1)
    elif any("sigmoid is left out" in note for note in network.assumptions):
        ours = ours.sigmoid()
    slack = tolerance * float(theirs.abs().max()) + 1e-30
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=tolerance, atol=slack):
        raise CheckpointError(named, "the captured graph does not reproduce the model's outputs")
