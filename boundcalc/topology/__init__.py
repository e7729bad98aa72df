"""Mask topology: spectral scores of a layer's mask as a bipartite graph, beside those of random masks.

`hoang2023` has the scores, `coordinate` the network's, `bipartite` the graphs, `spectra` their two leading singular values,
`random_masks` what density alone predicts.
"""

from boundcalc.topology.coordinate import LayerTopology, Topology, analyze

__all__ = ["LayerTopology", "Topology", "analyze"]
