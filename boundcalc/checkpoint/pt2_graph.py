"""Convert the graph of a torch.export archive from its JSON to a `Program`; no expression in it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.checkpoint.program import Call, Program, Ref

SCALAR_TYPES: dict[int, torch.dtype] = {
    code: getattr(torch, name)
    for code, name in {
        1: "uint8",
        2: "int8",
        3: "int16",
        4: "int32",
        5: "int64",
        6: "float16",
        7: "float32",
        8: "float64",
        9: "complex32",
        10: "complex64",
        11: "complex128",
        12: "bool",
        13: "bfloat16",
        28: "uint16",
        29: "float8_e4m3fn",
        30: "float8_e5m2",
        31: "float8_e4m3fnuz",
        32: "float8_e5m2fnuz",
    }.items()
    if hasattr(torch, name)
}
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
_ATEN = "torch.ops.aten."
_TRAINING_FLAGS = ("training", "train")


class MalformedError(ValueError):
    """A graph that does not have PyTorch's form, or that a `Program` cannot represent; the message says why."""


@dataclass(frozen=True)
class Graph:
    """A program whose constants are not loaded yet.

    Attributes:
        program: the program without constants.
        constants: value name -> key in the archive's constants.
    """

    program: Program
    constants: dict[str, str]


def parse(model: Any) -> Graph:
    """Turn the JSON of an exported program into a `Program`.

    Args:
        model: the parsed JSON.

    Returns:
        The program and the keys of its constants.

    Raises:
        MalformedError: when something is missing or of another type, or it is not a straight-line forward pass.
    """
    try:
        module = model["graph_module"]
        return _graph(module["graph"], module["signature"])
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise MalformedError(
            f"its graph does not have the form that torch.export writes ({type(problem).__name__}: {problem})"
        ) from None


def _graph(graph: Mapping[str, Any], signature: Mapping[str, Any]) -> Graph:
    inputs, state, constants, buffers = _input_specs(signature["input_specs"])
    program = Program(
        inputs=tuple(inputs),
        output=_output(signature["output_specs"]),
        state=state,
        calls=tuple(_call(node) for node in graph["nodes"]),
        shapes={name: _sizes(meta["sizes"]) for name, meta in graph["tensor_values"].items()},
        buffers=buffers,
    )
    _refuse_training_mode(program)
    return Graph(program, constants)


def _input_specs(specs: list[Any]) -> tuple[list[str], dict[str, str], dict[str, str], frozenset[str]]:
    inputs: list[str] = []
    buffers: set[str] = set()
    state: dict[str, str] = {}
    constants: dict[str, str] = {}
    for spec in specs:
        kind, content = _single_entry(spec)
        if kind == "user_input":
            inputs += _user_input(content["arg"])
        elif kind == "parameter":
            state[content["arg"]["name"]] = _string(content["parameter_name"])
        elif kind == "buffer":
            home = state if content.get("persistent", True) else constants
            home[content["arg"]["name"]] = _string(content["buffer_name"])
            buffers.add(content["buffer_name"])
        elif kind == "tensor_constant":
            constants[content["arg"]["name"]] = _string(content["tensor_constant_name"])
        elif kind not in {"constant_input", "token"}:
            raise MalformedError(f"its graph takes a {kind}, which boundcalc does not understand")
    return inputs, state, constants, frozenset(buffers & set(state.values()))


def _user_input(argument: Mapping[str, Any]) -> list[str]:
    kind, content = _single_entry(argument)
    return [_string(content["name"])] if kind == "as_tensor" else []


def _output(specs: list[Any]) -> str:
    kinds = [_single_entry(spec) for spec in specs]
    mutated = [content for kind, content in kinds if kind.endswith("_mutation")]
    if mutated:
        name = mutated[0].get("buffer_name") or mutated[0].get("parameter_name") or "its input"
        raise MalformedError(f"its forward pass changes {name}: export the network after model.eval()")
    results = [content["arg"] for kind, content in kinds if kind == "user_output"]
    if len(results) != 1 or "as_tensor" not in results[0]:
        raise MalformedError(
            f"its forward pass returns {len(results)} values; one tensor of scores is needed: export a module whose forward "
            "returns the scores alone"
        )
    return _string(results[0]["as_tensor"]["name"])


def _call(node: Mapping[str, Any]) -> Call:
    target = _string(node["target"])
    try:
        return Call(
            op=target.removeprefix(_ATEN),
            args={_string(named["name"]): _argument(named["arg"]) for named in node["inputs"]},
            outputs=tuple(name for output in node["outputs"] for name in _defined(output)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as problem:
        raise MalformedError(
            f"the operation {target} does not have the form that torch.export writes ({problem})"
        ) from None


def _refuse_training_mode(program: Program) -> None:
    for call in program.calls:
        without = layer_of_batch_statistics(program, call)
        if without is not None:
            raise MalformedError(batch_statistics(without))
        own_statistics = "batch_norm" in call.op and call.args.get("running_mean") is None
        if any(call.args.get(flag) is True for flag in _TRAINING_FLAGS) and not own_statistics:
            raise MalformedError(f"it runs {call.op} in training mode: export the network after model.eval()")


def layer_of_batch_statistics(program: Program, call: Call) -> str | None:
    """Return the layer of a BatchNorm that has no running statistics, or None for any other call.

    An InstanceNorm is decomposed into the same call, on a view that moves the samples into the channels; it does not count.

    Args:
        program: the forward pass.
        call: one of its operations.
    """
    source = next((item.name for item in call.args.values() if isinstance(item, Ref)), None)
    if "batch_norm" not in call.op or call.args.get("running_mean") is not None or source is None:
        return None
    batches = [program.shapes.get(name, (-1,))[:1] for name in (source, program.inputs[0])]
    if batches[0] != batches[1]:
        return None
    gamma = call.args.get("weight")
    key = program.state.get(gamma.name, "") if isinstance(gamma, Ref) else ""
    return key.removesuffix(".weight") or call.outputs[0]


def batch_statistics(layer: str) -> str:
    """Return the reason why a BatchNorm without running statistics is refused.

    Args:
        layer: the layer's name.
    """
    return (
        f"{layer} is a BatchNorm without running statistics (track_running_stats=False): it uses the "
        "batch's statistics in eval mode too, so the output for one sample depends on the other "
        "samples of the batch, which no bound covers; train it with track_running_stats=True"
    )


def _defined(output: Mapping[str, Any]) -> list[str]:
    value = _argument(output)
    values = value if isinstance(value, list) else [value]
    return [item.name for item in values if isinstance(item, Ref)]


def _argument(argument: Mapping[str, Any]) -> Any:
    kind, value = _single_entry(argument)
    if kind not in _READERS:
        raise MalformedError(f"argument of unknown kind {kind}")
    return _READERS[kind](value)


def _single_entry(union: Mapping[str, Any]) -> tuple[str, Any]:
    if not isinstance(union, dict) or len(union) != 1:
        raise MalformedError("a field that should hold one value does not")
    return next(iter(union.items()))


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"a name that is no string: {value!r}")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise MalformedError(f"a number that is no integer: {value!r}")
    return int(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedError(f"a flag that is neither true nor false: {value!r}")
    return value


def _reference(value: Mapping[str, Any]) -> Ref:
    return Ref(_string(value["name"]))


def _list_of(reader: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [reader(value) for value in values]


def _symbolic(value: Mapping[str, Any]) -> Any:
    kind, content = _single_entry(value)
    if kind == "as_name":
        return Ref(_string(content))
    return _READERS[kind](content)


def _optional_tensor(value: Mapping[str, Any]) -> Ref | None:
    kind, content = _single_entry(value)
    return _reference(content) if kind == "as_tensor" else None


def _complex(value: Mapping[str, Any]) -> complex:
    return complex(float(value["real"]), float(value["imag"]))


def _device(value: Mapping[str, Any]) -> str:
    index = value.get("index")
    return _string(value["type"]) if index is None else f"{value['type']}:{index}"


def _layout(value: Any) -> int:
    return _integer(value)


def _sizes(sizes: list[Any]) -> tuple[int, ...]:
    return tuple(_size(size) for size in sizes)


def _size(size: Mapping[str, Any]) -> int:
    kind, value = _single_entry(size)
    if kind == "as_int":
        return _integer(value)
    hint = value.get("hint")
    return _integer(hint["as_int"]) if hint and "as_int" in hint else -1


_READERS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda value: None,
    "as_tensor": _reference,
    "as_tensors": _list_of(_reference),
    "as_nested_tensors": _list_of(_list_of(_reference)),
    "as_optional_tensor": _optional_tensor,
    "as_optional_tensors": _list_of(_optional_tensor),
    "as_int": _integer,
    "as_ints": _list_of(_integer),
    "as_int_lists": _list_of(_list_of(_integer)),
    "as_float": float,
    "as_floats": _list_of(float),
    "as_float_lists": _list_of(_list_of(float)),
    "as_bool": _boolean,
    "as_bools": _list_of(_boolean),
    "as_string": _string,
    "as_strings": _list_of(_string),
    "as_operator": _string,
    "as_complex": _complex,
    "as_scalar_type": lambda value: SCALAR_TYPES[value],
    "as_memory_format": lambda value: _MEMORY_FORMATS[value],
    "as_layout": _layout,
    "as_device": _device,
    "as_sym_int": _symbolic,
    "as_sym_ints": _list_of(_symbolic),
    "as_sym_float": _symbolic,
    "as_sym_floats": _list_of(_symbolic),
    "as_sym_bool": _symbolic,
    "as_sym_bools": _list_of(_symbolic),
    "as_graph": _reference,
    "as_custom_obj": _reference,
}
