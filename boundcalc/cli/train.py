"""`boundcalc train`: makes lottery tickets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.cli import certifying
from boundcalc.cli.groups import data_options
from boundcalc.cli.output import note, write
from boundcalc.cli.words import Parser, numbers
from boundcalc.data.holdout import with_holdout
from boundcalc.errors import UsageError
from boundcalc.features.names import FIRST_STAGES
from boundcalc.options import DEVICES
from boundcalc.tickets.plan import ARCHITECTURES, PRUNERS, SCOPES, Plan, canonical
from boundcalc.tickets.recipe import LOSSES, OPTIMIZERS, RATES, SCHEDULES, Recipe, one_of

if TYPE_CHECKING:
    from boundcalc.tickets.lottery import Progress

EPILOG = """\
examples:
  boundcalc train --data sample --arch lenet300 --pruner imp --levels 12 --out runs/imp
  boundcalc train --data mnist:DIR --normalize 0.1307,0.3081 --arch lenet300 --pruner snip
                  --density 0.1,0.05,0.02 --seed 0,1,2 --out runs/snip
  boundcalc train --data npz:cifar.npz --arch resnet20 --pruner synflow --density 0.05 --epochs 160
                  --schedule step --milestones 80,120 --weight-decay 1e-4 --out runs/synflow
  boundcalc train --data digits --model net.py:make --pruner imp --levels 5 --rewind 1 --out runs/a
  boundcalc train --data mnist:DIR --arch lenet300 --pruner imp --levels 25 --certify occam
                  --out runs/c
  boundcalc train --data mnist:DIR --arch lenet5 --pruner random --density 0.1 --certify pick
                  --pick-augmentation digits --out runs/p
  boundcalc runs/imp/replicate_0/level_12 --data sample      analyze a ticket

After an interruption the same command with --resume goes on from the last epoch. A ticket lies in
DIR/replicate_SEED/level_N/main, in the layout of open_lth; ticket.json there tells the errors, the
gap, the losses that show the training speed, and whether the mask may depend on the sample
(--mask-origin of the analysis). --certify keeps the certified networks in
DIR/replicate_SEED/certified; with pick the certificate, certificate.json, lies in the ticket and
speaks of the ticket itself (boundcalc verify checks it).

exit status: 0 done, 1 training diverged, 2 wrong usage, 3 unreadable or refused data or model
"""


def run(words: list[str]) -> int:
    """Train tickets and print one line for each.

    Args:
        words: the command line after `train`.

    Returns:
        0, or 130 when interrupted.

    Raises:
        UsageError: wrong options.
    """
    given = make_parser().parse_all(words)
    plan = _plan(given)
    one_of("--device", given.device, DEVICES)
    try:
        write(_trained(plan, given), None)
    except KeyboardInterrupt:
        note(f"interrupted; --resume goes on with {given.out}")
        return 130
    return 0


def _trained(plan: Plan, given: argparse.Namespace) -> str:
    from boundcalc.bounds.normalization import Normalization
    from boundcalc.empirical.datasets import open_data
    from boundcalc.tickets import lottery, paths, picked, storage
    from boundcalc.tickets.certified import Examiner, certificates
    from boundcalc.tickets.hardware import hardware
    from boundcalc.tickets.samples import on_device

    where = hardware(given.device)
    data = open_data(plan.data, plan.normalize)
    normalization = Normalization(data.normalized, plan.normalize_fixed)
    storage.claim(given.out, plan)
    train, test = on_device(data, where)
    rows = []
    for seed in given.seed:
        home = paths.replicate(given.out, seed)
        with _Bar(plan, seed, given.quiet) as progress:
            examiner = None
            if plan.certify is not None:
                examiner = Examiner(
                    data.train, train.m, train.shape, plan.certify, where.device.type, seed, normalization
                )
            context = lottery.RunContext(plan, seed, home, train, test, where, progress.tell, examiner)
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
    """Lay out the tickets; `certificate` heads the column of their certificates, which are rounded up."""
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
    """Epochs on standard error, where that is a terminal."""

    def __init__(self, plan: Plan, seed: int, quiet: bool) -> None:
        self._plan, self._seed = plan, seed
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.tell: Progress = self._tell if self._shown else _silent

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

    def _length(self, level: int) -> int:
        plan = self._plan
        return plan.picking.rounds if plan.picking is not None else plan.recipe.epochs - plan.start(level)

    def _tell(self, level: int, epoch: int, error: float) -> None:
        start = 0 if self._plan.picking is not None else self._plan.start(level)
        before = sum(self._length(earlier) for earlier in range(level))
        self._bar.set_postfix_str(f"level {level}, error {error:.4f}", refresh=False)
        self._bar.update(before + epoch - start - self._bar.n)


def _silent(level: int, epoch: int, error: float) -> None:
    pass


class _TrainParser(Parser):
    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parse all words.

        Raises:
            UsageError: an unknown option, or a word that belongs to none.
        """
        _, rest = self.parse_known_args(words)
        if rest and not rest[0].startswith("-"):
            raise UsageError(f"what is {rest[0]}? all that train takes are options; see {self.prog} --help")
        return super().parse_all(words)


def make_parser() -> Parser:
    """Return the parser of the command."""
    parser = _TrainParser(
        prog="boundcalc train",
        description="Make lottery tickets: prune a network at initialisation, or by training, pruning\n"
        "and rewinding, and train what is left.",
        epilog=EPILOG,
    )
    _run_options(parser.add_argument_group("run"))
    _ticket_options(parser.add_argument_group("tickets"))
    _training_options(parser.add_argument_group("training"))
    certifying.options(parser)
    return parser


def _run_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", required=True, metavar="DATA", help="as for boundcalc CHECKPOINT")
    data_options(group)
    group.add_argument(
        "--normalize-fixed", action="store_true", help="--normalize did not come from the sample (--certify)"
    )
    group.add_argument("--arch", metavar="NAME", help=f"{', '.join(ARCHITECTURES)} (such as conv-4-50)")
    group.add_argument(
        "--first-stage",
        metavar="NAME",
        help=f"a fixed function in front of --arch, without parameters: {', '.join(FIRST_STAGES)}",
    )
    group.add_argument(
        "--model",
        metavar="FILE.py:CALLABLE|package.module:CALLABLE",
        help="makes the network; runs your code",
    )
    group.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the run")
    group.add_argument("--seed", type=_seeds, default=(0,), metavar="S,...", help="one run for each (0)")
    group.add_argument("--resume", action="store_true", help="go on after the last epoch that is written")
    group.add_argument("--device", default="auto", metavar="NAME", help=f"{', '.join(DEVICES)} (auto)")
    group.add_argument("--quiet", action="store_true", help="no progress on standard error")


def _ticket_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pruner", required=True, metavar="NAME", help=", ".join(PRUNERS))
    group.add_argument(
        "--density", type=numbers, metavar="P,...", help="share of weights kept by each ticket"
    )
    group.add_argument("--levels", type=int, metavar="N", help="prune N times; level 0 is dense")
    group.add_argument(
        "--prune-fraction", type=float, default=0.2, metavar="F", help="of the survivors, by each level (0.2)"
    )
    group.add_argument("--rewind", type=int, default=0, metavar="EPOCH", help="imp goes back to it (0)")
    group.add_argument("--scope", default="global", metavar="NAME", help=f"{', '.join(SCOPES)} (global)")
    group.add_argument(
        "--samples-per-class", type=int, default=10, metavar="N", help="that snip and grasp look at (10)"
    )


def _training_options(group: argparse._ArgumentGroup) -> None:
    rates = ", ".join(f"{rate} for {name}" for name, rate in RATES.items())
    group.add_argument("--epochs", type=int, default=10, metavar="N", help="of each level (10)")
    group.add_argument("--optimizer", default="sgd", metavar="NAME", help=f"{', '.join(OPTIMIZERS)} (sgd)")
    group.add_argument("--lr", type=float, metavar="RATE", help=f"learning rate ({rates})")
    group.add_argument("--momentum", type=float, default=0.9, metavar="M", help="of sgd (0.9)")
    group.add_argument("--weight-decay", type=float, default=0.0, metavar="D", help="(0)")
    group.add_argument(
        "--regularise",
        "--regularize",
        dest="regularize",
        metavar="NAME",
        help="peeling: D times the norm of that bound in place of weight decay, its special case",
    )
    group.add_argument(
        "--schedule", default="constant", metavar="NAME", help=f"{', '.join(SCHEDULES)} (constant)"
    )
    group.add_argument("--milestones", type=_epochs, default=(), metavar="E,...", help="of the step schedule")
    group.add_argument("--gamma", type=float, default=0.1, metavar="G", help="of the step schedule (0.1)")
    group.add_argument("--batch-size", type=int, default=128, metavar="B", help="(128)")
    group.add_argument("--loss", default="cross-entropy", metavar="NAME", help=f"{', '.join(LOSSES)}")
    group.add_argument("--weight-norm", action="store_true", help="train lengths and directions of weights")


def _seeds(text: str) -> tuple[int, ...]:
    seeds = _integers(text)
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: seeds are different and not negative")
    return seeds


def _epochs(text: str) -> tuple[int, ...]:
    return _integers(text)


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from error


def _plan(given: argparse.Namespace) -> Plan:
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
    return Plan(
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
        certify=certifying.passes(given),
        picking=certifying.picking(given),
        recipe=recipe,
    )
