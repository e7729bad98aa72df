"""Mask topology: spectral scores of a layer's mask as a bipartite graph, beside those of random masks.

`hoang2023` has the scores and the network's coordinate, `bipartite` the graphs, `spectra` their two leading singular values,
`random_masks` what density alone predicts.
"""

from boundcalc.topology.hoang2023 import LayerTopology, Topology, analyse

__all__ = ["LayerTopology", "Topology", "analyse"]
