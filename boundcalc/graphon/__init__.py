"""Mask graphons: the mask of a layer as a step function on the unit square.

`counts` stores the mask as integers, `ordering` and `spectral_cells` decide which units share a cell, `estimate` computes the
averages, `held_out` decides which cells predict better, `homomorphisms` computes densities of small graphs, `refine` differences
of two step functions, `cut` their cut norm, `mask_graphons` the part of the report, `compare` compares two networks, and `ntk`
computes the graphon NTK.
"""
