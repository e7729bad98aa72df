"""`boundcalc train`: makes lottery tickets."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from boundcalc.certificates.pick.plan import PickPlan
from boundcalc.cli.output import note, write
from boundcalc.cli.train_options import PASSES, make_parser
from boundcalc.data.holdout import with_holdout
from boundcalc.errors import UsageError
from boundcalc.options import DEVICES
from boundcalc.tickets.plan import RunPlan, canonical
from boundcalc.tickets.recipe import OPTIMIZERS, RATES, Recipe, one_of

if TYPE_CHECKING:
    from boundcalc.tickets.lottery import Progress


def run(words: list[str]) -> int:
    """Train tickets and print one line for each.

    Args:
        words: the command line after `train`.

    Returns:
        0, or 130 when interrupted.

    Raises:
        UsageError: an option is wrong.
    """
    given = make_parser().parse_all(words)
    plan = _plan(given)
    one_of("--device", given.device, DEVICES)
    try:
        write(_trained(plan, given), None)
    except KeyboardInterrupt:
        note(f"interrupted; add --resume to continue the run in {given.out}")
        return 130
    return 0


def _trained(plan: RunPlan, given: argparse.Namespace) -> str:
    from boundcalc.empirical.datasets import open_data
    from boundcalc.tickets import lottery, paths, picked, storage
    from boundcalc.tickets.certified import Examiner, certificates
    from boundcalc.tickets.hardware import hardware
    from boundcalc.tickets.samples import on_device

    where = hardware(given.device)
    data = open_data(plan.data, plan.normalize)
    storage.claim(given.out, plan)
    train, test = on_device(data, where)
    rows = []
    for seed in given.seed:
        home = paths.replicate(given.out, seed)
        with _Bar(plan, seed, given.quiet) as progress:
            examiner = None
            if plan.certify is not None:
                classes = lottery.RunContext(plan, seed, home, train, test, where).classes
                examiner = Examiner(
                    data.train,
                    train.m,
                    train.shape,
                    plan,
                    where.device.type,
                    seed,
                    classes,
                    progress.certifying,
                )
            context = lottery.RunContext(plan, seed, home, train, test, where, progress.on_progress, examiner)
            made = (
                lottery.run(context, given.resume)
                if plan.picking is None
                else picked.run(context, data.train)
            )
        certified = certificates(home)
        rows += [
            (
                str(paths.main(home, ticket["level"])),
                {"certificate": certified.get(ticket["level"], {}).get("value"), **ticket},
            )
            for ticket in made
        ]
    if plan.picking is not None:
        return _table(rows, "bound on its error")
    return _table(rows, None if plan.certify is None else "certificate of a compression")


def _table(rows: list[tuple[str, dict[str, Any]]], certificate: str | None) -> str:
    """Format the table of tickets; `certificate` is the header of the column of certificates, which are rounded up."""
    from tabulate import tabulate

    from boundcalc.report.numbers import upper

    names = ("density", "surviving", "train_error", "test_error", "gap")
    cells = [[path, *(ticket[name] for name in names)] for path, ticket in rows]
    headers = ["ticket", *(name.replace("_", " ") for name in names)]
    as_text = [] if certificate is None else [len(headers)]
    if certificate is not None:
        headers.append(certificate)
        cells = [
            [*line, upper(ticket["certificate"], 4)] for line, (_, ticket) in zip(cells, rows, strict=True)
        ]
    return tabulate(cells, headers=headers, floatfmt=".4g", missingval="-", disable_numparse=as_text)


class _Bar:
    """A bar that counts epochs on standard error, if that is a terminal."""

    def __init__(self, plan: RunPlan, seed: int, quiet: bool) -> None:
        self._plan, self._seed = plan, seed
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.on_progress: Progress = self._show_epoch if self._shown else _silent

    def __enter__(self) -> _Bar:
        if self._shown:
            from tqdm import tqdm

            plan = self._plan
            levels, unit = range(len(plan.densities())), "epoch" if plan.picking is None else "round"
            total = sum(self._length(level) for level in levels)
            self._bar = tqdm(desc=f"seed {self._seed}", total=total, unit=unit, leave=False, file=sys.stderr)
        return self

    def __exit__(self, *details: object) -> None:
        if self._shown:
            self._bar.close()

    def certifying(self, done: int, passes: int) -> None:
        """Show how many passes of a certificate's search are done."""
        if self._shown:
            self._bar.set_postfix_str(f"certificate, pass {done} of {passes}")

    def _length(self, level: int) -> int:
        plan = self._plan
        return plan.picking.rounds if plan.picking is not None else plan.recipe.epochs - plan.start(level)

    def _show_epoch(self, level: int, epoch: int, error: float) -> None:
        start = 0 if self._plan.picking is not None else self._plan.start(level)
        before = sum(self._length(earlier) for earlier in range(level))
        self._bar.set_postfix_str(f"level {level}, error {error:.4f}", refresh=False)
        self._bar.update(before + epoch - start - self._bar.n)


def _silent(level: int, epoch: int, error: float) -> None:
    pass


def _plan(given: argparse.Namespace) -> RunPlan:
    one_of("--optimizer", given.optimizer, OPTIMIZERS)
    recipe = Recipe(
        epochs=given.epochs,
        optimizer=given.optimizer,
        lr=RATES[given.optimizer] if given.lr is None else given.lr,
        momentum=given.momentum,
        weight_decay=given.weight_decay,
        schedule=given.schedule,
        milestones=given.milestones,
        gamma=given.gamma,
        batch_size=given.batch_size,
        loss=given.loss,
        weight_norm=given.weight_norm,
        regularize=given.regularize,
    )
    return RunPlan(
        data=given.data if given.holdout is None else with_holdout(given.data, given.holdout, given.seed[0]),
        pruner=given.pruner,
        arch=None if given.arch is None else canonical(given.arch),
        model=given.model,
        first_stage=given.first_stage,
        normalize=given.normalize,
        normalize_fixed=given.normalize_fixed,
        scope=given.scope,
        density=given.density,
        levels=given.levels,
        prune_fraction=given.prune_fraction,
        rewind=given.rewind,
        per_class=given.samples_per_class,
        certify=_passes(given),
        method="pacbayes" if given.certify == "pacbayes" else "occam",
        beta=given.beta,
        tried=given.tried,
        picking=_picking(given),
        recipe=recipe,
    )


def _passes(given: argparse.Namespace) -> int | None:
    if isinstance(given.certify, int):
        return given.certify
    if given.certify in PASSES:
        return PASSES[given.certify] if given.passes is None else given.passes
    if given.passes is not None:
        raise UsageError("--passes needs --certify pacbayes or --certify occam")
    return None


def _picking(given: argparse.Namespace) -> PickPlan | None:
    if given.certify != "pick":
        return None
    names = [field.name for field in fields(PickPlan)]
    return PickPlan(
        **{name: getattr(given, name if name.startswith("set_aside") else f"pick_{name}") for name in names}
    )
