"""Progress is told on a terminal, and only there."""

from __future__ import annotations

import io
import sys

import pytest

from boundcalc import progress
from boundcalc.cli.progress import Stages


class Terminal(io.StringIO):
    """Standard error that somebody looks at."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "quiet"), [(Terminal, False), (Terminal, True), (io.StringIO, False)])
def test_stages_are_told_where_somebody_looks(monkeypatch, stream, quiet):
    seen = stream()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("COLUMNS", "80")
    with Stages(quiet) as stages:
        stages.stage("bounds: peeling")
        progress.stage("bounds: occam")
        with progress.counting("passes", 2):
            progress.advance()
        shown = None if stages._line is None else stages._line.desc
    told = seen.getvalue()
    if stream is Terminal and not quiet:
        for word in ("reading", "bounds: peeling", "bounds: occam"):
            assert word in told
        assert shown == "bounds: occam: 1 of 2 passes"
    else:
        assert (told, shown) == ("", None)
