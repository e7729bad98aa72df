"""Names of files and layers are shown and nothing else, in every view of a report, a comparison and a store."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from itertools import product

import pytest
import torch

import boundcalc
from boundcalc.batch import runner
from boundcalc.batch.store import opened
from boundcalc.batch.table import render
from boundcalc.cli.main import main
from boundcalc.options import Options
from boundcalc.report import FORMATS

NAMES = {
    "script": "<script>alert(1)<%script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": "\" onmouseover=\"alert(1)\" x='",
    "entity": "&lt;b&gt;&#60;script&#62;",
    "template": "{{ 7*7 }}{% raw %}",
    "closing": "</title><script>1</script>".replace("/", "∕"),
    "latex": r"\input{|id}\write18{id}^^5cinput",
    "table row": r"a & b \\ \hline % c",
    "markdown": "[x](javascript:alert)|`c`|![i](y)",
    "link": "https:∕∕evil.org www.evil.org x@evil.org #1".replace("∕", "⁄"),
    "formula": "=HYPERLINK(\"evil\",\"x\")",
    "formula +": "+1+cmd|' C'!A0",
    "formula -": "-1+cmd",
    "formula @": "@SUM(1)",
    "formula wide": "＝1+1",
    "right to left": "a\u202eb\u2066c",
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "line feed": "a\nb\rc\u2028d\x85e",
    "tab": "\t=1+1",
}  # fmt: skip
PLAIN = "layer"
OPTIONS = {
    "only": ("bounds", "samples", "topology", "graphon"),
    "samples": 100,
    "input_bound": 1.0,
    "cells": 2,
}


def saved(folder, name):
    """A network whose file and layers are called so; layers have no names that cannot be printed."""
    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.pt"
    name = name if name.isprintable() else PLAIN
    keys = {f"0{name}.weight": torch.randn(4, 5), f"1{name}.weight": torch.randn(3, 4)}
    if name[:1] in set("=+-@＝\t"):
        keys = {f"{name}{key}": tensor for key, tensor in zip("01", keys.values(), strict=True)}
        keys = {f"{key}.weight": tensor for key, tensor in keys.items()}
    torch.save(keys, path)
    return path


@pytest.fixture(scope="module")
def shown(tmp_path_factory, once):
    """For every name, in every format: the report, a comparison of the network with itself, and a store."""
    return once("shown_names", lambda: _shown(tmp_path_factory))


def _shown(tmp_path_factory):
    found = {}
    for kind, name in {"plain": PLAIN, **NAMES}.items():
        home = tmp_path_factory.mktemp("x")
        path = saved(home / "in", name)
        store = home / "s.sqlite"
        report = boundcalc.analyze(path, **OPTIONS)
        comparison = boundcalc.compare(path, path, **OPTIONS)
        runner.run([path, _broken(home / "in", name)], store, Options(**OPTIONS), 1)
        with opened(store) as opened_store:
            for format in FORMATS:
                found[kind, "report", format] = report.to(format)
                found[kind, "comparison", format] = comparison.to(format)
                found[kind, "store", format] = render(opened_store, format)
    return found


def _broken(folder, name):
    path = folder / f"{name} broken.pt"
    path.write_text("no checkpoint")
    return path


@pytest.fixture(scope="module", autouse=True)
def here():
    """Batches of this module run in its own process."""
    from boundcalc.batch import worker

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "LocalWorkers", _Inline)
        patched.setattr(worker, "limit_threads", lambda threads: None)
        yield


class _Inline:
    threads = free = 1

    def __init__(self, workers):
        """Run tasks at once."""

    def submit(self, task):
        from concurrent.futures import Future

        from boundcalc.batch.worker import work

        future = Future()
        future.set_result(work(task))
        return future

    def check(self):
        """It runs."""

    def close(self):
        """Nothing runs."""


class _Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.texts = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add((tag, *(name for name, _ in attrs)))
        self.texts += [value or "" for name, value in attrs if name in {"href", "src", "action", "style"}]

    def handle_data(self, data):
        self.texts.append(data)


SUBJECTS = ("report", "comparison", "store")
every = pytest.mark.parametrize("kind", NAMES)


@every
def test_a_page_has_the_tags_of_a_plain_name(shown, kind):
    for subject in SUBJECTS:
        page = shown[kind, subject, "html"]
        plain = _Tags(shown["plain", subject, "html"])
        mine = _Tags(page)
        assert {tag for tag, *_ in mine.found} == {tag for tag, *_ in plain.found}
        assert {name for _, *names in mine.found for name in names} == {
            name for _, *names in plain.found for name in names
        }
        assert page.count("<script") == shown["plain", subject, "html"].count("<script")
        assert "javascript:alert" not in [text[:16] for text in mine.texts]


ESCAPES = {
    *(
        "textbackslash",
        "textasciicircum",
        "textasciitilde",
        "textless",
        "textgreater",
        "textbar",
        "allowbreak",
        "times",
    )
}


def commands(text):
    return set(re.findall(r"\\([A-Za-z]+)", text.replace("\\\\", " ")))


@every
def test_latex_has_the_commands_of_a_plain_name(shown, kind):
    for subject in SUBJECTS:
        comment, text = shown[kind, subject, "latex"].split("\n", 1)
        assert comment.startswith("% boundcalc ")
        assert commands(text) <= commands(shown["plain", subject, "latex"]) | ESCAPES
        for line in text.splitlines():
            assert not re.search(r"(?<!\\)%", line)
            assert "^^" not in line


@every
def test_markdown_makes_no_links_images_or_cells(shown, kind):
    for subject in SUBJECTS:
        text = shown[kind, subject, "markdown"]
        bare = re.sub(r"\\[\\`*_{}\[\]<>#|~&$@./+=)(-]", "", text)
        assert not re.search(r"[\[\]<>@`]|://|www\.", bare)
        widths = [
            len(re.split(r"(?<!\\)(?:\\\\)*\|", line)) for line in text.splitlines() if line.startswith("| ")
        ]
        plain = shown["plain", subject, "markdown"]
        assert sorted(set(widths)) == sorted(
            {
                len(re.split(r"(?<!\\)(?:\\\\)*\|", line))
                for line in plain.splitlines()
                if line.startswith("| ")
            }
        )


@every
def test_no_view_moves_a_cursor_or_turns_a_line(shown, kind):
    for subject, format in product(SUBJECTS, FORMATS):
        text = shown[kind, subject, format]
        assert not set(text) & set("\x1b\x07\u202e\u2066\u2028\x85\r")


@every
def test_csv_has_no_cell_that_a_spreadsheet_would_run(shown, kind):
    for subject in SUBJECTS:
        rows = list(csv.DictReader(io.StringIO(shown[kind, subject, "csv"], newline="")))
        assert rows
        for row in rows:
            if row["value"]:
                float(row.pop("value"))
            assert not any(cell[:1] in set("=+-@\t\r\n＝＋－＠") for cell in row.values() if cell)


def test_markdown_of_names_with_addresses():
    from boundcalc.report.views.markdown import page

    text = page("https://evil.org www.evil.org x@evil.org", ())
    assert text == "# https:\\//evil.org www\\.evil.org x\\@evil.org\n"


@pytest.mark.parametrize("command", ["report", "compare", "batch"])
def test_csv_raw_leaves_text_and_guarded_text_is_found_again(tmp_path, capsys, command):
    from boundcalc.report.csv_cells import unguarded

    path = saved(tmp_path / "in", "=1+1")
    words = {
        "report": [str(path)],
        "compare": ["compare", str(path), str(path)],
        "batch": ["batch", str(path), "--store", str(tmp_path / "s.sqlite"), "--workers", "1", "--quiet"],
    }[command]
    read = {}
    for option in ((), ("--csv-raw",)):
        assert main([*words, "--only", "samples", "--format", "csv", *option]) == 0
        rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        read[option] = [
            [cell for cell in row if not cell.replace(".", "").isdigit()]
            for row in rows
            if "seconds" not in row
        ]
    guarded, raw = read.values()
    assert guarded != raw
    assert any(cell.startswith("=1+1") for row in raw for cell in row)
    assert [[unguarded(cell) for cell in row] for row in guarded] == raw


def test_csv_raw_goes_with_csv_alone(tmp_path, capsys):
    path = saved(tmp_path / "in", "net")
    for words in (
        [str(path)],
        ["compare", str(path), str(path)],
        ["batch", str(path), "--store", "s"],
        ["falsify"],
    ):
        assert main([*words, "--csv-raw"]) == 2
        assert capsys.readouterr().err == "boundcalc: --csv-raw goes with --format csv, not table\n"


def test_numbers_are_left_alone():
    from boundcalc.report.csv_cells import guarded, table, unguarded

    text = table(("name", "value"), [("-1", "-1.5e-300"), ("a", "-3"), ("=a", ""), ("'=", "=b")])
    assert text.splitlines()[1:] == ["'-1,-1.5e-300", "a,-3", "'=a,", "''=,'=b"]
    for name in NAMES.values():
        for quotes in ("", "'", "''"):
            assert unguarded(guarded(quotes + name)) == quotes + name
