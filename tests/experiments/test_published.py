"""Published tables of tickets: what is read of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = "accuracy,sparsity,seed,model,dataset,layer_id,iterative_spectral_gap,iterative_degree_bound,degree_bound\n"
WHOLE = "accuracy,pruning,sparsity,model,dataset,seed,nodes,edges,sink_nodes\n"


def test_taus_of_published_tables(tmp_path):
    """A gap that rises with accuracy, over two layers of which one has no gap; and a feature that falls with it."""
    layers, whole = (tmp_path / name for name in ("ramanunjan_results/net", "graph_metrics/unrolled"))
    layers.mkdir(parents=True)
    whole.mkdir(parents=True)
    seeds = (5, 6, 7)
    gaps = "".join(
        f"0.{k},0.9,{k},net,data,{layer},,,{gap}\n" for k in seeds for layer, gap in ((0, k), (1, "-inf"))
    )
    features = "".join(f"0.{k},snip,0.9,net,data,{k},9,9,{-k}\n" for k in seeds)
    (layers / "net.csv").write_text(LAYERS + gaps)
    (whole / "unrolled.csv").write_text(WHOLE + features)
    metrics = tmp_path / "csv_metric"
    tables = metrics / "density_0.05" / "data" / "net" / "csv"
    tables.mkdir(parents=True)
    scored = "".join(f"{name},layer,{density},,{density},1,,\n" for name, density in (("a", 0.1), ("b", 0.2)))
    trained = "".join(f"{epoch},0.{accuracy},{epoch},{name}\n" for epoch, name, accuracy in
                      ((1, "a", 9), (2, "a", 1), (1, "b", 0), (2, "b", 2)))  # fmt: skip
    (tables / "graph_seed-1.csv").write_text(
        "prune_type,layer,sparsity,sm,rm,ism,irm,random_factor\n" + scored
    )
    (tables / "summary-1.csv").write_text("row,test_acc,epoch,prune_type\n" + trained)
    words = ["-m", "experiments.published_tables.make", str(tmp_path), str(metrics), "--out", str(tmp_path)]
    subprocess.run([sys.executable, "-W", "error", *words], check=True, cwd=ROOT)
    summary = json.loads((tmp_path / "results.json").read_text())["summary"]
    found = {
        f"{name}: {row['quantity']}": row["within"][0]
        for name, family in summary.items()
        for row in family["quantities"]
    }
    at_initialization = {"delta_r": 1.0, "delta_s_imdb": 0.0, "mean_layer_density": 1.0}
    assert found == {
        "bipartite: delta_r": 1.0,
        **{f"bipartite, Hoang et al.: {name}": tau for name, tau in at_initialization.items()},
        "multipartite: edges": 0.0,
        "multipartite: sink_nodes": -1.0,
    }
    assert summary["bipartite"]["tickets"] == 3 and summary["bipartite"]["densities"] == [0.1]
