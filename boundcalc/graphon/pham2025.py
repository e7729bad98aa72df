"""The graphon NTK of Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025 (The Graphon Limit Hypothesis), written as in their recursion.

An MLP without biases, h = (sigma_w / sqrt(fan_in)) (W * M) z with independent standard Gaussian W, has a ReLU between consecutive
layers, and masks that converge to graphons Wg^l. Its tangent kernel converges to Theta (docs/theory/pham2025.md):

    S~_1(u) = s/d sum_j Wg^1(u, j) x_j x'_j              s = sigma_w^2
    S_l(u)  = k1(S~_l(u)),    Sdot_l(u) = k0(S~_l(u))
    S~_{l+1}(u) = s sum_v w_v Wg^{l+1}(u, v) S_l(v)
    G_L(u) = s Sdot_L(u),     G_l(u) = s Sdot_l(u) sum_u' w_u' Wg^{l+1}(u', u) G_{l+1}(u')
    Theta(x, x') = s sum_v w_v S_L(v) + sum_l sum_u w_u G_l(u) S~_l(u)

Every S~, S, Sdot and G is one number for each pair (x, x') of inputs; d is the number of inputs of the network, w_v the measure of
cell v. k0 and k1 are the two arc-cosine expectations below. With a pruned output layer, Wg^{L+1}(c, .) of output c multiplies S_L
in the last line and Sdot_L in G_L.

This file is the readable form of the recursion. It stores all layers of all pairs, K m^2 numbers each; `boundcalc.gntk` computes the
same kernel in blocks (`boundcalc.graphon.ntk_numpy`), and tests check that the two are equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEARLY = 1.0 + 16 * np.finfo(float).eps
"""Correlations are multiplied by this before they are cut at +-1, so that those that are +-1 but for rounding become exact: arccos
turns 1e-16 into 1e-8."""


def k0(cosine: Floats) -> Floats:
    """Return E[relu'(a) relu'(b)] = (pi - theta) / (2 pi) for Gaussians a, b with correlation cos theta."""
    return (np.pi - np.arccos(cosine)) / (2 * np.pi)


def k1(scale: Floats, cosine: Floats) -> Floats:
    """Return E[relu(a) relu(b)] = scale (sin theta + (pi - theta) cos theta) / (2 pi).

    Args:
        scale: product of the two standard deviations.
        cosine: correlation of a and b, of the same shape as `scale`.
    """
    theta = np.arccos(cosine)
    return scale * (np.sin(theta) + (np.pi - theta) * cosine) / (2 * np.pi)


def relu_moments(covariance: Floats) -> tuple[Floats, Floats]:
    """Return S = k1(S~) and Sdot = k0(S~) of every cell; both are 0 if the variance of one of the inputs is 0.

    Args:
        covariance: covariances S~, (K, m, m).
    """
    variance = np.einsum("uii->ui", covariance)
    scale = np.sqrt(variance[:, :, None] * variance[:, None, :])
    alive = scale > 0
    ratio = np.divide(covariance, scale, out=np.zeros_like(covariance), where=alive)
    cosine = np.clip(ratio * NEARLY, -1, 1)
    return k1(scale, cosine) * alive, k0(cosine) * alive


def theta(
    graphons: Sequence[Floats],
    weights: Sequence[Floats],
    x: Floats,
    sigma_w2: float = 1.0,
    output: Floats | None = None,
) -> Floats:
    """Return the graphon NTK of a sample, (m, m), symmetric.

    Args:
        graphons: Wg^1 .. Wg^L of the hidden layers, (K_1, d) and (K_l, K_{l-1}), entries in [0, 1].
        weights: measures w of the cells of each hidden layer, (K_l,), summing to 1.
        x: inputs, (m, d).
        sigma_w2: weight variance s.
        output: row Wg^{L+1}(c, .) of one output, (K_L,); None if the output layer is not pruned.

    Source:
        Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; k0 and k1 after Cho & Saul 2009.

    Example:
        >>> theta([np.ones((1, 2))], [np.ones(1)], np.eye(2)).round(4).tolist()
        [[0.5, 0.0796], [0.0796, 0.5]]
    """
    # Python counts layers from 0: Wg[0] is Wg^1, w[0] belongs to hidden layer 1, S_tilde[0] is S~_1
    s, d, L, Wg, w = sigma_w2, x.shape[1], len(graphons), graphons, weights
    last = np.ones(len(w[-1])) if output is None else output
    S_tilde = [s / d * np.einsum("uj,ij,kj->uik", Wg[0], x, x)]
    S, S_dot = [], []
    for layer in range(L):
        moment, slope = relu_moments(S_tilde[layer])
        S.append(moment)
        S_dot.append(slope)
        if layer + 1 < L:
            S_tilde.append(s * np.einsum("uv,v,vik->uik", Wg[layer + 1], w[layer], S[layer]))
    G = s * last[:, None, None] * S_dot[-1]
    kernel: Floats = s * np.einsum("v,v,vik->ik", w[-1], last, S[-1])
    for layer in reversed(range(L)):
        kernel = kernel + np.einsum("u,uik,uik->ik", w[layer], G, S_tilde[layer])
        if layer:
            G = s * S_dot[layer - 1] * np.einsum("t,tu,tik->uik", w[layer], Wg[layer], G)
    return kernel
