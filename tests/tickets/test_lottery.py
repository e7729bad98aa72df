"""Runs: levels, rewinding, what is on disk, and that an interruption changes nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import boundcalc
from boundcalc.checkpoint import read
from boundcalc.checkpoint.open_lth import ticket_at
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import BoundcalcError, CheckpointError, DataError, UsageError
from boundcalc.tickets import curve, lottery, networks, paths, storage
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.plan import RunPlan
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import on_device
from boundcalc.tickets.training import measure

CPU = Hardware(torch.device("cpu"))
MODEL = """
from torch import nn
def make():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48, 3)
    )
"""


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    x = generator.random((90, 6, 6))
    y = (x[:, :3].mean((1, 2)) * 30).astype(int) % 3
    return on_device(open_data((x[:70], y[:70], x[70:], y[70:])), CPU)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    return f"{tmp_path / 'net.py'}:make"


def plan(**options):
    recipe = Recipe(**{"epochs": 3, "batch_size": 16, "lr": 0.05, **options.pop("recipe", {})})
    options = {"arch": "conv-3-2", "pruner": "imp", "recipe": recipe, **options}
    if "levels" not in options and "density" not in options:
        options["levels"] = 2
    return RunPlan("arrays", **options)


def context(plan, data, home, seed=0, **more):
    return lottery.RunContext(plan, seed, home, *data, CPU, **more)


def files(home):
    return {str(path.relative_to(home)): path for path in sorted(home.rglob("*")) if path.is_file()}


def same(one, other):
    """Whether two folders hold the same files with the same content, tensor by tensor, bit by bit."""
    assert list(files(one)) == list(files(other))
    for name, path in files(one).items():
        twin = files(other)[name]
        if path.suffix == ".pth":
            a, b = torch.load(path, weights_only=True), torch.load(twin, weights_only=True)
            assert list(a) == list(b)
            assert all(torch.equal(a[key], b[key]) for key in a), name
        else:
            assert path.read_bytes() == twin.read_bytes(), name


def test_imp_removes_the_smallest_and_rewinds(data, tmp_path):
    made = plan(levels=3, rewind=1, prune_fraction=0.3)
    lottery.run(context(made, data, tmp_path / "r"))
    tickets = [read(tmp_path / "r" / f"level_{level}") for level in range(4)]
    rewound = torch.load(paths.main(tmp_path / "r", 0) / "model_ep1_it0.pth", weights_only=True)
    for before, after in zip(tickets[:-1], tickets[1:], strict=True):
        alive = torch.cat([before.masks[key].flatten() for key in before.masks])
        kept = torch.cat([after.masks[key].flatten() for key in before.masks])
        sizes = torch.cat([before.tensors[key].abs().flatten() for key in before.masks])
        assert int(kept.sum()) == round(0.7 * int(alive.sum()))
        assert not (kept & ~alive).any()
        assert sizes[kept].min() >= sizes[alive & ~kept].max()
    for level in (1, 2, 3):
        main = paths.main(tmp_path / "r", level)
        start = torch.load(main / "model_ep1_it0.pth", weights_only=True)
        masks = torch.load(main / "mask.pth", weights_only=True)
        for key, tensor in start.items():
            assert torch.equal(tensor, rewound[key] * masks[key] if key in masks else rewound[key])
    assert storage.read_ticket(tmp_path / "r", 2)["epochs"] == 2


def test_imp_layerwise_prunes_each_layer_alike(data, tmp_path):
    lottery.run(context(plan(levels=1, scope="layerwise", prune_fraction=0.5), data, tmp_path))
    for mask in read(tmp_path / "level_1").masks.values():
        assert int(mask.sum()) == max(1, round(0.5 * mask.numel()))


@pytest.mark.parametrize("pruner", ["random", "magnitude", "snip", "grasp", "synflow"])
def test_tickets_of_pruners_at_initialisation(data, tmp_path, pruner):
    tickets = lottery.run(context(plan(pruner=pruner, density=(0.5, 0.2)), data, tmp_path))
    first = torch.load(tmp_path / "level_pretrain/main/model_ep0_it0.pth", weights_only=True)
    template = networks.build(plan(), data[0].shape, 3)
    for level, density in enumerate((0.5, 0.2)):
        main = paths.main(tmp_path, level)
        checkpoint = read(main)
        assert checkpoint.format == "open_lth"
        assert checkpoint.reference == tmp_path / "level_pretrain" / "main" / "model_ep0_it0.pth"
        reference = read(checkpoint.reference)
        assert all(torch.equal(reference.tensors[key], first[key]) for key in first)
        assert any("sparsity_report.json agrees" in sentence for sentence in checkpoint.evidence)
        total = sum(mask.numel() for mask in checkpoint.masks.values())
        surviving = sum(int(mask.sum()) for mask in checkpoint.masks.values())
        assert surviving == round(density * total) == tickets[level]["surviving"]
        start = torch.load(main / "model_ep0_it0.pth", weights_only=True)
        assert all(torch.equal(start[key], first[key] * mask) for key, mask in checkpoint.masks.items())
        network = networks.masked_module(template, checkpoint.tensors, checkpoint.masks, False)
        for split, name in zip(data, ("train_error", "test_error"), strict=True):
            assert tickets[level][name] == measure(network, split, "cross-entropy", CPU)[1]
        assert tickets[level]["gap"] == tickets[level]["test_error"] - tickets[level]["train_error"]
        flat = load_file(main / "model.safetensors")
        assert all(torch.equal(flat[key], tensor) for key, tensor in checkpoint.tensors.items())
        origin = "data" if pruner in {"snip", "grasp"} else "independent"
        assert tickets[level]["mask_origin"] == origin


def test_imp_finds_its_initialisation_and_tells_origin(data, tmp_path):
    tickets = lottery.run(context(plan(), data, tmp_path))
    assert [ticket["mask_origin"] for ticket in tickets] == ["independent", "data", "data"]
    assert ticket_at(tmp_path / "level_2").reference == tmp_path / "level_0/main/model_ep0_it0.pth"
    with pytest.raises(CheckpointError, match="level_0/main, level_1/main, level_2/main"):
        read(tmp_path)


def test_blind_masks_do_not_move_with_the_data(data, tmp_path):
    """What ticket.json calls independent is: other samples of the same number and shape give the same mask."""
    other = tuple(type(split)(-split.x, (split.y + 1) % 3) for split in data)
    for pruner in ("random", "magnitude", "synflow"):
        found = []
        for name, samples in (("a", data), ("b", other)):
            home = tmp_path / pruner / name
            lottery.run(context(plan(pruner=pruner, density=(0.4,)), samples, home))
            found.append(read(home).masks)
        assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_weights_of_the_users_code_may_have_seen_the_data(model):
    for pruner, origin in (("random", "independent"), ("magnitude", "data"), ("synflow", "data")):
        assert plan(arch=None, model=model, pruner=pruner, density=(0.5,)).mask_origin(0.5) == origin


def test_the_curve_has_every_epoch(data, tmp_path):
    lottery.run(context(plan(), data, tmp_path))
    found = curve.read((paths.main(tmp_path, 1) / "logger").read_text())
    steps = -(-70 // 16)
    for name, iterations in {
        "test_loss": [0, 1, 2, 3],
        "test_accuracy": [0, 1, 2, 3],
        "test_examples": [0, 1, 2, 3],
        "running_loss": [1, 2, 3],
        "running_error": [1, 2, 3],
        "train_loss": [0, 3],
        "train_error": [0, 3],
    }.items():
        assert [step for key, step, _ in found.rows if key == name] == [steps * epoch for epoch in iterations]
    ticket = storage.read_ticket(tmp_path, 1)
    assert ticket["sum_of_losses"] == sum(found.of("running_loss"))
    assert ticket["first_epoch_loss"] == found.of("running_loss")[0]
    assert curve.read(found.text()) == found


VARIANTS = {
    "rewound": {"rewind": 1, "recipe": {"schedule": "cosine"}},
    "normed": {"recipe": {"weight_norm": True, "optimizer": "adam", "lr": 0.01}},
    "synflow": {"pruner": "synflow", "density": (0.6, 0.3), "recipe": {"loss": "mse"}},
}


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_interrupted_after_any_epoch_and_resumed(data, tmp_path, model, variant):
    """Dropout and BatchNorm in the network: the state must hold random numbers and statistics."""
    made = plan(arch=None, model=model, **VARIANTS[variant])
    told = []
    lottery.run(context(made, data, tmp_path / "whole", progress=lambda *now: told.append(now)))
    for stop in range(len(told)):
        home = tmp_path / f"stopped_{stop}"
        calls = iter(range(len(told)))

        def interrupt(*now, calls=calls, stop=stop):
            if next(calls) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lottery.run(context(made, data, home, progress=interrupt))
        with pytest.raises(UsageError, match="add --resume"):
            lottery.run(context(made, data, home))
        rest = []
        lottery.run(context(made, data, home, progress=lambda *now, rest=rest: rest.append(now)), resume=True)
        assert rest == told[stop + 1 :]
        same(tmp_path / "whole", home)


def test_a_finished_run_is_only_read(data, tmp_path):
    first = lottery.run(context(plan(), data, tmp_path))
    before = {name: path.stat().st_mtime_ns for name, path in files(tmp_path).items()}
    assert lottery.run(context(plan(), data, tmp_path)) == first
    assert lottery.run(context(plan(), data, tmp_path), resume=True) == first
    assert before == {name: path.stat().st_mtime_ns for name, path in files(tmp_path).items()}


def test_seeds_differ_and_repeat(data, tmp_path):
    for home, seed in (("a", 1), ("b", 1), ("c", 2)):
        lottery.run(context(plan(levels=0), data, tmp_path / home, seed))
    weights = [read(tmp_path / home).tensors["fc.weight"] for home in "abc"]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_global_random_numbers_are_left_alone(data, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    lottery.run(context(plan(levels=0), data, tmp_path))
    assert torch.equal(before, torch.get_rng_state())


def test_diverging_training_is_told(data, tmp_path):
    with pytest.raises(BoundcalcError, match="diverged in epoch 1 of level 0; lower --lr"):
        lottery.run(context(plan(recipe={"lr": 1e30, "loss": "mse"}), data, tmp_path))


def test_a_folder_belongs_to_one_run(tmp_path):
    storage.claim(tmp_path / "run", plan())
    storage.claim(tmp_path / "run", plan())
    for other, said in (
        (plan(rewind=1), r"another rewind \(0, not 1\)"),
        (plan(levels=3), r"another levels \(2, not 3\)"),
        (plan(recipe={"lr": 0.2}), r"another lr \(0.05, not 0.2\)"),
        (plan(normalize=(0.5, 0.5)), r"another normalize \(none, not 0.5,0.5\)"),
    ):
        with pytest.raises(UsageError, match=said):
            storage.claim(tmp_path / "run", other)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="is not empty and does not hold a run"):
        storage.claim(tmp_path / "own", plan())
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["thesis.tex"]
    (tmp_path / "run" / "run.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(CheckpointError, match="run.json"):
        storage.claim(tmp_path / "run", plan())


def test_changed_model_file_is_another_run(tmp_path, model):
    made = plan(arch=None, model=model)
    storage.claim(tmp_path / "run", made)
    (tmp_path / "net.py").write_text(MODEL.replace("0.3", "0.4"))
    with pytest.raises(UsageError, match="another model-sha256"):
        storage.claim(tmp_path / "run", made)


def test_damaged_state_is_told(data, tmp_path):
    tmp_path.joinpath("state.pth").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="state.pth: is not the training state"):
        lottery.run(context(plan(), data, tmp_path), resume=True)


def test_networks_that_do_not_fit_the_data(data, tmp_path, model):
    for made, message in (
        (plan(arch="lenet300"), r"lenet300 does not take samples of shape \(1, 6, 6\)"),
        (plan(arch="conv-9-2"), "conv-9-2: conv6: kernels of width 2"),
        (plan(arch=None, model=model.replace("make", "nn.ReLU")), "no linear or convolution layer"),
    ):
        with pytest.raises((DataError, CheckpointError), match=message):
            lottery.run(context(made, data, tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    many = tuple(type(split)(split.x, split.y + 9) for split in data)
    with pytest.raises(DataError, match="has 3 outputs, but the data has labels up to 11"):
        lottery.run(context(plan(arch=None, model=model), many, tmp_path / "none"))


@pytest.mark.parametrize(
    ("arch", "side"), [("lenet300", 28), ("lenet5", 28), ("conv-3-2", 6), ("strided-2", 8)]
)
def test_a_ticket_is_read_as_the_network_that_it_names(arch, side, tmp_path):
    random = np.random.default_rng(0)
    x, y = random.random((40, side, side)), random.integers(0, 10, 40)
    arrays = (x[:30], y[:30], x[30:], y[30:])
    chosen = plan(arch=arch, pruner="random", density=(0.5,), recipe={"epochs": 1})
    lottery.run(context(chosen, on_device(open_data(arrays), CPU), tmp_path))
    main = paths.main(tmp_path, 0)
    told = json.loads((main / paths.TICKET).read_text())
    measured = boundcalc.analyze(main, data=arrays, only="empirical").to_dict()["empirical"]
    assert measured["train_error"] == pytest.approx(told["train_error"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pruner": "snp", "density": (0.5,)}, "did you mean snip"),
        ({"arch": "lenet30"}, "did you mean lenet300"),
        ({"arch": None}, "--arch NAME or --model"),
        ({"pruner": "imp", "density": (0.5,)}, "imp takes --levels N"),
        ({"pruner": "snip", "density": None, "levels": None}, "--density P,... or --levels N"),
        ({"pruner": "snip", "density": (1.5,)}, "--density 1.5"),
        ({"pruner": "snip", "density": (0.5,), "rewind": 1}, "--rewind is for --pruner imp"),
        ({"rewind": 3}, "--rewind 3: give an epoch from 0 to below --epochs 3"),
        ({"prune_fraction": 1.0}, "--prune-fraction 1"),
        ({"levels": -1}, "--levels -1"),
        ({"scope": "local"}, "--scope local"),
        ({"per_class": 0}, "--samples-per-class 0"),
    ],
)
def test_plans_that_make_no_sense(options, message):
    with pytest.raises(UsageError) as caught:
        plan(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
