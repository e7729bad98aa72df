"""ONNX: exports are the module, operations agree with ONNX's own evaluator, damaged files are refused in one line."""

from __future__ import annotations

import copy
import random
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn
from zoo import ZOO, pruned

import boundcalc
from boundcalc.checkpoint import read
from boundcalc.cli.main import main
from boundcalc.errors import BoundcalcError, CheckpointError
from boundcalc.network.forward import run
from boundcalc.network.ops import Unknown


def exported(module, shape, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(2, *shape),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            **options,
        )
    return path


OPEN = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}


@pytest.mark.parametrize("options", [{}, OPEN], ids=["fixed batch", "open batch"])
@pytest.mark.parametrize(
    "name", ["LeNet-5 Caffe", "ResNet-20A", "WideResNet", "ShuffleNetV2", "MobileNetV2", "NiN", "Conv1d"]
)
def test_networks_of_the_zoo(name, options, tmp_path):
    architecture = ZOO[name]
    module = pruned(architecture.small)
    path = exported(module, architecture.shape, tmp_path / "net.onnx", **options)
    network = boundcalc.load(path)
    assert not any(isinstance(node, Unknown) for node in network.nodes)
    x = torch.randn(3, *architecture.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        expected = copy.deepcopy(module).double()(x)
    assert (run(network, x) - expected).abs().max() <= 1e-5 * expected.abs().max()


def tickets():
    conv = lambda: nn.Sequential(  # noqa: E731
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 5),
    )
    mlp = lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 5))  # noqa: E731
    return {"conv": pruned(conv, density=0.4), "mlp": pruned(mlp, density=0.4)}


@pytest.mark.parametrize("name", ["conv", "mlp"])
def test_the_report_is_that_of_the_pt2_file(name, tmp_path):
    module, shape = tickets()[name], (1, 8, 8)
    plain = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    exported(module, shape, tmp_path / "net.onnx", **plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (torch.zeros(2, *shape),)), tmp_path / "net.pt2")
    x = np.random.default_rng(0).normal(size=(40, *shape)).astype(np.float32)
    data = (x[:20], np.arange(20) % 5, x[20:], np.arange(20) % 5)
    trees = [
        boundcalc.analyze(tmp_path / f"net.{kind}", data=data, passes=0).to_dict() for kind in ("onnx", "pt2")
    ]
    assert [tree["checkpoint"].pop("format") for tree in trees] == ["onnx", "pt2"]
    for tree in trees:
        for key in ("path", "sha256", "evidence", "ignored"):
            tree["checkpoint"].pop(key)
        tree["network"].pop("source")
        tree.pop("seconds")
        tree["checkpoint"]["tensors"] = sorted(
            (entry for entry in tree["checkpoint"]["tensors"] if "num_batches" not in entry["key"]),
            key=lambda one: one["key"],
        )
    assert trees[0] == trees[1]


def model_of(nodes, shape, parameters, outputs="y", **more):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])
    y = helper.make_tensor_value_info(outputs, TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(value, key) for key, value in parameters.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers, **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def numbers(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


IMAGE = (2, 6, 5)
AFTER: dict[str, tuple] = {
    "asymmetric": ([helper.make_node("Conv", ["x", "k"], ["z"], pads=[1, 0, 2, 1], strides=[2, 1])], {"k": numbers(3, 2, 2, 2)}),
    "same upper": ([helper.make_node("Conv", ["x", "k"], ["z"], auto_pad="SAME_UPPER", strides=[2, 2])], {"k": numbers(3, 2, 2, 3)}),
    "same lower": ([helper.make_node("Conv", ["x", "k"], ["z"], auto_pad="SAME_LOWER")], {"k": numbers(3, 2, 2, 2)}),
    "max": ([helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}),
    "max, ceil": ([helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], {}),
    "average": ([helper.make_node("AveragePool", ["x"], ["z"], kernel_shape=[3, 2], pads=[1, 1, 1, 1])], {}),
    "average, counted": (
        [helper.make_node("AveragePool", ["x"], ["z"], kernel_shape=[3, 2], pads=[1, 0, 0, 1], count_include_pad=1)], {}
    ),
    "global average": ([helper.make_node("GlobalAveragePool", ["x"], ["z"])], {}),
    "global maximum": ([helper.make_node("GlobalMaxPool", ["x"], ["z"])], {}),
    "mean": ([helper.make_node("ReduceMean", ["x"], ["z"], axes=[2, 3], keepdims=0)], {}),
    "sum": ([helper.make_node("ReduceSum", ["x", "a"], ["z"], keepdims=0)], {"a": ints(-1, -2)}),
    "batch norm": (
        [helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["z"], epsilon=1e-3)],
        {"s": numbers(2), "b": numbers(2), "m": numbers(2), "v": numbers(2) ** 2},
    ),
    "clip": ([helper.make_node("Clip", ["x", "l", "h"], ["z"])], {"l": np.float32(-0.5), "h": np.float32(0.5)}),
    "clip from below": ([helper.make_node("Clip", ["x", "l"], ["z"])], {"l": np.float32(0)}),
    "leaky": ([helper.make_node("LeakyRelu", ["x"], ["z"], alpha=0.2)], {}),
    "prelu": ([helper.make_node("PRelu", ["x", "s"], ["z"])], {"s": numbers(2, 1, 1)}),
    "scale": ([helper.make_node("Mul", ["x", "s"], ["w"]), helper.make_node("Sub", ["w", "s"], ["z"])], {"s": numbers(2, 1, 1)}),
    "sum of three": ([helper.make_node("Sum", ["x", "x", "x"], ["z"])], {}),
    "split": (
        [helper.make_node("Split", ["x", "s"], ["a", "b"], axis=3), helper.make_node("Concat", ["b", "a"], ["z"], axis=3)],
        {"s": ints(2, 3)},
    ),
    "slice": ([helper.make_node("Slice", ["x", "s", "e", "a", "t"], ["z"])],
              {"s": ints(1, 0), "e": ints(6, 2**40), "a": ints(2, -1), "t": ints(2, 1)}),
    "gather": ([helper.make_node("Gather", ["x", "i"], ["z"], axis=1)], {"i": ints(1, 0, 1)}),
    "select": ([helper.make_node("Gather", ["x", "i"], ["z"], axis=2)], {"i": np.array(3)}),
    "pad": ([helper.make_node("Pad", ["x", "p"], ["z"])], {"p": ints(0, 0, 1, 2, 0, 0, 0, 1)}),
    "pad by reflection": ([helper.make_node("Pad", ["x", "p"], ["z"], mode="reflect")], {"p": ints(0, 0, 1, 2, 0, 0, 0, 1)}),
    "pad by edges": ([helper.make_node("Pad", ["x", "p"], ["z"], mode="edge")], {"p": ints(0, 0, 1, 2, 0, 0, 0, 1)}),
    "transpose": ([helper.make_node("Transpose", ["x"], ["z"], perm=[0, 3, 1, 2])], {}),
    "reshape by sizes": (
        [
            helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["n"]),
            helper.make_node("Unsqueeze", ["n", "zeros"], ["n1"]), helper.make_node("Concat", ["n1", "rest"], ["t"], axis=0),
            helper.make_node("Reshape", ["x", "t"], ["z"]),
        ],
        {"zero": np.array(0), "zeros": ints(0), "rest": ints(-1)},
    ),
    "squeeze": (
        [helper.make_node("Unsqueeze", ["x", "a"], ["w"]), helper.make_node("Squeeze", ["w", "a"], ["z"])], {"a": ints(2)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AFTER)
def test_operations_agree_with_the_evaluator_of_onnx(name, tmp_path):
    nodes, parameters = AFTER[name]
    flat = [*nodes, helper.make_node("Flatten", ["z"], ["f"])]
    x = numbers(3, *IMAGE)
    units = ReferenceEvaluator(model_of(flat, IMAGE, parameters, "f")).run(None, {"x": x})[0].shape[1]
    whole = [*flat, helper.make_node("Gemm", ["f", "last", "c"], ["y"], transB=1)]
    model = model_of(whole, IMAGE, parameters | {"last": numbers(4, units), "c": numbers(4)})
    onnx.save(model, tmp_path / "net.onnx")
    network = boundcalc.load(tmp_path / "net.onnx")
    assert not any(isinstance(node, Unknown) for node in network.nodes)
    expected = ReferenceEvaluator(model).run(None, {"x": x})[0]
    assert np.allclose(
        run(network, torch.from_numpy(x).double()).numpy(), expected, atol=1e-5 * np.abs(expected).max()
    )


def perceptron(**more):
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]), helper.make_node("Add", ["a", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2"], ["y"]),
    ]  # fmt: skip
    return model_of(nodes, (6,), {"w1": numbers(6, 5), "b1": numbers(5), "w2": numbers(5, 3)}, **more)


def test_a_matrix_from_the_right_is_a_layer(tmp_path):
    onnx.save(perceptron(), tmp_path / "net.onnx")
    network = boundcalc.load(tmp_path / "net.onnx")
    assert [(layer.name, layer.shape[0]) for layer in network.layers()] == [("w1", 5), ("w2", 3)]
    assert (network.parameters, network.biases, network.depth) == (45, 5, 2)


def test_data_beside_the_model_is_read_and_hashed(tmp_path):
    def saved(folder):
        folder.mkdir()
        onnx.save(
            perceptron(),
            folder / "net.onnx",
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location="net.data",
            size_threshold=0,
        )
        return folder / "net.onnx"

    path = saved(tmp_path / "a")
    network, digest = boundcalc.load(path), read(path).sha256
    assert torch.equal(next(network.layers()).weight.flatten(1).float(), torch.from_numpy(numbers(6, 5)).T)
    data = path.parent / "net.data"
    data.write_bytes(data.read_bytes()[:-4] + bytes(4))
    assert read(path).sha256 != digest
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="net.data does not hold its"):
        read(path)
    data.unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        read(path)


def external(location, **entries):
    model = perceptron()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return model


def changed(change):
    model = perceptron()
    change(model)
    return model


def flattened(node):
    node.op_type = "Flatten"
    node.attribute.append(helper.make_attribute("axis", 0))


HOSTILE = {
    "outside": (external("../secret"), "points to a file outside the folder"),
    "absolute": (external("/etc/passwd"), "points to a file outside the folder"),
    "offset": (external("net.onnx", offset="999999999999"), "does not hold its 120 bytes"),
    "offset that is none": (external("net.onnx", offset="x"), "not a number"),
    "no location": (external(""), "no location"),
    "huge sizes": (changed(lambda m: m.graph.initializer[0].dims.extend([2**31, 2**20])), "are not those of a tensor"),
    "sizes too large": (changed(lambda m: m.graph.initializer[0].dims.extend([2**30])), "--max-memory"),
    "negative sizes": (changed(lambda m: m.graph.initializer[0].dims.insert(0, -3)), "are not those of a tensor"),
    "short": (changed(lambda m: m.graph.initializer[0].dims.insert(0, 2)), "120 bytes for 60 numbers"),
    "unknown type": (changed(lambda m: setattr(m.graph.initializer[0], "data_type", 8)), "type 8"),
    "undefined": (changed(lambda m: m.graph.node[0].input.__setitem__(0, "nothing")), "reads nothing"),
    "twice": (changed(lambda m: m.graph.node[1].output.__setitem__(0, "a")), "already defines"),
    "two inputs": (changed(lambda m: m.graph.input.append(m.graph.input[0])), "2 inputs and 1 outputs"),
    "no nodes": (changed(lambda m: m.graph.ClearField("node")), "without a graph"),
    "constant": (changed(lambda m: setattr(m.graph.output[0], "name", "w1")), "does not depend"),
    "quantised": (changed(lambda m: setattr(m.graph.node[2], "op_type", "QLinearConv")), "quantized"),
    "other shapes": (changed(lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 7)), "do not fit"),
    "own operation": (changed(lambda m: setattr(m.graph.node[2], "domain", "mine")), "does not state the shape"),
    "samples mixed": (changed(lambda m: flattened(m.graph.node[2])), "mixes the samples|cannot be evaluated"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name, tmp_path, capsys):
    model, message = HOSTILE[name]
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=message) as caught:
        boundcalc.load(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert main([str(tmp_path / "net.onnx")]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_changed_bytes_are_read_or_refused(tmp_path):
    whole = model_of(
        [*AFTER["slice"][0], helper.make_node("Flatten", ["z"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)],
        IMAGE, AFTER["slice"][1] | {"w": numbers(4, 30)},
    ).SerializeToString()  # fmt: skip
    draw = random.Random(0)
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 2, 8])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if draw.random() < 0.2:
            content = content[: draw.randrange(len(content))]
        (tmp_path / "net.onnx").write_bytes(bytes(content))
        try:
            boundcalc.load(tmp_path / "net.onnx")
        except BoundcalcError as problem:
            assert "\n" not in str(problem)


def test_without_the_package_the_line_says_what_to_install(tmp_path, monkeypatch):
    onnx.save(perceptron(), tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(CheckpointError, match=r"pip install -e '\.\[onnx\]'"):
        read(tmp_path / "net.onnx")
