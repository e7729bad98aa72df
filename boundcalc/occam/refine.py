"""Joint quantization: codebooks, rounding and further pruning are trained together and judged by the certificate.

Numbers are latent reals that are rounded to their codebook in the forward pass. In the backward pass the gradient skips the
rounding (Bengio, Leonard & Courville 2013), and is summed for the codebook's values (Han, Mao & Dally 2016). After every
pass the numbers that a diagonal Fisher estimate finds least useful are pruned (Theis, Korshunova, Tejani & Huszar 2018).
Nothing here needs to be exact: the result is coded, measured and paid for in any case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from boundcalc import progress
from boundcalc.adam import Adam
from boundcalc.empirical.measure import margins_of
from boundcalc.network.forward import affine, evaluate_node, run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, AvgPool, Node
from boundcalc.occam.axes import Axes, axes_of
from boundcalc.occam.codebooks import codebook_of, halves
from boundcalc.occam.codeword import CodeLayout
from boundcalc.occam.spelling import Quantized, shared, unshared
from boundcalc.occam.thin import THIN, ThinLinear, ThinPattern

BATCH = 500
RATE = 3e-3
TRIM_SHARE = 0.08
"""Share of the surviving numbers that each trimming pass removes."""


def errors_of(outputs: torch.Tensor, labels: torch.Tensor) -> int:
    """Return the number of samples without a positive margin; a NaN margin counts as an error."""
    return labels.numel() - int((margins_of(outputs, labels) > 0).sum())


@dataclass(eq=False)
class CompactLayer:
    """One layer during training.

    Attributes:
        name: name of the layer.
        shape: shape of its weight.
        weights: number of weights; they come first in the vectors below, biases after them.
        places: flat index of each weight in the layer's tensor, int64.
        rows: row of each bias, int64.
        latent: numbers before rounding, (n,) float32.
        book: the codebook, (K,) float32.
        alive: which numbers are not pruned, (n,) bool.
        useful: sum of squared gradients over the pass, (n,) float32.
        pattern: where the weights stand in a linear layer that is thin; None for any other layer.
    """

    name: str
    shape: torch.Size
    weights: int
    places: torch.Tensor
    rows: torch.Tensor
    latent: torch.Tensor
    book: torch.Tensor
    alive: torch.Tensor
    useful: torch.Tensor
    pattern: ThinPattern | None = None

    def rounded(self) -> torch.Tensor:
        """Return the numbers after rounding and pruning, (n,) with straight-through gradients."""
        found: torch.Tensor = _Round.apply(self.latent, self.book)  # type: ignore[no-untyped-call,unused-ignore]
        return found * self.alive

    def applied(self, node: Affine, x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the layer's output with these numbers, (batch, out, height, width)."""
        if self.pattern is None:
            return affine(node, x, *self.tensors(numbers))
        found: torch.Tensor = ThinLinear.apply(x.flatten(1), numbers[: self.weights], self.pattern)  # type: ignore[no-untyped-call,unused-ignore]
        if self.rows.numel():
            found = found + numbers.new_zeros(self.shape[0]).index_put((self.rows,), numbers[self.weights :])
        return found[:, :, None, None]

    def tensors(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the weight and bias made from these numbers."""
        weight = numbers.new_zeros(math.prod(self.shape)).index_put((self.places,), numbers[: self.weights])
        if not self.rows.numel():
            return weight.reshape(self.shape), None
        bias = numbers.new_zeros(self.shape[0]).index_put((self.rows,), numbers[self.weights :])
        return weight.reshape(self.shape), bias


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latent: torch.Tensor, book: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]
        index = (latent[:, None] - book).abs().argmin(1)
        ctx.save_for_backward(index)
        ctx.size = book.numel()
        return book[index]

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[no-untyped-def]
        (index,) = ctx.saved_tensors
        return gradient, gradient.new_zeros(ctx.size).index_add_(0, index, gradient)


@dataclass(frozen=True, eq=False)
class CompactSample:
    """Training data in the form that the compact network reads.

    Attributes:
        x: inputs, (m, *input shape) float32.
        y: labels, (m,) int64.
    """

    x: torch.Tensor
    y: torch.Tensor

    def errors(self, network: Network, batch: int = 4096) -> int:
        """Return the number of samples on which a network with this input errs, in float32."""
        single = single_precision(network)
        return self._count(lambda x: run(single, x), batch)

    def _count(self, outputs, batch: int = 4096) -> int:  # type: ignore[no-untyped-def]
        with torch.no_grad():
            parts = zip(self.x.split(batch), self.y.split(batch), strict=True)
            return sum(errors_of(outputs(x), y) for x, y in parts)


class CompactTrainer:
    """Trains the numbers of a compact network.

    Args:
        network: the compact network, with weights in float64.
        sample: its training data, whose device is used for all computations.
        size: number of values of each codebook.
        seed: seed for the order of samples.
    """

    def __init__(self, network: Network, sample: CompactSample, size: int, seed: int) -> None:
        self.network, self.sample = single_precision(network), sample
        self.axes = axes_of(network)
        device = sample.x.device
        self.layers = {
            layer.name: _start(layer, size, device) for layer in network.stored() if bool(layer.weight.any())
        }
        self.rate = RATE
        self._generator = torch.Generator().manual_seed(seed)
        trained = [tensor for layer in self.layers.values() for tensor in (layer.latent, layer.book)]
        self._adam = Adam(trained)

    def train(self, rates: float | tuple[float, float]) -> None:
        """Train for one pass over the sample; the learning rate moves from the first to the second rate given."""
        with torch.enable_grad():
            self._train(rates)

    def _train(self, rates: float | tuple[float, float]) -> None:
        first, last = (rates, rates) if isinstance(rates, float) else rates
        order = torch.randperm(self.sample.y.numel(), generator=self._generator).to(self.sample.x.device)
        batches = order.split(BATCH)
        for layer in self.layers.values():
            layer.useful.zero_()
        for step, part in enumerate(batches):
            x, y = self.sample.x[part], self.sample.y[part]
            numbers = {name: layer.rounded() for name, layer in self.layers.items()}
            for value in numbers.values():
                value.retain_grad()
            loss = loss_of(self._outputs(x, numbers), y)
            if not loss.requires_grad:
                return
            loss.backward()
            for name, layer in self.layers.items():
                gradient = numbers[name].grad
                if gradient is not None:
                    layer.useful += gradient.square()
            self._adam.step(first + (last - first) * step / len(batches))

    def cool(self, first: float, last: float, passes: int) -> None:
        """Train for several passes over the sample while the learning rate falls linearly."""
        for step in range(passes):
            self.train((first + (last - first) * step / passes, first + (last - first) * (step + 1) / passes))
            progress.advance()

    def trim(self, share: float) -> None:
        """Prune this share of the surviving numbers: those whose removal costs least by the Fisher estimate."""
        with torch.no_grad():
            losses = {name: layer.useful * layer.rounded().square() for name, layer in self.layers.items()}
            alive = torch.cat([losses[name][layer.alive] for name, layer in self.layers.items()])
            if not alive.numel():
                return
            worst = max(1, math.floor(share * alive.numel()))
            limit = alive.kthvalue(worst).values
            for name, layer in self.layers.items():
                kept = layer.alive & (losses[name] > limit)
                if bool(kept[: layer.weights].any()):
                    layer.alive = kept
            self._prune_dead_units()

    def errors(self) -> int:
        """Return the number of training samples on which the rounded network errs."""
        with torch.no_grad():
            halved = {name: _halved(layer) for name, layer in self.layers.items()}
        return self.sample._count(lambda x: self._outputs(x, halved))

    def quantized(
        self, plan: CodeLayout, kept: tuple[torch.Tensor, ...], whole: CodeLayout
    ) -> list[Quantized]:
        """Return the rounded layers in the coordinates of the whole network.

        Args:
            plan: plan of the compact network.
            kept: for each axis of the whole network, the units that the compact one has.
            whole: plan of the whole network.
        """
        found = []
        for small, full in zip(plan.layers, whole.layers, strict=True):
            mask = np.zeros(full.shape, dtype=bool)
            rows, columns = kept[full.rows].numpy(), kept[full.columns].numpy()
            layer = self.layers.get(small.name)
            weights, offsets = np.zeros(small.shape), np.zeros(small.shape[0])
            book = np.zeros(0, dtype=np.float16)
            if layer is not None:
                weights, offsets, book = _plain(layer, small.shape)
            mask[np.ix_(rows, columns)] = weights != 0
            all_offsets = np.zeros(full.shape[0])
            all_offsets[rows] = offsets
            found.append(_as_quantized(mask, weights[weights != 0], all_offsets, book, full.biased))
        return found

    def snapshot(self) -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return a copy of the numbers' state."""
        return {
            name: (layer.latent.detach().clone(), layer.book.detach().clone(), layer.alive.clone())
            for name, layer in self.layers.items()
        }

    def restore(self, state: dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
        """Restore a state that `snapshot` returned."""
        with torch.no_grad():
            for name, (latent, book, alive) in state.items():
                self.layers[name].latent.copy_(latent)
                self.layers[name].book.copy_(book)
                self.layers[name].alive = alive.clone()
        self._adam.forget()

    def _outputs(self, x: torch.Tensor, numbers: dict[str, torch.Tensor]) -> torch.Tensor:
        def evaluate(node: Node, values: list[torch.Tensor]) -> torch.Tensor:
            if not isinstance(node, Affine) or node.name not in self.layers:
                return evaluate_node(node, values)
            return self.layers[node.name].applied(node, values[0], numbers[node.name])

        return run(self.network, x, evaluate)

    def _prune_dead_units(self) -> None:
        """Prune numbers that read a dead unit or feed a unit that nothing reads."""
        for _ in range(self.network.depth):
            before = sum(int(layer.alive.sum()) for layer in self.layers.values())
            _prune_dead_once(self.axes, self.layers)
            if before == sum(int(layer.alive.sum()) for layer in self.layers.values()):
                return


def _start(layer: Affine, size: int, device: torch.device) -> CompactLayer:
    places = layer.weight.flatten().nonzero()[:, 0]
    rows = torch.zeros(0, dtype=torch.int64) if layer.bias is None else layer.bias.nonzero()[:, 0]
    offsets = torch.zeros(0, dtype=torch.float64) if layer.bias is None else layer.bias[rows]
    numbers = torch.cat([layer.weight.flatten()[places], offsets])
    book = torch.from_numpy(codebook_of(numbers.numpy(force=True), size).astype(np.float32))
    thin = layer.window.out == layer.window.kernel == (1, 1) and places.numel() <= THIN * layer.weight.numel()
    pattern = ThinPattern.of(places, (layer.weight.shape[0], layer.weight.shape[1]))
    return CompactLayer(
        layer.name,
        layer.weight.shape,
        places.numel(),
        places.to(device),
        rows.to(device),
        numbers.float().to(device).requires_grad_(),
        book.to(device).requires_grad_(),
        torch.ones(numbers.numel(), dtype=torch.bool, device=device),
        torch.zeros(numbers.numel(), device=device),
        pattern if thin and device.type == "cpu" else None,
    )


def single_precision(network: Network) -> Network:
    """Return a network whose weights, biases and pooling matrices are float32."""

    def single(node: Node) -> Node:
        if isinstance(node, Affine):
            bias = None if node.bias is None else node.bias.float()
            return replace(node, weight=node.weight.float(), bias=bias)
        if isinstance(node, AvgPool):
            return replace(node, rows_h=node.rows_h.float(), rows_w=node.rows_w.float())
        return node

    return replace(network, nodes=tuple(single(node) for node in network.nodes))


def loss_of(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy; for a single output, the binary one."""
    if outputs.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.to(outputs.dtype))
    return F.cross_entropy(outputs, y)


def _halved(layer: CompactLayer) -> torch.Tensor:
    book = torch.from_numpy(halves(layer.book.numpy(force=True)).astype(np.float32)).to(layer.book.device)
    index = (layer.rounded()[:, None] - book).abs().argmin(1)
    return book[index] * layer.alive


def _plain(layer: CompactLayer, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with torch.no_grad():
        weight, bias = layer.tensors(_halved(layer).double())
    offsets = np.zeros(shape[0]) if bias is None else bias.numpy(force=True)
    return weight.reshape(shape).numpy(force=True), offsets, halves(layer.book.numpy(force=True))


def _as_quantized(
    mask: np.ndarray, numbers: np.ndarray, offsets: np.ndarray, book: np.ndarray, biased: bool
) -> Quantized:
    if numbers.size == 0:
        values, bias = unshared(numbers, offsets, max(1, book.size))
    else:
        values, bias = shared(numbers, offsets, book)
    return Quantized(mask, values, bias if biased else None)


def _prune_dead_once(axes: Axes, layers: dict[str, CompactLayer]) -> None:
    fed = [torch.zeros(axis.size, dtype=torch.bool) for axis in axes.axes]
    read = [torch.zeros(axis.size, dtype=torch.bool) for axis in axes.axes]
    for name, layer in layers.items():
        rows, columns = _ends(layer)
        alive = layer.alive[: layer.weights].cpu()
        fed[axes.rows[name]][rows[alive]] = True
        read[axes.columns[name]][columns[alive]] = True
    for name, layer in layers.items():
        rows, columns = _ends(layer)
        row_axis, column_axis = axes.rows[name], axes.columns[name]
        everyone = torch.ones_like(fed[row_axis])
        useful = fed[row_axis] & read[row_axis] if axes.axes[row_axis].free else everyone
        fed_columns = fed[column_axis] if axes.axes[column_axis].free else torch.ones_like(fed[column_axis])
        kept = torch.cat([useful[rows] & fed_columns[columns], useful[layer.rows.cpu()]])
        layer.alive = layer.alive & kept.to(layer.alive.device)


def _ends(layer: CompactLayer) -> tuple[torch.Tensor, torch.Tensor]:
    entries = math.prod(layer.shape[2:])
    places = layer.places.cpu()
    return places // (layer.shape[1] * entries), places // entries % layer.shape[1]
