"""The command of an experiment: `python -m experiments.NAME.run --data DATA [--out FOLDER] [--seconds S] [--tiny]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from experiments.common.record import Record, Tree, hashes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Cells = Iterable[tuple[str, Callable[[], Tree]]]


def experiment(
    file: str,
    settings: tuple[DataclassInstance, DataclassInstance],
    plan: Callable[[Any, list[str], Path], Cells],
    summary: Callable[[Mapping[str, Tree], Any], Tree],
    words: list[str] | None = None,
    data: str = "mnist:DIR",
) -> None:
    """Run the cells that are missing in results.json, and sum up all of them.

    Args:
        file: of the script: results.json lies beside it unless `--out` says otherwise.
        settings: all that the cells depend on, the data apart; and a tiny one, for tests of the script.
        plan: from a setting, data sets and the folder to the cells, in their order.
        summary: from the cells and the setting to what they say together.
        words: of the command line.
        data: what the full experiment is given as `--data`, for the command that results.json names.
    """
    parser = argparse.ArgumentParser(description="Run the cells of an experiment that are missing.")
    parser.add_argument("--data", required=True, nargs="+", help="data sets, e.g. mnist:DIR")
    parser.add_argument("--out", type=Path, default=Path(file).parent, help="folder of results.json")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no cell after so long")
    parser.add_argument("--tiny", action="store_true", help="a few seconds: a test of the script")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    setting = settings[given.tiny]
    digests = {
        f"{k} {name}" if len(given.data) > 1 else name: digest
        for k, one in enumerate(given.data)
        for name, digest in hashes(one).items()
    }
    command = f"python -m experiments.{Path(file).parent.name}.run --data {data}"
    record = Record(given.out, asdict(setting), digests, command + " --tiny" * given.tiny)
    record.run(plan(setting, given.data, given.out), given.seconds)
    record.tree["summary"] = summary(record.cells, setting)
    record.write()
