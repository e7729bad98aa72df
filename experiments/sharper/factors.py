"""How far the complexity of peeling lies below those of the bounds by Toeplitz norms, at one margin, on checkpoints.

Run as ``python experiments/sharper/factors.py data/tickets/lenet300_density02.pt ... [--data sample]``.
"""

from __future__ import annotations

import argparse

import boundcalc


def main() -> None:
    """Print one line a checkpoint and bound: complexity of the margins over that of peeling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--data", default="sample")
    given = parser.parse_args()
    for path in given.checkpoints:
        bounds = boundcalc.analyze(path, data=given.data, only=("bounds",), passes=0).to_dict()["bounds"]
        own = bounds["peeling"]
        for name, bound in bounds.items():
            if bound["kind"] in {"F", "loss"} and bound["value"] and own["value"]:
                print(f"{path}\t{name}\t{bound['complexity']:.4g}\t{bound['value'] / own['value']:.3g}")


if __name__ == "__main__":
    main()
