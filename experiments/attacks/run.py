"""Attacks on every bound, as `boundcalc falsify` makes them, with their page for the documentation.

    python experiments/attacks/run.py                        60 trials a bound, some minutes
    python experiments/attacks/run.py --trials 1 -o /tmp path_norm

results.json, beside this file or in another folder, can be attacked again by `boundcalc falsify --replay`; results.md is a page of
the documentation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from boundcalc.bounds.catalogue import registry
from boundcalc.report.views import module_of
from boundcalc.theory.falsify import falsify
from boundcalc.theory.falsify_found import NotRefuted
from boundcalc.theory.falsify_report import render, sections
from boundcalc.threads import one_thread


def page(found: dict[str, Any]) -> str:
    """Return results.md.

    Args:
        found: content of results.json.
    """
    violated = ", ".join(found["theorems_violated"]) or "none"
    text = module_of("markdown").page("", sections(found)).partition("\n")[2]
    return (
        "# What attacks on the bounds found\n\n"
        f"Theorems that were violated: {violated}. A theorem cannot be violated if its proof and its code are right; a formula that"
        " is known to be wrong should be. Made by `python experiments/attacks/run.py"
        f" --trials {found['trials']} --seed {found['seed']}`."
        f" Ratios far above 1 say how little these attacks, or the bounds, can do.\n{text}"
    )


def main(argv: list[str] | None = None) -> None:
    """Attack and write.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bounds", nargs="*", default=list(registry))
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args(argv)
    with one_thread():
        try:
            found = falsify([registry[name] for name in given.bounds], given.trials, given.seed)
        except NotRefuted as error:
            found = error.found
    text = render(found, "json")
    (given.output / "results.json").write_text(text, encoding="utf-8")
    (given.output / "results.md").write_text(page(json.loads(text)), encoding="utf-8")


if __name__ == "__main__":
    main()
