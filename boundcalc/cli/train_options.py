"""The options of `boundcalc train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from boundcalc.certificates.pick.plan import AUGMENTATION_NAMES, SCORE_NAMES, PickPlan
from boundcalc.cli.groups import data_options
from boundcalc.cli.words import Parser, numbers
from boundcalc.errors import UsageError
from boundcalc.features.names import FIRST_STAGES
from boundcalc.options import DEVICES
from boundcalc.tickets.plan import ARCHITECTURES, BETA, PRUNERS, SCOPES
from boundcalc.tickets.recipe import LOSSES, OPTIMIZERS, RATES, SCHEDULES

METHODS = ("pick", "pacbayes", "occam")
PASSES = {"occam": 40, "pacbayes": 60}
"""Of a compression's search where none are given."""

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

After an interruption the same command with --resume goes on from the last epoch. A ticket lies in
DIR/replicate_SEED/level_N/main, in the layout of open_lth; ticket.json there tells the errors, the
gap, the losses that show the training speed, and whether the mask may depend on the sample
(--mask-origin of the analysis). With --certify a certificate, certificate.json, lies in the ticket
(boundcalc verify checks it): by pick it speaks of the ticket itself, by pacbayes or occam of a
compression, which is kept in DIR/replicate_SEED/certified.

exit status: 0 done, 1 training diverged, 2 wrong usage, 3 unreadable or refused data or model
"""


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
        usage="boundcalc train --data DATA --arch NAME --pruner NAME --out DIR [OPTION...]",
        description="Make lottery tickets: prune a network at initialisation, or by training, pruning\n"
        "and rewinding, and train what is left.",
        epilog=EPILOG,
    )
    _run_options(parser.add_argument_group("run"))
    _ticket_options(parser.add_argument_group("tickets"))
    _training_options(parser.add_argument_group("training"))
    _certificate_options(parser.add_argument_group("certificates"))
    _picking_options(parser.add_argument_group("picking (--certify pick)"))
    return parser


def _run_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data", required=True, metavar="DATA", help="training and test data, as for boundcalc CHECKPOINT"
    )
    data_options(group)
    group.add_argument(
        "--normalize-fixed",
        action="store_true",
        help="the numbers of --normalize were fixed before the sample (--certify)",
    )
    group.add_argument(
        "--arch", metavar="NAME", help=f"network: {', '.join(ARCHITECTURES)} (such as conv-4-50)"
    )
    group.add_argument(
        "--first-stage",
        metavar="NAME",
        help=f"a fixed function in front of --arch, without parameters: {', '.join(FIRST_STAGES)}",
    )
    group.add_argument(
        "--model",
        metavar="FILE.py:CALLABLE|package.module:CALLABLE",
        help="your code that makes the network, instead of --arch; it is run",
    )
    group.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the run")
    group.add_argument("--seed", type=_seeds, default=(0,), metavar="S,...", help="seeds, a run for each (0)")
    group.add_argument(
        "--resume", action="store_true", help="continue an interrupted run after its last epoch"
    )
    group.add_argument(
        "--device", default="auto", metavar="NAME", help=f"device: {', '.join(DEVICES)} (auto)"
    )
    group.add_argument("--quiet", action="store_true", help="no progress on standard error")


def _ticket_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pruner", required=True, metavar="NAME", help=f"pruner: {', '.join(PRUNERS)}")
    group.add_argument(
        "--density", type=numbers, metavar="P,...", help="share of weights kept by each ticket"
    )
    group.add_argument("--levels", type=int, metavar="N", help="prune N times; level 0 is dense")
    group.add_argument(
        "--prune-fraction",
        type=float,
        default=0.2,
        metavar="F",
        help="share of the survivors that each level prunes (0.2)",
    )
    group.add_argument(
        "--rewind", type=int, default=0, metavar="EPOCH", help="epoch that imp rewinds the weights to (0)"
    )
    group.add_argument(
        "--scope", default="global", metavar="NAME", help=f"rank weights over: {', '.join(SCOPES)} (global)"
    )
    group.add_argument(
        "--samples-per-class",
        type=int,
        default=10,
        metavar="N",
        help="samples of each class for snip and grasp (10)",
    )


def _certificate_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--certify",
        type=_method,
        metavar="pick|pacbayes|occam",
        help="pick: train each ticket on examples that it picks, which bounds its own error; pacbayes, occam: search a\n"
        "compression of each level after training (a network drawn near it, a codeword), imp stops two levels after the best",
    )
    told = ", ".join(f"{number} for {name}" for name, number in PASSES.items())
    group.add_argument("--passes", type=int, metavar="N", help=f"epochs of that search ({told})")
    group.add_argument(
        "--beta", type=float, default=BETA, metavar="B", help=f"of pacbayes, more for fewer bits ({BETA:g})"
    )
    group.add_argument(
        "--tried",
        type=int,
        default=1,
        metavar="N",
        help="settings of such a search tried on this sample: paid for (1)",
    )
    group.add_argument(
        "--set-aside",
        type=float,
        default=0.0,
        metavar="P",
        help="share of the sample that the first network of pick is trained on; the rest certifies it (0). With\n"
        "--pick-rounds 0 nothing is picked, which gives the hold-out bound",
    )
    group.add_argument(
        "--set-aside-steps",
        type=int,
        default=PickPlan.set_aside_steps,
        metavar="N",
        help=f"steps of that training ({PickPlan.set_aside_steps})",
    )


def _picking_options(group: argparse._ArgumentGroup) -> None:
    for name, metavar, what in (
        ("first", "N", "examples that the first round picks"),
        ("growth", "F", "factor by which each round picks more than the last"),
        ("rounds", "R", "number of rounds"),
        (
            "candidates",
            "J",
            "rounds at the end of which the best is kept: log2 J bits; each trains as the last one does",
        ),
        ("steps", "N", "training steps of each of the other rounds"),
        ("last_steps", "N", "training steps of a round that may be the last"),
        ("batch", "B", "picked examples in a training step"),
        ("lr", "RATE", "largest learning rate of AdamW, whatever --lr says"),
        ("weight_decay", "D", "weight decay of AdamW"),
        ("half", None, "round the final network to float16, for small files"),
        ("score", "NAME", f"how examples are picked: {', '.join(SCORE_NAMES)}"),
        ("augmentation", "NAME", f"augmentation of what is picked: {', '.join(AUGMENTATION_NAMES)}"),
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
            option,
            type=type(default),
            default=default,
            metavar=metavar,
            help=f"{what} ({default})",
        )


def _method(text: str) -> str | int:
    """Read a method of certification; a number is the former way to say occam and its passes.

    Raises:
        ArgumentTypeError: neither.
    """
    if text in METHODS:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(METHODS)}") from error


def _training_options(group: argparse._ArgumentGroup) -> None:
    rates = ", ".join(f"{rate} for {name}" for name, rate in RATES.items())
    group.add_argument("--epochs", type=int, default=10, metavar="N", help="epochs of each level (10)")
    group.add_argument(
        "--optimizer", default="sgd", metavar="NAME", help=f"optimizer: {', '.join(OPTIMIZERS)} (sgd)"
    )
    group.add_argument("--lr", type=float, metavar="RATE", help=f"learning rate ({rates})")
    group.add_argument("--momentum", type=float, default=0.9, metavar="M", help="momentum of sgd (0.9)")
    group.add_argument("--weight-decay", type=float, default=0.0, metavar="D", help="weight decay (0)")
    group.add_argument(
        "--regularise",
        "--regularize",
        dest="regularize",
        metavar="NAME",
        help="peeling: penalize D times the norm of the peeling bound instead of the weights' squares",
    )
    group.add_argument(
        "--schedule",
        default="constant",
        metavar="NAME",
        help=f"learning rate over the epochs: {', '.join(SCHEDULES)} (constant)",
    )
    group.add_argument(
        "--milestones",
        type=_integers,
        default=(),
        metavar="E,...",
        help="epochs at which the step schedule lowers the rate",
    )
    group.add_argument(
        "--gamma", type=float, default=0.1, metavar="G", help="factor of the step schedule (0.1)"
    )
    group.add_argument("--batch-size", type=int, default=128, metavar="B", help="samples in a batch (128)")
    group.add_argument(
        "--loss", default="cross-entropy", metavar="NAME", help=f"loss: {', '.join(LOSSES)} (cross-entropy)"
    )
    group.add_argument(
        "--weight-norm",
        action="store_true",
        help="weight normalization: train lengths and directions of the weights",
    )


def _seeds(text: str) -> tuple[int, ...]:
    seeds = _integers(text)
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: seeds are different and not negative")
    return seeds


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from error
