"""Norms of layers as linear maps on their actual input size, rounded up."""
