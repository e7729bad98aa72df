"""torch.export archives: the program, the weights, and hostile archives."""

from __future__ import annotations

import io
import json
import warnings
from zipfile import ZipFile

import conventions
import pytest
import torch
from torch import nn

from boundcalc.checkpoint import Ref, program_from_bytes, read
from boundcalc.errors import CheckpointError


def exported(network, example, **options):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(network, example, **options), buffer)
    return buffer.getvalue()


def run(program, tensors, *inputs):
    """Execute a program with PyTorch's own operations."""
    values = dict(zip(program.inputs, inputs, strict=True)) | program.constants
    values |= {value: tensors[key] for value, key in program.state.items()}
    for call in program.calls:
        name, _, overload = call.op.partition(".")
        operation = getattr(getattr(torch.ops.aten, name), overload)
        arguments = {key: resolved(value, values) for key, value in call.args.items()}
        result = operation(**arguments) if "layout" not in arguments else None
        results = result if isinstance(result, (tuple, list)) else [result]
        values.update(zip(call.outputs, results, strict=False))
    return values[program.output]


def resolved(value, values):
    if isinstance(value, list):
        return [resolved(item, values) for item in value]
    return values[value.name] if isinstance(value, Ref) else value


@pytest.mark.parametrize("name", ["pt2", "pt2-inferred", "pt2-old"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_program_computes_what_the_network_computes(name, kind, request):
    network, masks = request.getfixturevalue(kind)
    checkpoint = read(request.getfixturevalue(f"written_{kind}")[name])
    make = conventions.MLP if kind == "mlp" else conventions.CNN
    example = torch.randn(2, 12) if kind == "mlp" else torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        expected = conventions.zeroed(conventions.seeded(make), masks)(example)
        found = run(checkpoint.program, checkpoint.raw, example)
    torch.testing.assert_close(found, expected)
    assert len(checkpoint.program.inputs) == 1
    assert checkpoint.program.shapes[checkpoint.program.output] == tuple(expected.shape)


def test_arguments_have_their_names_and_types(written_cnn):
    program = read(written_cnn["pt2"]).program
    (convolution, *_) = [call for call in program.calls if call.op == "conv2d.default"]
    assert convolution.args["padding"] == [1, 1]
    assert isinstance(convolution.args["weight"], Ref)
    (norm, *_) = [call for call in program.calls if call.op == "batch_norm.default"]
    assert norm.args["training"] is False
    assert norm.args["eps"] == pytest.approx(1e-5)


def test_wrapped_network_keeps_program_and_keys_together():
    network = nn.Sequential()
    network.add_module("module", nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)))
    data = exported(network, (torch.ones(1, 3),))
    program, state = program_from_bytes(data, "live")
    assert set(program.state.values()) == set(state)
    assert all(key.startswith("module.") for key in state)


def test_wrapped_network_in_a_file(tmp_path):
    network = nn.Sequential()
    network.add_module("module", nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)))
    (tmp_path / "m.pt2").write_bytes(exported(network, (torch.ones(1, 3),)))
    checkpoint = read(tmp_path / "m.pt2")
    assert set(checkpoint.program.state.values()) == set(checkpoint.raw)
    assert "0.weight" in checkpoint.tensors


def test_symbolic_batch_shared_views_and_constants(tmp_path):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.fc.weight = nn.Parameter(torch.randn(3, 6)[:, ::2])
            self.register_buffer("shift", torch.arange(3.0), persistent=False)

        def forward(self, x):
            return self.fc(x + self.shift) * torch.tensor([1.0, 2.0, 3.0])

    network = Network().eval()
    batch = torch.export.Dim("batch")
    (tmp_path / "m.pt2").write_bytes(exported(network, (torch.ones(2, 3),), dynamic_shapes=({0: batch},)))
    checkpoint = read(tmp_path / "m.pt2")
    example = torch.randn(4, 3)
    assert torch.equal(checkpoint.tensors["fc.weight"], network.fc.weight)
    assert checkpoint.program.shapes[checkpoint.program.inputs[0]][0] in {2, -1}
    assert len(checkpoint.program.constants) == 2
    operations = [call for call in checkpoint.program.calls if not call.op.startswith(("lift", "detach"))]
    assert operations
    with torch.no_grad():
        torch.testing.assert_close(run(checkpoint.program, checkpoint.raw, example), network(example))


def test_training_mode_is_refused(tmp_path):
    network = conventions.seeded(conventions.CNN).train()
    (tmp_path / "m.pt2").write_bytes(exported(network, (torch.ones(2, 1, 8, 8),)))
    with pytest.raises(CheckpointError, match=r"model\.eval\(\)"):
        read(tmp_path / "m.pt2")


def test_several_results_are_refused(tmp_path):
    class Two(nn.Module):
        def forward(self, x):
            return x + 1, x * 2

    (tmp_path / "m.pt2").write_bytes(exported(Two(), (torch.ones(2, 3),)))
    with pytest.raises(CheckpointError, match="returns 2 values"):
        read(tmp_path / "m.pt2")


def rewritten(source, target, change):
    """Copy an archive, passing every member through ``change(name, bytes) -> bytes or None``."""
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def edited(end, edit):
    """A change to the JSON member whose name ends so."""

    def change(name, content):
        if not name.endswith(end):
            return content
        table = json.loads(content)
        edit(table)
        return json.dumps(table).encode()

    return change


def refusal(path):
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def first_weight(config):
    return config["config"]["fc1.weight_orig"]


def meta(**fields):
    """A change to how the first weight says it is stored."""
    return "model_weights_config.json", lambda config: first_weight(config)["tensor_meta"].update(fields)


def argument(**union):
    """A change to the first argument of the first operation."""
    return MODEL, lambda m: m["graph_module"]["graph"]["nodes"][0]["inputs"][0].update(arg=union)


WEIGHTS, MODEL = "model_weights_config.json", "models/model.json"
HUGE = [{"as_int": 1 << 20}] * 2
HOSTILE = {
    "beyond its bytes": meta(sizes=[{"as_int": 9000}] * 2),
    "stride 0": meta(strides=[{"as_int": 0}] * 2, sizes=HUGE),
    "negative": meta(strides=[{"as_int": -1}] * 2),
    "offset": meta(storage_offset={"as_int": 50}),
    "symbolic": meta(sizes=[{"as_expr": {"expr_str": "x"}}] * 2),
    "unknown type": meta(dtype=99),
    "huge empty": meta(
        sizes=[{"as_int": 0}, {"as_int": 1 << 62}, {"as_int": 1 << 62}], strides=HUGE + HUGE[:1]
    ),
    "outside": (WEIGHTS, lambda c: first_weight(c).update(path_name="../../etc/passwd")),
    "missing weight": (WEIGHTS, lambda c: c["config"].pop("fc1.weight_orig")),
    "no nodes": (MODEL, lambda m: m["graph_module"]["graph"].pop("nodes")),
    "no signature": (MODEL, lambda m: m["graph_module"].pop("signature")),
    "a list": (MODEL, lambda m: m.update(graph_module=[])),
    "odd argument": argument(as_code="x"),
    "two values": argument(as_int=1, as_bool=True),
    "odd input": (MODEL, lambda m: m["graph_module"]["signature"]["input_specs"].append({"custom_obj": {}})),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables(name, written_mlp, tmp_path):
    assert refusal(rewritten(written_mlp["pt2"], tmp_path / "m.pt2", edited(*HOSTILE[name])))


def test_expressions_are_not_evaluated(written_mlp, tmp_path, canary):
    expression = f"__import__('pathlib').Path({str(canary)!r}).touch()"

    def edit(model):
        for meta in model["graph_module"]["graph"]["tensor_values"].values():
            meta["sizes"] = [{"as_expr": {"expr_str": expression, "hint": None}}]

    program = read(rewritten(written_mlp["pt2"], tmp_path / "m.pt2", edited(MODEL, edit))).program
    assert set(program.shapes.values()) == {(-1,)}


def test_pickled_sample_inputs_are_not_touched(written_mlp, tmp_path, touch):
    def change(name, content):
        return pickled(touch) if "sample_inputs" in name else content

    assert read(rewritten(written_mlp["pt2"], tmp_path / "m.pt2", change)).tensors


def pickled(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_pickled_weights_are_read_safely_or_refused(written_mlp, tmp_path, touch):
    entry = edited(WEIGHTS, lambda config: first_weight(config).update(use_pickle=True))
    with ZipFile(written_mlp["pt2"]) as archive:
        config = json.loads(next(archive.read(name) for name in archive.namelist() if name.endswith(WEIGHTS)))
    member = first_weight(config)["path_name"]

    def with_content(content):
        def change(name, old):
            return content if name.endswith(f"weights/{member}") else entry(name, old)

        return rewritten(written_mlp["pt2"], tmp_path / "m.pt2", change)

    message = refusal(with_content(pickled(touch)))
    assert "fc1.weight_orig" in message
    assert "to be executed" in message
    assert "not a tensor" in refusal(with_content(pickled({"a": 1})))
    assert read(with_content(pickled(torch.ones(8, 12)))).raw["fc1.weight_orig"].sum() == 96


def test_old_layout_with_code(written_mlp, tmp_path, touch):
    def change(name, content):
        return pickled({"a": touch}) if name == "serialized_state_dict.pt" else content

    assert "serialized_state_dict.pt" in refusal(
        rewritten(written_mlp["pt2-old"], tmp_path / "m.pt2", change)
    )


@pytest.mark.parametrize(
    ("member", "content", "word"),
    [
        ("byteorder", b"big", "byte order"),
        ("models/model.json", None, "without a model's graph"),
        ("models/model.json", b"{", "not JSON"),
        ("models/model.json", b"[" * 200_000, "nested too deep"),
        ("models/model.json", b"\xff\xfe\xff", "not JSON"),
    ],
)
def test_other_archives(member, content, word, written_mlp, tmp_path):
    def change(name, old):
        return content if name.endswith(member) else old

    assert word in refusal(rewritten(written_mlp["pt2"], tmp_path / "m.pt2", change))
