"""The options of `boundcalc train`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from boundcalc.certificates.pick.plan import AUGMENTATION_NAMES, FEEDS, SCORE_NAMES, PickPlan
from boundcalc.cli.groups import data_options
from boundcalc.cli.words import Parser, numbers, option
from boundcalc.errors import UsageError
from boundcalc.features.names import FIRST_STAGES
from boundcalc.options import DEVICES
from boundcalc.tickets.plan import ARCHITECTURES, BETA, PRUNERS, SCOPES
from boundcalc.tickets.recipe import LOSSES, OPTIMIZERS, RATES, SCHEDULES

METHODS = ("pick", "pacbayes", "occam")
PASSES = {"occam": 40, "pacbayes": 60}
"""Default number of passes of the search for a compression, by method."""

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
  boundcalc train --data mnist:DIR --arch shallow-12 --first-stage orientations-7 --pruner random
                  --density 1 --epochs 2 --certify pacbayes --out runs/d
  boundcalc train --data mnist:DIR --arch lenet5 --pruner random --density 0.1 --certify pick
                  --pick-augmentation digits --out runs/p
  boundcalc runs/imp/replicate_0/level_12 --data sample      analyze a ticket

After an interruption, the same command with --resume continues from the last epoch. Each ticket is
the folder DIR/replicate_SEED/level_N/main, in the layout of open_lth. Its ticket.json records the
training and test errors, their gap, the losses during training, and whether the mask may depend on
the sample (--mask-origin of the analysis). With --certify, the folder also holds certificate.json,
which boundcalc verify checks: a certificate by pick bounds the error of the ticket itself; one by
pacbayes or occam bounds the error of a compression of it, which is saved in
DIR/replicate_SEED/certified.

exit status: 0 done, 1 training diverged, 2 wrong usage, 3 unreadable or refused data or model
"""


class _TrainParser(Parser):
    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parse all words.

        Raises:
            UsageError: an option is unknown, or a word belongs to no option.
        """
        _, rest = self.parse_known_args(words)
        if rest and not rest[0].startswith("-"):
            raise UsageError(
                f"unexpected argument {rest[0]}: train takes options only; see {self.prog} --help"
            )
        return super().parse_all(words)


def make_parser() -> Parser:
    """Return the parser of the command."""
    parser = _TrainParser(
        prog="boundcalc train",
        usage="boundcalc train --data DATA --arch NAME --pruner NAME --out DIR [OPTION...]",
        description="Make lottery tickets: prune a network at initialization, or by training, pruning\nand "
        "rewinding, and train the remaining weights.",
        epilog=EPILOG,
    )
    _run_options(parser.add_argument_group("run"))
    _ticket_options(parser.add_argument_group("tickets"))
    _training_options(parser.add_argument_group("training"))
    _certificate_options(parser.add_argument_group("certificates"))
    _picking_options(parser.add_argument_group("picking (--certify pick)"))
    return parser


def _run_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add("--data DATA", "training and test data, as for boundcalc CHECKPOINT", required=True)
    data_options(group)
    add(
        "--normalize-fixed",
        "the numbers of --normalize were fixed before the sample, so a certificate does not pay for them",
    )
    add("--arch NAME", f"network: {', '.join(ARCHITECTURES)} (such as conv-4-50)")
    add(
        "--first-stage NAME",
        f"fixed function without parameters, applied to the input before --arch: {', '.join(FIRST_STAGES)}",
    )
    add(
        "--model FILE.py:CALLABLE|package.module:CALLABLE",
        "your code that makes the network, instead of --arch; it is run",
    )
    add("--out DIR", "folder of the run", required=True, type=Path)
    add("--seed S,...", "seeds; each gives a run of its own (0)", type=_seeds, default=(0,))
    add("--resume", "continue an interrupted run after its last epoch")
    add("--device NAME", f"device: {', '.join(DEVICES)} (auto)", default="auto")
    add("--quiet", "no progress on standard error")


def _ticket_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add("--pruner NAME", f"pruner: {', '.join(PRUNERS)}", required=True)
    add("--density P,...", "share of weights kept by each ticket", type=numbers)
    add("--levels N", "prune N times; level 0 is dense", type=int)
    add("--prune-fraction F", "share of the survivors that each level prunes (0.2)", type=float, default=0.2)
    add("--rewind EPOCH", "epoch that imp rewinds the weights to (0)", type=int, default=0)
    add("--scope NAME", f"rank weights over: {', '.join(SCOPES)} (global)", default="global")
    add("--samples-per-class N", "samples of each class for snip and grasp (10)", type=int, default=10)


def _certificate_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add(
        "--certify pick|pacbayes|occam",
        "pick: train each ticket only on examples that the procedure picks, which gives a bound on the "
        "ticket's own error;\npacbayes, occam: after training, search for a compression of each level "
        "(a network drawn near the trained one, or\na codeword) and bound its error; imp stops two "
        "levels after the best certificate",
        type=_method,
    )
    told = ", ".join(f"{number} for {name}" for name, number in PASSES.items())
    add("--passes N", f"epochs of the search of pacbayes or occam ({told})", type=int)
    add("--beta B", f"weight of the bits in the search of pacbayes ({BETA:g})", type=float, default=BETA)
    add(
        "--tried N",
        "number of settings of that search tried on this sample, this one included; the bound pays for "
        "the choice (1)",
        type=int,
        default=1,
    )
    add(
        "--set-aside P",
        "share of the sample on which the first network of pick is trained; the rest is used to "
        "certify it (0). With\n--pick-rounds 0 no example is picked, and the certificate is the "
        "hold-out bound",
        type=float,
        default=0.0,
    )
    add(
        "--set-aside-steps N",
        f"training steps of that first network ({PickPlan.set_aside_steps})",
        type=int,
        default=PickPlan.set_aside_steps,
    )


def _picking_options(group: argparse._ArgumentGroup) -> None:
    for name, metavar, what in (
        ("first", "N", "examples that the first round picks"),
        ("growth", "F", "factor by which each round picks more than the last"),
        ("rounds", "R", "number of rounds"),
        (
            "candidates",
            "J",
            (
                "number of last rounds of which the best is kept, at a price of log2 J bits; each trains "
                "as long as the last one"
            ),
        ),
        ("steps", "N", "training steps of each round that cannot be the last"),
        ("last_steps", "N", "training steps of a round that may be the last"),
        ("batch", "B", "picked examples in a training step"),
        ("lr", "RATE", "largest learning rate of AdamW; --lr does not apply"),
        ("weight_decay", "D", "weight decay of AdamW"),
        ("half", None, "round the final network to float16, for small files"),
        ("score", "NAME", f"how examples are picked: {', '.join(SCORE_NAMES)}"),
        ("augmentation", "NAME", f"augmentation of the picked examples: {', '.join(AUGMENTATION_NAMES)}"),
        ("feed", "NAME", f"how augmented versions are kept: {', '.join(FEEDS)} (as by earlier versions)"),
        (
            "tried",
            "N",
            "number of settings tried on this sample, this one included; the bound pays for the choice",
        ),
    ):
        default, option = getattr(PickPlan, name), f"--pick-{name.replace('_', '-')}"
        if isinstance(default, bool):
            group.add_argument(option, action="store_true", help=what)
            continue
        group.add_argument(
            option, type=type(default), default=default, metavar=metavar, help=f"{what} ({default})"
        )


def _method(text: str) -> str | int:
    """Parse a method of certification; a number is the former notation for occam with that number of passes.

    Raises:
        ArgumentTypeError: the text is neither a method nor a number.
    """
    if text in METHODS:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(METHODS)}") from error


def _training_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    rates = ", ".join(f"{rate} for {name}" for name, rate in RATES.items())
    add("--epochs N", "epochs of each level (10)", type=int, default=10)
    add("--optimizer NAME", f"optimizer: {', '.join(OPTIMIZERS)} (sgd)", default="sgd")
    add("--lr RATE", f"learning rate ({rates})", type=float)
    add("--momentum M", "momentum of sgd (0.9)", type=float, default=0.9)
    add("--weight-decay D", "weight decay (0)", type=float, default=0.0)
    add(
        "--regularise --regularize NAME",
        "peeling: penalize D times the norm of the peeling bound instead of the weights' squares",
        dest="regularize",
    )
    add(
        "--schedule NAME",
        f"learning rate over the epochs: {', '.join(SCHEDULES)} (constant)",
        default="constant",
    )
    add("--milestones E,...", "epochs at which the step schedule lowers the rate", type=_integers, default=())
    add("--gamma G", "factor of the step schedule (0.1)", type=float, default=0.1)
    add("--batch-size B", "samples in a batch (128)", type=int, default=128)
    add("--loss NAME", f"loss: {', '.join(LOSSES)} (cross-entropy)", default="cross-entropy")
    add("--weight-norm", "weight normalization: train lengths and directions of the weights")


def _seeds(text: str) -> tuple[int, ...]:
    seeds = _integers(text)
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: give different seeds, none of them negative")
    return seeds


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from error
