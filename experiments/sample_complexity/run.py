"""Sample complexity by experiment: how many samples a student needs to recover a sparse teacher.

    python -m experiments.sample_complexity.run

Teachers with one hidden layer and a planted mask label Gaussian inputs; students within the mask, started near the teacher, are
trained by heavy ball. For every (K, r) and seed the smallest sample that recovers the teacher is found by bisection; the constant c
of the sample complexity and the exponents are fitted to these thresholds. One thread, fixed seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from boundcalc.samples.calibration import Calibration
from experiments.common.record import versions
from experiments.sample_complexity import fit
from experiments.sample_complexity.descent import Descent, contraction, train
from experiments.sample_complexity.markdown import report
from experiments.sample_complexity.teacher import Plan, draw_inputs, draw_teacher, labels, start_near
from experiments.sample_complexity.threshold import FEWEST, MOST, STEPS_PER_OCTAVE, smallest_sample

HERE = Path(__file__).parent
CALIBRATION = HERE.parents[1] / "data" / "calibration.json"
COMMAND = "python -m experiments.sample_complexity.run"


@dataclass(frozen=True)
class Setting:
    """All that the results depend on.

    Attributes:
        d: inputs.
        neurons: values of K.
        weights: values of r, surviving weights of a neuron.
        seeds: teachers a cell.
        how: the training that must recover the teacher.
        probed: the (K, r) at which supports, conditioning and start are varied one at a time.
        rate_samples: N of the rate runs, the same for every r.
        resamples: bootstrap.
    """

    d: int = 100
    neurons: tuple[int, ...] = (2, 4, 8, 16)
    weights: tuple[int, ...] = (6, 12, 25, 50, 100)
    seeds: int = 20
    how: Descent = Descent(momentum=0.9, iterations=1000, tolerance=1e-3, distance=0.2)
    probed: tuple[int, int] = (8, 12)
    rate_samples: int = 2000
    resamples: int = 2000


TINY = Setting(
    d=12,
    neurons=(2, 3),
    weights=(3, 6),
    seeds=3,
    how=Descent(momentum=0.9, iterations=150, tolerance=1e-2, distance=0.2),
    probed=(3, 4),
    rate_samples=300,
    resamples=50,
)


def main(arguments: list[str] | None = None) -> None:
    """Run everything and write results.json, results.md and the calibration file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a few seconds: a test of the script")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json and results.md")
    parser.add_argument("--calibration", type=Path, default=CALIBRATION)
    options = parser.parse_args(arguments)
    if options.tiny and options.calibration == CALIBRATION:
        parser.error("--tiny needs --calibration: its constant is of no use")
    torch.set_num_threads(1)
    start = time.perf_counter()
    setting = TINY if options.tiny else Setting()
    cells = [
        measure(Plan(K, r, setting.d), setting.how, setting) for K in setting.neurons for r in setting.weights
    ]
    command = COMMAND + (" --tiny" if options.tiny else "")
    results = {
        "command": command,
        "versions": versions(),
        "setting": described(setting),
        "thresholds": [described_cell(cell) for cell in cells],
        "fit": fitted(cells, setting),
        "probes": probes(setting),
        "rates": rates(setting),
    }
    results["seconds"] = round(time.perf_counter() - start)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    (options.out / "results.md").write_text(report(results))
    calibration(results, command).save(options.calibration)
    print(report(results))


def measure(plan: Plan, how: Descent, setting: Setting) -> fit.Cell:
    """Return the thresholds of one plan over all seeds."""
    cell = fit.Cell(plan, tuple(smallest_sample(plan, how, seed) for seed in range(setting.seeds)))
    print(f"{plan} start {how.distance}: median N {cell.median:g}", flush=True)
    return cell


def probes(setting: Setting) -> list[dict[str, Any]]:
    """Vary one thing at a time: how supports overlap, how neurons differ in norm, how far the start is."""
    K, r = setting.probed
    plan = Plan(K, r, max(setting.d, K * r))
    plans = [(f"supports {name}", replace(plan, arrangement=name)) for name in ("same", "random", "disjoint")]
    plans += [(f"norms spread {spread:g}", replace(plan, spread=spread)) for spread in (2.0, 4.0)]
    found = [{"probe": name, **described_cell(measure(each, setting.how, setting))} for name, each in plans]
    for distance in (0.1, 0.4):
        cell = measure(plan, replace(setting.how, distance=distance), setting)
        found.append({"probe": f"start at {distance:g}", **described_cell(cell)})
    return found


def rates(setting: Setting) -> list[dict[str, Any]]:
    """Return the factor by which the distance shrinks per step at one N for every r, mean and range over seeds."""
    K = setting.probed[0]
    found = []
    for name, momentum in (("gradient descent", 0.0), ("heavy ball", 0.5)):
        how = replace(setting.how, momentum=momentum, tolerance=1e-5)
        for r in setting.weights:
            factors = [
                one_rate(Plan(K, r, setting.d), how, setting.rate_samples, s) for s in range(setting.seeds)
            ]
            found.append({
                "method": name, "momentum": momentum, "K": K, "r": r, "N": setting.rate_samples,
                "contraction": sum(factors) / len(factors), "range": [min(factors), max(factors)],
            })  # fmt: skip
    return found


def one_rate(plan: Plan, how: Descent, samples: int, seed: int) -> float:
    """Return the contraction per step of one run."""
    teacher = draw_teacher(plan, seed)
    inputs = draw_inputs(samples, plan.d, seed)
    return contraction(
        train(teacher, inputs, labels(teacher, inputs), start_near(teacher, how.distance, seed), how)
    )


def fitted(cells: list[fit.Cell], setting: Setting) -> dict[str, Any]:
    """Return c, the exponents, their intervals and what is left unexplained."""
    data = fit.table(cells)
    seeds_only = fit.bootstrap(data, setting.resamples, 0, resample_cells=False)
    with_cells = fit.bootstrap(data, setting.resamples, 1, resample_cells=True)
    return {
        "c": fit.constant(data),
        "c_interval": fit.interval([fit.constant(each) for each in with_cells]),
        "level": fit.LEVEL,
        "c_by_K": {str(K): c for K, c in fit.constants_by_neurons(data).items()},
        "r_squared": fit.formula_r_squared(data),
        "largest_misfit_factor": fit.misfit(data),
        "largest_kappa4_gamma2": math.exp(
            max(each.log_conditioning for cell in cells for each in cell.found)
        ),
        "r_tilde_exponent": fit.r_exponent(data),
        "r_tilde_exponent_interval": fit.interval([fit.r_exponent(each) for each in seeds_only]),
        "r_tilde_exponent_r_squared": fit.r_exponent_r_squared(data),
        "r_tilde_proportional_r_squared": fit.proportional_r_squared(data),
        "weight_exponent": fit.weight_exponent(data),
        "weight_exponent_interval": fit.interval([fit.weight_exponent(each) for each in seeds_only]),
        "weight_exponent_r_squared": fit.weight_exponent_r_squared(data),
        "K_exponent": fit.neuron_exponent(data),
        "K_exponent_interval": fit.interval([fit.neuron_exponent(each) for each in seeds_only]),
        "K_exponent_of_formula": 4,
    }


def calibration(results: dict[str, Any], command: str) -> Calibration:
    """Return what boundcalc reads."""
    found = results["fit"]
    low, high = found["c_interval"]
    return Calibration(
        c=found["c"], low=low, high=high, level=fit.LEVEL, eps0=fit.EPS0, log_q=fit.LOG_Q,
        misfit=found["largest_misfit_factor"], largest_k=max(results["setting"]["K"]),
        largest_conditioning=found["largest_kappa4_gamma2"],
        setting=results["setting"], fit=found, command=command,
    )  # fmt: skip


def described(setting: Setting) -> dict[str, Any]:
    """Return the setting in plain values."""
    how = setting.how
    return {
        "network": "g(x) = (1/K) sum_j relu(w_j . x), rows of W nearly orthonormal within a random mask",
        "inputs": f"standard Gaussian, d = {setting.d}",
        "K": list(setting.neurons),
        "r": list(setting.weights),
        "seeds": setting.seeds,
        "method": f"heavy ball, momentum {how.momentum:g}, at most {how.iterations} steps of 1 / curvature",
        "start": f"within the mask, ||W - W*||_F = {how.distance:g} ||W*||_F",
        "recovered": f"||W - W*||_F <= {how.tolerance:g} ||W*||_F",
        "grid": f"{STEPS_PER_OCTAVE} sizes an octave, {FEWEST:g} to {MOST:g} samples a surviving weight",
        "noise": "none, so that recovery is exact or fails: the power of eps0 is not tested; c belongs to eps0 = 0.5",
    }


def described_cell(cell: fit.Cell) -> dict[str, Any]:
    """Return a cell in plain values."""
    found, count = cell.found, len(cell.found)
    return {
        "K": cell.plan.K,
        "r": cell.plan.r,
        "r_tilde": sum(each.r_tilde for each in found) / count,
        "log_kappa4_gamma2": sum(each.log_conditioning for each in found) / count,
        "median_N": cell.median,
        "N": sorted(each.N for each in found),
        "censored": sum(each.censored for each in found),
    }


if __name__ == "__main__":
    main()
