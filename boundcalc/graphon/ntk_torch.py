"""The recursion of `boundcalc.graphon.ntk_numpy` in torch, for CUDA devices: a block of rows against all inputs at once."""

from __future__ import annotations

import math

import torch

from boundcalc.graphon.ntk_maps import Floats, Maps
from boundcalc.graphon.ntk_numpy import NEARLY

BUFFERS = 8
"""Arrays of cells x rows x inputs that are alive at once."""


def theta(maps: Maps, x: Floats, device: str, memory: float = 2e9) -> Floats:
    """Return the kernels of all outputs.

    Args:
        maps: maps of the chain, with C outputs.
        x: inputs, (m, d) float64, finite, of moderate size.
        device: name of a torch device.
        memory: bytes that the buffers of a block may occupy on the device.

    Returns:
        (C, m, m) float64, symmetric.
    """
    hidden = [torch.from_numpy(matrix).to(device) for matrix in maps.hidden]
    output, inputs = torch.from_numpy(maps.output).to(device), torch.from_numpy(x).to(device)
    diagonals = [hidden[0] @ inputs.square().T]
    for matrix in hidden[1:]:
        diagonals.append(matrix @ (diagonals[-1] / 2))
    roots = [diagonal.sqrt() for diagonal in diagonals]
    inverse = [torch.where(root > 0, 1 / root, 0.0) for root in roots]
    m = len(inputs)
    rows = max(1, int(memory / (8.0 * BUFFERS * max(maps.cells) * m)))
    result = torch.empty((output.shape[0], m, m), dtype=torch.float64)
    for start in range(0, m, rows):
        part = slice(start, min(start + rows, m))
        covariance = torch.stack([(hidden[0] * row) @ inputs.T for row in inputs[part]], dim=1)
        kernel, value = covariance, covariance
        for layer in range(len(hidden)):
            if layer:
                covariance = torch.einsum("uv,vij->uij", hidden[layer], value)
                kernel = torch.einsum("uv,vij->uij", hidden[layer], value + kernel)
            scale = (inverse[layer][:, part, None], inverse[layer][:, None, :])
            rho = (covariance * scale[0] * scale[1] * NEARLY).clamp_(-1.0, 1.0)
            psi = torch.acos(-rho)
            value = ((1 - rho) * (1 + rho)).sqrt_().add_(rho * psi)
            value *= roots[layer][:, part, None] * roots[layer][:, None, :] / (2 * math.pi)
            kernel = kernel * psi / (2 * math.pi)
        result[:, part] = torch.einsum("cv,vij->cij", output, value + kernel).cpu()
    diagonal = (len(hidden) + 1) / 2 * (output @ diagonals[-1])
    symmetric = result.triu(1)
    symmetric += symmetric.transpose(1, 2).clone()
    symmetric.diagonal(dim1=1, dim2=2).copy_(diagonal)
    return symmetric.numpy()
