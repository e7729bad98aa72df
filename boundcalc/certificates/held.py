"""The certificates that an analysis may use: the one beside a checkpoint, or those named, and whether they speak of its network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from boundcalc.certificates import file
from boundcalc.certificates.file import Certificate
from boundcalc.checkpoint import from_state_dict, read
from boundcalc.errors import BoundcalcError, CheckpointError
from boundcalc.network.digest import digest_of_network, wiring
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.tickets.networks import by_name


@dataclass(frozen=True, eq=False)
class Held:
    """A certificate that was read.

    Attributes:
        path: its file.
        certificate: its content.
        differs: why it does not speak of the checkpoint's network; empty where it does.
    """

    path: Path
    certificate: Certificate
    differs: str

    def network(self, shape: tuple[int, ...]) -> Network:
        """Return the network that it speaks of, from its folder.

        Args:
            shape: of one sample, an image with its channels.

        Raises:
            CheckpointError: the network is missing, made by the user's code, or not the certified one.
        """
        if not own_architecture(self.certificate.made_by):
            raise CheckpointError(
                self.path,
                "its network is made by your own code; only certificates of boundcalc's own "
                "architectures can be transferred",
            )
        module = module_of(self.certificate.made_by, shape)
        network = from_checkpoint(read(self.path.parent), module, shape)
        if digest_of_network(network) != self.certificate.network_sha256:
            raise CheckpointError(self.path, "the network beside it is not the certified one")
        return network


def hold(paths: Iterable[Path], network: Network, model: Any, shape: tuple[int, ...]) -> tuple[Held, ...]:
    """Read certificates and compare what they speak of with a network.

    Args:
        paths: of the certificates.
        network: the checkpoint's.
        model: what the user gave as its architecture, or None.
        shape: of one sample, an image with its channels.

    Raises:
        CheckpointError: one is unreadable.
    """
    found = []
    for path in paths:
        certificate = file.read_certificate(path)
        found.append(Held(path, certificate, _difference(certificate, network, model, shape)))
    return tuple(found)


def _difference(certificate: Certificate, network: Network, model: Any, shape: tuple[int, ...]) -> str:
    if network.unplaced:
        return network.unplaced
    if digest_of_network(network) != certificate.network_sha256:
        return "its weights differ from those of this network"
    made_by = certificate.made_by
    if not own_architecture(made_by):
        theirs = (made_by.get("plan") or {}).get("model")
        return (
            "" if model is not None else f"its architecture is made by your own code: give --model {theirs}"
        )
    try:
        module = module_of(made_by, shape)
        drawn = from_state_dict(module.state_dict(), "the certificate's architecture")
        same = wiring(from_checkpoint(drawn, module, shape)) == wiring(network)
    except BoundcalcError as problem:
        return f"its architecture cannot be built: {problem}"
    return "" if same else "its layers are not connected like those of this network"


def own_architecture(made_by: Mapping[str, Any]) -> bool:
    """Return whether a run's network is one of boundcalc's own."""
    return bool((made_by.get("plan") or {}).get("arch"))


def module_of(made_by: Mapping[str, Any], shape: tuple[int, ...]) -> torch.nn.Module:
    """Make the network of a run, with random weights; the state of the global generator is restored.

    Args:
        made_by: options of the run, of one of boundcalc's own networks.
        shape: of one sample.

    Raises:
        DataError: there is no such network, or it does not take such samples.
    """
    plan = made_by["plan"]
    with torch.random.fork_rng(devices=[]):
        return by_name(plan["arch"], shape, int(made_by.get("classes") or 10), plan.get("first_stage"))


def shipped(data_sha256: str) -> list[Path]:
    """Return the certificates of networks that come with boundcalc for a training sample: at most one of each prior.

    Args:
        data_sha256: of the sample, see `boundcalc.certificates.file.digest_of_split`.
    """
    root = Path(str(resources.files("boundcalc.sample"))) / "certificates"
    found: dict[str, Path] = {}
    for path in sorted(root.glob(f"*/{file.NAME}")):
        certificate = file.read_certificate(path)
        if certificate.data_sha256 == data_sha256 and certificate.method not in file.CODED:
            found.setdefault(certificate.prior, path)
    return list(found.values())
