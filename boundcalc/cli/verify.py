"""`boundcalc verify`: whether a saved certificate holds."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.cli.words import Parser, option
from boundcalc.errors import UsageError

if TYPE_CHECKING:
    from boundcalc.certificates.file import Certificate
    from boundcalc.certificates.verify import Verified
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.network.network import Network

EPILOG = """\
examples:
  boundcalc verify runs/p/replicate_0/level_0/main/certificate.json --data mnist:DIR
  boundcalc verify certificate.json --data mnist:DIR --replay     train again, compare picks and network

For a certificate by pick, two things are checked without --replay: the network makes no more errors on the
examples outside the picks than the certificate states, and the bound follows from that number. Only --replay
checks that the network was trained on the picked examples alone. A certificate by pacbayes or occam contains
its network, which is decoded or drawn again from the file alone.

exit status: 0 the certificate holds, 2 wrong usage, 3 unreadable certificate, network or data,
4 the value or the ledger does not hold
"""
EXIT_NOT_HELD = 4


def run(words: list[str]) -> int:
    """Verify one certificate.

    Args:
        words: the command line after `verify`.

    Returns:
        0, or 4 if something does not hold.

    Raises:
        UsageError: --replay is given for a certificate that contains its network.
    """
    given = make_parser().parse_all(words)
    from boundcalc.certificates import file
    from boundcalc.certificates.verify import verify
    from boundcalc.empirical.datasets import open_data

    certificate = file.read_certificate(given.certificate)
    data = open_data(given.data, certificate.normalize)
    outcome = verify(certificate, _network(given, certificate, data), data.train)
    failures = outcome.failures
    if given.replay and certificate.method in file.CODED:
        raise UsageError(
            "--replay retrains the network of a certificate by pick; this certificate contains its "
            "network, so leave out --replay"
        )
    if given.replay and not failures:
        failures = _replayed(certificate, data, given.model)
    print(_render(certificate, outcome, failures, given), end="")  # noqa: T201
    for failure in failures:
        print(f"boundcalc: {given.certificate}: {failure}", file=sys.stderr)  # noqa: T201
    return EXIT_NOT_HELD if failures else 0


def make_parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        prog="boundcalc verify",
        usage="boundcalc verify CERTIFICATE --data DATA [OPTION...]",
        description="Read a certificate and recompute its bound from the data and the network, without any "
        "search.",
        epilog=EPILOG,
    )
    parser.add_argument("certificate", metavar="CERTIFICATE", type=Path, help="certificate.json of a ticket")
    option(
        parser,
        "--data DATA",
        "the data of the training, in the forms that boundcalc CHECKPOINT takes",
        required=True,
    )
    option(
        parser,
        "--checkpoint FILE",
        "checkpoint of the certified network (default: the folder of the certificate)",
        type=Path,
    )
    option(
        parser,
        "--model FILE.py:CALLABLE",
        "your code that makes the network, if it is not one of boundcalc's; it is run",
    )
    option(parser, "--replay", "pick and train again, and compare every pick and weight")
    option(parser, "--format", "format of the output (table)", choices=("table", "json"), default="table")
    return parser


def _network(given: argparse.Namespace, certificate: Certificate, data: Dataset) -> Network:
    from boundcalc.analysis import sample_shape
    from boundcalc.certificates.file import CODED
    from boundcalc.certificates.held import module_of, own_architecture
    from boundcalc.checkpoint import from_state_dict, read
    from boundcalc.network.load import from_checkpoint
    from boundcalc.tickets.described import described

    shape = sample_shape(data)
    assert shape is not None
    own = own_architecture(certificate.made_by)
    if certificate.method in CODED and given.checkpoint is None and own:  # the file alone
        module = module_of(certificate.made_by, shape)
        return from_checkpoint(from_state_dict(module.state_dict(), "its architecture"), module, shape)
    place = given.checkpoint or given.certificate.parent
    known = module_of(certificate.made_by, shape) if own else described(str(place), shape)
    return from_checkpoint(read(place), given.model or known, shape)


def _replayed(certificate: Certificate, data: Dataset, model: str | None) -> tuple[str, ...]:
    from boundcalc.network.digest import digest_of_network
    from boundcalc.tickets.hardware import hardware
    from boundcalc.tickets.picked import replay
    from boundcalc.tickets.samples import on_device

    where = hardware("cpu")
    network, picked = replay(certificate, on_device(data, where)[0], where, model)
    for number, (now, then) in enumerate(zip(picked.rounds, certificate.rounds, strict=True)):
        if tuple(now.tolist()) != then:
            return (f"the replay picks other examples in round {number + 1} of {len(certificate.rounds)}",)
    if digest_of_network(network) != certificate.network_sha256:
        return (
            (
                "the replay picks the same examples but ends with other weights: was the network trained "
                "on another machine or with another version of torch?"
            ),
        )
    return ()


def _render(
    certificate: Certificate, outcome: Verified, failures: tuple[str, ...], given: argparse.Namespace
) -> str:
    tree: dict[str, Any] = {
        "schema": "boundcalc.verify/1",
        "holds": not failures,
        "replayed": bool(given.replay),
        "failures": list(failures),
        "method": certificate.method,
        "subject": certificate.subject,
        "prior": certificate.prior,
        "data": certificate.data,
        "m": certificate.m,
        "delta": certificate.delta,
        "value": outcome.value,
        "claimed": certificate.value,
        "picked": len(certificate.picked),
        "wrong": outcome.wrong,
        "ledger": [{"item": item.item, "bits": item.bits} for item in certificate.ledger],
    }
    if given.format == "json":
        return json.dumps(tree, allow_nan=False, indent=1) + "\n"
    from tabulate import tabulate

    facts = [
        (key, "-" if value is None else value)
        for key, value in tree.items()
        if key not in {"schema", "ledger", "failures"}
    ]
    lines = [(item.item, f"{item.bits:.2f}") for item in certificate.ledger]
    return f"{tabulate(facts, disable_numparse=True)}\n\n{tabulate(lines, headers=('paid for', 'bits'), disable_numparse=True)}\n"
