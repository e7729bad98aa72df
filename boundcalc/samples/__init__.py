"""Sample complexity of a pruned network: one file per paper, and the code that they share."""
