"""`boundcalc batch PATH...`: analyzes hundreds of checkpoints into one store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from boundcalc.cli import groups
from boundcalc.cli.groups import PARQUET
from boundcalc.cli.output import check, note, style, write, write_bytes
from boundcalc.cli.parser import make_batch as make_parser
from boundcalc.errors import UsageError
from boundcalc.plain_text import short_path

if TYPE_CHECKING:
    from boundcalc.batch.damage import Damage
    from boundcalc.batch.runner import Summary, Watch
    from boundcalc.batch.store import Store


def run(words: list[str]) -> int:
    """Analyze the checkpoints that are new, and print the requested part of the store.

    Args:
        words: the command line after the command.

    Returns:
        0; 1 if a checkpoint failed, a part requested by --only did not run on one, or the store is damaged.

    Raises:
        UsageError: Options contradict each other.
    """
    given = make_parser().parse_all(words)
    options = groups.options(given)
    groups.check_format(given)
    check(given.output)
    check_apart(given.output, given.store)

    if given.format == PARQUET and given.output is None:
        raise UsageError("--format parquet is binary and cannot be printed: give -o FILE.parquet")

    from boundcalc.batch.store import opened

    if not given.paths:
        with opened(given.store) as store:
            return 1 if _export(store, given) else 0

    check(given.store)
    from boundcalc.batch.runner import run as analyze

    with _progress_bar(given.quiet) as watch:
        done = analyze(given.paths, given.store, options, given.workers, given.scheduler, watch)
    with opened(given.store) as store:
        missing = 0 if given.only is None else _missing(store, done)
        if not given.quiet:
            _print_summary(store, done, missing)
        damaged = _export(store, given, done.ids)
    return 1 if done.failed or missing or damaged else 0


def _export(store: Store, given: argparse.Namespace, ids: Sequence[int] | None = None) -> bool:
    """Write the requested part of a store; return whether it is damaged."""
    if given.format == PARQUET:
        from boundcalc.batch.damage import damaged
        from boundcalc.batch.frame import parquet

        damage = damaged(store, ids)
        _print_damage(store, damage)
        write_bytes(parquet(store, ids), given.output)
        return bool(damage)
    from boundcalc.batch.table import export

    found = export(store, given.format, ids, given.csv_raw, style(given.output))
    _print_damage(store, found.damage)
    write(found.text, given.output, laid_out=given.format == "table")
    return bool(found.damage)


def check_apart(output: str | None, store: str | None) -> None:
    """Refuse to write the result over the store.

    Raises:
        UsageError: the result and the store are the same file.
    """
    if output is not None and store is not None and os.path.realpath(output) == os.path.realpath(store):
        raise UsageError(f"-o {output}: this is the store itself; name another file")


def _print_damage(store: Store, damage: Sequence[Damage]) -> None:
    for one in damage:
        note(f"{store.path}: {short_path(one.path)}: {one.reason}")


def _print_summary(store: Store, done: Summary, missing: int) -> None:
    from boundcalc.batch.names import stored

    failed = {row.id: row for row in store.rows(done.ids) if row.state == "failed"}
    for path, number in done.found.items():
        if number in failed:
            row = failed[number]
            note(f"{short_path(stored(path))}: {row.error or ''}")
    counts = [
        f"{done.paths} paths",
        f"{done.done} analyzed",
        f"{done.known} known",
        f"{done.failed} of {done.paths} failed" if done.failed else "0 failed",
        *([f"{done.copies} copies"] if done.copies else []),
        *([f"{missing} without a part of --only"] if missing else []),
    ]
    note(", ".join(counts))


def _missing(store: Store, done: Summary) -> int:
    from boundcalc.batch.rows import in_condition

    condition, ids = in_condition(done.ids, "checkpoint")
    query = f"SELECT count(DISTINCT checkpoint) FROM quantities {condition} AND part = 'skipped'"
    (missing,) = store.connection.execute(query, ids).fetchone()
    return int(missing)


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Watch | None]:
    """Show a bar that counts checkpoints, if standard error is a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit="", desc="checkpoints", leave=False, file=sys.stderr) as bar:

        def watch(settled: int, paths: int) -> None:
            bar.total = paths
            bar.update(settled - bar.n)

        yield watch
