"""pick: the bound on a network that was trained on the examples it picked (sample compression with a preference)."""
