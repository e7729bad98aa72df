"""Nothing in the package opens a path by itself: what a user or a file names goes through `boundcalc.files`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import boundcalc

PACKAGE = Path(boundcalc.__file__).parent
SUSPECT = {
    "open", "read_bytes", "read_text", "load", "loads", "memmap", "fromfile", "loadtxt", "genfromtxt", "load_file", "safe_open",
    "ZipFile", "GzipFile", "is_zipfile", "is_tarfile", "BZ2File", "LZMAFile", "open_memmap", "mmap", "fdopen", "FileIO", "open_code",
    "from_file", "urlopen",
}  # fmt: skip
ALLOWED = {
    ("files.py", "os.open"): "the opener",
    ("files.py", "open"): "the opener",
    ("files.py", "json.loads"): "of text that is read",
    ("archive.py", "ZipFile"): "of an open file",
    ("cli/output.py", "os.open"): "writes",
    ("cli/output.py", "os.fdopen"): "writes",
    ("tickets/storage.py", "passing.open"): "its own temporary file",
    ("bounds/catalogue.py", "entry.load"): "an entry point that the user installed",
    ("registry.py", "entry.load"): "an entry point that the user installed",
    ("registry.py", "file.read_text"): "what installed packages declare",
    ("report/schema.py", "(files('boundcalc.report') / FILE).read_text"): "a file of the package",
    ("tickets/regularizer.py", "load"): "of a module",
    ("network/capture.py", "open"): "the null device",
    ("report/views/html.py", "(folder / name).read_text"): "a template of the package",
    ("report/views/html.py", "(folder / 'page.html.j2').read_text"): "a template of the package",
}
OF_BYTES = {
    "json.loads",
    "archive.open",
    "zipfile.is_zipfile",
    "is_zipfile",
    "is_tarfile",
    "gzip.GzipFile",
    "cls.load",
    "Calibration.load",
}
"""Calls that take bytes, text or an open file, or our own readers."""


def name_of(node):
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in SUSPECT:
                    yield path.relative_to(PACKAGE).as_posix(), node


def first_argument_is_open_file(node):
    """Whether what is read is a name that only an open file has here."""
    return bool(node.args) and ast.unparse(node.args[0]) in {
        "file",
        "source",
        "stream",
        "_rewound(source)",
        "self.stream",
    }


def is_allowed(place, node):
    name = ast.unparse(node.func)
    own = name in {
        "pickled.load", "safetensors_file.load", "onnx_file.load", "pt2.load", "load_pickled",
        "_load", "read_bytes", "read_text", "fit.load",
    }  # fmt: skip
    return (place, name) in ALLOWED or name in OF_BYTES or own or first_argument_is_open_file(node)


def test_every_file_is_opened_by_the_opener():
    found = [
        f"{place}:{node.lineno} {ast.unparse(node)[:80]}"
        for place, node in calls()
        if not is_allowed(place, node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    ["open(path)", "Path(path).read_text()", "np.load(path)", "torch.load(path)", "zipfile.ZipFile(path)"],
)
def test_the_check_sees_what_it_must(code):
    node = ast.parse(code, mode="eval").body
    assert name_of(node) in SUSPECT
    assert not is_allowed("checkpoint/reader.py", node)


def test_what_is_allowed_is_still_there():
    there = {(place, ast.unparse(node.func)) for place, node in calls()}
    assert set(ALLOWED) <= there
