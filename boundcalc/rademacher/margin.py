"""Bounds of the complexity of margins by that of the outputs, without the general vector contraction.

For a ramp loss of width gamma: err <= err_gamma + (2/gamma) R_S(margins) + confidence, with
R_S(margins) = (1/m) E sup_f sum_i xi_i (f_{y_i}(x_i) - max_{c != y_i} f_c(x_i)). The usual way bounds it by 2 R_S(F),
R_S(F) = (1/m) E sup_f sum_ic xi_ic f_c(x_i) (Maurer 2016, sqrt2, times the margin's Lipschitz constant sqrt2).

Here F is the class of outputs f_c = sum_p V_cp u_p with members u_p of unit classes (each weighted by its scale), measured by
one of three norms. Z = sup_p sup_{u_p} |sum_i xi_i u_p(x_i)| and z = (E Z^2)^(1/2); z_top is z with one step of `relu_cost`
less; z_own^2 = sum_c E Z^2, where Z sums only over the samples of class c, and z_others^2 is the same with all samples but those
of class c; w = sup_u (sum_i u(x_i)^2)^(1/2); C is the number of classes.

"l1 over units" (rho = sum_p s_p ||V_.p||_2; one node: a product of Frobenius norms):

    m R_S(F)       <= rho min( sqrt(C) z,  sqrt(pi/2) (sqrt(C) w + z_top) ),
    m R_S(margins) <= rho min( z_own + sqrt(pi/2) min( z_others, sqrt(C) w + z_top ),
                               sqrt(pi) min( sqrt(C - 1) z, sqrt(C - 1) w + z_top ) ).

"l1" (rho = sum_cp s_p |V_cp|), with z_log = (E max_c Z_c^2)^(1/2), log C added to K, and z_log_own over each class's own samples:

    m R_S(F) <= rho z_log,      m R_S(margins) <= rho min( z_log_own + sqrt(pi/2) z_log,  sqrt(pi) z_log ).

"l2" (rho = (sum_cp s_p^2 V_cp^2)^(1/2)), with n_c predecessors of class c and energies weighted by n_c:

    m R_S(F) <= rho (sum n_c)^(1/2) z,   m R_S(margins) <= rho min( z_own + sqrt(pi/2) z_others,  sqrt(pi) (sum n_c)^(1/2) z ).

Proof. The margin of sample i is f_{y_i} - max_{c != y_i} f_c; the supremum of a sum is at most the sum of the suprema. For the
first part, sum_i xi_i f_{y_i}(x_i) = sum_c sum_{i of class c} xi_i f_c(x_i), and Cauchy-Schwarz applies over classes. For the
second part, E sup sum xi_i h_i <= sqrt(pi/2) E sup sum g_i h_i (Jensen, E|g| = sqrt(2/pi)), and since |max_c f_c - max_c f'_c|^2
<= sum_{c != y_i} (f_c - f'_c)^2 the Gaussian process sum_i g_i max_c f_c(x_i) has increments no larger than those of sum_{i, c !=
y_i} g_ic f_c(x_i); Sudakov and Fernique (Fernique 1975; Vershynin 2018, Theorem 7.2.11) compare the suprema. So sqrt(pi/2)
replaces Maurer's sqrt2. For both parts together, |margin - margin'|^2 <= 2 ||P(f - f')||^2 with P the projection orthogonal to
(1, ..., 1), of rank C - 1. Chevet: the extreme points of "l1 over units" are v u with v a unit vector over classes and u a
unit-class member, and ||v u - v' u'||^2 <= w^2 ||v - v'||^2 + ||u - u'||^2 (||v|| = ||v'|| = 1, ||u||, ||u'|| <= w), so E sup <=
w E||h|| + E sup_u sum g_i u(x_i), where h is standard normal in C (or C - 1) dimensions and E||h|| <= sqrt(C). The last supremum
has no absolute value, so its outermost step is free (`relu_cost`).

A class with one output g has margins (2y - 1) g (for two classes, g = f_1 - f_0), so R_S(margins) = R_S(F) and C = 1.

Margins do not change when the same function is subtracted from every output, so the rows of the last layer may be centered
before rho is measured: by their mean if norms over classes are l2, by their median if they are l1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from boundcalc.norms.rounding import log_product, logsumexp

HALF_LOG_HALF_PI = 0.5 * math.log(math.pi / 2)
HALF_LOG_PI = 0.5 * math.log(math.pi)


@dataclass(frozen=True)
class Moments:
    """Logs of upper bounds of the numbers of this module for one class; inf if a number is not known.

    Attributes:
        whole: log z.
        top: log z_top.
        own: log z_own.
        others: log z_others.
        width: log w.
    """

    whole: float
    top: float
    own: float = math.inf
    others: float = math.inf
    width: float = math.inf


def _root(count: int) -> float:
    return 0.5 * math.log(count) if count else -math.inf


def outputs_l1_over_units(classes: int, z: Moments) -> float:
    """Return log(m R_S(F) / rho) for "l1 over units"; `whole` and `top` refer to one class."""
    chevet = logsumexp([log_product([_root(classes), z.width]), z.top])
    return min(log_product([_root(classes), z.whole]), log_product([HALF_LOG_HALF_PI, chevet]))


def margins_l1_over_units(classes: int, z: Moments) -> float:
    """Return log(m R_S(margins) / rho) for "l1 over units"; `classes` is 1 for a single output."""
    if classes == 1:
        return z.whole
    chevet = logsumexp([log_product([_root(classes), z.width]), z.top])
    centered = logsumexp([log_product([_root(classes - 1), z.width]), z.top])
    second = min(z.others, log_product([_root(classes), z.whole]), chevet)
    first = min(z.own, log_product([_root(classes), z.whole]))
    apart = logsumexp([first, log_product([HALF_LOG_HALF_PI, second])])
    return min(apart, log_product([HALF_LOG_PI, min(log_product([_root(classes - 1), z.whole]), centered)]))


def margins_summed(classes: int, z: Moments) -> float:
    """Return log(m R_S(margins) / rho) for "l1" and "l2"; the moments `whole`, `own` and `others` refer to all classes."""
    if classes == 1:
        return z.whole
    second = min(z.others, z.whole)
    apart = logsumexp([min(z.own, z.whole), log_product([HALF_LOG_HALF_PI, second])])
    return min(apart, log_product([HALF_LOG_PI, z.whole]))
