"""Small files that would become large: one budget a file, over everything in it."""

from __future__ import annotations

import copy
import io
import json
import resource
import struct
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch

from boundcalc.budget import LEAST_BYTES, MEMORY_FACTOR, Budget
from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError, DataError

HUGE = 1 << 14
"""A side of a square of 2^28 numbers: 1 GB of float32."""


def sparse(rows=HUGE, columns=HUGE):
    return torch.sparse_coo_tensor(
        torch.tensor([[0], [0]]), torch.ones(1), (rows, columns), check_invariants=True
    )


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    assert path.name in str(caught.value)
    return str(caught.value)


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def test_sparse_tensors_count_as_what_they_are_when_dense(tmp_path):
    path = saved(tmp_path / "bomb.pt", {f"a{i}.weight": sparse() for i in range(6)})
    assert path.stat().st_size < 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(path)
    assert "a sparse tensor of shape (16384, 16384) made dense" in message and "2 GB" in message
    assert "raise --max-memory" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_one_storage_under_many_names(tmp_path):
    storage = torch.ones(1 << 18)
    path = saved(tmp_path / "bomb.pt", {f"a{i}.weight": storage.view(512, 512) for i in range(3000)})
    assert path.stat().st_size < 2_000_000
    assert "would exceed the limit of 2 GB" in refusal(path)
    few = saved(tmp_path / "few.pt", {f"a{i}.weight": storage.view(512, 512) for i in range(3)})
    assert len(read(few).tensors) == 3


@pytest.mark.parametrize("legacy", [False, True])
def test_an_expanded_storage(tmp_path, legacy):
    wide = torch.ones(1, 1).expand(1 << 20, 1 << 20)
    path = saved(
        tmp_path / "bomb.pt",
        {"a.weight": torch.ones(2, 2), "b.weight": wide},
        _use_new_zipfile_serialization=not legacy,
    )
    assert "b.weight of shape (1048576, 1048576) is expanded" in refusal(path)


def test_masks_beside_the_weights_count(tmp_path):
    content = {"state_dict": {"a.weight": torch.ones(2, 2)}, "masks": {f"a{i}": sparse() for i in range(6)}}
    message = refusal(saved(tmp_path / "bomb.pt", content))
    assert "GB" in message or "masks" in message or "belongs to no layer" in message


def test_a_mask_file_has_a_budget_of_its_own(tmp_path):
    weights = saved(tmp_path / "net.pt", {"a.weight": torch.ones(2, 2)})
    masks = saved(tmp_path / "mask.pt", {f"a{i}.weight": sparse() for i in range(6)})
    with pytest.raises(CheckpointError, match=r"mask\.pt.*the limit of 2 GB"):
        read(weights, mask=masks)


def test_the_user_sets_the_budget(tmp_path):
    path = saved(tmp_path / "net.pt", {"a.weight": torch.ones(100, 100)})
    assert "the limit of 3e-05 GB" in refusal(path, max_memory=3e-5)
    assert read(path, max_memory=5e-5).tensors["a.weight"].shape == (100, 100)
    wide = saved(tmp_path / "wide.pt", {"a.weight": sparse(1 << 10, 1 << 10)})
    assert "sparse" in refusal(wide, max_memory=1e-3)
    assert read(wide).tensors["a.weight"].layout is torch.strided


def test_an_archive_whose_members_are_deflated(tmp_path):
    saved(tmp_path / "net.pt", {"a.weight": torch.zeros(1000, 1000)})
    with ZipFile(tmp_path / "net.pt") as plain, ZipFile(tmp_path / "small.pt", "w", ZIP_DEFLATED) as small:
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    assert (tmp_path / "small.pt").stat().st_size < 20_000
    assert "would unpack to" in refusal(tmp_path / "small.pt")


def test_overlapping_members(tmp_path):
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 16))
        first = archive.filelist[0]
        for number in range(100):
            again = copy.copy(first)
            again.filename = f"a/{number}"
            archive.filelist.append(again)
    (tmp_path / "net.pt").write_bytes(buffer.getvalue())
    assert "would unpack to" in refusal(tmp_path / "net.pt")


def test_constants_and_weights_of_an_export_that_name_one_member_often(tmp_path, written_mlp):
    with ZipFile(written_mlp["pt2"]) as sound, ZipFile(tmp_path / "net.pt2", "w", ZIP_STORED) as bomb:
        for name in sound.namelist():
            content = sound.read(name)
            if name.endswith("model_weights_config.json"):
                tree = json.loads(content)
                entry = next(iter(tree["config"].values()))
                tree["config"] |= {
                    f"x{i}": entry | {"use_pickle": True, "path_name": "big"} for i in range(3000)
                }
                content = json.dumps(tree).encode()
            bomb.writestr(name, content)
        member = io.BytesIO()
        torch.save(torch.ones(1 << 18), member)
        bomb.writestr(f"{sound.namelist()[0].split('/')[0]}/data/weights/big", member.getvalue())
    assert "the limit of 2 GB" in refusal(tmp_path / "net.pt2")


def test_a_header_of_safetensors_cannot_ask_for_more_than_the_file_has(tmp_path):
    header = json.dumps({"w": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 1 << 43]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "damaged safetensors" in refusal(tmp_path / "net.safetensors")


def test_allocations_that_fail_are_one_line(tmp_path):
    path = saved(tmp_path / "net.pt", {"a.weight": torch.zeros(20_000, 10_000)})
    script = (
        "import resource, sys; from boundcalc.cli.main import main; import boundcalc.analysis, boundcalc.checkpoint.reader\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), used + (200 << 20)))\n"
        "sys.exit(main([sys.argv[1], '--samples', '10', '--input-bound', '1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "net.pt: " in done.stderr


ROWS, COLUMNS = 1 << 10, 1 << 12
"""2^22 numbers: 17 MB of float32."""

MASKS = {
    "bool": lambda keep: keep,
    "uint8": lambda keep: keep.byte(),
    "int64": lambda keep: keep.long(),
    "float64": lambda keep: keep.double(),
    "bfloat16": lambda keep: keep.bfloat16(),
    "sparse": lambda keep: keep.float().to_sparse(),
    "rows": lambda keep: keep.any(1),
    "flat": lambda keep: keep.float().flatten(),
    "transposed": lambda keep: keep.T.float().contiguous().T,
}

PEAK = """
import json, sys
from pathlib import Path
from boundcalc.checkpoint import read
from boundcalc.errors import BoundcalcError
from boundcalc.network.load import from_checkpoint

def memory(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))

def tried(file, mask, limit):
    checkpoint = read(file, mask=mask, max_memory=limit)
    from_checkpoint(checkpoint)
    return len(checkpoint.masks)

tried(sys.argv[1], None, None)
for line in sys.stdin:
    file, mask, limit = json.loads(line)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    try:
        said = tried(file, mask, limit)
    except BoundcalcError as refused:
        said = str(refused)
    print(json.dumps([said, (memory("VmHWM") - before) / 1e3]), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is Linux's")
def test_the_peak_of_whatever_is_made_of_masks_is_within_the_budget(tmp_path):
    keep = torch.arange(ROWS)[:, None].expand(ROWS, COLUMNS) % 3 > 0
    weight = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    small = saved(tmp_path / "small.pt", {"fc.weight": weight[:4, :4], "fc.weight_mask": keep[:4, :4]})
    lone = saved(tmp_path / "lone.pt", {"fc.weight": weight})
    cases = []
    for kind, make in MASKS.items():
        mask = make(keep)
        dense = mask.to_dense() if mask.is_sparse else mask
        beside = saved(
            tmp_path / f"beside-{kind}.pt", {"state_dict": {"fc.weight": weight}, "masks": {"fc": mask}}
        )
        alone = saved(tmp_path / f"mask-{kind}.pt", {"fc.weight": mask})
        cases += [(kind, beside, None), (kind, lone, alone)]
        if dense.shape == weight.shape:
            live = saved(tmp_path / f"live-{kind}.pt", {"fc.weight_orig": weight, "fc.weight_mask": mask})
            inside = saved(tmp_path / f"inside-{kind}.pt", {"fc.weight": weight, "fc.weight_mask": mask})
            cases += [(kind, live, None), (kind, inside, None)]
    asked = [
        json.dumps([str(file), mask and str(mask), limit])
        for _, file, mask in cases
        for limit in (0.02, 0.06, 0.15)
    ]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(small)],
        input="\n".join(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    slack = 5
    for line, (said, peak) in zip(asked, answers, strict=True):
        file, mask, limit = json.loads(line)
        assert peak < 1e3 * limit * (1 if mask is None else 2) + slack, (line, said, peak)
        assert said == 1 if limit == 0.15 else "GB of memory" in str(said), (line, said)


def test_the_product_of_masks_from_two_places_counts(tmp_path):
    """A megabyte more than where both masks are the same, or one of them is all ones."""
    keep = torch.arange(1000)[:, None].expand(1000, 1000) % 3 > 0
    state = {"fc.weight": torch.ones(1000, 1000), "fc.weight_mask": keep}
    net = saved(tmp_path / "net.pt", {"state_dict": state})
    masks = {
        name: saved(tmp_path / f"{name}.pt", {"fc.weight": mask})
        for name, mask in (("same", keep), ("all", torch.ones_like(keep)), ("other", keep.T.contiguous()))
    }

    def needed(name, limit):
        while True:
            try:
                assert len(read(net, mask=masks[name], max_memory=limit).masks) == 1
            except CheckpointError as refused:
                said = str(refused)
                enough = float(said.rsplit(" to ", maxsplit=1)[-1].split(maxsplit=1)[0])
                assert limit < enough < 1, said
                limit = enough
            else:
                return limit

    least = needed("same", 1e-3)
    assert needed("all", least) == least
    assert needed("other", least) == pytest.approx(least + 1e-3)


def test_the_rule():
    assert Budget.of("f", 10).limit == LEAST_BYTES
    assert Budget.of("f", 10**9).limit == MEMORY_FACTOR * 10**9
    assert Budget.of("f", 10**9, 0.5).limit == 0.5e9
    budget = Budget("f", 10, DataError.at)
    budget.take(4, "a")
    budget.check(6, "b")
    with pytest.raises(DataError, match=r"f: b would exceed .*raise --max-memory to 0\.001 or more"):
        budget.check(7, "b")
    budget.take(6, "c")
    with pytest.raises(DataError, match="f: d would exceed"):
        budget.take(1, "d")
