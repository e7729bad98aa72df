"""The rows of `batch.py`, whose labels end with their target. Run with `python experiments/benchmarks/throughput.py`."""

from __future__ import annotations

import sys
from itertools import chain

from batch import exports, throughput
from common import Row, options, table

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--tickets", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    found = chain(exports(given.rows), throughput(given.tickets))
    limited = ((*row[:3], row[3] if row[0].endswith(")") else None) for row in found)
    sys.exit(table((Row(label, value, unit, met=met) for label, value, unit, met in limited), given.json))
