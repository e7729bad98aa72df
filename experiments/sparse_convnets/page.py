"""docs/results/sparse-convnets.md from results.json: `python -m experiments.sparse_convnets.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.bounds import registry
from boundcalc.figures.style import canvas, legend_below, log_axis, look
from experiments.common.page import command, grid, made, num, publish
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPARSE = ("peeling", "path_norm")


def text(results: Tree) -> str:
    """Return the page."""
    setting, summary = results["setting"], results["summary"]
    how = setting["training"]
    return "\n\n".join([
        "# Bounds of sparse convolutional networks",
        "**Claim** (Galanti, Xu, Galanti & Poggio 2023, Norm-based Generalization Bounds for Sparse Neural Networks):"
        " bounds that use the"
        " sparsity of convolutions are orders of magnitude below those by norms of Toeplitz matrices, and near the"
        " error on simple problems.",
        f"**What was run.** CONV-L-{how['channels']} (2 x 2 kernels, stride 1, no bias, weight normalization), mean"
        " squares on one-hot"
        f" labels, weight decay {how['decay']:g}, {how['samples']:,} training images, {how['epochs']} epochs of"
        " gradient descent; dense, and"
        f" pruned at initialization by {setting['pruner']}, which does not see the sample. Every theorem bounds the"
        " test error at"
        " confidence 0.95; at 1 or above it says nothing. `galanti2023` is the formula of the released code; it is"
        " refuted and bounds nothing.",
        "![Bounds along training](../_static/sparse-convnets.svg)",
        "## Errors and bounds at the last epoch that was run",
        errors(summary["networks"]),
        bounds(summary["networks"]),
        verdict(summary["networks"]),
        left(setting, summary),
        made(results, "sparse_convnets"),
        command(
            "python -m experiments.sparse_convnets.run --data mnist:DIR mnist:FASHION   # goes on where it stopped",
            "trains for hours, and needs MNIST and Fashion-MNIST",
        ),
    ]) + "\n"  # fmt: skip


def _name(row: Tree) -> str:
    return f"data {row['data']}, L = {row['depth']}, {100 * row['density']:g} %"


def errors(rows: list[Tree]) -> str:
    """Return the table of measured errors."""
    return grid(
        ("network", "epoch", "seeds", "surviving", "training error", "test error"),
        [
            (_name(row), row["epochs"][-1], row["seeds"], f"{100 * row['measured_density']:.1f} %",
             f"{row['train_error']:.4f}", f"{row['test_error']:.4f}")
            for row in rows
        ],
    )  # fmt: skip


def bounds(rows: list[Tree]) -> str:
    """Return the table of bounds, the sparse ones first."""
    names = sorted({name for row in rows for name in row["log10_bounds"]}, key=lambda n: (n not in SPARSE, n))
    return grid(
        ("bound", "status", "speaks of", *(_name(row) for row in rows)),
        [
            (
                f"`{name}`",
                registry[name].status,
                registry[name].subject,
                *(_value(row["log10_bounds"].get(name)) for row in rows),
            )
            for name in names
        ],
    )


def _value(course: list[float] | None) -> str:
    if course is None:
        return "-"
    return num(10 ** course[-1]) if course[-1] < 6 else f"10^{course[-1]:.1f}"


def verdict(rows: list[Tree]) -> str:
    """Return how far the sparse bounds are from the others and from the error."""
    told = []
    for row in rows:
        last = {name: course[-1] for name, course in row["log10_bounds"].items()}
        sparse = min(last[name] for name in SPARSE if name in last)
        proved = {
            name: value
            for name, value in last.items()
            if name not in SPARSE
            and registry[name].status == "theorem"
            and registry[name].kind in {"F", "loss"}
        }
        best = min(proved, key=lambda name: proved[name])
        told.append(
            f"- {_name(row)}: the better of `peeling` and `path_norm` is 10^{sparse:.1f}, the best theorem by"
            " Toeplitz norms"
            f" (`{best}`) 10^{proved[best]:.1f}, the test error {row['test_error']:.3f}."
        )
    nearest = min(
        min(course[-1] for name, course in row["log10_bounds"].items() if name in SPARSE) for row in rows
    )
    return "\n".join(
        [
            "## Verdict",
            "",
            *told,
            "",
            (
                "No sparse bound is below 1: none says anything about these errors, and none is near them."
                if nearest >= 0
                else "A sparse bound is below 1 for at least one network."
            ),
        ]
    )


def left(setting: Tree, summary: Tree) -> str:
    """Return what of the plan was not run."""
    epochs = setting["training"]["epochs"] // setting["every"] + 1
    each = len(setting["depths"]) * len(setting["densities"]) * setting["seeds"] * epochs
    return (
        f"**Not run.** The plan has {each} measurements a data set; {summary['cells']} were made in all. Beyond it:"
        " the paper's 200 to 1000"
        " channels and its full training sets."
    )


def figure(results: Tree) -> Figure:
    """Draw the bounds along training, of the dense and of the sparse network that went farthest."""
    rows = sorted(results["summary"]["networks"], key=lambda row: len(row["epochs"]), reverse=True)
    chosen = rows[:1] + [row for row in rows if row["density"] != rows[0]["density"]][:1]
    drawn, axes = canvas(3.0 + 2.2 * (len(chosen) - 1), rows=len(chosen))
    names = sorted(
        {name for row in chosen for name in row["log10_bounds"]}, key=lambda n: (n not in SPARSE, n)
    )
    handles = {}
    for axis, row in zip(axes, chosen, strict=True):
        for index, name in enumerate(names):
            if name in row["log10_bounds"]:
                (handles[name],) = axis.plot(row["epochs"], row["log10_bounds"][name], **look(index))
        log_axis(axis.yaxis, *axis.get_ylim())
        axis.axhline(0.0, linewidth=0.8)
        axis.set(xlabel="epoch", ylabel="value", title=_name(row))
    legend_below(drawn, list(handles.values()), list(handles), 2)
    return drawn


if __name__ == "__main__":
    publish("sparse-convnets", Path(__file__).parent, text, {"sparse-convnets": figure})
