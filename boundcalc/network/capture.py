"""The user's own model code: import it, load the checkpoint into it, export it, and check the result against it."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from boundcalc.checkpoint.program import Program
from boundcalc.errors import CheckpointError
from boundcalc.nearest import path_hint

if TYPE_CHECKING:
    from collections.abc import Iterator


def import_callable(spec: str) -> Callable[[], object]:
    """Import ``FILE.py:CALLABLE`` or ``package.module:CALLABLE``; this runs the user's own code.

    Raises:
        CheckpointError: when the file, module or name does not exist, or importing it raises.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise CheckpointError(spec, "a model is given as FILE.py:CALLABLE or package.module:CALLABLE")
    try:
        module = _import_file(place) if place.endswith(".py") else _import_module(place)
    except FileNotFoundError as error:
        raise CheckpointError(spec, f"no such file: {place}{path_hint(place)}") from error
    except (Exception, SystemExit) as error:
        raise CheckpointError(spec, f"importing it raised {type(error).__name__}: {error}") from error
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise CheckpointError(spec, f"{place} has no callable named {name}")
    return found


def _import_module(place: str) -> object:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(place)
    finally:
        sys.path.remove(os.getcwd())


def _import_file(place: str) -> object:
    path = Path(place).resolve()
    if not path.is_file():
        raise FileNotFoundError(place)
    spec = importlib.util.spec_from_file_location(f"_boundcalc_model_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def make_module(spec: str) -> torch.nn.Module:
    """Call the user's callable and return the module it makes, in evaluation mode.

    Raises:
        CheckpointError: when it raises, or returns something other than a module.
    """
    factory = import_callable(spec)
    if isinstance(factory, torch.nn.Module):
        return factory.eval()
    try:
        module = factory()
    except (Exception, SystemExit) as error:
        raise CheckpointError(spec, f"calling it raised {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise CheckpointError(spec, f"it returned a {type(module).__name__}, not a torch.nn.Module")
    return module.eval()


def own_copy(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of the caller's module in evaluation mode, so that the original is not changed.

    Weights computed by live pruning or normalization are not leaf tensors, which deepcopy refuses; they are detached.

    Raises:
        CheckpointError: when it cannot be copied.
    """
    computed = [
        value
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    ]
    try:
        return copy.deepcopy(module, {id(value): value.detach().clone() for value in computed}).eval()
    except Exception as error:
        raise CheckpointError(type(module).__name__, f"it cannot be copied: {error}") from error


def empty(module: torch.nn.Module, original: torch.nn.Module) -> None:
    """Give back the memory of a copy's parameters, which reference cycles of torch.export would hold for a while.

    Args:
        module: the copy.
        original: whose own parameters are left alone, should the copy share them.
    """
    held = {id(parameter) for parameter in original.parameters()}
    for parameter in module.parameters():
        if id(parameter) not in held and type(parameter.data) is torch.Tensor:
            parameter.data = parameter.data.new_empty(0)


def example(module: torch.nn.Module, shapes: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, object]:
    """Return a batch of two samples on which a module runs: real numbers, of the precision of its first weights or of single
    precision, or, if no shape works with these, integer indices.

    Args:
        module: a module in evaluation mode.
        shapes: possible shapes of one sample, in order of preference.

    Returns:
        Zeros in the first shape that works, and the module's output; in the first shape given, and None, if none works.
    """
    own = next((weight.dtype for weight in module.parameters() if weight.is_floating_point()), torch.float32)
    for kind in dict.fromkeys((own, torch.float32, torch.int64)):
        for shape in shapes:
            x = torch.zeros(2, *shape, dtype=kind)
            try:
                with torch.no_grad(), quiet():
                    output = module(x)
            except Exception:
                continue
            if not isinstance(output, torch.Tensor) or output.shape[:1] == x.shape[:1]:
                return x, output
    return torch.zeros(2, *shapes[0], dtype=own), None


def export(
    module: torch.nn.Module, given: torch.Tensor, spec: str, output: object = None
) -> tuple[Program, Mapping[str, torch.Tensor]]:
    """Capture a module's forward pass with torch.export, or with make_fx where that fails.

    Args:
        module: a module in evaluation mode.
        given: a batch of samples.
        spec: name of the model in messages.
        output: of the module on the batch, if it was run before.

    Returns:
        The program and its state dict.

    Raises:
        CheckpointError: when the forward pass raises on this input, returns anything but a tensor, or can be captured in
            neither way.
    """
    try:
        if output is None:
            with torch.no_grad(), quiet():
                output = module(given)
    except Exception as error:
        shape = ",".join(map(str, given.shape[1:]))
        problem = f"its forward pass raised {type(error).__name__} on input {shape}: {error}; is --input-shape right?"
        raise CheckpointError(spec, problem) from error
    if not isinstance(output, torch.Tensor):
        problem = f"its forward pass returns {_described(output)}, not one tensor of scores: {_WRAP}"
        raise CheckpointError(spec, problem)
    try:
        return _by_export(module, given, spec)
    except CheckpointError:
        raise
    except Exception as first:
        return _by_tracing(module, given, spec, first)


_WRAP = "give --model a module whose forward returns the scores alone, e.g. return self.net(x)[KEY]"


def _described(output: object) -> str:
    """Describe what a forward pass returns, with the keys or the number of its values."""
    kind = type(output).__name__
    if isinstance(output, Mapping):
        return f"a {kind} of {', '.join(map(str, output))}"
    if isinstance(output, tuple | list):
        return f"a {kind} of {len(output)} values"
    return f"a {kind}"


def _by_export(
    module: torch.nn.Module, example: torch.Tensor, spec: str
) -> tuple[Program, Mapping[str, torch.Tensor]]:
    from boundcalc.checkpoint.pt2 import program_from_bytes

    buffer = io.BytesIO()
    with quiet():
        exported = torch.export.export(module, (example,))
        state = {key: tensor.detach() for key, tensor in exported.state_dict.items()}
        _leave_weights_out(exported)
        torch.export.save(exported, buffer)
    return program_from_bytes(buffer.getvalue(), spec, state)


def _leave_weights_out(exported: torch.export.ExportedProgram) -> None:
    """Replace the weights by expanded single numbers, so that saving the graph does not copy them."""
    held = exported.state_dict
    for key, tensor in list(held.items()):
        empty = torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        held[key] = (
            torch.nn.Parameter(empty, requires_grad=False)
            if isinstance(tensor, torch.nn.Parameter)
            else empty
        )


def _by_tracing(
    module: torch.nn.Module, example: torch.Tensor, spec: str, first: Exception
) -> tuple[Program, Mapping[str, torch.Tensor]]:
    from boundcalc.network.tracing import trace

    try:
        with quiet():
            return trace(module, example)
    except Exception as error:
        problem = f"its forward pass cannot be captured ({type(first).__name__}: {first})"
        raise CheckpointError(spec, problem[:400]) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the output and warnings of the user's code and the exporter, so that they do not appear in the report."""
    with open(os.devnull, "w") as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            with redirect_stdout(sink), redirect_stderr(sink):
                yield
        finally:
            logging.disable(before)
