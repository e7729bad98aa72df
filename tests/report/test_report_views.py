"""What every view keeps, whatever the names, reasons and numbers are."""

import csv
import io
import re
import unicodedata
from collections import Counter

import pytest
from drawn_trees import TREES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boundcalc.report import SCHEMA, Report
from boundcalc.report.rows import document
from boundcalc.report.views.latex import escaped
from boundcalc.report.views.table import Style, styled

views = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(TREES)
@views
def test_the_table_fits_100_columns(tree):
    text = Report(tree).to("table")
    for line in text.splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()
    for char in set(text) - {"\n"}:
        assert char.isprintable()
        assert unicodedata.east_asian_width(char) not in {"W", "F"}
        assert not unicodedata.category(char).startswith("M")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_verdict_comes_first(tree, width):
    first, rest = styled(tree, Style(width)).split("\n\n", 1)
    words = " ".join(first.split())
    for line in tree["summary"]:
        assert set(line.removeprefix("Measured: ").split()) <= set(words.split())
    assert "read " in first and "sparsity " in first and "looks wrong" in first
    assert "Verdict" not in rest


@given(TREES, st.integers(1, 300), st.booleans())
@views
def test_the_table_is_as_wide_as_the_terminal(tree, width, verbose):
    shown = min(max(width, 60), 200)
    text = styled(tree, Style(width, verbose))
    assert max(map(len, text.splitlines())) <= shown
    coloured = styled(tree, Style(width, verbose, color=True))
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == text


def test_what_only_experts_ask_for_is_told_on_request(lenet300):
    brief, whole = (Report(lenet300).to("table", full=full) for full in (False, True))
    for word in ("sha256", "seconds", "Smallest bound of your network"):
        assert word in whole and word not in brief
    assert "--verbose" in brief and "--verbose" not in whole
    assert len(brief) < len(whole)


def test_a_grid_that_is_too_wide_is_split_between_its_columns():
    layers = [
        {"name": "a_layer_with_a_name", **dict.fromkeys(("K", "r_tilde", "ratio", "surviving"), 123456)}
    ]
    text = styled({"schema": SCHEMA, "samples": {"layers": layers}}, Style(60))
    assert text.count("a_layer_with_a_name") == 2


def test_the_table_shows_long_reasons_whole(declared):
    reason = declared["bounds"]["neyshabur2015_fro"]["reason"]
    assert reason in " ".join(Report(declared).to("table").split())


def bound_rows(tree, slugs=("bounds", "compression", "reference")):
    return [row for section in document(tree) if section.slug in slugs for row in section.grid.rows]


def test_bounds_are_sorted_by_value_and_by_whose_error_they_bound(lenet300, declared):
    assert [row[0] for row in bound_rows(lenet300, ["bounds"])][:2] == ["peeling", "path_norm"]
    assert [row[0] for row in bound_rows(lenet300, ["compression"])] == ["occam"]
    assert [row[0] for row in bound_rows(lenet300, ["reference"])] == ["galanti2023"]
    assert [row[0] for row in bound_rows(declared)] == [
        "peeling", "golowich2018_fro", "galanti2023", "gouk2021_fro", "longsedghi2020",
    ]  # fmt: skip
    (reasons,) = [section for section in document(declared) if section.slug == "reasons"]
    assert [label for label, _ in reasons.facts][:2] == ["bartlett2017", "neyshabur2015_fro"]


def test_bounds_that_are_not_covered_for_one_reason_share_a_line(declared):
    for name in ("bartlett2017", "neyshabur2015_fro"):
        declared["bounds"][name]["reason"] = "not covered: bias at fc1"
    (reasons,) = [section for section in document(declared) if section.slug == "reasons"]
    assert reasons.facts[0] == (
        "2 bounds",
        "need a network without biases (fc1 has one): bartlett2017, neyshabur2015_fro",
    )


def test_bounds_of_equal_value_are_sorted_by_name():
    equal = {"status": "theorem", "value": 2.0}
    zero = {"status": "theorem", "value": 0.0}
    tree = {
        "schema": SCHEMA,
        "bounds": {"c": {**equal, "log10_value": 0.3010299956639812}, "b": equal, "z": zero},
    }
    assert [row[0] for row in bound_rows(tree)] == ["z", "b", "c"]


@given(TREES)
@views
def test_what_is_not_proved_never_looks_like_a_bound(tree):
    if not tree["bounds"]:
        return
    shown = bound_rows(tree)
    covered = [name for name, bound in tree["bounds"].items() if bound["status"] != "not_covered"]
    assert sorted(row[0] for row in shown) == sorted(covered)
    for row in bound_rows(tree, ["compression"]):
        assert tree["bounds"][row[0]]["status"] == "theorem"
    for row in bound_rows(tree, ["bounds", "reference"]):
        status = tree["bounds"][row[0]]["status"]
        for number in (row[2], row[3], row[6]):
            in_parentheses = number.startswith("(") and number.endswith(")")
            assert number == "-" or in_parentheses == (status in {"refuted", "published", "score"}), row
        if status in {"refuted", "published", "score"}:
            assert row[1] == status.upper()
            assert row[4] in {"vacuous", "not proved"}


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
@pytest.mark.parametrize("status", ["refuted", "published", "score"])
def test_a_legend_explains_the_parentheses(format, status):
    tree = {"schema": SCHEMA, "bounds": {"a": {"status": status, "value": 0.25, "log10_value": -0.6}}}
    text = Report(tree).to(format, full=True)
    assert "(0.250)" in text
    assert "Values in ( ) are not proved bounds." in text
    assert f"{status.upper()}:" in text
    assert "Smallest bound" not in text


def test_every_null_cell_is_a_dash(declared):
    layers = {"layers": [{"name": "a"}]}
    tree = {**declared, "samples": layers, "topology": layers, "graphon": layers}
    grids = [section.grid for section in document(tree) if section.slug in {"samples", "topology", "graphon"}]
    assert [set(grid.rows[0][1:]) for grid in grids] == [{"-"}] * 3


# -- csv --------------------------------------------------------------------------------------------------


def numbers_of(node):
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        return [number for item in node for number in numbers_of(item)]
    return [node] if isinstance(node, int | float) and not isinstance(node, bool) else []


@given(TREES)
@views
def test_csv_holds_every_number_once(tree):
    rows = list(csv.DictReader(io.StringIO(Report(tree).to("csv", full=True), newline="")))
    values = [row["value"] for row in rows if row["value"] and row["quantity"] != "vacuous"]
    read = [int(value) if value.isdigit() else float(value) for value in values]
    assert Counter(map(repr, read)) == Counter(map(repr, numbers_of(tree)))


def test_csv_leaves_out_the_entries_of_graphons(lenet300):
    rows, every = (
        list(csv.DictReader(io.StringIO(Report(lenet300).to("csv", full=full), newline="")))
        for full in (False, True)
    )
    left_out = [row for row in every if row not in rows]
    assert left_out and all(row["part"] == "graphon" and "[" in row["quantity"] for row in left_out)
    assert any(row["quantity"].startswith("cut_from_constant") for row in rows)


def test_csv_is_tidy(tree):
    text = Report(tree).to("csv", full=True)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == [
        "checkpoint",
        "part",
        "name",
        "quantity",
        "value",
        "status",
        "source",
        "reason",
        "subject",
    ]
    assert {row["checkpoint"] for row in rows} == {tree["checkpoint"]["path"]}
    assert "\r" not in text
    keys = [(row["part"], row["name"], row["quantity"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for name, bound in tree["bounds"].items():
        mine = {row["quantity"]: row for row in rows if row["part"] == "bounds" and row["name"] == name}
        assert {"complexity", "value", "log10_value"} <= set(mine)
        assert {(row["status"], row["source"], row["reason"], row["subject"]) for row in mine.values()} == {
            (bound["status"], bound["source"], bound["reason"] or "", bound["subject"])
        }
        assert mine["vacuous"]["value"] == str(int(bound["vacuous"]))
        value = mine["value"]["value"]
        assert (float(value) if value else None) == bound["value"]


# -- markdown ---------------------------------------------------------------------------------------------


def unescaped(text):
    return re.sub(r"\\([\\`*_{}\[\]<>#|~&$@])", r"\1", text)


@given(TREES)
@views
def test_markdown_tables_have_their_cells(tree):
    lines = Report(tree).to("markdown").splitlines()
    tables = [line for line in lines if line.startswith("| ")]
    expected = []
    for section in document(tree):
        if section.grid is not None:
            columns = section.grid.columns
            expected += [
                tuple(column.header for column in columns),
                ("-",) * len(columns),
                *section.grid.rows,
            ]
    assert len(tables) == len(expected)
    for line, cells in zip(tables, expected, strict=True):
        shown = re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]
        assert len(shown) == len(cells), line


def test_markdown_keeps_names(tree):
    text = unescaped(Report(tree).to("markdown"))
    covered = [name for name, bound in tree["bounds"].items() if bound["status"] != "not_covered"]
    for name in [*covered, *(layer["name"] for layer in tree["network"]["layers"])]:
        assert f"| {name} |" in text
    for name in tree["bounds"].keys() - set(covered):
        assert f"- **{name}**: " in text


@pytest.mark.parametrize(
    ("line", "shown"),
    [("- a", r"- \- a"), ("1. a", r"- 1\. a"), ("94.9 % of", "- 94.9 % of"), ("a_b|c", r"- a\_b\|c")],
)
def test_markdown_notes_do_not_become_lists(line, shown):
    assert shown in Report({"schema": SCHEMA, "summary": [line]}).to("markdown").splitlines()


# -- latex ------------------------------------------------------------------------------------------------

COMMANDS = {
    *("begin", "end", "centering", "small", "caption", "label", "toprule", "midrule", "bottomrule", "par"),
    *("medskip", "parbox", "linewidth", "footnotesize", "allowbreak", "setlength", "tabcolsep", "times"),
    *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
}


def check_latex(text):
    """Check by scanning: commands known, braces and environments nested, specials escaped, cells counted."""
    body = text.split("\n", 1)[1]
    assert set(re.findall(r"\\([A-Za-z]+)", body.replace("\\\\", " "))) <= COMMANDS
    environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    stripped = re.sub(r"\\[\\{}$&#_%]", " ", body)
    depth = 0
    for char in stripped:
        depth += (char == "{") - (char == "}")
        assert depth >= 0
    assert depth == 0
    outside = re.sub(r"\$[^$\n]*\$", "", stripped)
    assert not set(outside) & set('$#_%~^<>|"`') - {"`"}
    assert all(
        re.fullmatch(r"[-0-9.^{}\\times ]+", math[1:-1]) for math in re.findall(r"\$[^$\n]*\$", stripped)
    )
    assert "--" not in outside
    check_cells(body)


def check_cells(body):
    for spec, rows in re.findall(
        r"\\begin\{tabular\}\{((?:[lr]|p\{[^}]*\})+)\}\n(.*?)\n\\end\{tabular\}", body, re.S
    ):
        columns = len(re.sub(r"p\{[^}]*\}", "l", spec))
        for row in rows.split("\n"):
            if not row.endswith("rule"):
                assert row.endswith(r" \\")
                assert len(re.findall(r"(?<!\\)(?:\\\\)*&", row)) == columns - 1, row
                assert not row.startswith(("[", "*"))


@given(TREES)
@views
def test_latex_is_well_formed(tree):
    for full in (False, True):
        check_latex(Report(tree).to("latex", full=full))


def test_latex_is_the_bounds_alone_unless_all_is_asked_for(lenet300):
    text = Report(lenet300).to("latex")
    labels = re.findall(r"\\label\{tab:boundcalc-([\w-]+)\}", text)
    assert labels == ["bounds", "compression"]
    without = Report({"schema": SCHEMA, "network": lenet300["network"]}).to("latex")
    assert r"\label{tab:boundcalc-layers}" in without
    kernel = Report({"schema": SCHEMA, "network": lenet300["network"], "gntk": lenet300["gntk"]}).to("latex")
    assert r"\label{tab:boundcalc-gntk}" in kernel and "boundcalc-layers" not in kernel


def test_latex_of_the_examples(tree):
    text = Report(tree).to("latex", full=True)
    check_latex(text)
    assert r"\label{tab:boundcalc-bounds}" in text
    assert text.splitlines()[0].endswith(r"needs \usepackage{booktabs}")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("fc_1.weight", r"fc\_1.weight"),
        ("10^7.3", "$10^{7.3}$"),
        ("about 10^-2.5.", "about $10^{-2.5}$."),
        ("a\\b{c}", r"a\textbackslash{}b\{c\}"),
        ("--data", "-{}-data"),
        ("[0.1, 0.2]", "{[}0.1, 0.2{]}"),
        ("5.12 %", r"5.12 \%"),
        ("é层", "éU+5C42"),
    ],
)
def test_latex_escapes(text, latex):
    assert escaped(text) == latex


def test_latex_numbers():
    layers = [{"name": "a", "delta_r": -1.25, "narc": -1.23e-7, "lambda": 1.5e6, "sigma1": 1.5e7}]
    text = Report({"schema": SCHEMA, "topology": {"layers": layers}}).to("latex", full=True)
    assert (
        r"a & $-1.25$ & - & $1.5 \times 10^{6}$ & - & $-1.23 \times 10^{-7}$ & $10^{7.2}$ & - & - \\" in text
    )
