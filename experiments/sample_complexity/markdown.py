"""The results as markdown."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


def report(results: Tree) -> str:
    """Return results.md."""
    told = ", ".join(f"{what} {version}" for what, version in results["versions"].items())
    parts = [
        "# Sample complexity by experiment",
        _answer(results["fit"], results["thresholds"]),
        f"Written by `{results['command']}`; the numbers are those of `results.json`. Versions: {told}.",
        _facts("Setting", results["setting"].items()),
        _facts("Fit", _fit(results["fit"])),
        "## Thresholds\n\n" + _thresholds(results["thresholds"]),
        "## Probes: one thing varied at a time\n\n" + _probes(results["probes"]),
        "## Convergence at a fixed sample\n\nFactor by which the distance to the teacher shrinks per step.\n\n"
        + _rates(results["rates"]),
        f"{results['seconds']} seconds on one thread.",
    ]
    return "\n\n".join(parts) + "\n"


def _answer(fit: Tree, cells: list[Tree]) -> str:
    each = sorted(c["median_N"] / (c["K"] * c["r"]) for c in cells)
    return (
        "**Claim** (Zhang et al. 2021): a student recovers a teacher of K hidden neurons with r weights each from N samples, N"
        " proportional to $K^4 \\tilde r$, times a power of how unlike its neurons are.\n\n**Answer**, with"
        f" {100 * fit['level']:g} % intervals. N grows like $\\tilde r$ to the power {fit['r_tilde_exponent']:.3f}"
        f" {_span(fit['r_tilde_exponent_interval'])}, so pruning saves samples nearly as the claim says; but like K to the power"
        f" {fit['K_exponent']:.3f} {_span(fit['K_exponent_interval'])}, not 4, and neither unequal norms nor disjoint supports"
        f" change it as the formula says (probes below). N is {each[0]:.2f} to {each[-1]:.2f} samples for each surviving weight in"
        f" every cell; the formula with one constant explains none of it (R^2 {fit['r_squared']:.3f})."
    )


def _fit(fit: Tree) -> list[tuple[str, str]]:
    by_neurons = ", ".join(f"K = {K}: {c:.3g}" for K, c in fit["c_by_K"].items())
    percent = f"{100 * fit['level']:g} %"
    return [
        ("c", f"{fit['c']:.3g}, {percent} bootstrap interval {_span(fit['c_interval'])} (cells and seeds)"),
        ("c by K", by_neurons),
        ("R^2 of the formula, log N", f"{fit['r_squared']:.3f}"),
        ("largest miss of a cell", f"factor {fit['largest_misfit_factor']:.3g}"),
        (
            "exponent of r~",
            f"{fit['r_tilde_exponent']:.3f} {_span(fit['r_tilde_exponent_interval'])} (1 in the formula), "
            f"R^2 {fit['r_tilde_exponent_r_squared']:.3f}",
        ),
        ("R^2 of N = a_K r~", f"{fit['r_tilde_proportional_r_squared']:.3f}"),
        (
            "exponent of r in place of r~",
            f"{fit['weight_exponent']:.3f} {_span(fit['weight_exponent_interval'])}, "
            f"R^2 {fit['weight_exponent_r_squared']:.3f}",
        ),
        ("exponent of K", f"{fit['K_exponent']:.3f} {_span(fit['K_exponent_interval'])} (4 in the formula)"),
    ]


def _thresholds(cells: list[Tree]) -> str:
    rows = [
        (c["K"], c["r"], f"{c['r_tilde']:.2f}", f"{c['median_N']:g}", f"{c['N'][0]} to {c['N'][-1]}",
         f"{c['median_N'] / c['r_tilde']:.2f}", f"{c['median_N'] / (c['K'] * c['r']):.2f}", c["censored"])
        for c in cells
    ]  # fmt: skip
    return _grid(("K", "r", "r~", "median N", "range", "N / r~", "N / (K r)", "at an end of the grid"), rows)


def _probes(probes: list[Tree]) -> str:
    rows = [
        (p["probe"], p["K"], p["r"], f"{p['r_tilde']:.2f}", f"{p['log_kappa4_gamma2']:.2f}", f"{p['median_N']:g}",
         f"{p['N'][0]} to {p['N'][-1]}")
        for p in probes
    ]  # fmt: skip
    return _grid(("varied", "K", "r", "r~", "log kappa^4 Gamma^2", "median N", "range"), rows)


def _rates(rates: list[Tree]) -> str:
    rows = [
        (
            rate["method"],
            rate["K"],
            rate["r"],
            rate["N"],
            f"{rate['contraction']:.4f}",
            _span(rate["range"], 4),
        )
        for rate in rates
    ]
    return _grid(("method", "K", "r", "N", "mean factor", "range"), rows)


def _facts(title: str, facts: Any) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {key}: {value}" for key, value in facts)


def _grid(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _span(ends: Any, digits: int = 3) -> str:
    return f"[{ends[0]:.{digits}g}, {ends[1]:.{digits}g}]"
