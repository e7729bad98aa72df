"""The functions for Python users, analyze and load, with the option names of the command line."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from boundcalc.analysis import checkpoint_of, run_analysis
from boundcalc.nearest import hint
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.options import Options, further_options, options_of
from boundcalc.report.assemble import assemble
from boundcalc.report.tree import Report

Weights = str | Path | torch.nn.Module | Mapping[str, Any]
"""The forms in which a network is given: a file or folder, a torch module, or a state dict."""


def analyze(
    path_or_module: Weights,
    data: Any = None,
    only: str | Sequence[str] | None = None,
    reference: Weights | None = None,
    delta: float = 0.05,
    *,
    model: str | torch.nn.Module | None = None,
    input_shape: tuple[int, ...] | None = None,
    mask: Any = None,
    mask_from_scores: float | None = None,
    mask_origin: str = "data",
    prefix: str | None = None,
    samples: int | None = None,
    input_bound: float | None = None,
    holdout: float | None = None,
    certificate: Any = None,
    unlabelled: Any = None,
    normalize: tuple[float, ...] | None = None,
    normalize_fixed: bool = False,
    margin: float | None = None,
    passes: int | None = None,
    device: str = "auto",
    seed: int = 0,
    max_memory: float | None = None,
    calibration: str | Path | None = None,
    target_error: float | None = None,
    encoding: str = "unrolled",
    cells: int = 64,
    batch: int = 1024,
    sigma_w2: float = 1.0,
    exact: bool = False,
    learning_rate: float | None = None,
    **further: Any,
) -> Report:
    """Report what theory says about one pruned network.

    Args:
        path_or_module: a checkpoint (any convention of `boundcalc formats`), a torch module, or a state dict.
        data: any form of ``--data`` (``"mnist:DIR"``, ``"npz:FILE"``, ``"digits"``, ``"sample"``, ``"module:CALLABLE"``), or a
            Python object: four arrays or tensors (x_train, y_train, x_test, y_test), two (x, y), a torch Dataset, a DataLoader, a
            Hugging Face data set, or a pair (train, test) of any of these. A loader stands for its whole data set, in its order:
            m counts every sample, even if the loader shuffles or drops some. A data set that draws at random (augmentation) is
            refused.
        only: one or several parts, as for ``--only``; None for all that the input allows.
        reference: the initialization: a checkpoint, a module, or a state dict. Distances are measured from it, and the report
            states the share of surviving weights that equal it.
        delta: each bound fails with at most this probability.
        model: the architecture, ``"FILE.py:CALLABLE"``, ``"package.module:CALLABLE"`` or a module, if the file does not contain
            it.
        input_shape: one sample's shape, if neither data nor model determines it.
        mask: masks by which weights are multiplied: a file, or a dict or list of tensors.
        mask_from_scores: share of each layer to keep, by the edge-popup scores stored beside its weights.
        mask_origin: ``"data"``, if the mask depends on the training sample, for which bounds pay, or ``"independent"``.
        prefix: prefix of the network's keys, in a file of several networks.
        samples: m, for bounds without data.
        input_bound: B with |x| <= B in every coordinate, for bounds without data.
        holdout: share of the samples to draw as the test split, by `seed`, if the data have none.
        certificate: one or several certificate files; None for the one beside the checkpoint.
        unlabelled: data that the network did not see, with which a certificate of another network is carried over to this one.
        normalize: means, then standard deviations, applied to inputs in [0, 1].
        normalize_fixed: whether these numbers were fixed before the sample, so that bounds do not pay for them.
        margin: a margin fixed before the sample was seen; None to search for one and pay for the search.
        passes: search epochs of the compression; None for up to 20, 0 for k-means alone.
        device: device on which the network is run: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        seed: seed of all random numbers.
        max_memory: gigabytes that the content of one file may take, and that the graphon NTK may take.
        calibration: file with the constant of the sample complexity.
        target_error: accuracy for which the number of samples is computed; needs `calibration`.
        encoding: how a convolution's mask becomes a graph, ``"unrolled"`` or ``"rolled"``.
        cells: number of cells on each side of a graphon.
        batch: number of samples for the graphon NTK.
        sigma_w2: weight variance times fan-in of the graphon NTK.
        exact: whether the graphon NTK uses the masks themselves, with one cell per unit.
        learning_rate: learning rate of the graphon NTK's residual curve; None for the inverse of its largest eigenvalue.
        **further: options of parts from other packages.

    Returns:
        The report: ``report.verdict``, ``report.to_dict()``, ``report.to("html")``, ``report.to_pandas()``.

    Raises:
        CheckpointError: the checkpoint, mask, reference or model is unreadable or refused.
        DataError: the data are unreadable, do not fit, or are not a fixed sample.
        UsageError: options contradict each other.
        TypeError: a keyword is unknown; the message names the nearest one.

    Example:
        >>> eye = {"fc1.weight": torch.eye(3), "fc2.weight": torch.ones(2, 3)}
        >>> analyze(eye, only="samples", input_shape=(3,)).to_dict()["checkpoint"]["density"]
        0.6
    """
    given = {name: value for name, value in locals().items() if name not in {"path_or_module", "further"}}
    options = options_from("analyze", {**given, **further})
    checkpoint = checkpoint_of(path_or_module, options)
    if isinstance(path_or_module, torch.nn.Module):
        options = replace(options, model=path_or_module)
    return assemble(run_analysis(checkpoint, options))


def load(
    path: Weights,
    model: str | torch.nn.Module | None = None,
    input_shape: tuple[int, ...] | None = None,
    mask: Any = None,
    mask_from_scores: float | None = None,
    prefix: str | None = None,
) -> Network:
    """Read a checkpoint and return its network, masked weights in float64.

    Args:
        path: a checkpoint of any convention of `boundcalc formats`, a torch module, or a state dict.
        model: the architecture, if it is not in the file; None to infer it.
        input_shape: one sample's shape, if neither the file nor the model determines it.
        mask: masks by which weights are multiplied: a file, or a dict or list of tensors.
        mask_from_scores: share of each layer to keep, by the scores of edge-popup.
        prefix: prefix of the network's keys, in a file of several networks.

    Returns:
        The network.

    Raises:
        CheckpointError: the checkpoint is unreadable or refused, or its architecture is not understood.
    """
    own = path if model is None and isinstance(path, torch.nn.Module) else model
    options = Options(mask=mask, mask_from_scores=mask_from_scores)
    return from_checkpoint(checkpoint_of(path, options), own, input_shape, prefix)


def options_from(function: str, given: Mapping[str, Any]) -> Options:
    """Return the options given by keyword.

    Args:
        function: name of the called function, for messages.
        given: value by name; ``parts``, the former name of ``only``, is accepted with a warning.

    Raises:
        TypeError: a keyword is unknown; the message names the nearest one.
        UsageError: a value is out of range.
    """
    named = dict(given)
    if "parts" in named:
        warnings.warn("the keyword parts= was renamed: use only=", DeprecationWarning, stacklevel=3)
        named["only"] = named.pop("parts")
    known = {*(one.name for one in fields(Options)), *(one.name for one in further_options())} - {"further"}
    for name in named:
        if name not in known:
            near = hint(name, known, f"help(boundcalc.{function}) lists them")
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{near}")
    only = named.get("only")
    if only is not None:
        named["only"] = (only,) if isinstance(only, str) else tuple(only)
    return options_of(named)
