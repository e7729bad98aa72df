"""Benchmark: a data set larger than memory. Run with `python experiments/benchmarks/mapped.py`.

A folder of .npy files and an uncompressed .npz of 20 GB of images each, sparse files that take no space on the disk, are streamed
through a tiny network: margins and energies, the whole part ``empirical``. Each is a case in a process of its own, whose
anonymous memory (RssAnon of /proc/self/status: what pages of mapped files do not count towards) is sampled all the while.
``--gigabytes 1`` is a small version.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from common import Row, options, table, within

MOST = 1.0
"""Gigabytes of anonymous memory, torch and all else included."""
SHAPE = (3, 64, 64)
FORMS = ("npy folder", "npz member")
BATCH = 1 << 24


def save_sparse(path: Path, shape: tuple[int, ...]) -> None:
    """Write an .npy file of zeros as a sparse file."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape, dtype=np.int64)))


def crc_of_zeros(prefix: bytes, count: int) -> int:
    """Return the CRC-32 of some bytes and then so many zeros."""
    found, zeros = zlib.crc32(prefix), bytes(BATCH)
    for start in range(0, count, BATCH):
        found = zlib.crc32(zeros[: min(BATCH, count - start)], found)
    return found


def pack(folder: Path, path: Path) -> None:
    """Put a folder of .npy files into an uncompressed .npz, the zeros of the large one as a hole.

    `zipfile` writes all bytes that it is given, so the local header of the large member is written here.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.glob("*.npy")):
            if file.stem != "x_train":
                archive.write(file, file.name)
        large = folder / "x_train.npy"
        size = large.stat().st_size
        with large.open("rb") as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            start = stream.tell()
        head = large.open("rb").read(start)
        info = zipfile.ZipInfo(large.name)
        info.file_size = info.compress_size = size
        info.CRC = crc_of_zeros(head, size - start)
        assert archive.fp is not None
        archive.fp.seek(archive.start_dir)
        info.header_offset = archive.fp.tell()
        archive.fp.write(info.FileHeader(zip64=True))
        archive.fp.write(head)
        archive.fp.truncate(archive.fp.tell() + size - start)
        archive.fp.seek(0, os.SEEK_END)
        archive.start_dir = archive.fp.tell()
        archive.filelist.append(info)
        archive.NameToInfo[info.filename] = info
        archive._didModify = True  # type: ignore[attr-defined]


def anonymous() -> float:
    """Return the gigabytes of anonymous memory of this process.

    Raises:
        RuntimeError: this system does not tell.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise RuntimeError("no RssAnon in /proc/self/status")


@contextmanager
def sampled() -> Iterator[list[float]]:
    """Yield a list to which the largest anonymous memory is appended at the end."""
    peak, stop = [anonymous()], threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], anonymous())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    found: list[float] = []
    try:
        yield found
    finally:
        stop.set()
        thread.join()
        found.append(peak[0])


def measure(data: str, checkpoint: str) -> None:
    """Run the part ``empirical`` and print how many samples there are, the anonymous memory, and the seconds."""
    import boundcalc

    start = time.perf_counter()
    with sampled() as peak:
        report = boundcalc.analyze(checkpoint, data=data, only=("empirical",)).to_dict()
    spent = time.perf_counter() - start
    print(report["data"]["m"], peak[0], spent)


def rows(gigabytes: float, forms: tuple[str, ...]) -> Iterator[Row]:
    """Yield the anonymous memory and the time of each form."""
    import torch

    count = max(1, round(gigabytes * 1e9 / int(np.prod(SHAPE))))
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "data"
        folder.mkdir()
        for split, m in (("train", count), ("test", 100)):
            save_sparse(folder / f"x_{split}.npy", (m, *SHAPE))
            save_sparse(folder / f"y_{split}.npy", (m,))
        checkpoint = Path(home) / "net.pt"
        torch.save({"0.weight": torch.ones(2, int(np.prod(SHAPE)))}, checkpoint)
        places = {"npy folder": folder, "npz member": Path(home) / "data.npz"}
        for form in forms:
            if form == "npz member":
                pack(folder, places[form])
            command = [sys.executable, __file__, "--case", f"npz:{places[form]}", str(checkpoint)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            m, peak, seconds = map(float, done.stdout.split())
            label = f"{form}, {gigabytes:g} GB, {m:,.0f} images"
            yield within(f"{label}: anonymous memory", peak, "GB", MOST)
            yield Row("the same: time", seconds, "s")


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--form", choices=FORMS)
    parser.add_argument("--case", nargs=2, metavar=("DATA", "CHECKPOINT"))
    given = parser.parse_args()
    if given.case:
        measure(*given.case)
        sys.exit(0)
    chosen = FORMS if given.form is None else (given.form,)
    sys.exit(table(rows(given.gigabytes, chosen), given.json))
