"""All file names of a run: those of open_lth and, in addition, ticket.json, model.safetensors and the state for --resume."""

from __future__ import annotations

from pathlib import Path

RUN = "run.json"
MASK = "mask.pth"
REPORT = "sparsity_report.json"
LOGGER = "logger"
OPTIONS = "hparams.log"
TICKET = "ticket.json"
TENSORS = "model.safetensors"
STATE = "state.pth"


def replicate(run: Path, seed: int) -> Path:
    """Return the folder of one seed."""
    return run / f"replicate_{seed}"


def level(home: Path, number: int) -> Path:
    """Return the folder of one level inside the folder of a seed."""
    return home / f"level_{number}"


def main(home: Path, number: int) -> Path:
    """Return the folder of a level's ticket."""
    return level(home, number) / "main"


def pretrained(home: Path) -> Path:
    """Return the folder of the weights before any level."""
    return home / "level_pretrain" / "main"


def model(epoch: int) -> str:
    """Return the file name of the weights after a number of epochs."""
    return f"model_ep{epoch}_it0.pth"


def certificate(home: Path, number: int) -> Path:
    """Return the file of a level's certificate; the certified network is beside it, as .safetensors."""
    return home / "certified" / f"level_{number}.json"
