"""Progress is told on a terminal, and only there."""

from __future__ import annotations

import io
import sys

import pytest

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
        stages.tell("bounds: peeling")
        assert list(stages.passing([([0], [0]), ([1], [1])], "training", 2)) == [([0], [0]), ([1], [1])]
    told = seen.getvalue()
    if stream is Terminal and not quiet:
        for word in ("reading", "bounds: peeling", "training samples"):
            assert word in told
    else:
        assert told == ""
