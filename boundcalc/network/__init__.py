"""A pruned ReLU network as a graph of a few supported operations, whatever file it came from."""
