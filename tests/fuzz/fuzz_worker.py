"""A process that attacks boundcalc with one case after another, and watches what is opened meanwhile.

Writes a line when it is ready, then reads lines ``KIND INDEX`` and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import fuzz_mutate
import fuzz_seeds

ANALYSE_EVERY = 60
"""Of the checkpoints that are still read, one in so many is analyzed whole."""

MOST = 500
MAPS = "/proc/self/maps"
_ENDINGS = {"npz": (".npz",), "parquet": (".parquet",), "onnx": (".onnx", ".onnx", "")}
_FORBIDDEN = (
    "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "socket.", "urllib.", "ftplib.",
    "http.", "smtplib.", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "os.kill", "os.putenv", "shutil.", "tempfile.", "pickle.find_class", "webbrowser.", "ctypes.dlopen",
)  # fmt: skip


class Watch:
    """An audit hook that records what a reader must not do."""

    def __init__(self, libraries: tuple[str, ...]) -> None:
        self.inside = ""
        self.found: list[str] = []
        self._libraries = libraries
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: tuple) -> None:
        if not self.inside:
            return
        if event == "open" and not isinstance(arguments[0], int):
            path = os.path.abspath(os.fsdecode(arguments[0]))
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if path == MAPS:
                return  # threadpoolctl looks for the libraries of this process
            if writes or not path.startswith((self.inside, *self._libraries)):
                self.found.append(f"open {path}")
        elif event.startswith(_FORBIDDEN):
            self.found.append(f"{event} {arguments!r}"[:300])


def main(seeds: Path, seed: str, kinds: tuple[str, ...]) -> None:
    """Answer cases until standard input ends.

    Args:
        seeds: folder that `fuzz_seeds.build` has filled.
        seed: of all cases.
        kinds: that will be asked for.
    """
    sound = {kind: sorted((seeds / kind).iterdir()) for kind in fuzz_seeds.KINDS if kind != "objects"}
    _warm({kind: paths for kind, paths in sound.items() if kind in kinds or "objects" in kinds})
    watch = Watch(_libraries())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as home:
        for line in sys.stdin:
            kind, _, index = line.strip().partition(" ")
            answer = _answer(Path(home), sound, kind, f"{seed} {kind} {index}", watch)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _answer(home: Path, sound: dict, kind: str, seed: str, watch: Watch) -> dict:
    draw = Random(seed)
    case = home / "case"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir()
    subject, mask = _make(draw, sound, kind, case)
    _forget_peak()
    watch.inside, watch.found = f"{case}{os.sep}", []
    start = time.perf_counter()
    answer = _attacked(draw, kind, subject, mask, case)
    answer["seconds"] = time.perf_counter() - start
    watch.inside = ""
    answer["opened"] = watch.found[:5]
    answer["peak"] = _peak()
    return answer


def _forget_peak() -> None:
    """Start the measure of memory anew, where the system can: what a case takes is its own."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak() -> int:
    """Return the largest resident memory of this process in kilobytes; getrusage counts that of the process which started it, too."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _make(draw: Random, sound: dict, kind: str, case: Path) -> tuple[Path, Path | None]:
    """Write a case and return what is read, and perhaps a file for --mask."""
    if kind == "objects":
        fuzz_seeds.save_objects(draw, case / "model.pt")
        if draw.random() < 0.2:
            fuzz_seeds.save_objects(draw, case / "mask.pt")
            return case / "model.pt", case / "mask.pt"
        return case / "model.pt", None
    origin = draw.choice(sound[kind])
    if kind in fuzz_seeds.FOLDERS:
        shutil.copytree(origin, case / "folder", symlinks=True)
        fuzz_mutate.folder_mutated(draw, case / "folder")
        return _below(draw, kind, case / "folder"), None
    other = draw.choice(sound[draw.choice(("zip", "pt2", "safetensors", kind))])
    endings = _ENDINGS.get(kind, (".pt", ".pth", ".ckpt", ".bin", ".pt2", ".safetensors", ""))
    name = f"model{draw.choice(endings)}"
    (case / name).write_bytes(fuzz_mutate.changed(draw, origin.read_bytes(), other.read_bytes()))
    return case / name, None


def _below(draw: Random, kind: str, folder: Path) -> Path:
    if kind == "index" and draw.random() < 0.5:
        return folder / "model.safetensors.index.json"
    if kind == "open_lth":
        levels = sorted(folder.rglob("main"))
        files = sorted(folder.rglob("*.pth"))
        return draw.choice([folder, *levels, *levels, *files[:1]])
    return folder


def _attacked(draw: Random, kind: str, subject: Path, mask: Path | None, case: Path) -> dict:
    from boundcalc.errors import BoundcalcError

    try:
        _read(draw, kind, subject, mask)
    except BoundcalcError as refused:
        cause = refused.__cause__
        library = None if cause is None or isinstance(cause, BoundcalcError) else type(cause).__name__
        return {"outcome": "refused", "fault": _fault(refused, case), "by": library, "said": str(refused)}
    except Exception as error:
        return {"outcome": "failed", "said": f"{type(error).__name__}: {error}"[:500], "where": _where(error)}
    return {"outcome": "read"}


def _fault(refused: Exception, case: Path) -> str | None:
    from boundcalc.plain_text import one_line

    text = str(refused)
    if len(text) > MOST or text != one_line(text):
        return "not one visible line"
    return None if str(case) in text else "names no file"


def _where(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return "" if traceback is None else f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


def _read(draw: Random, kind: str, subject: Path, mask: Path | None) -> None:
    if kind in fuzz_seeds.DATA:
        from boundcalc.empirical.datasets import open_data

        data = open_data(f"{fuzz_seeds.DATA[kind]}:{subject}")
        for split in (data.train, data.test):
            for _ in () if split is None else split.batches(7):
                pass
        return
    from boundcalc.checkpoint import read
    from boundcalc.errors import NotCovered
    from boundcalc.network.load import from_checkpoint

    checkpoint = read(subject, mask=mask)
    images = checkpoint.program is None and any(tensor.dim() == 4 for tensor in checkpoint.tensors.values())
    try:
        from_checkpoint(checkpoint, None, (1, 8, 8) if images else None)
    except NotCovered:
        return
    if draw.randrange(ANALYSE_EVERY) == 0:
        _analyze(checkpoint)


def _analyze(checkpoint) -> None:
    from boundcalc.analysis import run_analysis
    from boundcalc.options import Options
    from boundcalc.report.assemble import assemble

    report = assemble(run_analysis(checkpoint, Options(samples=100, input_bound=1.0, cells=4)))
    for view in ("json", "table", "csv"):
        report.to(view)


def _warm(sound: dict) -> None:
    """Import all that is imported late, before anything is watched."""
    from boundcalc.empirical.datasets import open_data

    for kind, paths in sound.items():
        for path in paths:
            if kind in fuzz_seeds.DATA:
                next(open_data(f"{fuzz_seeds.DATA[kind]}:{path}").train.batches(2))
                continue
            subject = next(path.rglob("level_1")) / "main" if kind == "open_lth" else path
            _tried(subject, whole=path in {paths[0], paths[-1]})


def _tried(subject: Path, *, whole: bool) -> None:
    from boundcalc.checkpoint import read
    from boundcalc.errors import BoundcalcError
    from boundcalc.network.load import from_checkpoint

    try:
        checkpoint = read(subject)
        images = checkpoint.program is None and any(
            tensor.dim() == 4 for tensor in checkpoint.tensors.values()
        )
        from_checkpoint(checkpoint, None, (1, 8, 8) if images else None)
        if whole:
            _analyze(checkpoint)
    except BoundcalcError:
        return


def _libraries() -> tuple[str, ...]:
    """Return where Python, its libraries and boundcalc lie."""

    def places() -> Iterator[str]:
        import boundcalc

        yield from (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        yield from (path for path in sys.path if path)
        yield str(Path(boundcalc.__file__).parent)

    return tuple({f"{os.path.abspath(place)}{os.sep}" for place in places()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3].split(",")))
