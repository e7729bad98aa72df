"""A pruned ReLU network as a graph of a few understood operations, whatever file it came from."""
