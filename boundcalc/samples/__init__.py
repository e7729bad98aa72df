"""Sample complexity of a pruned network: one file a paper, and what they share."""
