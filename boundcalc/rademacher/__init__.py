"""Lemmas on Rademacher complexities that every norm bound takes its constants from, one file a lemma.

- `relu_cost`: a ReLU costs 3/2 in a peeling step, a maximum over k values ceil(log2 k) such steps.
- `second_moment`: the last step of a peeling, a second moment of maxima over sets of inputs.
- `margin`: from outputs to margins without the general vector contraction.
- `confidence`: 2 sqrt(log(1/delta) / (2m)).
- `maurey_chaining`: covering numbers of sparse averages, and chaining with few levels.

Notation. xi_i are independent signs, g_i independent standard normals, x_1..x_m the sample. Logarithms are natural. Functions return
numbers from above, rounded as `boundcalc.norms.rounding` says.
"""
