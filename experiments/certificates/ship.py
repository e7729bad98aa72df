"""Puts a certified ticket into data/certificates: weights in float16, the certificate and ticket.json beside them.

    python experiments/certificates/ship.py TICKET DATA OUT

TICKET is a folder that `boundcalc train --certify pick` wrote. Trained with --pick-half, its weights are float16 numbers already.
Else they are rounded here, which is what --pick-half does at the end of the last training, so that the certificate is that of
the same command with --pick-half: its errors are counted anew.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from boundcalc.analysis import sample_shape
from boundcalc.certificates import file
from boundcalc.certificates.held import module_of
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.checkpoint import from_state_dict
from boundcalc.empirical.datasets import open_data
from boundcalc.network.digest import digest_of_network
from boundcalc.network.load import from_checkpoint


def ship(ticket: Path, data: str, out: Path) -> float:
    """Write the folder and return the certificate's value.

    Args:
        ticket: folder of the ticket.
        data: form of `--data`.
        out: folder to write.
    """
    certificate = file.read_certificate(ticket / file.NAME)
    halves = {key: tensor.half() for key, tensor in load_file(ticket / "model.safetensors").items()}
    rounded = {key: tensor.float() for key, tensor in halves.items()}
    dataset = open_data(data, certificate.normalize)
    shape = sample_shape(dataset)
    assert shape is not None
    module = module_of(certificate.made_by, shape)
    module.load_state_dict(rounded)
    network = from_checkpoint(from_state_dict(rounded, "ticket"), module, shape)
    margins = claim.margins_in_order(network, dataset.train)
    counted = claim.counted(margins, certificate.picked, claim.apart_of(len(margins), certificate.made_by))
    plan = certificate.made_by["plan"]
    name = f"{data.partition(':')[0]}:DIR"
    made_by = {
        **certificate.made_by, "plan": {**plan, "data": name, "picking": {**plan["picking"], "half": True}}
    }  # fmt: skip
    shipped = replace(
        certificate,
        data=name,
        ledger=ledger(certificate.normalize, made_by),
        wrong=counted.wrong,
        value=counted.value(certificate.delta, certificate.bits),
        network_sha256=digest_of_network(network),
        made_by=made_by,
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / file.NAME).write_text(shipped.text(), encoding="utf-8")
    told = json.loads((ticket / "ticket.json").read_text(encoding="utf-8"))
    told |= {"data": name, "certificate": shipped.value, "wrong": shipped.wrong}
    (out / "ticket.json").write_text(json.dumps(told, indent=4) + "\n", encoding="utf-8")
    save_file(halves, out / "model.safetensors")
    (out / "model.safetensors").chmod(0o644)
    return shipped.value


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(ship(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
