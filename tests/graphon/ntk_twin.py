"""The graphon NTK as docs/theory/pham2025.md writes it: forward, then backward, all pairs, no trick."""

from __future__ import annotations

import numpy as np


def k0(c):
    return (np.pi - np.arccos(c)) / (2 * np.pi)


def k1(a, b, c):
    theta = np.arccos(c)
    return np.sqrt(a * b) * (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / (2 * np.pi)


def cosine(covariance):
    diagonal = np.einsum("uii->ui", covariance)
    scale = np.sqrt(diagonal[:, :, None] * diagonal[:, None, :])
    c = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    same = np.arange(covariance.shape[1])
    c[:, same, same] = diagonal > 0
    c = np.where(np.abs(c) > 1 - 3e-15, np.sign(c), c)
    return c, diagonal


def theta(graphons, x, weights, sigma_w2=1.0, output=None):
    """Theta of one output.

    graphons: (K_1, d), then (K_l, K_{l-1}); weights: (K_l,) measures; output: (K_L,) or None for ones.
    """
    d = x.shape[1]
    output = np.ones(graphons[-1].shape[0]) if output is None else output
    covariances = [sigma_w2 / d * np.einsum("uj,ij,kj->uik", graphons[0], x, x)]
    values, slopes = [], []
    for index in range(len(graphons)):
        c, diagonal = cosine(covariances[index])
        alive = (diagonal[:, :, None] > 0) & (diagonal[:, None, :] > 0)
        values.append(k1(diagonal[:, :, None], diagonal[:, None, :], c) * alive)
        slopes.append(k0(c) * alive)
        if index + 1 < len(graphons):
            step = graphons[index + 1] * weights[index]
            covariances.append(sigma_w2 * np.einsum("uv,vik->uik", step, values[index]))
    gradient = sigma_w2 * output[:, None, None] * slopes[-1]
    total = sigma_w2 * np.einsum("v,v,vik->ik", weights[-1], output, values[-1])
    for index in reversed(range(len(graphons))):
        total += np.einsum("u,uik,uik->ik", weights[index], gradient, covariances[index])
        if index:
            back = weights[index][:, None] * graphons[index]
            gradient = sigma_w2 * slopes[index - 1] * np.einsum("uv,uik->vik", back, gradient)
    return total
