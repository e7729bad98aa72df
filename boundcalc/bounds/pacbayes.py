"""A bound on a network that is drawn from a distribution fitted to the sample ("pacbayes").

`boundcalc.certificates.pacbayes.theorem` states and proves it. A certificate beside the checkpoint, or named by --certificate, is
decoded and its errors are counted again; without one, --passes N searches one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import AtDelta
from boundcalc.certificates.compressed import Decoded, decoded, of_drawn
from boundcalc.certificates.file import Certificate, digest_of_split
from boundcalc.certificates.ledger import common_lines
from boundcalc.certificates.pacbayes import theorem
from boundcalc.certificates.pacbayes.gibbs import ESTIMATE
from boundcalc.certificates.pacbayes.search import BETA, DrawTask, search_draw
from boundcalc.certificates.verify import wrong_lines
from boundcalc.empirical.split import Split
from boundcalc.errors import NeedsInput, NotCovered
from boundcalc.network.digest import digest_of_network


def compute(problem: BoundInputs) -> AtDelta:
    """Decode the given certificate, or search for one.

    Raises:
        NeedsInput: there are no training samples, or neither a certificate nor passes to search for one.
        NotCovered: the network is not a chain of layers, or a claim of the certificate does not hold.
    """
    if problem.split is None:
        raise NeedsInput("training samples, to count errors on (--data DATA)")
    evidence = problem.evidence
    held = [] if evidence is None else [one for one in evidence.held if one.certificate.method == "pacbayes"]
    saved = held[0].certificate if held else None
    if saved is None and not problem.settings.passes:
        raise NeedsInput(
            "passes of a search (--passes N), or a certificate that boundcalc train --certify pacbayes saves"
        )
    certificate = _searched(problem, problem.split) if saved is None else saved
    found = _checked(certificate, problem, problem.split)
    bits = math.fsum(
        line.bits for line in found.lines[1:]
    )  # the first is the normalization, for which every bound pays
    terms = {
        "found_by": "search" if saved is None else "its certificate",
        "train_error": found.errors / problem.energies.m,
        "errors": found.errors,
        "surviving": found.network.surviving,
        "choice_bits": bits,
        "ledger": {line.item: line.bits for line in found.lines},
        "randomized": _randomized(found, problem),
    }
    told = replace(
        certificate, value=found.bound(certificate.delta), wrong=found.errors, ledger=found.lines,
        network_sha256=digest_of_network(found.network),
    )  # fmt: skip
    return AtDelta(
        lambda delta: theorem.error_bound(found.errors, problem.energies.m, bits, delta),
        terms,
        certificate=told,
    )


def _randomized(found: Decoded, problem: BoundInputs) -> dict[str, Any]:
    """Return the bound on the randomized network, which is yet another network (`boundcalc.certificates.pacbayes.gibbs`)."""
    assert found.randomized is not None
    told: dict[str, Any] = {
        "subject": "the randomized network: its last layer is drawn anew for every prediction"
    }
    try:
        other = found.randomized()
    except NotCovered as why:
        return {**told, "value": None, "reason": str(why)}
    delta = problem.settings.delta
    return {
        **told,
        "value": other.bound(problem.energies.m, delta),
        "train_error": other.train_error(ESTIMATE * delta),
        "wrong": other.wrong,
        "predictions": other.answers,
        "divergence_bits": other.divergence,
        "bits": other.bits,
    }


def _searched(problem: BoundInputs, split: Split) -> Certificate:
    settings = problem.settings
    normalize, sha = settings.normalization.numbers or None, digest_of_split(split)
    common = common_lines(normalize, settings.normalization.fixed, 1)
    task = DrawTask(
        problem.network, split, sha, problem.energies.m, normalize, settings.delta, settings.passes or 0, settings.seed,
        BETA, common,
    )  # fmt: skip
    found = search_draw(task)
    made_by = {"plan": {"normalize_fixed": settings.normalization.fixed}, "seed": settings.seed}
    return Certificate(
        "pacbayes", "compression", "data-free", split.source.label, sha, problem.energies.m, normalize, settings.delta, 1.0, (),
        0, common, "", made_by, of_drawn(found.frame.tree, found.stages),
    )  # fmt: skip


def _checked(certificate: Certificate, problem: BoundInputs, split: Split) -> Decoded:
    if certificate.normalize != (problem.settings.normalization.numbers or None):
        raise NotCovered(
            "the drawn network expects inputs with another normalization than that of --normalize"
        )
    if certificate.data_sha256 != digest_of_split(split):
        raise NotCovered("the certificate's training data are not those of --data (samples or labels differ)")
    try:
        found = decoded(certificate, problem.network, split)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotCovered(f"the certificate of the drawn network cannot be decoded ({error})") from None
    if certificate.network_sha256 and wrong_lines(certificate, found.lines):
        raise NotCovered(
            "a line of the certificate's ledger does not state the price of its choice: see boundcalc verify"
        )
    return found


register(
    Bound(
        "pacbayes",
        "certificate",
        "theorem",
        "disintegrated PAC-Bayes (Rivasplata et al. 2020; Viallard et al. 2024) with draws by a hash, Maurer 2004, Theorem 1",
        (
            (
                "iid sample; architecture, first stage and grids fixed before it, except the settings that "
                "are paid for"
            ),
            "the hash answers like a random oracle, asked at most 2^64 times for this sample",
            "it certifies the 0-1 error of one network that was drawn, which is not the checkpoint",
            "errors are counted in float64; a margin that its rounding may have made positive is an error (a fixed first stage is"
            " the function that is computed)",
        ),
        compute,
        subject="compression",
        prior="data-free",
    )
)
