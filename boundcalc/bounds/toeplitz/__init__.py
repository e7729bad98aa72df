"""The network in the form that the bounds by Toeplitz norms use: an acyclic graph of steps whose norms are known.

`steps` says what each operation does to norms, `reach` bounds values and Lipschitz constants in the Euclidean norm (kind loss), and
`scale` bounds single units and counts the contractions on the way down (kind F). Proofs: docs/theory/toeplitz.md.
"""
