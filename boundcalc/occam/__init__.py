"""Description lengths: a prefix code for pruned, quantized networks, its encoder and decoder, and the search for short
codewords.
"""
