"""Options of `boundcalc train` for tickets that carry certificates."""

from __future__ import annotations

import argparse
from dataclasses import fields

from boundcalc.certificates.pick.plan import AUGMENTATION_NAMES, SCORE_NAMES, PickPlan
from boundcalc.cli.words import Parser
from boundcalc.errors import UsageError

METHODS = ("pick", "occam")
PASSES = 40
"""Of occam's search where none are given."""


def options(parser: Parser) -> None:
    """Add the options to the command's parser, in two groups."""
    _certificate_options(parser.add_argument_group("certificates"))
    _picking_options(parser.add_argument_group("picking (--certify pick)"))


def _certificate_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--certify",
        type=_method,
        metavar="pick|occam",
        help="pick: train each ticket on examples that it picks, which bounds its own error; occam: search a\n"
        "compression of each level after training, imp stops two levels after the best",
    )
    group.add_argument(
        "--passes", type=int, metavar="N", help=f"of occam's search over the sample ({PASSES})"
    )
    group.add_argument(
        "--set-aside",
        type=float,
        default=0.0,
        metavar="P",
        help="share of the sample on which pick's first network is trained; the rest certifies (0). With --pick-rounds 0\n"
        "nothing is picked: the hold-out bound",
    )
    group.add_argument(
        "--set-aside-steps",
        type=int,
        default=PickPlan.set_aside_steps,
        metavar="N",
        help=f"of that training ({PickPlan.set_aside_steps})",
    )


def _picking_options(group: argparse._ArgumentGroup) -> None:
    for name, metavar, what in (
        ("first", "N", "examples that the first round picks"),
        ("growth", "F", "of their number, from round to round"),
        ("rounds", "R", "how many rounds"),
        (
            "candidates",
            "J",
            "of the last rounds the best of J is kept: log2 J bits; each trains as the last one does",
        ),
        ("steps", "N", "of training in each of the other rounds"),
        ("last_steps", "N", "of training in a round that may be the last"),
        ("batch", "B", "picked examples of a step"),
        ("lr", "RATE", "largest learning rate of AdamW, whatever --lr says"),
        ("weight_decay", "D", "of AdamW"),
        ("half", None, "round the last network to float16, for small files"),
        ("score", "NAME", ", ".join(SCORE_NAMES)),
        ("augmentation", "NAME", ", ".join(AUGMENTATION_NAMES)),
        ("tried", "N", "settings tried on this sample before this one, itself included: paid for"),
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


def passes(given: argparse.Namespace) -> int | None:
    """Return how many passes occam's search makes; None where occam is not asked for.

    Raises:
        UsageError: passes without occam.
    """
    if isinstance(given.certify, int):
        return given.certify
    if given.certify == "occam":
        return PASSES if given.passes is None else given.passes
    if given.passes is not None:
        raise UsageError("--passes belongs to --certify occam")
    return None


def picking(given: argparse.Namespace) -> PickPlan | None:
    """Return how tickets pick their examples; None where they are trained on all."""
    if given.certify != "pick":
        return None
    names = [field.name for field in fields(PickPlan)]
    return PickPlan(
        **{name: getattr(given, name if name.startswith("set_aside") else f"pick_{name}") for name in names}
    )
