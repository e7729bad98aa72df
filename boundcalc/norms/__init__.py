"""Norms of layers as linear maps on their actual input size, never from below."""
