"""Explain a bound: its formula, assumptions, source and proof sketch, and for a checkpoint the formula with its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

import sympy
from sympy import Expr

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, registry
from boundcalc.bounds.evaluate import inputs_of
from boundcalc.bounds.outcome import EXCESS
from boundcalc.bounds.risk import risk_bound
from boundcalc.errors import NotCovered, UsageError
from boundcalc.nearest import hint
from boundcalc.norms.rounding import LIBM
from boundcalc.theory.forms import forms_of
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, SymbolicForm
from boundcalc.theory.symbolic_interval import log_middle
from boundcalc.theory.symbolic_ledger import MEANINGS, shown_value

PROVED = {
    "theorem": "theorem: proved, and tested by boundcalc falsify",
    "published": "published: taken from its source, not proved again here",
    "refuted": "refuted: a counter-example is known, so it is not a bound",
    "score": "score: ranks networks, and says nothing about the error",
}
OF_ERROR = {
    "published": "bound on the error of {} as published",
    "refuted": "claimed bound on the error of {} (refuted: it is not a bound)",
}
"""Name of the value of a bound that is not proved here, by status."""
SUBJECT_PHRASES = {
    "network": "your network, as it was read",
    "compression": "a compression of your network (another network, found from it)",
    "retrained": (
        "a network of this architecture that was trained afresh on a part of the sample (not your network)"
    ),
    "interpolant": "a kernel's interpolant (not your network)",
}
SHORT_SUBJECTS = {
    "network": "your network",
    "compression": "its compression",
    "retrained": "the network trained afresh",
    "interpolant": "the interpolant",
}
NORMALIZATION = (
    "digits of --normalize are paid for in bits, unless --normalize-fixed states that they did not "
    "come from the sample"
)
SHOWN_BY = {"derivative": "sign of the derivative", "grid": "numbers on a grid"}
DIGITS = 6
NO_FORM = "no symbolic form: the bound was registered by another package, which documents its formula"


@dataclass(frozen=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Sentences, one per line; Markdown and LaTeX show them as a bulleted list."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Equation:
    """An equation: left side, relation (``"="`` or ``"<="``) and right side; a side in words is a string."""

    left: str | Expr
    relation: str
    right: Expr


@dataclass(frozen=True)
class Numbers:
    """A table: column names, and rows of words, symbols and numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Expr, ...], ...]


Passage = Heading | Lines | Equation | Numbers


@dataclass(frozen=True)
class Explanation:
    """The explanation of one bound, as a sequence of passages."""

    parts: tuple[Passage, ...]


def find_bound(name: str) -> Bound:
    """Return a registered bound.

    Raises:
        UsageError: no bound has this name; the message proposes the nearest names.
    """
    if name in registry:
        return registry[name]
    raise UsageError(f"no bound is named {name}{hint(name, registry, 'see boundcalc bounds')}")


def explain(bound: Bound, problem: BoundInputs | None = None) -> Explanation:
    """Explain a bound.

    Args:
        bound: the registry's entry.
        problem: network and sample whose numbers are filled in; None for the formula alone.

    Returns:
        The explanation. If the bound does not cover the network, the explanation gives the reason.
    """
    parts: list[Passage] = [Heading(bound.name), *_identity(bound, problem)]
    evaluation = None if problem is None else _evaluated(bound, problem)
    forms = forms_of(bound.name)
    chosen = [form for form in forms if isinstance(evaluation, Evaluation) and form.applies(evaluation)]
    for form in chosen or forms:
        parts += _statement(form)
    if not forms:
        parts += [Heading("Formula"), Lines((NO_FORM,))]
    parts += _ledger(bound, forms)
    if isinstance(evaluation, str):
        parts += [Heading("With this checkpoint"), Lines((evaluation,))]
    elif evaluation is not None:
        parts += _with_numbers(evaluation, chosen[0] if chosen else None)
    return Explanation(tuple(parts))


def _identity(bound: Bound, problem: BoundInputs | None) -> list[Passage]:
    prior = () if bound.prior is None else (f"prior: {bound.prior}",)
    normalization = NORMALIZATION if problem is None else problem.settings.normalization.assumption()
    remark = (bound.remark,) if bound.remark else ()
    return [
        Lines((
            f"kind: {bound.kind}", f"status: {PROVED[bound.status]}", f"about: {SUBJECT_PHRASES[bound.subject]}",
            *prior, f"source: {bound.source}", *remark,
        )),
        Heading("Assumptions"),
        Lines((*bound.assumptions, normalization)),
    ]  # fmt: skip


def _statement(form: SymbolicForm) -> list[Passage]:
    title = "Formula" + (f", {form.condition}" if form.condition else "")
    parts: list[Passage] = [Heading(title), Equation(form.left, "<=", form.formula)]
    for definition in form.definitions:
        parts.append(Equation(definition.symbol, "=", definition.expr))
        if definition.last is not None:
            last = definition.symbol.base[sympy.Symbol("L", integer=True, positive=True)]
            parts.append(Equation(last, "=", definition.last))
    if form.value is not None:
        parts.append(Equation("value", "=", form.value))
    parts.append(Numbers(("symbol", "meaning"), tuple(form.meanings.items())))
    parts += [Heading("Why" + (f", {form.condition}" if form.condition else "")), Lines(form.sketch)]
    if form.promises:
        moves = tuple(
            (promise.symbol, promise.direction, promise.where or "-", SHOWN_BY[promise.shown])
            for promise in form.promises
        )
        parts += [Heading("How it moves"), Numbers(("symbol", "complexity", "where", "shown by"), moves)]
    return parts


def _ledger(bound: Bound, forms: tuple[SymbolicForm, ...]) -> list[Passage]:
    law = shown_value(bound.kind)
    if law is None or any(form.value is not None for form in forms):
        return []
    used = tuple((symbol, text) for symbol, text in MEANINGS.items() if symbol in law[1].free_symbols)
    return [
        Heading("From the complexity to the error"),
        Equation(law[0], "<=", law[1]),
        Numbers(("symbol", "meaning"), used),
    ]


def _evaluated(bound: Bound, problem: BoundInputs) -> Evaluation | str:
    seen = inputs_of(bound, problem)
    try:
        outcome = bound.compute(seen)
        return Evaluation(bound, seen, outcome, risk_bound(outcome, seen))
    except NotCovered as error:
        return f"not covered: {error}"
    except Exception as error:
        if bound.compute.__module__.startswith("boundcalc."):
            raise
        return f"not covered: {bound.compute.__module__} raised {type(error).__name__}: {error}"


def _with_numbers(evaluation: Evaluation, form: SymbolicForm | None) -> list[Passage]:
    parts: list[Passage] = [Heading("With this checkpoint")]
    if form is not None:
        try:
            filled = form.fill(evaluation)
            parts += _filled(form, filled)
        except NotFilled as reason:
            parts.append(Lines((f"the formula is not written out: {reason}",)))
    rows = _result(evaluation)
    return [*parts, Numbers(("result", "number"), rows)]


def _filled(form: SymbolicForm, filled: Filled) -> list[Passage]:
    per_layer = [symbol for symbol in filled.values if isinstance(symbol, sympy.Indexed)]
    single = [symbol for symbol in filled.values if symbol not in per_layer]
    used = form.at_depth(len(filled.layers)).atoms(sympy.Symbol, sympy.Indexed)
    rows = tuple(
        (symbol, form.meanings.get(symbol, ""), number(log_middle(filled.values[symbol])))
        for symbol in single
        if symbol in used
    )
    parts: list[Passage] = [Numbers(("symbol", "meaning", "number"), rows)]
    if filled.layers:
        parts.append(_by_layer(form, filled))
    if filled.notes:
        parts.append(Lines(filled.notes))
    parts.append(Equation(form.left, "<=", _numbers_in(form, filled)))
    total = log_middle(form.evaluate(filled))
    parts.append(Lines((f"= {upper(total)}",)))
    return parts


def _by_layer(form: SymbolicForm, filled: Filled) -> Numbers:
    symbols = [symbol for symbol in filled.values if isinstance(symbol, sympy.Indexed)]
    bases = list(dict.fromkeys(symbol.base for symbol in symbols))
    defined = [definition.symbol.base for definition in form.definitions]
    rows = []
    for index, name in enumerate(filled.layers, start=1):
        own = [
            number(log_middle(filled.values[base[index]])) if base[index] in filled.values else "-"
            for base in bases
        ]
        derived = [number(log_middle(form.evaluate(filled, base[sympy.Integer(index)]))) for base in defined]
        rows.append((str(index), name, *own, *derived))
    return Numbers(("l", "layer", *(str(base) for base in (*bases, *defined))), tuple(rows))


def _numbers_in(form: SymbolicForm, filled: Filled) -> Expr:
    """Return the formula with its symbols replaced by rounded numbers, as symbols so that sympy multiplies nothing out."""
    depth = sympy.Symbol("L", integer=True, positive=True)
    expr = form.formula.subs(depth, len(filled.layers)).doit() if filled.layers else form.formula
    shown = {}
    for symbol in expr.atoms(sympy.Symbol, sympy.Indexed):
        log_value = _derived(symbol, form, filled)
        if log_value is not None:
            shown[symbol] = sympy.Symbol(number(log_value), positive=True)
    return expr.xreplace(shown)


def _derived(symbol: Expr, form: SymbolicForm, filled: Filled) -> float | None:
    try:
        return log_middle(form.evaluate(filled, symbol))
    except (KeyError, ValueError):
        return None


def _result(evaluation: Evaluation) -> tuple[tuple[str, str], ...]:
    risk, terms = evaluation.risk, evaluation.risk.terms
    named = "score" if evaluation.bound.kind == "score" else "complexity"
    rows = []
    if math.isfinite(risk.log_complexity) or risk.log_complexity == -math.inf:
        rows.append((named, upper(risk.log_complexity)))
    if risk.margin is not None:
        rows.append(("margin", f"{risk.margin:.6g}"))
    for key, words in (
        ("margin_error", terms.get("margin_loss", "training margin error")), ("complexity_term", "complexity term"),
        ("confidence_term", "confidence term"), ("choice_bits", "bits paid for choices"), ("bits", "bits of the codeword"),
        ("normalization_bits", "bits of the normalization"),
        ("train_error", "training error of the quantized network"),
    ):  # fmt: skip
        value = terms.get(key)
        if isinstance(value, int | float):
            rows.append((words, _ceiling(value)))
    if risk.log_value < math.inf:
        rows.append((_of_error(evaluation), upper(risk.log_value)))
    if risk.log_value >= 0 and risk.log_value < math.inf:
        rows.append(("vacuous", "yes: a bound of 1 or more says nothing"))
    return tuple(rows)


def _of_error(evaluation: Evaluation) -> str:
    """Return the words that name the value; a number that is not proved is never called just "bound"."""
    words = OF_ERROR.get(evaluation.bound.status, "bound on the error of {}")
    told = words.replace("the error", "err - err_gamma(S)") if evaluation.risk.bounds == EXCESS else words
    return told.format(SHORT_SUBJECTS[evaluation.bound.subject])


def _ceiling(value: float) -> str:
    """Format a number >= 0 with six digits, rounded up.

    Example:
        >>> _ceiling(9.9315043), _ceiling(0.0), _ceiling(18737)
        ('9.93151', '0', '18737')
    """
    rounded = Context(prec=DIGITS, rounding=ROUND_CEILING).plus(Decimal(value))
    return f"{float(rounded):.{DIGITS}g}"


def upper(log_value: float) -> str:
    """Format exp(log_value), where `log_value` is the log of an upper bound, with six digits rounded up.

    Example:
        >>> upper(math.log(9.9315043)), upper(10000.0), upper(-math.inf)
        ('9.93151', '8.80682e+4342', '0')
    """
    if log_value == -math.inf:
        return "0"
    room = 1 + 2 * LIBM * (1 + abs(log_value))
    if abs(log_value) < 690:
        return _ceiling(math.exp(log_value) * room)
    power = math.floor(log_value / math.log(10))
    mantissa = _ceiling(math.exp(log_value - power * math.log(10)) * room)
    return f"1e{power + 1:+d}" if mantissa == "10" else f"{mantissa}e{power:+d}"


def number(log_value: float) -> str:
    """Format exp(log_value) with six digits, rounded to nearest; as a power of ten where a double would overflow.

    Example:
        >>> number(math.log(2.5)), number(10000.0), number(-math.inf)
        ('2.5', '8.80682e+4342', '0')
    """
    if log_value == -math.inf:
        return "0"
    if abs(log_value) < 690:
        return f"{math.exp(log_value):.6g}"
    power = math.floor(log_value / math.log(10))
    return f"{math.exp(log_value - power * math.log(10)):.6g}e{power:+d}"
