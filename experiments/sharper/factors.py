"""How far the bound by peeling lies below, or above, those by Toeplitz norms on checkpoints.

Run as ``python experiments/sharper/factors.py data/tickets/lenet300_density02.pt ... [--data sample] [--margin 1000]``. Without a
margin each bound takes the one that is best for it.
"""

from __future__ import annotations

import argparse

import boundcalc


def main() -> None:
    """Print one line a checkpoint and bound: margin, complexity term of the bound on the error, and that over peeling's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--margin", type=float)
    given = parser.parse_args()
    for path in given.checkpoints:
        report = boundcalc.analyze(path, data=given.data, only=("bounds",), passes=0, margin=given.margin)
        bounds = report.to_dict()["bounds"]
        own = bounds["peeling"]["terms"]["complexity_term"]
        for name, bound in bounds.items():
            term = (bound["terms"] or {}).get("complexity_term")
            if bound["kind"] in {"F", "loss"} and term and own:
                print(f"{path}\t{name}\t{bound['margin']:.4g}\t{term:.4g}\t{term / own:.3g}")


if __name__ == "__main__":
    main()
