"""Attacks boundcalc with changed files: ``python tests/fuzz/fuzz_run.py --cases 100000``.

Every case is made from the seed, its kind and its number alone, so that any of them can be tried again: ``--only KIND:NUMBER``.
With ``--counts FILE`` a run goes on where the last one with the same seed was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import fuzz_seeds

TIME_LIMIT = 20.0
START_LIMIT = 1200.0
SAVED_EVERY = 500
GREEDY = 100.0


@dataclass
class Counts:
    """What came of the cases so far.

    Attributes:
        seed: of all cases.
        cases: how many have been tried.
        outcomes: kind -> ``read``, ``refused``, ``failed``, ``hung`` or ``died`` -> how many.
        by: exceptions of libraries that the boundary around readers turned into a line -> how many.
        faults: cases in which something is wrong, with what it is; at most a hundred.
        slowest: seconds of the slowest case.
        peak: largest resident memory of a worker, in megabytes.
        greedy: cases by which the peak rose by more than `GREEDY` megabytes.
        seconds: kind -> time that boundcalc took.
    """

    seed: str
    cases: int = 0
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    by: dict[str, int] = field(default_factory=dict)
    faults: list[dict] = field(default_factory=list)
    slowest: float = 0.0
    peak: float = 0.0
    greedy: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, index: int, answer: dict) -> None:
        """Count a case.

        Args:
            kind: of the case.
            index: its number.
            answer: of the worker.
        """
        self.cases += 1
        self.outcomes[kind] = dict(Counter(self.outcomes.get(kind, {})) + Counter({answer["outcome"]: 1}))
        if answer.get("by"):
            self.by[answer["by"]] = self.by.get(answer["by"], 0) + 1
        self.slowest = max(self.slowest, answer.get("seconds", 0.0))
        peak = answer.get("peak", 0) / 1024
        if peak > self.peak + GREEDY:
            self.greedy.append(
                f"{kind}:{index} {peak:.0f} MB {answer['outcome']} {answer.get('said', '')[:200]}"
            )
        self.peak = max(self.peak, peak)
        self.seconds[kind] = self.seconds.get(kind, 0.0) + answer.get("seconds", 0.0)
        bad = answer["outcome"] in {"failed", "hung", "died"} or answer.get("fault") or answer.get("opened")
        if bad and len(self.faults) < 100:
            self.faults.append({"case": f"{kind}:{index}", **answer})


class Worker:
    """A process that answers cases, started anew when it hangs or dies."""

    def __init__(self, seeds: Path, seed: str, log: Path, kinds: tuple[str, ...] = fuzz_seeds.KINDS) -> None:
        self._words = [sys.executable, "-m", "fuzz_worker", str(seeds), seed, ",".join(kinds)]
        self._log = log
        self._process: subprocess.Popen | None = None

    def answer(self, kind: str, index: int) -> dict:
        """Try one case; one that takes too long is tried once more by a fresh process, as a busy machine stops any.

        Args:
            kind: of the case.
            index: its number.
        """
        answer = self._answer(kind, index)
        return self._answer(kind, index) if answer["outcome"] == "hung" else answer

    def _answer(self, kind: str, index: int) -> dict:
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None and process.stdin is not None
        try:
            process.stdin.write(f"{kind} {index}\n")
            process.stdin.flush()
            line = self._lines.get(timeout=TIME_LIMIT)
        except queue.Empty:
            self.stop()
            return {"outcome": "hung", "seconds": TIME_LIMIT}
        except OSError:
            line = ""
        if not line:
            self.stop()
            return {"outcome": "died", "said": self._log.read_text(errors="replace")[-1000:]}
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def _start(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()
        if not self._lines.get(timeout=START_LIMIT):
            raise RuntimeError(self._log.read_text(errors="replace")[-1000:])


def _pump(stream, lines: queue.Queue) -> None:
    try:
        for line in stream:
            lines.put(line)
    except ValueError:
        pass
    lines.put("")


def run(
    cases: int, seed: str, seeds: Path, kinds: tuple[str, ...] = fuzz_seeds.KINDS, counts: Path | None = None
) -> Counts:
    """Try cases, the kinds in turn.

    Args:
        cases: how many in all, those counted already among them.
        seed: of all cases.
        seeds: folder that `fuzz_seeds.build` has filled.
        kinds: of `fuzz_seeds.KINDS`.
        counts: a file that is gone on with and rewritten; None for none.
    """
    found = Counts(seed)
    if counts is not None and counts.exists() and json.loads(counts.read_text())["seed"] == seed:
        found = Counts(**json.loads(counts.read_text()))
    with tempfile.TemporaryDirectory() as home:
        worker = Worker(seeds, seed, Path(home) / "log", kinds)
        try:
            while found.cases < cases:
                kind, index = kinds[found.cases % len(kinds)], found.cases // len(kinds)
                found.add(kind, index, worker.answer(kind, index))
                if counts is not None and (found.cases % SAVED_EVERY == 0 or found.cases == cases):
                    counts.write_text(json.dumps(asdict(found), indent=1))
        finally:
            worker.stop()
    return found


def main() -> int:
    """Run from the command line; 1 when anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--kinds", default=",".join(fuzz_seeds.KINDS))
    parser.add_argument("--counts", type=Path)
    parser.add_argument("--only", metavar="KIND:NUMBER", help="try one case and print its answer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        seeds = Path(home) / "seeds"
        fuzz_seeds.build(seeds)
        if given.only:
            kind, _, index = given.only.partition(":")
            worker = Worker(seeds, given.seed, Path(home) / "log", (kind,))
            sys.stdout.write(json.dumps(worker.answer(kind, int(index)), indent=1) + "\n")
            worker.stop()
            return 0
        found = run(given.cases, given.seed, seeds, tuple(given.kinds.split(",")), given.counts)
    sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
