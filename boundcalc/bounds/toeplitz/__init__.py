"""The network as the bounds by Toeplitz norms see it: steps of known norms over any graph without loops.

`steps` says what each operation does to norms, `reach` bounds values and Lipschitz constants in the Euclidean norm (kind loss), and
`scale` bounds single units and counts the contractions on the way down (kind F). Proofs: docs/theory/toeplitz.md.
"""
