"""Lemmas on Rademacher complexities that provide the constants of every norm bound, one file per lemma.

- `relu_cost`: a ReLU costs a factor 3/2 in a peeling step, and a maximum over k values takes ceil(log2 k) such steps.
- `second_moment`: the last step of a peeling bounds the second moment of maxima over sets of inputs.
- `margin`: the step from outputs to margins, without the general vector contraction.
- `confidence`: the confidence term 2 sqrt(log(1/delta) / (2m)).
- `maurey_chaining`: covering numbers of sparse averages, and chaining with few levels.

Notation. xi_i are independent signs, g_i independent standard normals, x_1..x_m the sample. Logarithms are natural. All functions
return upper bounds, rounded as described in `boundcalc.norms.rounding`.
"""
