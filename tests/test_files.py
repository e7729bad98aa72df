"""The opener: regular files only, never blocking, never longer than asked for, and whatever changes meanwhile is noticed."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from boundcalc import files
from boundcalc.errors import CheckpointError, DataError, UsageError, only_own_errors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")


def refusal(run, *arguments, kind=CheckpointError, **options):
    with pytest.raises(kind) as caught:
        run(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) <= 500
    return message


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(tmp_path)
    listener.bind("socket")
    for path in (tmp_path / "pipe", tmp_path / "socket", "/dev/zero", "/dev/null", "/dev/tty"):
        assert "not a regular file" in refusal(files.open_file, path) or path == "/dev/tty"
    listener.close()
    assert "is a folder, not a file" in refusal(files.open_file, tmp_path)


def test_what_is_not_there_or_has_no_sound_name(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert "no such file or folder" in refusal(files.open_file, tmp_path / "none")
    assert "cannot be opened: Too many levels" in refusal(files.open_file, tmp_path / "loop")
    assert "cannot be opened: File name too long" in refusal(files.open_file, tmp_path / ("n" * 300))
    assert "null byte" in refusal(files.open_file, f"{tmp_path}/a\0b")
    assert "Not a directory" in refusal(files.open_file, "/etc/hostname/x")


def test_a_closed_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "closed").write_bytes(b"x")

    def forbidden(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", forbidden)
    assert "closed: cannot be opened: Permission denied" in refusal(files.open_file, tmp_path / "closed")


def test_the_error_is_of_the_kind_asked_for(tmp_path):
    assert str(tmp_path / "none") in refusal(files.open_file, tmp_path / "none", DataError.at, kind=DataError)


def test_sizes(tmp_path):
    (tmp_path / "ten").write_bytes(bytes(10))
    assert files.read_bytes(tmp_path / "ten", most=10) == bytes(10)
    assert "too large: 10 bytes, and at most 9 are read" in refusal(
        files.read_bytes, tmp_path / "ten", most=9
    )


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"1" * 5000, "not JSON"),
    ],
)
def test_what_is_no_json(tmp_path, content, word):
    (tmp_path / "tree.json").write_bytes(content)
    assert word in refusal(files.read_json, tmp_path / "tree.json")


def test_a_file_that_is_swapped_between_look_and_open_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "first").write_bytes(b"x")
    (tmp_path / "second").write_bytes(b"yy")
    opened = os.open
    monkeypatch.setattr(files.os, "open", lambda path, flags: opened(tmp_path / "second", flags))
    assert "changed while it was read" in refusal(files.open_file, tmp_path / "first")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(files.os, "open", lambda path, flags: opened(tmp_path / "pipe", flags))
    assert "not a regular file" in refusal(files.open_file, tmp_path / "first")


def test_links_out_of_a_folder(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"x")
    (folder / "inside").write_bytes(b"x")
    (folder / "link").symlink_to(outside)
    (folder / "near").symlink_to("inside")
    (folder / "loop").symlink_to("loop")
    assert "points to a file outside the folder" in refusal(files.check_inside, folder / "link", folder)
    assert "points to a file outside the folder" in refusal(
        files.check_inside, folder / ".." / "outside", folder
    )
    assert "points to a file outside the folder" in refusal(
        files.check_inside, tmp_path / "folder-not", folder
    )
    for name in ("inside", "near", "gone"):
        assert files.check_inside(folder / name, folder) == folder / name
    (tmp_path / "way").symlink_to(folder)
    assert files.check_inside(tmp_path / "way" / "near", tmp_path / "way")


def test_snapshots_of_the_hub_are_links_into_their_repository(tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abc").write_bytes(b"x")
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    (snapshot / "other").symlink_to("../../../elsewhere")
    assert files.check_inside(snapshot / "model.safetensors", snapshot)
    assert "outside the folder" in refusal(files.check_inside, snapshot / "other", snapshot)


def test_changes_are_noticed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    before = files.stamps([path])
    files.check_unchanged(before)
    path.write_bytes(b"xy")
    assert "changed while it was read" in refusal(files.check_unchanged, before)
    before = files.stamps([path])
    os.utime(path, ns=(1, 1))
    assert "changed while it was read" in refusal(files.check_unchanged, before)
    path.unlink()
    assert "no such file" in refusal(files.check_unchanged, before)


def test_questions_never_raise(tmp_path):
    for path in (tmp_path / "none", f"{tmp_path}/a\0b", tmp_path / ("n" * 300), "/etc/hostname/x"):
        assert not files.is_file(path) and not files.is_folder(path)
    assert files.is_folder(tmp_path)
    assert "cannot be listed" in refusal(files.entries, tmp_path / "none")


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        (AssertionError(), "AssertionError"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "not enough memory",
        ),
        (OverflowError("int too large\nand more"), "OverflowError: int too large"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (KeyError("\x1b[31m"), r"\x1b[31m"),
    ],
)
def test_only_own_errors_leave_a_reader(problem, word):
    def read():
        with only_own_errors("net.pt"):
            raise problem

    message = refusal(read)
    assert message.startswith("net.pt: cannot be read: ") and word in message


def test_own_errors_and_interruptions_pass():
    for problem in (UsageError("x"), KeyboardInterrupt(), CheckpointError("a", "b")):
        with pytest.raises(type(problem)) as caught, only_own_errors("net.pt"):
            raise problem
        assert caught.value is problem
