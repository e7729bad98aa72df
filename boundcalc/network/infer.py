"""Infer an architecture from shapes and key order alone: a chain of layers, or an error if two readings are possible."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import replace

from boundcalc.checkpoint.conventions.state import listing
from boundcalc.checkpoint.shared import Groups
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import ArchitectureUnknown, CheckpointError
from boundcalc.network import apart, bare, tied
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Input, Node, ReLU, Shape
from boundcalc.network.orders import OrderSearch, family_of, follows

READINGS = tuple(
    (stride, padding, pool) for stride in (1, 2, 3, 4) for padding in (0, 1, 2) for pool in (1, 2)
)
"""The readings that are tried for an unknown chain of convolutions: one stride and padding for all, and 2x2 pooling after each
or none."""


def infer(given: Checkpoint, input_shape: tuple[int, ...] | None) -> Network:
    """Read a chain of linear and convolution layers.

    Args:
        given: the checkpoint.
        input_shape: one sample's shape, required if there is a convolution.

    Returns:
        The network, which lists every assumption.

    Raises:
        CheckpointError: when no chain explains the keys, the shapes do not chain, or there are several readings or
            networks.
    """
    given = bare.with_layer_name(given)
    given = tied.agreed(given, shared := tied.plain(given.shared, given.tensors))
    _refuse_several(given, list(given.networks))
    networks = _networks(given)
    if _are_distinct_networks(given, networks):
        _refuse_several(given, networks)
    errors: list[CheckpointError] = []
    try:
        for why in apart.set_aside_choices(given.tensors):
            try:
                found = _read(_without(given, why), input_shape, shared)
            except CheckpointError as error:
                errors.append(error)
            else:
                return replace(found, set_aside=tuple(why.items()))
        _refuse_several(given, networks)
        raise errors[0]
    finally:
        errors.clear()  # an error that its own frame holds stays until garbage is collected, and the weights with it


def _read(given: Checkpoint, input_shape: tuple[int, ...] | None, shared: Groups) -> Network:
    names = _layer_names(given)
    chain, how = _chain(given, names, _twins(given, shared))
    shapes = [tuple(given.tensors[f"{name}.weight"].shape) for name in chain]
    convolutions = sum(len(shape) == 4 for shape in shapes)
    assumptions = [
        how,
        "ReLU after every layer but the last",
        "no skip connections, no pooling",
        *tied.notes(shared),
    ]
    if convolutions == 0:
        shape = _vector_shape(given, shapes, input_shape)
        windows = [Window.whole((1, 1))] * len(chain)
        windows[0] = Window.whole(_image(shape)[1:])
    else:
        shape = _image_shape(given, shapes, input_shape)
        windows, reading = _windows(given, chain, shapes, shape)
        assumptions.append(reading)
    return Network(
        tuple(_nodes(given, chain, windows, _image(shape), shared)),
        "inferred from shapes and keys",
        shape,
        tuple(assumptions),
        inferred=True,
    )


def _without(given: Checkpoint, keys: Container[str]) -> Checkpoint:
    return replace(given, tensors={key: tensor for key, tensor in given.tensors.items() if key not in keys})


def _networks(given: Checkpoint) -> list[str]:
    """Return the prefixes, with their dots, that contain a chain of at least two layers ending with a linear one."""
    found = []
    for prefix, keys in apart.group_by_part(given.tensors).items():
        if sum(key.endswith(".weight") for key in keys) < 2:
            continue
        own = replace(given, tensors={key: given.tensors[key] for key in keys})
        try:
            chain, _ = _chain(own, _layer_names(own), {})
        except CheckpointError:
            continue
        if given.tensors[f"{chain[-1]}.weight"].ndim == 2:
            found.append(prefix)
    return found


def _are_distinct_networks(given: Checkpoint, prefixes: list[str]) -> bool:
    """Return whether a prefix is a known network name, or prefixes with different base names hold the same tensor names and
    shapes.
    """
    parts = apart.group_by_part(given.tensors)
    families: dict[object, set[str]] = {}
    for prefix in prefixes:
        table = frozenset((key.removeprefix(prefix), given.tensors[key].shape) for key in parts[prefix])
        families.setdefault(table, set()).add(family_of(prefix)[0])
    return any(map(apart.is_network, prefixes)) or any(len(names) > 1 for names in families.values())


def _refuse_several(given: Checkpoint, prefixes: list[str]) -> None:
    if len(prefixes) > 1:
        names = listing(prefix.rstrip(".") for prefix in prefixes)
        raise CheckpointError(
            given.path,
            f"it holds several networks ({len(prefixes)}), under the prefixes {names}: choose one with --prefix NAME, "
            "or give --model",
        )


def _image(shape: tuple[int, ...]) -> Shape:
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return (1, shape[0], shape[1]) if len(shape) == 2 else (math.prod(shape), 1, 1)


def _layer_names(given: Checkpoint) -> list[str]:
    names = []
    explained: set[str] = set()
    for key, tensor in given.tensors.items():
        layer, _, kind = key.rpartition(".")
        if kind == "weight" and layer and tensor.ndim in {2, 4}:
            names.append(layer)
            explained |= {key, f"{layer}.bias"}
            _check_bias(given, layer)
    for key in given.tensors:
        if key.endswith("running_mean"):
            layer = key.rpartition(".")[0]
            raise ArchitectureUnknown(
                given.path,
                f"{layer} is a BatchNorm, whose position in the network does not follow from "
                "shapes: give --model",
            )
    unexplained = sorted(set(given.tensors) - explained)
    if unexplained:
        key = unexplained[0]
        shape = tuple(given.tensors[key].shape)
        problem = f"{key} {shape} is not part of a chain of linear and 2-d convolution layers: give --model"
        raise ArchitectureUnknown(given.path, problem)
    if not names:
        raise ArchitectureUnknown(given.path, "it holds no weight of a linear or 2-d convolution layer")
    return names


def _check_bias(given: Checkpoint, layer: str) -> None:
    bias, out = given.tensors.get(f"{layer}.bias"), given.tensors[f"{layer}.weight"].shape[0]
    if bias is not None and tuple(bias.shape) != (out,):
        raise CheckpointError(
            given.path, f"{layer}.bias is {tuple(bias.shape)}, but {layer}.weight has {out} outputs"
        )


def _shape(given: Checkpoint, name: str) -> tuple[int, ...]:
    return tuple(given.tensors[f"{name}.weight"].shape)


def _follows(given: Checkpoint, before: str, after: str) -> bool:
    return follows(_shape(given, before), _shape(given, after))


def _chains(given: Checkpoint, names: list[str]) -> bool:
    return all(_follows(given, a, b) for a, b in zip(names, names[1:], strict=False))


def _twins(given: Checkpoint, shared: Groups) -> dict[str, str]:
    """Return layer name -> first name for every layer that shares weight and bias with an earlier one: one module under two
    names.
    """
    first = tied.first_names(shared)
    twins = {}
    for key, one in first.items():
        name, other = key.removesuffix(".weight"), one.removesuffix(".weight")
        biases = [f"{name}.bias", f"{other}.bias"]
        if first.get(biases[0]) == biases[1] or not set(biases) & set(given.tensors):
            twins[name] = other
    return twins


def _chain(given: Checkpoint, names: list[str], twins: Mapping[str, str]) -> tuple[list[str], str]:
    if given.ordered and _chains(given, names):
        return names, "layers follow one another in the order of the keys"
    search = OrderSearch({name: _shape(given, name) for name in names})
    found = list(search.orders(_MOST if not twins else _MOST_OF_TWINS))
    readings = {tuple(twins.get(name, name) for name in order): order for order in found}
    if (search.steps <= 0 and len(readings) < _MOST) or (twins and len(found) == _MOST_OF_TWINS):
        raise ArchitectureUnknown(given.path, "too many orders of its layers are possible: give --model")
    if not found:
        raise ArchitectureUnknown(given.path, _break_message(given, names))
    if len(readings) > 1:
        a, b = (" -> ".join(order) for order in list(readings.values())[:2])
        raise ArchitectureUnknown(given.path, f"two readings are possible ({a}; or {b}): give --model")
    return found[0], "layers are put in the one order in which their shapes chain and their numbers rise"


def _break_message(given: Checkpoint, names: list[str]) -> str:
    for a, b in zip(names, names[1:], strict=False):
        if not _follows(given, a, b):
            shapes = [tuple(given.tensors[f"{name}.weight"].shape) for name in (a, b)]
            return (
                f"{b}.weight {shapes[1]} cannot follow {a}.weight {shapes[0]}, and no other order of "
                "the layers fits: give --model"
            )
    return "the layers do not form a chain: give --model"


_MOST = 2
"""Number of orders that are searched for: a second one means that the file can be read in two ways."""

_MOST_OF_TWINS = 128
"""The same limit if one layer has several names; orders that only exchange these names count as one."""


def _vector_shape(
    given: Checkpoint, shapes: list[tuple[int, ...]], input_shape: tuple[int, ...] | None
) -> tuple[int, ...]:
    width = shapes[0][1]
    if input_shape is not None and math.prod(input_shape) != width:
        raise CheckpointError(
            given.path, f"its first layer takes {width} inputs, not {math.prod(input_shape)}"
        )
    return input_shape if input_shape is not None and len(input_shape) <= 3 else (width,)


def _image_shape(
    given: Checkpoint, shapes: list[tuple[int, ...]], input_shape: tuple[int, ...] | None
) -> tuple[int, ...]:
    channels = shapes[0][1]
    if input_shape is None:
        raise ArchitectureUnknown(
            given.path,
            f"a convolution's input size is not in the file: give --input-shape {channels},H,W or --model",
        )
    shape = input_shape if len(input_shape) == 3 else (1, *input_shape) if len(input_shape) == 2 else None
    if shape is None or shape[0] % channels:
        raise CheckpointError(
            given.path, f"its first layer takes {channels} channels, which does not fit input {input_shape}"
        )
    return shape


def _reading(
    shapes: list[tuple[int, ...]], size: tuple[int, int], stride: int, padding: int, pool: int
) -> list[Window] | None:
    windows = []
    for shape in shapes:
        if len(shape) == 2:
            break
        reach = (size[0] + 2 * padding - shape[2], size[1] + 2 * padding - shape[3])
        if min(reach) < 0 or padding >= max(shape[2], shape[3]):
            return None
        windows.append(Window.of(size, (shape[2], shape[3]), (stride, stride), (padding, padding)))
        size = (windows[-1].out[0] // pool, windows[-1].out[1] // pool)
        if min(size) < 1:
            return None
    linear = shapes[len(windows)] if len(windows) < len(shapes) else None
    if linear is None or linear[1] != shapes[len(windows) - 1][0] * size[0] * size[1]:
        return None
    flat = [Window.whole(size if index == 0 else (1, 1)) for index in range(len(shapes) - len(windows))]
    return windows + flat


def _windows(
    given: Checkpoint, chain: list[str], shapes: list[tuple[int, ...]], input_shape: tuple[int, ...]
) -> tuple[list[Window], str]:
    if len(shapes[-1]) != 2:
        raise ArchitectureUnknown(
            given.path,
            f"the last layer {chain[-1]} is a convolution, so the architecture is unknown: give --model",
        )
    if shapes[0][1] != input_shape[0]:
        raise ArchitectureUnknown(given.path, f"{chain[0]} may be grouped: give --model")
    size = (input_shape[1], input_shape[2])
    fitting = [reading for reading in READINGS if _reading(shapes, size, *reading) is not None]
    if len(fitting) != 1 or fitting[0][2] != 1:
        raise ArchitectureUnknown(given.path, _undecided_message(fitting, shapes))
    stride, padding, pool = fitting[0]
    windows = _reading(shapes, size, stride, padding, pool)
    assert windows is not None
    last = [window for window, tensor in zip(windows, shapes, strict=True) if len(tensor) == 4][-1]
    if last.out == (1, 1) and size != (1, 1):
        problem = (
            f"stride {stride}, padding {padding} and a global pooling both lead to one position: give --model"
        )
        raise ArchitectureUnknown(given.path, problem)
    return (
        windows,
        f"every convolution has stride {stride}, padding {padding}: the only uniform reading that fits",
    )


def _undecided_message(fitting: list[tuple[int, int, int]], shapes: list[tuple[int, ...]]) -> str:
    if not fitting:
        return "no uniform stride, padding and 2x2 pooling leads to the linear layer's inputs: give --model"
    said = "; ".join(
        f"stride {stride}, padding {padding}" + (", 2x2 pooling of an unknown kind" if pool > 1 else "")
        for stride, padding, pool in fitting[:3]
    )
    return f"strides, padding and pooling are not in the file and several readings are possible ({said}): give --model"


def _nodes(
    given: Checkpoint, chain: list[str], windows: list[Window], shape: Shape, shared: Groups
) -> list[Node]:
    first, twins = tied.first_names(shared), _twins(given, shared)
    nodes: list[Node] = [Input("input", (), shape)]
    for name, window in zip(chain, windows, strict=True):
        layer = _layer(given, name, window, nodes[-1].shape[0], len(nodes) - 1)
        nodes.append(replace(layer, name=twins.get(name, name), key=first.get(layer.key, layer.key)))
        if name != chain[-1]:
            nodes.append(ReLU(f"relu after {name}", (len(nodes) - 1,), layer.shape))
    return nodes


def _layer(given: Checkpoint, name: str, window: Window, channels: int, source: int) -> Affine:
    stored = given.tensors[f"{name}.weight"]
    kernel = stored.double().reshape(stored.shape[0], -1, *window.kernel)
    mask, bias = given.masks.get(f"{name}.weight"), given.tensors.get(f"{name}.bias")
    declared = None if mask is None else mask.bool().reshape(kernel.shape)
    return Affine(
        name=name,
        inputs=(source,),
        shape=(kernel.shape[0], *window.out),
        kind="linear" if stored.ndim == 2 else "conv2d",
        weight=kernel,
        bias=None if bias is None else bias.double(),
        support=kernel != 0 if declared is None else (kernel != 0) & declared,
        declared=declared,
        stored_shape=tuple(stored.shape),
        window=window,
        groups=channels // kernel.shape[1] if stored.ndim == 4 else 1,
        key=f"{name}.weight",
    )
