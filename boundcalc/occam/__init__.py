"""Description lengths: a prefix code for pruned, quantised networks, its encoder and decoder, and the search for short codewords."""
