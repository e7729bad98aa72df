"""Mask topology: spectral scores of each layer's mask as a bipartite graph, compared with those of random masks.

`hoang2023` defines the scores, `coordinate` the coordinate of the network, `bipartite` the graphs, `spectra` their two leading
singular values, and `random_masks` what density alone predicts.
"""

from boundcalc.topology.coordinate import LayerTopology, Topology, analyze

__all__ = ["LayerTopology", "Topology", "analyze"]
