"""Puts a certified ticket into data/certificates: weights in float16, the certificate and ticket.json beside them.

    python experiments/certificates/ship.py TICKET DATA OUT

TICKET is a folder that `boundcalc train --certify pick --pick-half` wrote, so that its weights are float16 numbers already, or one
with a certificate by pacbayes or occam, which holds its network; DATA is what stands for the folder of its data in the commands of
the documentation, such as mnist:DIR.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from boundcalc.certificates import file


def ship(ticket: Path, data: str, out: Path) -> float:
    """Write the folder and return the certificate's value.

    Args:
        ticket: folder of the ticket.
        data: form of `--data` without this machine's folder.
        out: folder to write.
    """
    certificate = file.read_certificate(ticket / file.NAME)
    plan = certificate.made_by["plan"]
    made_by = {**certificate.made_by, "plan": {**plan, "data": data}}
    out.mkdir(parents=True, exist_ok=True)
    shipped = replace(certificate, data=data, made_by=made_by)
    (out / file.NAME).write_text(shipped.text(), encoding="utf-8")
    if certificate.method in file.CODED:
        return shipped.value
    assert plan["picking"]["half"], "train it with --pick-half"
    weights = load_file(ticket / "model.safetensors")
    halves = {key: tensor.half() for key, tensor in weights.items()}
    assert all(torch.equal(halves[key].float(), tensor) for key, tensor in weights.items())
    told = json.loads((ticket / "ticket.json").read_text(encoding="utf-8")) | {"data": data}
    (out / "ticket.json").write_text(json.dumps(told, indent=4) + "\n", encoding="utf-8")
    save_file(halves, out / "model.safetensors")
    (out / "model.safetensors").chmod(0o644)
    return shipped.value


if __name__ == "__main__":
    print(ship(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
