"""What can be read, for `boundcalc formats`; imports nothing heavy."""

from __future__ import annotations

_FORMATS: tuple[tuple[str, str, str], ...] = (
    (
        "prune-live",
        "L.weight_orig with L.weight_mask (torch.nn.utils.prune before prune.remove)",
        "weight = orig * mask; the mask is declared",
    ),
    (
        "dense-zeros",
        "L.weight only (dense, or pruned for good)",
        "weight as stored; mask inferred from exact zeros",
    ),
    (
        "synaptic-flow",
        "L.weight with L.weight_mask, L.bias with L.bias_mask; or L.mask",
        "weight = weight * mask; multi-shot model.pt is the network at initialisation",
    ),
    (
        "mask-buffers",
        "a mask beside each weight under a name of its own: L._weight_mask (ModelOpt), L._mask (fasterai), L.zero_weights (nupic)",
        "weight = weight * mask; positions that are kept or pruned are read, too",
    ),
    (
        "edge-popup",
        "L.scores beside L.weight (hidden-networks)",
        "with --mask-from-scores DENSITY the weights of the largest scores of each layer",
    ),
    (
        "ramanujan-on-pai",
        "{epoch, state_dict} with keys containing mask",
        "as prune-live or synaptic-flow; <n>_mask.pth.tar can be given as --mask",
    ),
    (
        "open_lth",
        "folder lottery_*/replicate_*/level_*/main with model_ep*_it*.pth, mask.pth, sparsity_report.json",
        "newest model * mask.pth, checked with the report; reference = ep0_it0 of level_0 or level_pretrain",
    ),
    (
        "parametrizations",
        "L.parametrizations.weight.original, original0/1, .0._u, .0._v, .0.mask (torch.nn.utils.parametrize)",
        "weight_norm, spectral_norm and masks undone in order; original alone needs --mask",
    ),
    (
        "weight-norm",
        "L.weight_g with L.weight_v (old weight_norm)",
        "weight = g v / norm(v); pruned v carries its mask over",
    ),
    (
        "spectral-norm",
        "L.weight_orig with L.weight_u, L.weight_v, no mask (old spectral_norm)",
        "weight = orig / (u . orig v); mask inferred from exact zeros",
    ),
    (
        "galanti",
        "{model_state_dict, graphs, optimizer_state_dict, epoch}",
        "as weight-norm; refused while graphs is a pickled class",
    ),
    (
        "lightning",
        "{state_dict, pytorch-lightning_version, hyper_parameters}",
        "attribute prefix cut off, metrics set aside; then as inside",
    ),
    (
        "nested",
        "state dict under state_dict, model_state_dict, model, net, weights, ...; masks beside it under any key, at any depth",
        "as inside; masks beside it are multiplied in: tables, lists in layer order, one vector, positions, a table a round",
    ),
    (
        "wrappers",
        "module., _orig_mod., n_averaged before all keys (DataParallel, torch.compile, AveragedModel)",
        "prefixes cut off; then as inside",
    ),
    (
        "safetensors",
        "one file, or shards with *.safetensors.index.json, or their folder",
        "same key rules; keys in no order",
    ),
    ("pt2", "torch.export archive (.pt2)", "same key rules; the forward pass gives the exact architecture"),
    (
        "mask-file",
        "--mask FILE: masks in any of these forms (.pt, .safetensors, .npz), or a state dict that carries masks",
        "weights multiplied by it",
    ),
)


def formats() -> list[tuple[str, str, str]]:
    """List the conventions that `read` understands.

    Returns:
        For each its short name, what it looks like, and how weight and mask are obtained.
    """
    return list(_FORMATS)
