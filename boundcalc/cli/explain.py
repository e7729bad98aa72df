"""`boundcalc explain BOUND [CHECKPOINT]`: what a bound says, with the numbers of a checkpoint if one is given."""

from __future__ import annotations

from boundcalc.cli import groups
from boundcalc.cli.output import check, write
from boundcalc.cli.parser import make_explain as make_parser
from boundcalc.cli.progress import Stages
from boundcalc.errors import UsageError


def run(words: list[str]) -> int:
    """Explain one bound.

    Args:
        words: the command line after the command.

    Returns:
        0.

    Raises:
        UsageError: the bound is unknown, or a checkpoint is given without a sample.
    """
    given = make_parser().parse_all(words)
    options = groups.options(given)
    check(given.output)
    if given.checkpoint is not None and options.data is None and options.input_bound is None:
        raise UsageError(
            "explaining with a checkpoint needs a sample: --data DATA, or --samples M and --input-bound B"
        )

    from boundcalc.theory.explain import explain, find_bound
    from boundcalc.theory.explain_views import render

    bound = find_bound(given.bound)
    if given.checkpoint is not None:
        from boundcalc.analysis import checkpoint_of, problem_of

        with Stages(given.quiet) as stages:
            checkpoint = checkpoint_of(given.checkpoint, options)
            problem = problem_of(checkpoint, options, spectral=bound.spectral)
            stages.stage(f"explaining {bound.name}")
            explained = explain(bound, problem)
    else:
        explained = explain(bound)
    write(render(explained, given.format), given.output)
    return 0
