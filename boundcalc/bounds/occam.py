"""Description-length certificate of a quantized network ("occam").

Fix a prefix code before the sample. For a network h with a codeword of `bits` bits and with error err_S(h) on m samples,

    kl(err_S(h) || err(h)) <= (bits log 2 + log(1 / delta)) / m      for every h with err_S(h) < err(h), with probability >= 1 - delta

(Chernoff's bound and a union over codewords). The value is the largest err(h) that satisfies it. It certifies the 0-1 error of the
quantized network, which `--save-quantised` writes; `encode` and `decode` implement the code.
"""

from __future__ import annotations

import math

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.outcome import Coded, CodewordCertificate
from boundcalc.empirical.behind_stage import without_stage
from boundcalc.errors import NeedsInput, NotCovered
from boundcalc.network.coverage import require
from boundcalc.occam.search import SearchTask, search


def compute(problem: BoundInputs) -> CodewordCertificate:
    """Search for codewords with small certificates.

    Raises:
        NeedsInput: there are no training samples.
        NotCovered: the network has operations that the code does not describe, or it cannot be run on the data.
    """
    settings = problem.settings
    require(without_stage(problem.network)[1])
    if problem.split is None:
        raise NeedsInput("training samples, to measure the error on (--data DATA)")
    if problem.margins is None:
        raise NotCovered("no error to certify: the network cannot be run on the data")
    task = SearchTask(
        problem.network, problem.split, problem.energies.m, settings.delta, problem.reference, settings.device,
        settings.seed, settings.passes, settings.normalization.bits,
    )  # fmt: skip
    found = search(task)
    words = tuple(
        Coded(stage.name, math.fsum(stage.bits.values()), stage.errors, stage.network, found.plan, stage.word)
        for stage in found.stages
    )
    terms = {
        "sections": found.best.bits,
        "passes": found.passes,
        **({"remark": found.remark} if found.remark else {}),
    }
    return CodewordCertificate(words, terms)


register(
    Bound(
        "occam",
        "certificate",
        "theorem",
        "Chernoff's bound with a union over the codewords of a prefix code (Blumer et al. 1987; Langford & Schapire 2005)",
        (
            "iid sample; architecture, code and reference fixed before the sample",
            "it certifies the 0-1 error of the quantized network, up to the order of its hidden units",
            "nothing is assumed of the mask's or the weights' origin: both are coded and paid for",
            "errors on the sample are counted in float64, whose rounding is not bounded; a tie counts as an error",
        ),
        compute,
        subject="compression",
        prior="data-free",
    )
)
