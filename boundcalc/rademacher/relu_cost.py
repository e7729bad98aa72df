"""What a ReLU or a maximum costs in a peeling step: a factor 3/2 where 2 is usual.

Lemma. Let G: [0, inf) -> [0, inf) be convex and nondecreasing, T a bounded set of pairs (a, b) of vectors in R^m. Then

    E G(sup_T |sum_i xi_i max(a_i, b_i)|)
        <= 1/2 E G(sup_T |sum_i xi_i (a_i + b_i)|) + E G(sup_T |sum_i xi_i (a_i - b_i)|).

In particular E G(sup |sum xi_i relu(a_i)|) <= (3/2) E G(sup |sum xi_i a_i|), and the same with g_i in place of xi_i.

Proof. max(a, b) = (a + b)/2 + |a - b|/2, so by the triangle inequality and convexity the left side is at most
1/2 E G(sup |sum xi (a + b)|) + 1/2 E G(sup |sum xi |a - b||). Extend G to the line by G(max(x, 0)), which stays convex and
nondecreasing. G(|z|) <= G(z) + G(-z), and xi and -xi have one law, so the second expectation is at most
2 E G(sup sum xi |a - b|); by the contraction principle (Ledoux & Talagrand 1991, Theorem 4.12, without absolute values and
therefore without a factor) that is at most 2 E G(sup sum xi (a - b)). Normals: g_i = |g_i| xi_i, and the lemma holds for the vectors
(|g_i| a_i, |g_i| b_i) given |g_i|, since max is positively homogeneous.

Consequences, for classes closed under the l1 hull (sums of absolute weights at most 1):

- A union of classes costs nothing: T is any set. What must be common is the function, so a step is a maximum of two values for every
  member; a value >= 0 is its own maximum with 0 and passes freely.
- A maximum over k values >= 0 is ceil(log2 k) steps (pad with zeros); a ReLU followed or preceded by such a maximum is a maximum over
  k + 1 values, one of them 0, of any sign: ceil(log2(k + 1)) steps together.
- Without the absolute value on the left side (a supremum over a set that the next layer weighs with signs that it has absorbed) the
  outermost step is free.

Worst attained over bound on small classes: 1.11 of 1.5 for one ReLU (`tests/rademacher`).
"""

from __future__ import annotations

import math

LOG_STEP = math.log(1.5) * (1 + 2.0**-52)
"""Log of the factor of one maximum of two values, from above."""


def maximum_steps(values: int) -> int:
    """Return the number of maxima of two that a maximum over `values` nonnegative values takes, ceil(log2 values).

    Example:
        >>> maximum_steps(1), maximum_steps(4), maximum_steps(9)
        (0, 2, 4)
    """
    return (values - 1).bit_length()


def rectified_maximum_steps(values: int) -> int:
    """Return the steps of a ReLU together with a maximum over `values` values of any sign, in either order.

    Example:
        >>> rectified_maximum_steps(1), rectified_maximum_steps(3), rectified_maximum_steps(4)
        (1, 2, 3)
    """
    return maximum_steps(values + 1)


def log_cost(steps: float) -> float:
    """Return log((3/2)^steps), from above."""
    return steps * LOG_STEP


def leaky_log_cost(low: float, high: float) -> float:
    """Return the log of the factor of max(low t, high t) divided by its slope, for 0 <= low <= high and high > 0.

    It is (low + high)/2 t + (high - low)/2 |t|, so a step costs (low + high)/2 + (high - low) = (3 high - low)/2 in G's argument
    scaled by high: log((3 high - low) / (2 high)). All units of a level must have the same slopes, and no value passes freely.

    Raises:
        ValueError: other slopes.

    Example:
        >>> leaky_log_cost(0.0, 1.0) >= math.log(1.5), round(leaky_log_cost(1.0, 1.0), 9)
        (True, 0.0)
    """
    if not 0 <= low <= high or high <= 0:
        raise ValueError(f"slopes {low}, {high}: give 0 <= low <= high and high > 0")
    return math.log((3 * high - low) / (2 * high)) + 2.0**-50
