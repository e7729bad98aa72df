"""Spectrum, residual, kernel bound, batches, and the part in the report."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boundcalc import analyze, gntk, load
from boundcalc.bounds.risk import LOG_STEP, grid_above, log2_weight
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import NotCovered, UsageError
from boundcalc.graphon.kernel_bound import (
    KernelBound,
    Price,
    Unproved,
    entry_error,
    kernel_bound,
    squared_norm,
)
from boundcalc.graphon.ntk_maps import from_graphons
from boundcalc.graphon.ntk_network import exact_maps, maps_of
from boundcalc.graphon.ntk_part import draw
from boundcalc.graphon.ntk_spectrum import decompose, residual, spectrum, targets
from boundcalc.options import Options
from boundcalc.rademacher.confidence import confidence


def kernel(m=20, seed=0):
    x = np.random.default_rng(seed).standard_normal((m, 12))
    return x, gntk([np.ones((1, 1))] * 2, x)


def masked(shapes=((40, 12), (30, 40), (3, 30)), density=0.5, seed=0):
    rng = np.random.default_rng(seed)
    layers = []
    for out, inputs in shapes:
        layer = torch.nn.Linear(inputs, out)
        with torch.no_grad():
            layer.weight *= torch.from_numpy(rng.random((out, inputs)) < density)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1]).eval()


def data(m=60, d=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, d)), rng.integers(0, classes, m)


def network_of(model, shape=(12,)):
    from boundcalc.checkpoint import from_state_dict
    from boundcalc.network.load import from_checkpoint

    return from_checkpoint(from_state_dict(model.state_dict(), "model"), model, shape)


def test_the_spectrum_of_a_power_law():
    found = spectrum(np.arange(1, 51) ** -1.5)
    assert found.alpha == pytest.approx(1.5)
    assert found.gap == pytest.approx(2**1.5)
    assert found.condition == pytest.approx(50**1.5)
    assert found.effective_rank == pytest.approx((np.arange(1, 51) ** -1.5).sum())
    assert found.top5_energy == pytest.approx((np.arange(1, 6) ** -1.5).sum() / found.effective_rank)


def test_the_spectrum_of_a_singular_and_of_a_zero_kernel():
    found = spectrum(np.array([2.0, 1.0, 1e-20, -1e-18]))
    assert found.condition is None
    assert found.gap == 2
    assert found.eigenvalues[-1] == 0
    assert spectrum(np.zeros(4)).effective_rank is None
    assert residual(np.zeros(4), np.eye(4), np.ones((4, 1))) is None


def test_the_residual_is_that_of_gradient_flow():
    from scipy.linalg import expm

    _, theta = kernel()
    labels = np.random.default_rng(1).integers(0, 3, 20)
    wanted = targets(labels, 3)
    values, vectors = decompose(theta)
    found = residual(values, vectors, wanted)
    assert found.eta == pytest.approx(1 / values[0])
    for time, share in zip(found.times, found.shares, strict=True):
        left = expm(-found.eta * time * theta) @ wanted
        assert share == pytest.approx(np.square(left).sum() / 20, rel=1e-9)
    assert found.rate == pytest.approx(np.trace(wanted.T @ theta @ wanted) / 20)
    assert residual(values, vectors, wanted, 0.5).eta == 0.5


@given(st.integers(0, 10**6), st.floats(0, 1e-7))
def test_the_squared_norm_is_from_above_whatever_the_error(seed, error):
    """Exact rationals: every kernel within the entries' error has its norm below the bound."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((6, 6))
    theta = a @ a.T + 0.05 * np.eye(6)
    y = rng.standard_normal((6, 2))
    found = squared_norm(theta, y, error)
    if found is None:
        return
    root = np.sqrt(np.diag(theta))
    signs = rng.choice([-1.0, 1.0], (6, 6))
    true = (
        theta
        + error * np.triu(signs) * np.outer(root, root)
        + error * np.triu(signs, 1).T * np.outer(root, root)
    )
    import mpmath

    inverse = mpmath.matrix(true.tolist()) ** -1
    exact = sum(float((mpmath.matrix(c).T * inverse * mpmath.matrix(c))[0]) for c in y.T.tolist())
    assert exact <= found
    assert (
        found
        <= exact * (1 + 1e-6)
        + 4 * error * np.trace(theta) * np.linalg.norm(np.linalg.solve(theta, y)) ** 2
        + 1e-9
    )


def test_the_entries_are_within_their_error():
    """Against 40 digits, with inputs that are nearly parallel."""
    import mpmath

    rng = np.random.default_rng(4)
    base = rng.standard_normal(5)
    x = np.vstack([base + 10.0**-k * rng.standard_normal(5) for k in (0, 4, 6, 7, 8)])
    graphons = [rng.random((3, 5)), rng.random((4, 3))]
    maps = from_graphons(graphons, 5)
    found = gntk(graphons, x)
    with mpmath.workdps(40):
        exact = precise(maps, x)
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    assert np.abs(found - exact).max() > 0
    assert (np.abs(found - exact) <= entry_error(maps) * scale).all()
    assert entry_error(maps) < 1e-5


def precise(maps, x):
    from mpmath import acos, mpf, pi, sqrt

    m = len(x)
    theta = np.empty((m, m))

    def forward(i, j):
        return [
            sum(mpf(w) * mpf(p) * mpf(q) for w, p, q in zip(row, x[i], x[j], strict=True))
            for row in maps.hidden[0].tolist()
        ]

    def step(rows, values):
        return [sum(mpf(w) * v for w, v in zip(row, values, strict=True)) for row in rows.tolist()]

    for i in range(m):
        for j in range(i, m):
            own = {key: forward(*key) for key in {(i, i), (j, j), (i, j)}}
            kernel = own[i, j]
            for layer in range(len(maps.hidden)):
                values, slopes = {}, {}
                for key, cells in own.items():
                    values[key], slopes[key] = [], []
                    for u, covariance in enumerate(cells):
                        size = sqrt(own[i, i][u] * own[j, j][u]) if key == (i, j) else covariance
                        c = min(mpf(1), covariance / size)
                        angle = acos(c)
                        values[key].append(size * (sqrt(1 - c * c) + (pi - angle) * c) / (2 * pi))
                        slopes[key].append((pi - angle) / (2 * pi))
                total = [v + s * k for v, s, k in zip(values[i, j], slopes[i, j], kernel, strict=True)]
                rows = maps.hidden[layer + 1] if layer + 1 < len(maps.hidden) else maps.output
                kernel = step(rows, total)
                if layer + 1 < len(maps.hidden):
                    own = {key: step(rows, values[key]) for key in own}
            theta[i, j] = theta[j, i] = float(kernel[0])
    return theta


@pytest.mark.parametrize("bits", [0.0, 1000.0])
def test_the_bound_is_its_formula(bits):
    x, theta = kernel()
    labels = np.random.default_rng(2).integers(0, 3, 20)
    found = kernel_bound(theta[None], np.zeros(3, dtype=int), (x, labels), 1e-12, Price(0.05, bits))
    y = targets(labels, 3)
    norm = math.sqrt(np.trace(y.T @ np.linalg.solve(theta, y)))
    k = grid_above(math.log(norm))
    expected = 4 * math.exp(k * LOG_STEP) * math.sqrt(3 * np.trace(theta)) / 20 + confidence(
        0.05, bits + log2_weight(k), 20
    )
    assert isinstance(found, KernelBound)
    assert norm <= math.exp(found.log_norm) <= norm * (1 + 1e-6)
    assert math.exp(found.log_value) == pytest.approx(expected, rel=1e-9)
    assert math.exp(found.log_value) >= expected


def test_one_output_has_half_the_factor():
    x, theta = kernel()
    labels = np.arange(20) % 2
    found = kernel_bound(theta[None], np.zeros(1, dtype=int), (x, labels), 1e-12, Price(0.05, 0.0))
    y = 2.0 * labels - 1
    k = grid_above(0.5 * math.log(y @ np.linalg.solve(theta, y)))
    term = 2 * math.exp(k * LOG_STEP) * math.sqrt(np.trace(theta)) / 20
    assert math.exp(found.log_value) == pytest.approx(term + confidence(0.05, log2_weight(k), 20), rel=1e-9)


def test_the_complexity_is_not_below_what_is_attained():
    """Monte Carlo of R_S over the ball of radius B, whose supremum is known in closed form."""
    x, theta = kernel(30)
    labels = np.random.default_rng(2).integers(0, 3, 30)
    found = kernel_bound(theta[None], np.zeros(3, dtype=int), (x, labels), 1e-12, Price(0.05, 0.0))
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (4000, 3, 30))
    attained = math.exp(found.log_norm) / 30 * np.sqrt(np.einsum("tci,ij,tcj->t", signs, theta, signs))
    assert attained.mean() - 4 * attained.std() / math.sqrt(4000) <= math.exp(found.log_complexity)
    assert attained.mean() >= 0.8 * math.exp(found.log_complexity)


def test_where_nothing_is_proved_a_reason_stands():
    x, theta = kernel()
    labels = np.arange(20) % 2
    one = np.zeros(1, dtype=int)
    singular = np.ones((20, 20))
    assert "positive definite" in kernel_bound(singular[None], one, (x, labels), 1e-12, Price(0.05, 0)).reason
    assert "positive definite" in kernel_bound(theta[None], one, (x, labels), 0.1, Price(0.05, 0)).reason
    x[1] = x[0]
    found = kernel_bound(theta[None], one, (x, labels), 1e-12, Price(0.05, 0))
    assert isinstance(found, Unproved)
    assert "different labels" in found.reason


def test_repeated_inputs_of_one_label_count_once_in_the_norm():
    x, theta = kernel()
    labels = np.arange(20) % 2
    twice, both = np.vstack([x, x[:1]]), np.append(labels, labels[0])
    wide = theta[np.ix_([*range(20), 0], [*range(20), 0])]
    one = np.zeros(1, dtype=int)
    first = kernel_bound(theta[None], one, (x, labels), 1e-12, Price(0.05, 0))
    second = kernel_bound(wide[None], one, (twice, both), 1e-12, Price(0.05, 0))
    assert second.log_norm == pytest.approx(first.log_norm)
    assert math.exp(second.log_trace) == pytest.approx(math.exp(first.log_trace) + theta[0, 0])


def test_a_batch_is_stratified_seeded_and_in_order():
    x = np.arange(1000, dtype=float)[:, None] * np.ones((1, 2))
    y = np.repeat([0, 1, 2], [700, 200, 100])
    split = open_data((x, y)).train
    batch = draw(split, 50, 3)
    assert np.bincount(batch.y).tolist() == [35, 10, 5]
    assert (np.diff(batch.x[:, 0]) > 0).all()
    assert (y[batch.x[:, 0].astype(int)] == batch.y).all()
    assert np.array_equal(draw(split, 50, 3).x, batch.x)
    assert not np.array_equal(draw(split, 50, 4).x, batch.x)
    assert draw(split, 2000).whole
    assert len(draw(split, 7).y) == 7


def test_as_many_cells_as_units_are_the_exact_mode():
    network, x = network_of(masked()), data()[0]
    np.testing.assert_allclose(gntk(network, x, cells=64), gntk(network, x, exact=True), rtol=1e-10)


def test_a_dense_network_has_the_dense_kernel():
    network, x = network_of(masked(density=1.1)), data()[0]
    np.testing.assert_allclose(gntk(network, x, cells=4), gntk([np.ones((1, 1))] * 2, x), rtol=1e-12)


def test_the_order_of_units_does_not_matter_exactly():
    model, x = masked(), data()[0]
    network = network_of(model)
    renamed = masked()
    renamed.load_state_dict(model.state_dict())
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        renamed[0].weight.copy_(model[0].weight[order])
        renamed[2].weight.copy_(model[2].weight[:, order])
    np.testing.assert_allclose(
        gntk(network_of(renamed), x, exact=True), gntk(network, x, exact=True), rtol=1e-11
    )


def test_a_convolution_enters_by_its_channels():
    conv, linear = torch.nn.Conv2d(2, 5, 3, padding=1), torch.nn.Linear(5 * 16, 3)
    with torch.no_grad():
        conv.weight[0, 0] = 0
        conv.weight[1, 1, 0] = 0
    model = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), linear).eval()
    network = network_of(model, (2, 4, 4))
    x = np.random.default_rng(0).standard_normal((8, 2, 4, 4))
    shares = np.ones((5, 2))
    shares[0, 0], shares[1, 1] = 0, 6 / 9
    np.testing.assert_allclose(
        gntk(network, x), gntk([np.repeat(shares, 16, 1)], x.reshape(8, -1)), rtol=1e-12
    )


def test_what_is_no_chain_is_not_covered():
    linear = network_of(torch.nn.Sequential(torch.nn.Linear(12, 3)))
    for model, make, words in [
        (linear, maps_of, "without hidden layers"),
        (
            network_of(torch.nn.Sequential(torch.nn.Linear(12, 4), torch.nn.Linear(4, 3))),
            exact_maps,
            "0 ReLUs before a layer",
        ),
        (
            network_of(torch.nn.Sequential(torch.nn.Linear(12, 4), torch.nn.GELU(), torch.nn.Linear(4, 3))),
            maps_of,
            "gelu",
        ),
    ]:
        with pytest.raises(NotCovered, match=words):
            make(model)


def test_the_part_in_the_report():
    x, y = data()
    tree = analyze(masked(), data=(x, y, x, y), only=["gntk"], input_shape=(12,)).to_dict()
    part = tree["gntk"]
    assert {"cells", "m", "sigma_w2", "alpha", "effective_rank", "gap", "top5_energy", "condition"} <= set(
        part
    )
    assert (part["m"], part["cells"], len(part["eigenvalues"])) == (60, 64, 60)
    assert part["kernel_bound"] > 1
    assert part["bound"]["vacuous"]
    assert "not the error of the checkpoint" in part["bound"]["of"]
    assert part["residual"]["share"][0] == pytest.approx(1)
    assert part["residual"]["share"] == sorted(part["residual"]["share"], reverse=True)
    assert part["kernels"] == 3
    json.dumps(part, allow_nan=False)
    free = analyze(masked(), data=(x, y, x, y), only=["gntk"], input_shape=(12,), mask_origin="independent")
    assert free.to_dict()["gntk"]["bound"]["mask_bits"] == 0
    assert free.to_dict()["gntk"]["kernel_bound"] < part["kernel_bound"]


def test_the_batch_says_what_the_bound_is_of():
    x, y = data()
    part = analyze(
        masked(), data=(x, y, x, y), only=["gntk"], input_shape=(12,), batch=30, exact=True
    ).to_dict()["gntk"]
    assert part["m"] == 30
    assert part["bound"]["of"].endswith("class shares")
    assert part["mode"] == "exact"
    assert part["cells"] == max(part["layer_cells"])


@pytest.mark.parametrize("view", ["table", "markdown", "csv", "latex", "json"])
def test_every_view_shows_it(view):
    x, y = data()
    text = analyze(masked(), data=(x, y, x, y), only=["gntk"], input_shape=(12,)).to(
        view, full=view == "latex"
    )
    assert "effective" in text
    if view == "table":
        assert max(map(len, text.splitlines())) <= 100


def test_what_could_not_run_says_why(tickets):
    found = analyze(tickets / "lenet300_density02.pt", only=["gntk"]).to_dict()
    assert found["skipped"] == [{"part": "gntk", "reason": "no data: give --data DATA"}]
    x, y = data()
    small = analyze(masked(), data=(x, y, x, y), only=["gntk"], input_shape=(12,), max_memory=1e-6).to_dict()
    assert "raise it, or lower --batch" in small["skipped"][0]["reason"]


def test_little_memory_leaves_out_the_outputs_kernels():
    x, y = data(400, 12, 40)
    shapes = ((8, 12), (6, 8), (40, 6))
    report = analyze(masked(shapes), data=(x, y), only=["gntk"], input_shape=(12,), max_memory=0.08)
    part = report.to_dict()["gntk"]
    assert part["kernel_bound"] is None
    assert "kernels of all outputs do not fit" in part["bound"]["reason"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": 1}, "--batch 1: give"),
        ({"batch": 2.5}, "--batch 2.5: give"),
        ({"sigma_w2": 0.0}, "--sigma-w2 0.0: give"),
        ({"sigma_w2": math.nan}, "--sigma-w2 nan: give"),
        ({"max_memory": -1.0}, "--max-memory -1.0: give"),
        ({"learning_rate": math.inf}, "--learning-rate inf: give"),
        ({"learning_rate": "fast"}, "learning_rate='fast': give a number"),
        ({"exact": 1}, "exact=1: give"),
    ],
)
def test_options_are_checked_in_one_line(given, words):
    with pytest.raises(UsageError, match=words):
        Options(**given)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet300_density02", "lenet300_density10", "lenet300_dense"])
def test_the_demo_tickets(tickets, name):
    network = load(tickets / f"{name}.pt")
    x = draw(open_data("sample").train, 64).x
    theta = gntk(network, x)
    assert np.linalg.eigvalsh(theta)[0] > 0
