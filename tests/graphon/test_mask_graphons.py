"""The part graphon: degenerate masks, invariances, limits, and its place in the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from graphon.test_estimate import counts_of, linear_chain
from hypothesis import given, settings
from hypothesis import strategies as st
from topology.graphs import layer, network, random_weight

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import UsageError
from boundcalc.graphon.mask_graphons import analyze, of_layer
from boundcalc.options import Options
from boundcalc.parts.graphon import to_dict as tree

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "data" / "tickets"
LEVELS = sorted(
    (ROOT.parent / "shared" / "data" / "open_lth_lenet").glob("lottery_*/replicate_*/level_*/main")
)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(1, 12),
    st.integers(0, 99),
)
def test_degenerate_masks_have_finite_graphons(rows, columns, density, cells, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < density
    part = tree(analyze(linear_chain(mask), cells, seed))
    text = json.dumps(part, allow_nan=False)
    (one,) = json.loads(text)["layers"]
    low, high = one["cut_from_constant"]
    assert 0 <= low <= high <= 1
    assert one["density"] == mask.mean()
    assert len(one["histogram"]) == min(rows, cells) and len(one["histogram"][0]) == min(columns, cells)
    if mask.all() or not mask.any():
        assert (low, high, one["l2_from_constant"]) == (0, 0, 0)


def test_a_random_mask_comes_close_to_the_constant_as_width_grows():
    def cut(width):
        found = []
        for seed in range(3):
            mask = np.random.default_rng([width, seed]).random((width, width)) < 0.2
            found.append(of_layer("fc", counts_of(mask), 16, [0, seed]).cut_from_constant)
        return max(low for low, _ in found), min(high for _, high in found), max(high for _, high in found)

    small, middle, large = cut(32), cut(128), cut(512)
    assert large[2] < middle[0] < middle[2] < small[0]
    for wide, wider in ((small, middle), (middle, large)):
        assert 1.7 < wide[2] / wider[2] < 2.7, "degrees scatter as width^-1/2"


def test_a_block_mask_stays_away_from_the_constant():
    mask = np.kron(np.eye(2), np.ones((64, 64))) > 0
    found = of_layer("fc", counts_of(mask[np.random.default_rng(0).permutation(128)]), 8, [0, 0])
    low, high = found.cut_from_constant
    assert low <= 1 / 8 * (1 + 1e-9) and high >= 1 / 8
    assert found.used == "spectral" and low > 0.12
    assert found.l2_from_constant == pytest.approx(0.5)
    assert found.mask.four_cycle == pytest.approx(1 / 8)


def test_l2_is_never_below_the_cut_norm():
    for seed in range(5):
        found = of_layer("fc", counts_of(np.random.default_rng(seed).random((30, 50)) < 0.3), 16, [seed, 0])
        assert found.cut_from_constant[0] <= found.l2_from_constant


def test_permuting_units_changes_neither_densities_of_small_graphs_nor_profiles():
    rng = np.random.default_rng(1)
    mask = rng.random((48, 64)) < 0.3
    first, second = (
        of_layer("fc", counts_of(m), 64, [0, 0])
        for m in (mask, mask[rng.permutation(48)][:, rng.permutation(64)])
    )
    assert first.mask == second.mask
    assert first.graphon.row_degrees == pytest.approx(second.graphon.row_degrees)
    assert first.graphon.column_degrees == pytest.approx(second.graphon.column_degrees)


def test_a_residual_network_is_ordered_layer_by_layer_and_says_so():
    part = tree(analyze(linear_chain(np.eye(4) > 0, skip=True)))
    assert part["chain"]["l2_from_constant"] is None
    assert part["chain"]["reason"] == "each layer is ordered separately: residual sum at add after fc1"
    assert tree(analyze(linear_chain(np.eye(4) > 0)))["chain"]["reason"] is None


def test_groups_and_kernels_are_told():
    conv = layer(random_weight(2, (6, 2, 3, 3), 0.5), groups=2, name="conv")
    note = tree(analyze(network(conv)))["note"]
    assert "rolled" in note and "Different groups" in note
    assert "rolled" not in tree(analyze(linear_chain(np.eye(3) > 0)))["note"]


def test_the_seed_decides():
    net = linear_chain(np.random.default_rng(3).random((60, 80)) < 0.3)
    assert tree(analyze(net, 16, 5)) == tree(analyze(net, 16, 5))
    assert (
        tree(analyze(net, 16, 5))["layers"][0]["held_out"]
        != tree(analyze(net, 16, 6))["layers"][0]["held_out"]
    )


@pytest.mark.parametrize("cells", [0, -1, 2.5, True, 513])
def test_a_number_of_cells_that_is_none_is_refused(cells):
    with pytest.raises(UsageError, match="--cells"):
        Options(cells=cells)
    if isinstance(cells, int) and cells < 1:
        with pytest.raises(ValueError, match="at least 1"):
            analyze(linear_chain(np.eye(3) > 0), cells)


KEYS = {"name", "density", "histogram", "cut_from_constant", "l2_from_constant"}


@pytest.mark.parametrize(
    "path", [*sorted(TICKETS.glob("*.pt")), *LEVELS], ids=lambda path: path.parent.name + path.stem
)
def test_every_ticket_has_graphons(path):
    shape = (1, 28, 28) if path.name.startswith("conv") else None
    report = boundcalc.analyze(path, only=("graphon",), input_shape=shape).to_dict()
    part = report["graphon"]
    assert part["resolution"] == 64 and report["skipped"] == []
    for one, told in zip(part["layers"], report["network"]["layers"], strict=True):
        assert one.keys() >= KEYS and one["name"] == told["name"]
        assert one["density"] == pytest.approx(told["density"], rel=1e-12)
        histogram = np.array(one["histogram"])
        mean = np.array(one["row_weights"]) @ histogram @ np.array(one["column_weights"])
        assert mean == pytest.approx(one["density"], rel=1e-9)
        low, high = one["cut_from_constant"]
        assert 0 <= low <= high <= max(1.2 * low, 1e-9)
        assert low <= one["l2_from_constant"]
        assert one["homomorphisms"]["mask"]["edge"] == one["density"]


def test_the_default_report_has_the_part_in_every_view(capsys):
    ticket = str(TICKETS / "lenet300_density10.pt")
    for view, word in (
        ("table", "Mask graphon"),
        ("markdown", "## Mask graphon"),
        ("latex", "Mask graphon"),
        ("csv", "graphon,fc1"),
    ):
        assert main([ticket, "--only", "graphon", "--cells", "8", "--format", view, "--full"]) == 0
        assert word in capsys.readouterr().out
    assert main([ticket, "--cells", "8", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert np.shape(report["graphon"]["layers"][0]["histogram"]) == (8, 8)
    assert "graphon" not in {item["part"] for item in report["skipped"]}


def test_a_conv_net_with_a_declared_mask_of_whole_filters():
    weight = random_weight(4, (8, 3, 3, 3), 0.5)
    weight[2:5] = 0
    (found,) = analyze(network(layer(torch.from_numpy(weight), name="conv"))).layers
    assert found.graphon.row_degrees[-3:] == pytest.approx([0, 0, 0])
    assert found.taps == 9


def test_a_resnet_has_a_graphon_a_layer():
    from boundcalc.tickets.architectures import resnet20

    torch.manual_seed(0)
    model = resnet20().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight *= torch.rand_like(module.weight) < 0.2
    report = boundcalc.analyze(model, only=("graphon",), input_shape=(3, 32, 32)).to_dict()
    part = report["graphon"]
    assert "ordered separately" in part["chain"]["reason"] and "rolled" in part["note"]
    assert len(part["layers"]) == len(report["network"]["layers"])
    assert all(0.1 < one["density"] < 0.3 for one in part["layers"][:-1])
    assert part["layers"][0]["shape"] == [16, 3]
