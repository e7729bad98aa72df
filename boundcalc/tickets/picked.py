"""Tickets trained on examples that they pick, which gives a certificate for them (`boundcalc train --certify pick`)."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from boundcalc._version import __version__
from boundcalc.certificates import file
from boundcalc.certificates.file import Certificate, digest_of_split
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.apart import set_apart
from boundcalc.certificates.pick.learner import NetworkLearner
from boundcalc.certificates.pick.ledger import ledger
from boundcalc.certificates.pick.procedure import Picked, pick
from boundcalc.checkpoint import from_state_dict
from boundcalc.empirical.split import Split
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.network.digest import digest_of_network
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.threads import one_thread
from boundcalc.tickets import networks, storage
from boundcalc.tickets.curve import Curve
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.lottery import (
    RunContext,
    TrainingState,
    masks_at_initialization,
    own_random_numbers,
    ticket_of,
    with_measurements,
)
from boundcalc.tickets.masks import Masks, ones
from boundcalc.tickets.networks import Weights
from boundcalc.tickets.plan import of_tree as plan_of_tree
from boundcalc.tickets.samples import Samples

DELTA = 0.05


def run(context: RunContext, split: Split) -> list[dict[str, Any]]:
    """Make, by picking, every ticket of a run that does not exist yet.

    Args:
        context: plan, samples and folder; the plan has a `picking`.
        split: the training samples, streamed, for the certificates.

    Returns:
        The content of ticket.json, level by level, with the certificate's value, the number of picks and the errors outside
        them.
    """
    with own_random_numbers(context):
        template = networks.build(context.plan, context.train.shape, context.classes)
    initial = networks.plain_tensors(template, template.state_dict())
    storage.write_initial(context.home, initial)
    levels = range(len(context.plan.densities()))
    for level in levels:
        if not storage.is_written(context.home, level):
            _run_level(context, template, initial, level, split)
    return [storage.read_ticket(context.home, level) for level in levels]


def _run_level(context: RunContext, template: nn.Module, initial: Weights, level: int, split: Split) -> None:
    state = TrainingState(level, 0, ones(template), initial, None, Curve())
    if context.plan.pruner != "imp":
        state = replace(state, masks=masks_at_initialization(context, template, initial, level))
    trained, masks, picked = train(context, template, initial, state.masks, level)
    found = certificate(context, template, trained, picked, split, level)
    curve = with_measurements(
        context, networks.masked_module(template, trained, masks, normed=False), Curve(), 1, trained_on=True
    )
    state = replace(state, masks=masks, curve=curve)
    ticket = {
        **ticket_of(context, state),
        "certificate": found.value,
        "picked": len(found.picked),
        "wrong": found.wrong,
    }
    weights = {0: {key: _masked(tensor, masks.get(key)) for key, tensor in initial.items()}, 1: trained}
    files = {file.NAME: found.text()}
    storage.write_level(
        context.home, storage.Level(level, weights, masks, curve, ticket, files), context.plan.tree()
    )


def _masked(tensor: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return tensor if mask is None else torch.where(mask, tensor, 0.0)


def train(
    context: RunContext,
    template: nn.Module,
    initial: Weights,
    masks: Masks,
    level: int,
    rounds: int | None = None,
) -> tuple[Weights, Masks, Picked]:
    """Train one ticket by picking.

    Args:
        context: context of the run; its plan has a `picking`.
        template: the network.
        initial: its weights before any training.
        masks: masks that were fixed before the sample was drawn.
        level: level of the ticket; imp prunes to its density within the last training.
        rounds: number of rounds to run, if it is known which candidate was kept; None to choose among the candidates.

    Returns:
        Trained weights, masks, and the picked examples.
    """
    plan = context.plan
    assert plan.picking is not None
    density = plan.densities()[level]
    within = density if plan.pruner == "imp" and density < 1 else None
    module = networks.masked_module(template, initial, masks, normed=False)
    order = np.random.default_rng([context.seed, 20]).random(context.train.m)
    apart = set_apart(context.train.m, plan.picking.set_aside, context.seed)
    with one_thread():
        learner = NetworkLearner(module, masks, context.train, plan.picking, context.seed, within, apart)
        if len(apart):
            learner.start()
        picked = pick(
            learner,
            plan.picking.sizes()[:rounds],
            order,
            lambda done: context.progress(level, done, np.nan),
            apart,
            plan.picking.candidates if rounds is None else 1,
        )
    return networks.plain_tensors(module, template.state_dict()), learner.masks, picked


def certificate(
    context: RunContext, template: nn.Module, trained: Weights, picked: Picked, split: Split, level: int
) -> Certificate:
    """Return the certificate of a trained ticket, from its errors outside the picks, counted in float64.

    Args:
        context: context of the run.
        template: the network.
        trained: its weights, with pruned ones zero.
        picked: the examples that it was trained on.
        split: the training samples, streamed.
        level: level of the ticket.
    """
    plan = context.plan
    assert plan.picking is not None
    network = network_of(template, trained, context.train.shape)
    margins = claim.margins_in_order(network, split)
    made_by: dict[str, Any] = {
        "plan": plan.tree(),
        "seed": context.seed,
        "level": level,
        "classes": context.classes,
        "wrong": list(picked.wrong),
        "versions": {"boundcalc": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    lines = ledger(plan.normalize, made_by)
    indices = tuple(tuple(int(index) for index in round) for round in picked.rounds)
    counted = claim.counted(
        margins, [index for round in indices for index in round], claim.apart_of(len(margins), made_by)
    )
    return Certificate(
        method="pick" if indices else "holdout",
        subject="network",
        prior="data-dependent" if plan.picking.set_aside else "none",
        data=plan.data,
        data_sha256=digest_of_split(split),
        m=len(margins),
        normalize=plan.normalize,
        delta=DELTA,
        value=counted.value(DELTA, sum(line.bits for line in lines)),
        rounds=indices,
        wrong=counted.wrong,
        ledger=lines,
        network_sha256=digest_of_network(network),
        made_by=made_by,
    )


def network_of(template: nn.Module, trained: Weights, shape: tuple[int, ...]) -> Network:
    """Return a trained ticket as the float64 network that an analysis uses.

    Args:
        template: the network.
        trained: its weights, with pruned ones zero.
        shape: shape of one sample.
    """
    module = copy.deepcopy(template)
    module.load_state_dict(trained)
    return from_checkpoint(from_state_dict(trained, "ticket"), module, shape)


def replay(
    claimed: Certificate, train_samples: Samples, where: Hardware, model: str | None = None
) -> tuple[Network, Picked]:
    """Train a certified ticket again, with the options in its certificate.

    Args:
        claimed: the certificate as loaded; code that its options name is never run.
        train_samples: the training samples, normalized as the certificate says.
        where: device to train on.
        model: the user's code that makes the network, if it is not one of boundcalc's.

    Returns:
        The network and its picks.

    Raises:
        CheckpointError: when the options are incomplete.
        UsageError: when the network is not one of boundcalc's and `model` is None.
    """
    try:
        plan = plan_of_tree(claimed.made_by["plan"])
        seed, level = int(claimed.made_by["seed"]), int(claimed.made_by["level"])
        density = plan.densities()[level]
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise CheckpointError("certificate", f"its options are incomplete: {problem}") from None
    if plan.model is not None:
        if model is None:
            raise UsageError(
                "--replay retrains a network of your own code: give --model FILE.py:CALLABLE, which is run"
            )
        plan = replace(plan, model=model)
    context = RunContext(plan, seed, Path(), train_samples, None, where)
    with own_random_numbers(context):
        template = networks.build(plan, train_samples.shape, context.classes)
    initial = networks.plain_tensors(template, template.state_dict())
    masks = (
        ones(template)
        if plan.pruner == "imp" or density == 1
        else masks_at_initialization(context, template, initial, level)
    )
    trained, masks, picked = train(context, template, initial, masks, level, len(claimed.rounds))
    return network_of(template, trained, train_samples.shape), picked
