"""Certificates of a compression ("pacbayes", "occam"): the file holds the network, which is decoded and counted afresh.

Nothing of the searches is imported here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boundcalc.certificates.file import Certificate, Item
from boundcalc.certificates.ledger import common_lines
from boundcalc.certificates.pacbayes import claim, theorem
from boundcalc.certificates.pacbayes.draws import SavedLayer
from boundcalc.certificates.pacbayes.gibbs import Randomized, randomized
from boundcalc.empirical import behind_stage
from boundcalc.empirical.behind_stage import without_stage
from boundcalc.empirical.split import Split
from boundcalc.network.network import Network
from boundcalc.occam.codeword import CodeLayout, Codeword, plan_of
from boundcalc.occam.kl import certificate as occam_bound
from boundcalc.occam.order import order_bits
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.spelling import dequantize
from boundcalc.occam.transmit import VERSION, decode, encode, lengths


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a certificate was decoded to.

    Attributes:
        network: of which it speaks.
        errors: of that network on the sample.
        lines: of the ledger, computed afresh.
        bound: delta -> the bound on its error.
        randomized: estimates the network whose last layer is drawn anew for every prediction; None for a method that draws none.
    """

    network: Network
    errors: int
    lines: tuple[Item, ...]
    bound: Callable[[float], float]
    randomized: Callable[[], Randomized] | None = None


def decoded(certificate: Certificate, architecture: Network, split: Split) -> Decoded:
    """Decode a certificate and count its network's errors.

    Args:
        certificate: of a method of `boundcalc.certificates.file.CODED`.
        architecture: any network of its architecture; the weights do not count.
        split: training samples, normalized as the certificate says.

    Raises:
        DataError: the samples do not fit the network.
        NotCovered: the architecture is none that this method takes.
        KeyError: an entry is missing.
        TypeError: an entry is not of its type.
        ValueError: an entry is damaged.
    """
    made_by = certificate.made_by
    common = common_lines(
        certificate.normalize, bool(made_by["plan"].get("normalize_fixed")), made_by.get("tried", 1)
    )
    read = _decode_draw if certificate.method == "pacbayes" else _decode_codeword
    return read(certificate, architecture, split, common)


def _decode_draw(
    certificate: Certificate, architecture: Network, split: Split, common: tuple[Item, ...]
) -> Decoded:
    coded = certificate.coded
    frame = claim.frame_of(architecture, coded["kept"])
    if len(coded["layers"]) != len(frame.layers):
        raise ValueError(f"{len(coded['layers'])} layers, not {len(frame.layers)}")
    stages = [
        SavedLayer.of_tree(tree, size) for tree, size in zip(coded["layers"], frame.sizes(), strict=True)
    ]
    known = claim.facts(frame, certificate.data_sha256, certificate.normalize, certificate.delta)
    found = claim.drawn(frame, stages, known)
    lines = claim.ledger(found, common)
    errors = behind_stage.errors_of(found.small, frame.batches(split))
    bits = math.fsum(line.bits for line in lines)
    return Decoded(
        found.whole,
        errors,
        lines,
        lambda delta: theorem.error_bound(errors, certificate.m, bits, delta),
        lambda: randomized(found, stages, known, common, frame.batches(split), certificate.m),
    )


def _decode_codeword(
    certificate: Certificate, architecture: Network, split: Split, common: tuple[Item, ...]
) -> Decoded:
    stage, rest = without_stage(architecture)
    base = flattened(rest)
    plan = plan_of(base)
    if certificate.coded["code"] != VERSION:
        raise ValueError(f"its codeword has version {certificate.coded['code']} of the code, not {VERSION}")
    word = decode(plan, base64.b85decode(str(certificate.coded["word"])))
    if encode(plan, word) != base64.b85decode(str(certificate.coded["word"])):
        raise ValueError("the codeword has extra bytes at its end")
    network = dequantize(plan, word, base)
    lines = (*common, *word_lines(plan, word))
    errors = behind_stage.errors_of(network, behind_stage.batches(stage, base, split))
    bits = math.fsum(line.bits for line in lines)
    return Decoded(network, errors, lines, lambda delta: occam_bound(errors, certificate.m, bits, delta))


def word_lines(plan: CodeLayout, word: Codeword) -> tuple[Item, ...]:
    """Return the lines of a codeword: each section, and what the order of hidden units gives back."""
    sections = tuple(Item(f"codeword: {section}", bits) for section, bits in lengths(plan, word).items())
    return (*sections, Item("the order of hidden units does not matter", order_bits(plan, word)))


def of_drawn(kept: list[Any], stages: tuple[SavedLayer, ...]) -> dict[str, Any]:
    """Return `Certificate.coded` of a drawn network."""
    return {"kept": kept, "layers": [stage.tree() for stage in stages]}


def of_word(plan: CodeLayout, word: Codeword) -> dict[str, Any]:
    """Return `Certificate.coded` of a codeword."""
    return {"code": VERSION, "word": base64.b85encode(encode(plan, word)).decode()}
