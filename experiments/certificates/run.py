"""Measures the rows of results.json again, each by its own command, and writes the page.

    python experiments/certificates/run.py --mnist DIR --fashion DIR --cifar FILE --ticket LEVEL_22 --out RUNS
    python experiments/certificates/run.py --mnist DIR --out RUNS --only mnist_pacbayes mnist_occam

All rows take some hours of one core. DIR holds the four files of MNIST or of Fashion-MNIST, FILE 20,000 training and 4,000 test
images of CIFAR-10 that were stored as JPEG, LEVEL_22 is that level of an open_lth lottery of LeNet-300-100. A row whose data are not
given stays as it was. What a row is, and its command, stand in results.json, where a new row is added by hand.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

from page import HERE, Tree, write

from boundcalc.certificates import file

PARTS = ("trained", "coded", "disagreement")
ROWS = {"mnist_pick": "disagreement", "mnist_holdout": "disagreement_holdout"}
"""Certificate that a row goes through -> its row of the report."""


def called(words: list[str]) -> Tree:
    """Run boundcalc and return the seconds that it took, of the processor and of the clock."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before, start = spent(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return {
        "cpu_seconds": round(spent() - before, 1),
        "wall_seconds": round(time.perf_counter() - start, 1),
    }


def commands(row: Tree, places: dict[str, str], home: Path) -> list[list[str]]:
    """Return the words of a row's commands, with data and folders put in.

    Args:
        row: of results.json.
        places: what stands in the commands for data -> where they are here.
        home: folder for all that the row writes.
    """
    found = []
    for command in row["command"].split(";"):
        words = [places.get(word, word) for word in shlex.split(command)[1:]]
        found.append([str(home / word) if word.startswith("runs/") else word for word in words])
    return found


def certified(row: Tree, words: list[str], home: Path) -> None:
    """Search a certificate, verify it, and put what was found into the row.

    Args:
        row: of the parts `trained` and `coded`.
        words: of its command.
        home: folder that the command writes.
    """
    seconds = called(words)
    place = sorted(home.rglob("*certificate.json"))[-1]
    found = file.read_certificate(place)
    check = ["verify", str(place), "--data", words[words.index("--data") + 1]]
    if words[0] != "train":
        check += ["--checkpoint", words[0]]
    row |= seconds | {"value": found.value, "wrong": found.wrong, "data_sha256": found.data_sha256}
    row |= {"versions": found.made_by.get("versions"), "verify_seconds": called(check)["cpu_seconds"]}
    if found.method in file.CODED:
        row |= {"bits": sum(item.bits for item in found.ledger)}
        return
    told = json.loads((place.parent / "ticket.json").read_text(encoding="utf-8"))
    row |= {"picked": len(found.picked), "test_error": told["test_error"]}
    row["picked_after_each_round"] = list(accumulate(map(len, found.rounds)))
    row["wrong_after_each_round"] = list(found.made_by["wrong"])
    if row.get("replay_seconds") is not None:
        row["replay_seconds"] = called([*check, "--replay"])["cpu_seconds"]


def carried(row: Tree, words: list[str], home: Path) -> None:
    """Put what the report says of disagreement into the row.

    Args:
        row: of the part `disagreement`.
        words: of its last command.
        home: folder for the report.
    """
    report = home / "report.json"
    called([*words, "--format", "json", "--output", str(report)])
    tree = json.loads(report.read_text(encoding="utf-8"))
    bound = tree["bounds"][ROWS[row["through"]]]
    row |= {"value": bound["value"], "test_set": tree["verdict"]["test_set"]["value"]}
    row |= {key: bound["terms"][key] for key in ("disagreements", "unlabelled")}


def main(argv: list[str] | None = None) -> None:
    """Measure and write.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("mnist", "fashion", "cifar", "ticket"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for tickets and reports")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    given = parser.parse_args(argv)
    results = json.loads(given.results.read_text(encoding="utf-8"))
    for part in PARTS:
        for row in results[part]:
            folder = given.fashion if row.get("data") == "Fashion-MNIST" else given.mnist
            places = {
                "mnist:DIR": f"mnist:{folder}",
                "npz:FILE": f"npz:{given.cifar}",
                "LEVEL_22": str(given.ticket),
            }
            known = {"mnist:DIR": folder, "npz:FILE": given.cifar, "LEVEL_22": given.ticket}
            missing = [word for word in shlex.split(row["command"]) if word in known and known[word] is None]
            if missing or (given.only and row["name"] not in given.only):
                continue
            home = given.out / row["name"].replace(" ", "_")
            (home / "runs").mkdir(parents=True, exist_ok=True)
            *before, last = commands(row, places, home)
            for words in before:
                called(words)
            (carried if part == "disagreement" else certified)(row, last, home)
            print(f"{row['name']}: {row['value']:.6f}", flush=True)
            text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
            given.results.write_text(text, encoding="utf-8")
    write(given.results)


if __name__ == "__main__":
    main()
