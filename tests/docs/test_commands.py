"""Every command and every Python block of the documentation runs, page by page, on a few samples."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boundcalc import parts
from boundcalc.cli.main import main
from boundcalc.empirical import datasets
from boundcalc.parts.part import Part

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts and path.name != "CHANGELOG.md"
)
BLOCK = re.compile(r"^```(?P<language>bash|python)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
IDX = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}
NOT_RUN = "# not run here: "
SHOWN_ONLY = re.compile(r"^```(sh|shell|zsh|py)\b", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(found["language"], found["body"]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def reason(body: str) -> str | None:
    return body[len(NOT_RUN) :].partition("\n")[0].strip() if body.startswith(NOT_RUN) else None


def commands(body: str) -> list[list[str]]:
    """The commands of a block: lines, continued by a backslash, comments left out."""
    lines = body.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


RUN = [page for page in PAGES if any(reason(body) is None for _, body in blocks(page))]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A folder with what stands in for the data of the documentation: 200 training and 50 test images."""
    folder = tmp_path_factory.mktemp("tiny")
    with np.load(ROOT / "data" / "mnist_sample.npz") as archive:
        arrays = {key: archive[key][: 200 if "train" in key else 50] for key in archive}
    np.savez(folder / "tiny.npz", **arrays)
    (folder / "mnist").mkdir()
    for name, key in IDX.items():
        array = arrays[key].astype(np.uint8)
        head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / "mnist" / name).write_bytes(head + array.tobytes())
    return folder


@pytest.fixture(scope="module")
def bounds() -> Part:
    """The part `bounds`, which computes each network under the same options once for all pages."""
    part, results = parts.registry["bounds"], {}

    def run(given):
        key = given.checkpoint.sha256, repr(replace(given.options, only=None))
        if key not in results:
            results[key] = part.run(given)
        return results[key]

    return replace(part, run=run)


@pytest.fixture
def clone(tmp_path, tiny, bounds, inline, monkeypatch) -> Path:
    """A folder with what a clone has at its top, in which commands may write; the sample that ships is the tiny one."""
    monkeypatch.setattr(datasets, "SAMPLE_FILE", str(tiny / "tiny.npz"))
    monkeypatch.setitem(parts.registry._load(), "bounds", bounds)
    for name in ("data", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs(page, tiny, clone, capsys):
    names: dict[str, object] = {"__name__": "documentation"}
    for language, body in blocks(page):
        if reason(body) is not None:
            continue
        if language == "python":
            exec(compile(body, str(page), "exec"), names)
            continue
        for program, *words in commands(body):
            assert program == "boundcalc", (
                f"{page}: {program} is not run by this test; say why with {NOT_RUN!r}"
            )
            given = [word.replace("mnist:DIR", f"mnist:{tiny / 'mnist'}") for word in words]
            try:
                status = main(given)
            except SystemExit as end:
                status = end.code or 0
            told = capsys.readouterr()
            assert status == 0, f"{page}: boundcalc {shlex.join(given)}: {status}: {told.err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_that_do_not_run_say_why(page):
    text = page.read_text(encoding="utf-8")
    assert not SHOWN_ONLY.search(text), f"{page}: name the language bash or python, so that it is run"
    for _, body in blocks(page):
        why = reason(body)
        assert why is None or len(why.split()) >= 3, f"{page}: {body.splitlines()[0]}"
        if why is not None:
            assert commands(body), f"{page}: an empty block"
