"""Weights of special classes and in packed layouts: written out, or refused as what they are."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from neighbours import assert_read, followed, refusal, saved, state
from safetensors.torch import save_file
from torch import nn
from torch.sparse import SparseSemiStructuredTensorCUTLASS
from torch.sparse._semi_structured_conversions import sparse_semi_structured_from_dense_cutlass

from boundcalc.checkpoint import read

# tensors of special classes


@pytest.mark.filterwarnings("ignore")
def test_semi_structured(tmp_path):
    generator = torch.Generator().manual_seed(0)
    dense = {
        "fc.weight": torch.randn(32, 64, generator=generator).half(),
        "head.weight": torch.ones(4, 32).half(),
    }
    dense["fc.weight"].view(-1, 4)[:, 2:] = 0
    values, positions = sparse_semi_structured_from_dense_cutlass(dense["fc.weight"])
    semi = SparseSemiStructuredTensorCUTLASS((32, 64), values, positions, None, None, None)
    path = saved(tmp_path, dense | {"fc.weight": semi})
    message = refusal(path)
    assert "2:4" in message

    class Model:
        @staticmethod
        def state_dict():
            return torch.load(path, weights_only=False)

    found = read(followed(message, path, model=Model)).tensors
    assert torch.equal(found["fc.weight"], dense["fc.weight"])
    assert torch.equal(found["head.weight"], dense["head.weight"])


def test_lazy_layers_that_saw_no_input(tmp_path):
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(4))
    path = saved(tmp_path, model.state_dict())
    message = refusal(path)
    assert "uninitialized: run a batch through the model first" in message
    model(torch.ones(2, 5))
    assert read(followed(message, path, model=model)).tensors["0.weight"].shape == (8, 5)


@pytest.mark.filterwarnings("ignore")
def test_sparse_rows(tmp_path):
    content = state()
    content["fc1.weight"] = content["fc1.weight"].to_sparse_csr()
    assert "fc1.weight is stored as torch.sparse_csr; save it dense, with its .to_dense()" in refusal(
        saved(tmp_path, content)
    )
    content["fc1.weight"] = content["fc1.weight"].to_dense()
    assert_read(saved(tmp_path, content))


@pytest.mark.filterwarnings("ignore")
def test_torchscript(tmp_path):
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    path = tmp_path / "scripted.pt"
    torch.jit.script(module).save(path)
    message = refusal(path)
    assert "TorchScript" in message
    found = read(followed(message, path)).tensors
    assert torch.equal(found["2.weight"], module[2].weight)


@pytest.mark.parametrize("name", ["torch.distributed.tensor.DTensor", "torchao.dtypes.AffineQuantizedTensor"])
def test_classes_are_told_from_their_names(name):
    from boundcalc.checkpoint.refusal import special_tensors

    assert special_tensors(["collections.OrderedDict", name])
    assert special_tensors(["collections.OrderedDict", "mypackage.Net"]) is None


# weights in other layouts


def quantized():
    int8 = torch.ones(8, 8, dtype=torch.int8)
    with pytest.warns():
        dynamic = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 4)), {nn.Linear})
    return {
        "gptq": {
            "a.qweight": int8.int(),
            "a.qzeros": int8.int(),
            "a.scales": torch.ones(8),
            "a.g_idx": int8.int(),
        },
        "awq, no zeros": {"a.qweight": int8.int(), "a.scales": torch.ones(8)},
        "llm.int8": {"a.weight": int8, "a.SCB": torch.ones(8)},
        "nf4": {
            "a.weight": int8.byte(),
            "a.weight.absmax": torch.ones(1),
            "a.weight.quant_map": torch.ones(16),
        },
        "fp8": {"a.weight": torch.ones(8, 8).to(torch.float8_e4m3fn), "a.weight_scale": torch.ones(1)},
        "packed": {
            "a.weight_packed": int8.int(),
            "a.weight_scale": torch.ones(8, 1),
            "a.weight_shape": int8[0].long(),
        },
        "quanto": {"a.weight._data": int8, "a.weight._scale": torch.ones(8, 1)},
        "torch.ao": dynamic.state_dict(),
        "int8": {"a.weight": int8, "a.bias": torch.ones(8)},
        "qint8": {"a.weight": torch.quantize_per_tensor(torch.ones(8, 8), 0.1, 0, torch.qint8)},
    }


@pytest.mark.filterwarnings("ignore")
def test_quantised_weights(tmp_path):
    for content in quantized().values():
        assert "quantized" in refusal(saved(tmp_path, content))


def test_a_scale_beside_a_weight_of_floats_is_a_parameter(tmp_path):
    content = {**state(), "fc1.weight_scale": torch.ones(8)}
    assert "fc1.weight_scale" in read(saved(tmp_path, content)).tensors


def compressed(content, sparse24=False):
    """As compressed-tensors writes state dicts: every weight by its bitmask."""
    found = {}
    for key, tensor in content.items():
        layer = key.removesuffix(".weight")
        if layer == key:
            found[key] = tensor
            continue
        keep = tensor != 0
        if sparse24:
            keep = torch.zeros_like(keep).view(-1, 4)
            keep.scatter_(1, tensor.abs().view(-1, 4).topk(2, dim=1).indices, True)
            keep = keep.view(tensor.shape)
        values = tensor[keep]
        found[f"{layer}.compressed"] = values.reshape(len(tensor), -1) if sparse24 else values
        packed = np.packbits(keep.numpy(), axis=-1, bitorder="little")
        found[f"{layer}.bitmask"] = torch.from_numpy(packed)
        shape = torch.tensor(tensor.shape)
        found[f"{layer}.shape"] = shape.reshape(-1, 1) if sparse24 else shape
        if not sparse24:
            counts = keep.sum(-1)
            found[f"{layer}.row_offsets"] = torch.cumsum(counts, 0) - counts
    return found


def test_bitmasks(tmp_path):
    save_file(compressed(state()), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    found = assert_read(tmp_path)
    assert found.format == "compressed-tensors"
    assert {key: mask.tolist() for key, mask in found.masks.items()} == {
        key: (tensor != 0).tolist() for key, tensor in state().items() if key.endswith("weight")
    }
    roles = {entry.key: entry.role for entry in found.entries}
    assert (
        roles["fc1.bitmask"] == "mask"
        and roles["fc1.compressed"] == "weight"
        and roles["fc1.shape"] == "buffer"
    )
    assert len(found.entries) == len(compressed(state()))


def test_bitmasks_of_half_sparse_rows_of_four(tmp_path):
    content = {
        "fc1.weight": torch.randn(6, 12),
        "fc2.weight": torch.randn(4, 8)[:, :8],
        "fc2.bias": torch.ones(4),
    }
    for key in ("fc1.weight", "fc2.weight"):
        content[key].view(-1, 4)[:, 1:3] = 0
    content["fc1.weight"][0] = 0
    path = saved(
        tmp_path, {f"model.{key}": tensor for key, tensor in compressed(content, sparse24=True).items()}
    )
    found = read(path)
    assert torch.equal(found.tensors["model.fc1.weight"], content["fc1.weight"])
    assert int(found.masks["model.fc1.weight"].sum()) == 36, "the mask keeps two of four, zeros among them"


def test_bitmasks_that_contradict_themselves(tmp_path):
    content = compressed(state())
    for key, wrong, words in (
        ("fc1.shape", torch.tensor([8, 20]), "not one bit per entry"),
        ("fc1.shape", torch.tensor([1 << 40, 1 << 40]), "not one bit per entry"),
        ("fc1.shape", torch.tensor([8, -12]), r"\(8, -12\)"),
        ("fc1.bitmask", content["fc1.bitmask"] * 0, "0 ones, where"),
        ("fc1.compressed", content["fc1.compressed"][1:], "ones, where"),
        ("fc1.bitmask", content["fc1.bitmask"].int(), "not one bit per entry"),
    ):
        message = refusal(saved(tmp_path, content | {key: wrong}))
        assert re.search(words, message) and key.partition(".")[0] in message
    del content["fc1.shape"]
    assert "fc1.shape is missing" in refusal(saved(tmp_path, content))
