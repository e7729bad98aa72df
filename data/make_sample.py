"""Cut the sample set from the original MNIST files.

The first 10,000 training and the first 2,000 test images after a permutation of each file by
numpy.random.RandomState(0), kept in that order; not stratified. The same MNIST files and zlib give the same
bytes every time:

    python data/make_sample.py --mnist DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from boundcalc.empirical.idx import open_idx

TRAIN, TEST, SEED = 10_000, 2_000, 0
OUT = Path(__file__).parent / "mnist_sample.npz"


def cut(folder: Path, stem: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` images (uint8, 28 x 28) and labels (uint8) of one of MNIST's two parts."""
    ending = ".gz" if (folder / f"{stem}-images-idx3-ubyte.gz").is_file() else ""
    x = open_idx(folder / f"{stem}-images-idx3-ubyte{ending}", 3)
    y = open_idx(folder / f"{stem}-labels-idx1-ubyte{ending}", 1)
    m = x.shape[0]
    rows = np.random.RandomState(SEED).permutation(m)[:count]
    return next(x.rows(m))[rows], next(y.rows(m))[rows]


def main(arguments: list[str] | None = None) -> None:
    """Write the archive; numpy stamps the members of an .npz with 1980-01-01, so only the content counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--mnist", type=Path, required=True, help="folder of the four IDX files, gzipped or not"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    x_train, y_train = cut(options.mnist, "train", TRAIN)
    x_test, y_test = cut(options.mnist, "t10k", TEST)
    np.savez_compressed(options.out, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main()
