"""The table of supported formats, for `boundcalc formats`; imports nothing heavy."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules

_LISTED_HERE = frozenset({
    "bitmask", "empty", "galanti", "lightning", "nested", "parametrizations", "plain", "prune", "quantized", "ramanujan",
    "spectral_norm", "state", "weight_norm", "wrappers",
})  # fmt: skip
"""Files of `boundcalc.checkpoint.conventions` that the list below describes; any other file has its own description."""
_FORMATS: tuple[tuple[str, str, str, str], ...] = (
    (
        "prune-live",
        "L.weight_orig with L.weight_mask (torch.nn.utils.prune before prune.remove)",
        "weight = orig * mask; the mask is declared",
        "PyTorch 2.13; Lightning 2.6's ModelPruning, not permanent",
    ),
    (
        "dense-zeros",
        "L.weight only (dense, or pruned for good)",
        "weight as stored; mask inferred from exact zeros",
        "PyTorch 2.13; MosaicML Composer's layout {state: {model: ...}}",
    ),
    (
        "synaptic-flow",
        "L.weight with L.weight_mask, L.bias with L.bias_mask; or L.mask",
        "weight = weight * mask; multi-shot model.pt is the network at initialization",
        "Synaptic-Flow's layout; boundcalc --save-plain",
    ),
    (
        "mask-buffers",
        "a mask beside each weight under a name of its own: L._weight_mask (ModelOpt), L._mask (fasterai), L.zero_weights (nupic)",
        "weight = weight * mask; positions that are kept or pruned are read, too",
        "NVIDIA ModelOpt 0.47; the layouts of fasterai and of nupic.torch before its pull request 70",
    ),
    (
        "edge-popup",
        "L.scores beside L.weight (hidden-networks)",
        "with --mask-from-scores DENSITY the weights of the largest scores of each layer",
        "the layout of hidden-networks",
    ),
    (
        "ramanujan-on-pai",
        "{epoch, state_dict} with keys containing mask",
        "as prune-live or synaptic-flow; <n>_mask.pth.tar can be given as --mask",
        "the layout of ramanujan-on-pai",
    ),
    (
        "open_lth",
        "folder lottery_*/replicate_*/level_*/main with model_ep*_it*.pth, mask.pth, sparsity_report.json",
        "newest model * mask.pth, checked with the report; reference = ep0_it0 of level_0 or level_pretrain",
        "open_lth; boundcalc train",
    ),
    (
        "parametrizations",
        "L.parametrizations.weight.original, original0/1, .0._u, .0._v, .0.mask (torch.nn.utils.parametrize)",
        "weight_norm, spectral_norm and masks undone in order; original alone needs --mask",
        "PyTorch 2.13, torch.ao.pruning with its sparsifier's state as --mask",
    ),
    (
        "weight-norm",
        "L.weight_g with L.weight_v (old weight_norm)",
        "weight = g v / norm(v); the mask of a pruned v is the mask of the weight",
        "PyTorch 2.13",
    ),
    (
        "spectral-norm",
        "L.weight_orig with L.weight_u, L.weight_v, no mask (old spectral_norm)",
        "weight = orig / (u . orig v); mask inferred from exact zeros",
        "PyTorch 2.13",
    ),
    (
        "galanti",
        "{model_state_dict, graphs, optimizer_state_dict, epoch}",
        "as weight-norm; refused while graphs is a pickled class",
        "the layout of the code of Galanti et al.",
    ),
    (
        "lightning",
        "{state_dict, pytorch-lightning_version, hyper_parameters}",
        "attribute prefix removed, metrics left out; then read by the form of the state dict in it",
        "Lightning 2.6, with metrics and class weights",
    ),
    (
        "nested",
        "state dict under state_dict, model_state_dict, model, net, weights, ...; masks beside it under any key, at any depth",
        (
            "read by the form of the state dict; masks beside it are applied: tables, lists in layer "
            "order, one vector, positions, one table per round"
        ),
        "rigl-torch 0.5.2; the layouts of Intel Distiller, GraSP, SNIP, PackNet, timm, DeepSpeed, MosaicML Composer, torch_ema",
    ),
    (
        "wrappers",
        "module., _orig_mod., n_averaged before all keys (DataParallel, torch.compile, AveragedModel)",
        "prefixes removed; then read by the form of the keys that remain",
        "PyTorch 2.13 (DataParallel, DistributedDataParallel, compile, FSDP, AveragedModel); Lightning Fabric's layout",
    ),
    (
        "safetensors",
        "one file; in shards with *.safetensors.index.json",
        "same key rules; the order of the keys is unknown, except in files that boundcalc wrote",
        "safetensors 0.8; the layout of the Hugging Face hub",
    ),
    (
        "pt2",
        "torch.export archive (.pt2)",
        "same key rules; the forward pass gives the exact architecture",
        "torch.export of PyTorch 2.13 and of before 2.8",
    ),
    (
        "onnx",
        "ONNX model (.onnx), weights in it or in files beside it (extra onnx)",
        "same key rules under the file's own names; the forward pass gives the exact architecture; mask inferred from exact zeros",
        "torch.onnx.export of PyTorch 2.13 with dynamo=False; graphs written with onnx 1.23",
    ),
    (
        "mask-file",
        "--mask FILE: masks in any of these forms (.pt, .safetensors, .npz), or a state dict that carries masks",
        "weights multiplied by it",
        "torch.ao.pruning; the layouts of NNI, Distiller, Lottery-Ticket-Hypothesis-in-Pytorch, NumPy archives",
    ),
    (
        "shards",
        "*.bin.index.json or *.safetensors.index.json and the files that it names, all in one folder",
        "as in one file; the order of the keys is unknown",
        "the layout of the Hugging Face hub",
    ),
    (
        "folder",
        "a folder with one checkpoint, or the index of one, beside small files, optimizers and the like",
        "read by the form of the checkpoint in it; masks in a file beside it are applied",
        "the layouts of the Hugging Face hub, of the Trainer of Transformers and of Accelerate",
    ),
    (
        "compressed-tensors",
        "L.compressed with L.bitmask and L.shape (sparse-bitmask, sparse-24-bitmask)",
        "the dense weight; the bitmask is the mask",
        "the layout of compressed-tensors (llm-compressor, vLLM)",
    ),
    (
        "several networks",
        "a list of state dicts (cascades), several under names of their own, prefixes such as student. and teacher.",
        "the one under --prefix NAME",
        "Lightning 2.6; the layout of convex_adversarial's cascades",
    ),
    (
        "refused",
        "whole modules and other pickled classes, TorchScript, plain pickles, quantized and packed weights, lazy parameters, "
        "torch's 2:4 tensors; folders of torch.distributed.checkpoint, "
        "DeepSpeed, Orbax, TensorFlow, Core ML; HDF5, MessagePack, GGUF",
        (
            "refused, and nothing is executed; the message says what the file is and how to save its "
            "weights and masks in a form that is read"
        ),
        "PyTorch 2.13 (torch.jit, torch.ao, torch.distributed.checkpoint, torch.sparse); first bytes and names of the others",
    ),
)


def formats() -> list[tuple[str, str, str, str]]:
    """List the conventions that `read` understands.

    Returns:
        For each convention its short name, what it looks like, how weight and mask are obtained, and the tools whose files
        or layouts were tested.
    """
    return [*_FORMATS, *_plugin_rows()]


def _plugin_rows() -> list[tuple[str, str, str, str]]:
    """Return the conventions that describe themselves; they (and with them torch) are imported only if there are any."""
    spec = find_spec("boundcalc.checkpoint.conventions")
    places = [] if spec is None else spec.submodule_search_locations
    files = {module.name for module in iter_modules(places)}
    if files <= _LISTED_HERE and not entry_points(group="boundcalc.conventions"):
        return []
    from boundcalc.checkpoint.conventions import registry

    return [(name, *one.formats_row) for name, one in registry.items() if one.formats_row]
