"""Mask graphons: a layer's mask as a step function on the unit square.

`counts` has the mask as integers, `ordering` and `spectral_cells` which units share a cell, `estimate` the averages,
`held_out` which cells predict better, `homomorphisms` densities of small graphs, `refine` differences of two step functions,
`cut` their cut norm, `pham2025` the part of the report and `compare` two networks.
"""
