"""The analysis of one checkpoint: checkpoint -> network -> numbers -> report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boundcalc import progress
from boundcalc.analysis_result import AnalysisResult, Reference
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.checkpoint import from_state_dict, read
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.empirical.energies import Energies, declared
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.network.bare import with_layer_name
from boundcalc.network.fit import strip_prefix_of
from boundcalc.network.inventory import network_or_inventory
from boundcalc.network.load import check_independent, from_checkpoint, reference_weights, rewound
from boundcalc.network.network import Network
from boundcalc.network.ops import Masked
from boundcalc.options import Options
from boundcalc.parts import registry
from boundcalc.parts.bounds import problem_of as problem_in
from boundcalc.parts.part import NO_SAMPLE, Given, NotRun, Part, device_of
from boundcalc.tickets.described import described

if TYPE_CHECKING:
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.measure import Measured


class Clock:
    """Records the seconds that each part takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Add the time spent in the block to a part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[part] = round(self.seconds.get(part, 0.0) + spent, 6)


def checkpoint_of(
    given: str | Path | torch.nn.Module | Mapping[str, Any], options: Options, name: str = "state dict"
) -> Checkpoint:
    """Read a checkpoint, with the masks and the memory limit of the options.

    Args:
        given: a file or folder, a module, or a state dict.
        options: options of the analysis.
        name: name of a state dict in messages and in the report.

    Raises:
        CheckpointError: the checkpoint is unreadable or refused.
    """
    if isinstance(given, torch.nn.Module):
        name, given = type(given).__name__, given.state_dict()
    if isinstance(given, Mapping):
        return from_state_dict(given, name, options.mask, options.mask_from_scores)
    return read(given, options.mask, options.max_memory, options.mask_from_scores)


def run_analysis(
    checkpoint: Checkpoint,
    options: Options,
) -> AnalysisResult:
    """Run every part that the options and the input allow.

    Args:
        checkpoint: the checkpoint.
        options: options of the analysis.

    Returns:
        The result, with a reason for every part that did not run.

    Raises:
        CheckpointError: the architecture or reference does not fit.
        DataError: the data do not fit.
        UsageError: CUDA was requested, but there is no CUDA device.
    """
    clock = Clock()
    given, reference = _part_inputs(checkpoint, options, clock)
    results, skipped = {}, {}
    for name, part in registry.items():
        if not options.wants(name):
            continue
        progress.stage(f"{part.title}: {part.does}")
        with clock.time(name):
            try:
                results[name] = _run(part, given)
            except NotRun as why:
                skipped[name] = why.reason
                if why.result is not None:
                    results[name] = why.result
    result = AnalysisResult(
        options, checkpoint, given.network, given.dataset, given.measured, given.energies, reference, results, skipped,
        clock.seconds,
    )  # fmt: skip
    return _with_warnings(result, clock)


def _run(part: Part, given: Given) -> Any:
    """Run a part.

    Raises:
        NotRun: the part cannot be computed.
    """
    if part.needs_order and given.network.unplaced:
        raise NotRun(given.network.unplaced)
    return part.run(given)


def _part_inputs(
    checkpoint: Checkpoint, options: Options, clock: Clock, *, bare: bool = True
) -> tuple[Given, Reference | None]:
    """Return the inputs of the parts; with `bare`, weights without an architecture suffice if nothing needs a forward pass."""
    with clock.time("read"):
        dataset = _open_data(options)
        shape = options.input_shape or sample_shape(dataset)
        place = network_or_inventory if bare and not options.needs_a_forward_pass else from_checkpoint
        network = place(checkpoint, _model(checkpoint, options, shape), shape, options.prefix)
        if dataset is not None:
            _check_shape(network, dataset)
        reference, weights = _reference(checkpoint, network, options)
    progress.stage("measuring the network on the data")
    with clock.time("empirical"):
        measured = None if dataset is None else _measure(network, dataset, options.device)
    energies = _energies(network, measured, options)
    return Given(options, checkpoint, network, dataset, measured, energies, weights), reference


def _model(
    checkpoint: Checkpoint, options: Options, shape: tuple[int, ...] | None
) -> str | torch.nn.Module | None:
    """Return the given architecture; without one, that which ticket.json names, if there is such a file."""
    if options.model is not None or shape is None or checkpoint.program is not None:
        return options.model
    return described(checkpoint.path, shape)


def _with_warnings(result: AnalysisResult, clock: Clock) -> AnalysisResult:
    from boundcalc.sanity import warnings_of

    progress.stage("looking for what is wrong")
    with clock.time("sanity"):
        return replace(result, warnings=warnings_of(result))


def problem_of(checkpoint: Checkpoint, options: Options, *, spectral: bool = True) -> BoundInputs:
    """Return the inputs of bounds, without computing a bound.

    Args:
        checkpoint: the checkpoint.
        options: options with the sample, and with what was fixed before it.
        spectral: whether certified spectral norms are needed.

    Raises:
        CheckpointError: the architecture or reference does not fit.
        DataError: the data do not fit.
        UsageError: no sample is given.
    """
    given, _ = _part_inputs(checkpoint, options, Clock(), bare=False)
    if given.energies is None:
        raise UsageError(NO_SAMPLE)
    return problem_in(given, spectral=spectral)


def _open_data(options: Options) -> Dataset | None:
    if options.data is None:
        return None
    from boundcalc.empirical.datasets import open_data

    return open_data(options.data, options.normalize, options.max_memory)


def sample_shape(dataset: Dataset | None) -> tuple[int, ...] | None:
    """Return the shape of one sample as a network sees it, with channels; None without data."""
    if dataset is None:
        return None
    shape = tuple(dataset.train.shape)
    return (1, *shape) if len(shape) == 2 else shape


def _check_shape(network: Network, dataset: Dataset) -> None:
    from boundcalc.empirical.measure import check_shape

    check_shape(network, dataset.train, dataset.name)


def _measure(network: Network, dataset: Dataset, device: str) -> Measured:
    from boundcalc.empirical.measure import measure

    return measure(network, dataset, device_of(device))


def _energies(network: Network, measured: Measured | None, options: Options) -> Energies | None:
    if measured is not None:
        return measured.energies
    if options.samples is None or options.input_bound is None:
        return None
    return declared(options.samples, options.input_bound, network.nodes[0].shape)


def _reference(
    checkpoint: Checkpoint, network: Network, options: Options
) -> tuple[Reference | None, dict[str, torch.Tensor]]:
    if options.reference is not None:
        start, how = _start(options), "given"
    elif checkpoint.reference is not None and not network.unplaced:
        start, how = read(checkpoint.reference, max_memory=options.max_memory), "found beside the checkpoint"
    else:
        return None, {}
    start = strip_prefix_of(
        with_layer_name(start), [_key(layer) for layer in network.counted()], options.prefix
    )
    weights = reference_weights(network, start)
    if options.needs_a_forward_pass or not rewound(network, start):
        try:
            check_independent(network, checkpoint, start, options.prefix)
        except CheckpointError:
            if options.reference is not None:
                raise
            return None, {}  # the checkpoint is its own initialization: nothing lies beside it
    return Reference(start.path, how, start.tensors), weights


def _start(options: Options) -> Checkpoint:
    given = options.reference
    if isinstance(given, torch.nn.Module):
        return from_state_dict(given.state_dict(), type(given).__name__)
    if isinstance(given, Mapping):
        return from_state_dict(given, "reference state dict")
    return read(given, max_memory=options.max_memory)


def _key(layer: Masked) -> str:
    return layer.key or f"{layer.name}.weight"
