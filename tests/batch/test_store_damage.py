"""Stores that are damaged, closed, of another kind or of a former version."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import traceback
import zlib
from pathlib import Path

import pytest

from boundcalc.batch import claims, runner
from boundcalc.batch.claims import Claims
from boundcalc.batch.damage import damaged
from boundcalc.batch.frame import records
from boundcalc.batch.keys import settings_of
from boundcalc.batch.store import DamagedReport, connect, opened
from boundcalc.batch.table import export
from boundcalc.cli.main import main
from boundcalc.comparison import compare_reports
from boundcalc.errors import UsageError
from boundcalc.options import Options
from boundcalc.report.views import FORMATS

OPTIONS = {"only": ("bounds", "samples"), "samples": 1000, "input_bound": 1.0}
WORDS = ("--only", "bounds,samples", "--samples", "1000", "--input-bound", "1")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def filled(analyze, folder, store, inline):
    """A store of three checkpoints."""
    analyze(folder, **OPTIONS)
    return store


def change(store, statement, *values):
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def blob(store, number):
    connection = sqlite3.connect(store)
    (found,) = connection.execute("SELECT json FROM reports WHERE checkpoint = ?", (number,)).fetchone()
    connection.close()
    return found


def set_blob(content):
    return lambda store: change(
        store, "UPDATE reports SET json = ? WHERE checkpoint = 2", content(blob(store, 2))
    )


def edited(edit):
    """Damage the tree of a report, which stays JSON."""

    def content(found):
        tree = json.loads(zlib.decompress(found))
        edit(tree)
        return zlib.compress(json.dumps(tree).encode())

    return set_blob(content)


REPORTS = {
    "truncated": (set_blob(lambda found: found[:100]), "its report is damaged: Error -5 while decompressing data"),
    "flipped": (set_blob(lambda found: found[:500] + bytes([found[500] ^ 255]) + found[501:]), "its report is damaged: Error -3"),
    "empty": (set_blob(lambda found: b""), "its report is damaged: Error -5"),
    "a text": (set_blob(lambda found: "text"), "its report is damaged: "),
    "a number": (set_blob(lambda found: 3), "its report is damaged: "),
    "no UTF-8": (set_blob(lambda found: zlib.compress(b"\xff\xfe")), "its report is damaged: 'utf-8' codec can't decode"),
    "no JSON": (set_blob(lambda found: zlib.compress(b"{\"checkpoint\": ")), "its report is damaged: not JSON"),
    "too deep": (set_blob(lambda found: zlib.compress(b"[" * 10**6)), "its report is damaged: not JSON (maximum recursion"),
    "a list": (set_blob(lambda found: zlib.compress(b"[1]")), "its report is damaged: not a report with a checkpoint"),
    "no checkpoint": (edited(lambda tree: tree.pop("checkpoint")), "its report is damaged: not a report with a checkpoint"),
    "gone": (lambda store: change(store, "DELETE FROM reports WHERE checkpoint = 2"), "its report is missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REPORTS)
def test_a_damaged_report_is_one_line_beside_the_rest(filled, folder, analyze, capsys, inline, kind):
    spoil, problem = REPORTS[kind]
    spoil(filled)
    for format in FORMATS:
        assert main(["batch", "--store", str(filled), "--format", format]) == 1
        out, err = capsys.readouterr()
        assert err.startswith(f"boundcalc: {filled}: {folder / 't1.pt'}: row 2: {problem}")
        assert err.endswith("; run boundcalc batch with this path to analyze it again\n")
        assert err.count("\n") == 1
        for number in range(3):
            assert f"t{number}.pt" in out
        assert "row 2: its report is" in " ".join(out.split())
    analyzed = len(inline)
    assert (analyze(folder, **OPTIONS).done, len(inline)) == (1, analyzed + 1), "it is made again, alone"
    with opened(filled) as found:
        assert damaged(found) == ()


def test_json_and_csv_have_what_is_whole(filled, folder):
    REPORTS["flipped"][0](filled)
    with opened(filled) as found:
        tree = json.loads(export(found, "json").text)
        lines = list(csv.reader(io.StringIO(export(found, "csv").text)))
        with pytest.raises(DamagedReport, match="store.sqlite: the report of row 2 is damaged: Error -3"):
            found.report(2)
    states = {Path(one["path"]).name: (one["state"], one["report"] is None) for one in tree["checkpoints"]}
    assert states == {"t0.pt": ("done", False), "t1.pt": ("damaged", True), "t2.pt": ("done", False)}
    assert [line[1] for line in lines if line[7].endswith("to analyze it again")] == ["failed"]
    assert {line[0] for line in lines[1:] if line[1] == "bounds"} == {
        str(folder / f"t{i}.pt") for i in range(3)
    }


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE checkpoints SET density = 'dense' WHERE id = 2", "its density is 'dense'"),
        ("UPDATE checkpoints SET density = NULL WHERE id = 2", "its density is missing"),
        ("UPDATE checkpoints SET path = X'FF' WHERE id = 2", r"its path is b'\xff'"),
        ("UPDATE checkpoints SET parameters = 'many' WHERE id = 2", "its parameters is 'many'"),
    ],
)
def test_a_damaged_row_is_left_out_and_named(filled, capsys, statement, problem):
    change(filled, statement)
    for format in FORMATS:
        assert main(["batch", "--store", str(filled), "--format", format]) == 1
        out, err = capsys.readouterr()
        assert f": row 2: {problem}; " in err
        assert "t0.pt" in out
        assert "t2.pt" in out
    assert {one["checkpoint"][-5:] for one in records(filled)} == {"t0.pt", "t2.pt"}


@pytest.mark.parametrize("value", ["{not json", "[1]", ""])
def test_damaged_settings_are_told_of_every_row_that_has_them(filled, capsys, value):
    change(filled, "UPDATE settings SET json = ?", value)
    for format in FORMATS:
        assert main(["batch", "--store", str(filled), "--format", format]) == 1
        assert capsys.readouterr().err.count("its settings are damaged") == 3


def test_numbers_that_are_none_are_not_ranked(filled):
    change(filled, "UPDATE quantities SET value = 'many' WHERE checkpoint = 2")
    change(filled, "UPDATE quantities SET name = X'00' WHERE checkpoint = 3 AND quantity = 'ratio'")
    with opened(filled) as found:
        for format in FORMATS:
            assert "t1.pt" in export(found, format).text


@pytest.mark.parametrize(
    "edit",
    [
        lambda tree: [bound.pop("status") for bound in tree["bounds"].values()],
        lambda tree: tree.update(bounds=[1, 2]),
        lambda tree: tree["checkpoint"].pop("density"),
        lambda tree: tree.update(samples={"layers": 3}),
        lambda tree: tree.update(topology={"layers": [{}]}),
        lambda tree: tree.update(network="none"),
    ],
)
def test_reports_that_lack_what_a_page_shows_leave_the_others_on_it(filled, capsys, edit):
    edited(edit)(filled)
    for format in FORMATS:
        status = main(["batch", "--store", str(filled), "--format", format])
        out, err = capsys.readouterr()
        assert status == bool(err)
        assert err.count("\n") <= 1
        assert "Traceback" not in err
        for number in range(3):
            assert f"t{number}.pt" in out


def test_a_comparison_of_reports_that_lack_fields_is_one_line(filled, folder):
    with opened(filled) as found:
        reports = [found.report(number) for number in (1, 2)]
    paths = [folder / "t0.pt", folder / "t1.pt"]
    options = Options(**OPTIONS)
    whole = compare_reports(paths, reports, options).to("json")
    assert '"tickets"' in whole
    del reports[1]["checkpoint"]["density"]
    with pytest.raises(
        UsageError, match="t1.pt: its report lacks 'density'; analyze it again with this version"
    ):
        compare_reports(paths, reports, options)
    with pytest.raises(UsageError, match="t0.pt: its report does not have the expected structure"):
        compare_reports(paths, [{"checkpoint": 3}, reports[1]], options)


def test_compare_makes_a_damaged_report_again(filled, folder, capsys, inline, monkeypatch):
    REPORTS["truncated"][0](filled)
    words = [
        "compare",
        str(folder / "t0.pt"),
        str(folder / "t1.pt"),
        "--store",
        str(filled),
        "--workers",
        "1",
        *WORDS,
    ]
    assert main(words) == 0
    assert "t1.pt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is a device, pipe or socket, not a store"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, pipe or socket, not a store"),
        (lambda path: path.symlink_to(path.name), "no such store|cannot be|not a store"),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), "not a store of boundcalc batch: file is not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000), "not a store of boundcalc batch"),
    ],
)  # fmt: skip
def test_what_is_no_store_is_told_at_once(tmp_path, folder, capsys, make, problem):
    path = tmp_path / "s.sqlite"
    make(path)
    for words in ([], [str(folder)]):
        assert main(["batch", *words, "--store", str(path), "--only", "samples"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"boundcalc: {path}: ")
        assert any(one in err for one in problem.split("|")), err
        assert err.count("\n") == 1
    with pytest.raises(UsageError):
        Claims(path, settings_of(Options()))


def test_a_socket_is_no_store(tmp_path):
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as made:
        made.bind(f"{short}/s")
        for use in (connect, lambda path: opened(path).__enter__()):
            with pytest.raises(UsageError, match="is a device, pipe or socket, not a store"):
                use(Path(short) / "s")


def unprivileged(function, before=lambda: None):
    """Call a function in a process of a user who may write nothing that is closed to writing, and return what it returns.

    `before` runs in that process with the rights of this one: what the function loads (modules, fonts) may lie where
    another user reads nothing.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            before()
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            found = function()
        except BaseException:
            found = traceback.format_exc()
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        found = json.load(file)
    os.waitpid(child, 0)
    return found


@pytest.fixture
def closed(filled):
    """A copy of the store in a folder where nobody may write."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "closed"
        home.mkdir()
        shutil.copy(filled, home / "s.sqlite")
        yield home / "s.sqlite"
        home.chmod(0o755)


def close(store):
    store.parent.parent.chmod(0o755)
    for file in store.parent.iterdir():
        file.chmod(0o444)
    store.parent.chmod(0o555)


def refused(function):
    try:
        function()
    except UsageError as problem:
        return str(problem)
    return "it was written"


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("left", ["nothing", "a log", "a log and its index"])
def test_a_store_that_cannot_be_written_is_exported_with_what_its_log_has(closed, filled, left):
    """A batch that was killed leaves a log; the row in it belongs to the store."""

    def write():
        connection = connect(closed)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE checkpoints SET path = '/in/the/log.pt' WHERE id = 1")
        os._exit(0)

    if left != "nothing":
        child = os.fork()
        if child == 0:
            write()
        os.waitpid(child, 0)
        assert closed.with_name("s.sqlite-wal").stat().st_size > 0
    if left == "a log":
        closed.with_name("s.sqlite-shm").unlink()
    before = {
        file.name: file.read_bytes() for file in closed.parent.iterdir() if not file.name.endswith("-shm")
    }
    close(closed)

    def exported(store=closed):
        with opened(store) as found:
            return [row.path for row in found.rows()] + [
                len(export(found, format).text) for format in FORMATS
            ]

    found = unprivileged(exported, before=lambda: exported(filled))
    assert ("/in/the/log.pt" in found) == (left != "nothing"), found
    assert len(found) == 3 + len(FORMATS)
    after = {
        file.name: file.read_bytes() for file in closed.parent.iterdir() if not file.name.endswith("-shm")
    }
    assert after == before
    computing = unprivileged(lambda: refused(lambda: Claims(closed, settings_of(Options()))))
    assert computing.startswith(f"{closed}: ")
    assert "\n" not in computing
    assert "it was written" not in computing


def test_computing_into_a_closed_folder_is_one_line(closed, folder):
    close(closed)
    words = ["batch", str(folder), "--store", str(closed), "--only", "samples"]

    def status():
        kept = io.StringIO()
        sys.stderr = kept
        return [main(words), kept.getvalue()]

    if os.geteuid() == 0:
        folder.parent.parent.parent.chmod(0o755)
    found = unprivileged(status)
    assert found == [2, f"boundcalc: {closed}: cannot be written: permission denied\n"]


def test_a_disk_that_is_full_on_the_way_keeps_what_was_done(
    folder, ticket, store, inline, monkeypatch, analyze
):
    """SQLite's own limit of pages stands for the disk's: it fails in the same way."""
    for number in range(3, 12):
        ticket(folder / f"t{number}.pt", number)
    made = claims.connect

    def small(path):
        connection = made(path)
        connection.execute("PRAGMA max_page_count = 150")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(claims, "connect", small)
        with pytest.raises(UsageError, match="store.sqlite: cannot be written: database or disk is full"):
            runner.run([folder], store, Options(**OPTIONS), 1)
    with opened(store) as found:
        kept = found.rows()
        assert damaged(found) == ()
    assert 0 < len(kept) < 12
    assert {row.state for row in kept} <= {"done", "claimed"}
    done = [row for row in kept if row.state == "done"]
    again = analyze(folder, **OPTIONS)
    assert (again.done, again.known) == (12 - len(done), len(done))
