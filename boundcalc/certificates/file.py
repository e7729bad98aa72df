"""A certificate on disk: one JSON object, versioned, with a checksum over all of it; read as data, checked entry by entry."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boundcalc.certificates import beside
from boundcalc.empirical.split import Split
from boundcalc.errors import CheckpointError
from boundcalc.files import read_json

SCHEMA = "boundcalc.certificate/3"
METHODS = ("pick", "holdout", "pacbayes", "occam")
CODED = ("pacbayes", "occam")
"""Methods whose certificate contains its network, which is not the checkpoint's."""
NAME = beside.NAME
_LARGEST = 1 << 28


@dataclass(frozen=True)
class Item:
    """A line of the ledger.

    Attributes:
        item: what was chosen.
        bits: its price; 0 for what was fixed before the sample.
    """

    item: str
    bits: float


@dataclass(frozen=True)
class Certificate:
    """What a certificate claims, and of what.

    Attributes:
        method: ``"pick"``, or ``"holdout"`` where a part was set aside and nothing was picked; or one of `CODED`.
        subject: ``"network"``: the checkpoint beside which it lies; ``"compression"``: what `coded` decodes to.
        prior: ``"none"``; ``"data-dependent"`` where a part of the sample was set aside for the first network; ``"data-free"`` for
            `CODED`.
        data: name of the training data, as given.
        data_sha256: of its samples and labels as stored, see `digest_of_split`.
        m: samples.
        normalize: what the network sees of them: means then deviations, or None.
        delta: failure probability.
        value: the bound on the 0-1 error.
        rounds: indices of the picked examples, round by round.
        wrong: how many of the others the network gets wrong.
        coded: what the network is decoded from, for a method of `CODED`; empty for others.
        ledger: what was chosen, and what each choice costs.
        network_sha256: of its weights and biases, see `boundcalc.network.digest.digest_of_network`.
        made_by: options, seed and versions by which it can be made again.
    """

    method: str
    subject: str
    prior: str
    data: str
    data_sha256: str
    m: int
    normalize: tuple[float, ...] | None
    delta: float
    value: float
    rounds: tuple[tuple[int, ...], ...]
    wrong: int
    ledger: tuple[Item, ...]
    network_sha256: str
    made_by: Mapping[str, Any] = field(default_factory=dict)
    coded: Mapping[str, Any] = field(default_factory=dict)

    @property
    def picked(self) -> tuple[int, ...]:
        """Indices of all picked examples, in the order in which they were picked."""
        return tuple(index for round in self.rounds for index in round)

    @property
    def bits(self) -> float:
        """Price of all choices."""
        return math.fsum(item.bits for item in self.ledger)

    def tree(self) -> dict[str, Any]:
        """Return the JSON object, with its checksum."""
        tree: dict[str, Any] = {
            "schema": SCHEMA,
            "method": self.method,
            "subject": self.subject,
            "prior": self.prior,
            "data": {"name": self.data, "sha256": self.data_sha256, "m": self.m},
            "normalize": None if self.normalize is None else list(self.normalize),
            "delta": self.delta,
            "value": self.value,
            "rounds": [list(round) for round in self.rounds],
            "wrong": self.wrong,
            "ledger": [{"item": item.item, "bits": item.bits} for item in self.ledger],
            "network": {"sha256": self.network_sha256},
            "made_by": dict(self.made_by),
            **({"coded": dict(self.coded)} if self.coded else {}),
        }
        return {**tree, "checksum": _checksum(tree)}

    def text(self) -> str:
        """Return the file's content: one entry a line, picks on one."""
        tree = self.tree()
        lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in tree.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"


def read_certificate(path: Path) -> Certificate:
    """Read a certificate.

    Args:
        path: the file.

    Returns:
        Its content, checksum and types checked; whether its claim holds is for `boundcalc.certificates.verify` to say.

    Raises:
        CheckpointError: it is no certificate, damaged, or of another version.
    """
    tree = read_json(path, _no_certificate, most=_LARGEST)
    if not isinstance(tree, dict) or tree.get("schema") != SCHEMA:
        found = tree.get("schema") if isinstance(tree, dict) else None
        raise CheckpointError(path, f"not a certificate of schema {SCHEMA} (its schema: {ascii(found)[:60]})")
    if tree.pop("checksum", None) != _checksum(tree):
        raise CheckpointError(path, "damaged: its checksum does not match its content")
    try:
        return _parsed(tree)
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckpointError(
            path, f"damaged: {type(problem).__name__} at {ascii(str(problem))[:80]}"
        ) from None


def _no_certificate(path: str | Path, problem: str) -> CheckpointError:
    return CheckpointError(path, f"not a certificate: {problem}")


def _parsed(tree: Mapping[str, Any]) -> Certificate:
    normalize = tree["normalize"]
    certificate = Certificate(
        method=str(tree["method"]),
        subject=str(tree["subject"]),
        prior=str(tree["prior"]),
        data=str(tree["data"]["name"]),
        data_sha256=str(tree["data"]["sha256"]),
        m=_whole(tree["data"]["m"]),
        normalize=None if normalize is None else tuple(_finite(number) for number in normalize),
        delta=_finite(tree["delta"]),
        value=_finite(tree["value"]),
        rounds=tuple(tuple(_whole(index) for index in round) for round in tree["rounds"]),
        wrong=_whole(tree["wrong"]),
        ledger=tuple(Item(str(item["item"]), _finite(item["bits"])) for item in tree["ledger"]),
        network_sha256=str(tree["network"]["sha256"]),
        made_by=dict(tree["made_by"]),
        coded=dict(tree.get("coded") or {}),
    )
    if certificate.method not in METHODS:
        raise ValueError(f"method {certificate.method}")
    return certificate


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _checksum(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True, allow_nan=False).encode()).hexdigest()


def digest_of_split(split: Split) -> str:
    """Return the sha256 of a split as stored, before scaling and normalization: dtype, shape, samples and labels, in hexadecimal.

    Two forms of the same data, such as gzipped and plain IDX files, have the same digest.
    """
    found = hashlib.sha256(f"{split.source.dtype.str} {tuple(split.shape)}".encode())
    labels = hashlib.sha256()
    for x, y in split.source.raw(4096):
        found.update(x.tobytes())
        labels.update(y.astype("<i8").tobytes())
    found.update(labels.digest())
    return found.hexdigest()
