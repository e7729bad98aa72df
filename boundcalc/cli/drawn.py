"""`--save-certificate FILE`: the certificate of the network that pacbayes draws, for `boundcalc verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.cli import output
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult


def check(place: str, options: Options) -> None:
    """Refuse what cannot be saved, before anything is computed for it.

    Args:
        place: the file.
        options: of the analysis.

    Raises:
        UsageError: no data, no passes, no bounds asked for, or a place that cannot be written.
    """
    if options.data is None or not options.passes or not options.wants("bounds"):
        raise UsageError(
            "--save-certificate needs a search by pacbayes: give --data and --passes N, and bounds in --only if given"
        )
    output.check(place)


def save(result: AnalysisResult, place: str) -> None:
    """Write the certificate.

    Raises:
        BoundcalcError: there is none; the message says why.
    """
    found = result.bounds["pacbayes"]
    certificate = getattr(found.outcome, "certificate", None)
    if certificate is None:
        raise BoundcalcError(f"--save-certificate {place}: pacbayes is {found.reason}")
    output.write_bytes(certificate.text().encode(), place)
