"""The cost of a ReLU or a maximum in a peeling step: a factor 3/2 instead of the usual 2.

Lemma. Let G: [0, inf) -> [0, inf) be convex and nondecreasing, T a bounded set of pairs (a, b) of vectors in R^m. Then

    E G(sup_T |sum_i xi_i max(a_i, b_i)|)
        <= 1/2 E G(sup_T |sum_i xi_i (a_i + b_i)|) + E G(sup_T |sum_i xi_i (a_i - b_i)|).

In particular E G(sup |sum xi_i relu(a_i)|) <= (3/2) E G(sup |sum xi_i a_i|), and the same with g_i in place of xi_i.

Proof. max(a, b) = (a + b)/2 + |a - b|/2, so by the triangle inequality and convexity the left side is at most
1/2 E G(sup |sum xi (a + b)|) + 1/2 E G(sup |sum xi |a - b||). Extend G to the line by G(max(x, 0)), which stays convex and
nondecreasing. G(|z|) <= G(z) + G(-z), and xi and -xi have the same law, so the second expectation is at most
2 E G(sup sum xi |a - b|); by the contraction principle (Ledoux & Talagrand 1991, Theorem 4.12, without absolute values and
therefore without a factor) that is at most 2 E G(sup sum xi (a - b)). For normals, write g_i = |g_i| xi_i; the lemma holds for the
vectors (|g_i| a_i, |g_i| b_i) given |g_i|, since max is positively homogeneous.

Consequences, for classes closed under the l1 hull (sums of absolute weights at most 1):

- A union of classes costs nothing, because T is any set. The function must be common to all members, so a step is a maximum of two
  values for every member; a value >= 0 is its own maximum with 0 and is not changed by a ReLU step.
- A maximum over k values >= 0 takes ceil(log2 k) steps (pad with zeros). A ReLU followed or preceded by a maximum over k values of
  any sign is a maximum over k + 1 values, one of them 0: ceil(log2(k + 1)) steps together.
- If the left side has no absolute value (a supremum over a set that already absorbs the signs of the next layer's weights), the
  outermost step is free.

On small classes the largest attained factor is 1.11, against the bound 1.5 for one ReLU (`tests/rademacher`).
"""

from __future__ import annotations

import math

LOG_STEP = math.log(1.5) * (1 + 2.0**-52)
"""Log of the factor of one maximum of two values, from above."""


def maximum_steps(values: int) -> int:
    """Return ceil(log2 values), the number of maxima of two values that a maximum over `values` nonnegative values takes.

    Example:
        >>> maximum_steps(1), maximum_steps(4), maximum_steps(9)
        (0, 2, 4)
    """
    return (values - 1).bit_length()


def rectified_maximum_steps(values: int) -> int:
    """Return the number of steps of a ReLU together with a maximum over `values` values of any sign, in either order.

    Example:
        >>> rectified_maximum_steps(1), rectified_maximum_steps(3), rectified_maximum_steps(4)
        (1, 2, 3)
    """
    return maximum_steps(values + 1)


def log_cost(steps: float) -> float:
    """Return log((3/2)^steps), rounded up."""
    return steps * LOG_STEP


def contraction_log_cost(even: float, lipschitz: float) -> float:
    """Return the log of the cost of a function phi with phi(0) = 0, divided by its Lipschitz constant: log(1 + even / lipschitz).

    With o the odd and e the even part of phi, at most o- and e-Lipschitz, and lipschitz = o + e: an odd contraction costs nothing,
    because sup_T |sum xi o(a)| is the supremum without absolute value over T and -T, and an even one costs 2, as in the lemma. By
    convexity phi / lipschitz costs (o + 2 e) / (o + e). Any phi costs 2: e = lipschitz and no odd part.

    Args:
        even: Lipschitz constant of the even part.
        lipschitz: > 0, that of both parts together.

    Example:
        >>> contraction_log_cost(0.5, 1.0) >= math.log(1.5), contraction_log_cost(0.0, 1.0) < 1e-15
        (True, True)
    """
    return math.log1p(even / lipschitz) + 2.0**-50


def leaky_log_cost(low: float, high: float) -> float:
    """Return the log of the cost of the function max(low t, high t) divided by `high`, for 0 <= low <= high and high > 0.

    The function is (low + high)/2 t + (high - low)/2 |t|, so a step costs (low + high)/2 + (high - low) = (3 high - low)/2 in the
    argument of G; divided by high, the log is log((3 high - low) / (2 high)). All units of a level must have the same slopes, and
    values that skip the level are not free.

    Raises:
        ValueError: the slopes are outside this range.

    Example:
        >>> leaky_log_cost(0.0, 1.0) >= math.log(1.5), round(leaky_log_cost(1.0, 1.0), 9)
        (True, 0.0)
    """
    if not 0 <= low <= high or high <= 0:
        raise ValueError(f"slopes {low}, {high}: give 0 <= low <= high and high > 0")
    return math.log((3 * high - low) / (2 * high)) + 2.0**-50
