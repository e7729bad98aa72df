"""Tensors that cannot be a network's weights, refused by name."""

from __future__ import annotations

import pytest
import torch

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError

GOOD = torch.arange(6.0).reshape(2, 3)


def refusal(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path / "model.pt")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "model.pt"))
    assert "\n" not in message
    return message


WRONG = {
    "nan": (lambda: torch.tensor([[1.0, float("nan")]]), "NaN"),
    "inf": (lambda: torch.tensor([[1.0, float("inf")]]), "infinite"),
    "complex": (lambda: torch.ones(2, 2, dtype=torch.complex64), "complex"),
    "integer": (lambda: torch.ones(2, 2, dtype=torch.int8), "int8"),
    "bool": (lambda: torch.ones(2, 2, dtype=torch.bool), "bool"),
    "float8": (lambda: torch.ones(2, 2).to(torch.float8_e4m3fn), "float8"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8), "quantized"),
    "expanded": (lambda: torch.ones(1).expand(1000, 1000), "expanded"),
    "expanded much": (lambda: torch.ones(1).expand(1 << 20, 1 << 20), "expanded"),
    "csr": (lambda: torch.eye(3).to_sparse_csr(), "sparse_csr"),
    "meta": (lambda: torch.ones(2, 2, device="meta"), "without data"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:DeprecationWarning")
def test_wrong_weights_are_named(tmp_path, name):
    make, word = WRONG[name]
    tensor = make()
    message = refusal(tmp_path, {"fc1.weight": GOOD, "fc2.weight": tensor})
    assert "fc2.weight" in message
    assert word in message


def test_no_weights(tmp_path):
    assert "one-dimensional" in refusal(tmp_path, {"fc.bias": torch.ones(3)})
    assert "one-dimensional" in refusal(tmp_path, {"fc.weight": torch.ones(0, 3)})
    assert "no weights" in refusal(tmp_path, {"steps": torch.tensor(3)})


def test_sparse_weights_become_dense(tmp_path):
    torch.save({"fc.weight": torch.eye(3).to_sparse()}, tmp_path / "model.pt")
    assert torch.equal(read(tmp_path / "model.pt").tensors["fc.weight"], torch.eye(3))


def test_absurd_sparse_weights(tmp_path):
    def sparse(indices, shape):
        return torch.sparse_coo_tensor(
            torch.tensor(indices),
            torch.ones(len(indices[0])),
            shape,
            check_invariants=False,
            is_coalesced=True,
        )

    assert "sparse tensor of shape (1073741824, 1073741824) made dense" in refusal(
        tmp_path, {"fc.weight": sparse([[0], [0]], (1 << 30, 1 << 30))}
    )
    assert "outside its shape" in refusal(tmp_path, {"fc.weight": sparse([[0], [9]], (3, 3))})
    assert "outside its shape" in refusal(tmp_path, {"fc.weight": sparse([[-9], [0]], (3, 3))})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_are_kept(tmp_path, dtype):
    mask = torch.tensor([[1, 0, 1], [0, 1, 1]])
    torch.save({"fc.weight_orig": (GOOD + 1).to(dtype), "fc.weight_mask": mask.to(dtype)}, tmp_path / "m.pt")
    checkpoint = read(tmp_path / "m.pt")
    assert checkpoint.tensors["fc.weight"].dtype is dtype
    assert torch.equal(checkpoint.tensors["fc.weight"], (GOOD + 1).to(dtype) * mask.to(dtype))
    assert torch.equal(checkpoint.masks["fc.weight"], mask.bool())


def test_half_precision_zeros_are_doubted(tmp_path):
    torch.save({"fc.weight": GOOD.half()}, tmp_path / "m.pt")
    assert any("underflow" in sentence for sentence in read(tmp_path / "m.pt").evidence)


def test_parameters_lose_their_gradient(tmp_path):
    torch.save({"fc.weight": torch.nn.Parameter(GOOD)}, tmp_path / "m.pt")
    tensor = read(tmp_path / "m.pt").tensors["fc.weight"]
    assert type(tensor) is torch.Tensor
    assert not tensor.requires_grad


@pytest.mark.parametrize("left_over", ["weight_orig", "weight_g", "weight_u", "bias_orig"])
def test_half_a_reparametrisation_is_refused(tmp_path, left_over):
    assert f"fc.{left_over}" in refusal(tmp_path, {"fc2.weight": GOOD, f"fc.{left_over}": GOOD})
