"""A small network drawn from a distribution that was fitted to the sample, and the bound on its error (docs/theory/pacbayes.md)."""
