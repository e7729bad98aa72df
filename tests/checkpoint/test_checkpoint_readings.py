"""Files that two programs could read in two ways, or one program in two runs."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import warnings
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch

from boundcalc.checkpoint import read
from boundcalc.checkpoint.reader import files_of
from boundcalc.errors import CheckpointError
from boundcalc.network.load import from_checkpoint


def refusal(path, run=read):
    with pytest.raises(CheckpointError) as caught:
        run(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def joined(path, *origins):
    with warnings.catch_warnings(), ZipFile(path, "w", ZIP_STORED) as archive:
        warnings.simplefilter("ignore")
        for origin in origins:
            with ZipFile(origin) as one:
                for name in one.namelist():
                    archive.writestr(name, one.read(name))
    return path


def rewritten(origin, path, change, way=ZIP_STORED):
    with ZipFile(origin) as sound, ZipFile(path, "w", way) as archive:
        for name in sound.namelist():
            content = change(name, sound.read(name))
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "kinds",
    [("pt2", "pt2-inferred"), ("prune-live", "pt2"), ("pt2-old", "pt2"), ("prune-live", "synaptic-flow")],
)
def test_two_roots(tmp_path, written_mlp, kinds):
    assert "two roots" in refusal(joined(tmp_path / "net.pt2", *(written_mlp[kind] for kind in kinds)))


def test_two_members_of_one_name(tmp_path, written_mlp):
    path = joined(tmp_path / "net.pt", written_mlp["prune-live"], written_mlp["prune-live"])
    assert "two members called" in refusal(path)


def test_two_tensors_of_one_name_in_safetensors(tmp_path):
    entry = '"w":{"dtype":"F32","shape":[2,2],"data_offsets":[%d,%d]}'
    header = ("{" + entry % (0, 16) + "," + entry % (16, 32) + "}").encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(32))
    assert "damaged safetensors" in refusal(tmp_path / "net.safetensors")


SCRIPT = """
import hashlib, json, sys
from boundcalc.checkpoint import read
from boundcalc.errors import BoundcalcError
from boundcalc.network.load import from_checkpoint
for path in sys.argv[1:]:
    try:
        checkpoint = read(path)
        said = [checkpoint.format, checkpoint.evidence, list(checkpoint.tensors), sorted(checkpoint.masks), checkpoint.ignored]
        said += [[hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest() for t in checkpoint.tensors.values()]]
        network = from_checkpoint(checkpoint, None, None if 'mlp' in path else (1, 8, 8))
        said += [[node.name for node in network.nodes], network.assumptions]
    except BoundcalcError as error:
        said = str(error)
    print(json.dumps(said))
"""


def test_nothing_depends_on_the_hash_seed(tmp_path, written_mlp, written_cnn):
    twice = joined(tmp_path / "two_roots.pt2", written_mlp["pt2"], written_mlp["pt2-inferred"])
    torch.save({f"{name}.weight": torch.ones(3, 3) for name in "qwertyuiop"}, tmp_path / "many_orders.pt")
    torch.save(
        {"a": {"w.weight": torch.ones(2, 2)}, "b": {"w.weight": torch.ones(2, 2)}}, tmp_path / "two_dicts.pt"
    )
    paths = [
        *written_mlp.values(),
        *written_cnn.values(),
        twice,
        tmp_path / "many_orders.pt",
        tmp_path / "two_dicts.pt",
    ]
    found = []
    for seed in ("0", "1", "4242"):
        environment = {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": ":".join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *map(str, paths)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.splitlines())
    assert len(found[0]) == len(paths)
    assert found[0] == found[1] == found[2]


def edited(edit):
    def change(name, content):
        if not name.endswith("models/model.json"):
            return content
        tree = json.loads(content)
        edit(tree["graph_module"]["graph"])
        return json.dumps(tree).encode()

    return change


def number_for_a_tensor(graph):
    node = next(node for node in graph["nodes"] if "linear" in node["target"])
    node["inputs"][1]["arg"] = {"as_int": 3}


def test_a_graph_with_a_number_in_the_place_of_a_tensor(tmp_path, written_mlp):
    path = rewritten(written_mlp["pt2-inferred"], tmp_path / "net.pt2", edited(number_for_a_tensor))
    try:
        names = [layer.name for layer in from_checkpoint(read(path)).layers()]
    except CheckpointError as refused:
        assert "net.pt2" in str(refused)
    else:
        assert names == ["fc2", "fc3"]


def test_a_weight_without_entries_of_an_absurd_shape(tmp_path, written_mlp):
    def change(name, content):
        if name.endswith("model_weights_config.json"):
            tree = json.loads(content)
            meta = next(iter(tree["config"].values()))["tensor_meta"]
            meta["sizes"] = [{"as_int": 0}, {"as_int": 1 << 62}]
            return json.dumps(tree).encode()
        return content

    assert "of a shape too large for any array" in refusal(
        rewritten(written_mlp["pt2-inferred"], tmp_path / "net.pt2", change)
    )


def test_a_member_whose_compressed_bytes_are_damaged(tmp_path, written_mlp):
    path = rewritten(
        written_mlp["pt2-inferred"], tmp_path / "net.pt2", lambda name, content: content, ZIP_DEFLATED
    )
    with ZipFile(path) as archive:
        (model,) = (one for one in archive.infolist() if one.filename.endswith("models/model.json"))
    content = bytearray(path.read_bytes())
    start = model.header_offset + 30 + len(model.filename)
    content[start : start + 40] = bytes(range(100, 140))
    path.write_bytes(content)
    assert "damaged torch.export archive" in refusal(path)


@pytest.mark.parametrize("total", ["1" + "0" * 400, "1e400", "NaN", '"many"', "[]", "1" + "0" * 5000])
def test_a_sparsity_report_with_an_absurd_total(tmp_path, written_mlp, total):
    main = written_mlp["open_lth"]
    report = main / "sparsity_report.json"
    before = report.read_text()
    report.write_text(f'{{"total": {total}, "unpruned": 3.0}}')
    try:
        assert "sparsity_report.json" in refusal(main)
    finally:
        report.write_text(before)


def test_links_out_of_a_ticket(tmp_path, mlp):
    import conventions

    replicate = conventions.write_open_lth(*mlp, tmp_path / "run")
    main = replicate / "level_1" / "main"
    assert read(main).reference is not None
    for name, given in (
        ("mask.pth", main),
        ("sparsity_report.json", replicate / "level_1"),
        ("model_ep10_it0.pth", main),
    ):
        outside = tmp_path / f"outside_{name}"
        (main / name).rename(outside)
        (main / name).symlink_to(outside)
        assert "points to a file outside the folder" in refusal(given)
        assert "points to a file outside the folder" in refusal(given, files_of)
        (main / name).unlink()
        outside.rename(main / name)
    (replicate / "level_1").rename(tmp_path / "elsewhere")
    (replicate / "level_1").symlink_to(tmp_path / "elsewhere")
    assert read(replicate / "level_1").format == "open_lth"


def test_a_model_that_links_to_itself(tmp_path, mlp):
    import conventions

    main = conventions.write_open_lth(*mlp, tmp_path / "run") / "level_1" / "main"
    for name in ("model_ep10_it0.pth", "mask.pth"):
        (main / name).rename(main / "kept")
        (main / name).symlink_to(name)
        assert name in refusal(main) and "Too many levels" in refusal(main)
        (main / name).unlink()
        (main / "kept").rename(main / name)


def test_shards_outside_the_folder_are_not_even_looked_at(tmp_path, written_mlp):
    import shutil

    shutil.copytree(written_mlp["safetensors-shards"], tmp_path / "shards")
    index = tmp_path / "shards" / "model.safetensors.index.json"
    tree = json.loads(index.read_text())
    for home in ("../../dev/zero", "/dev/zero", "/etc/passwd", "..", "a\0b", "x" * 300, "\udcff"):
        index.write_text(json.dumps({"weight_map": {"w": home} | tree["weight_map"]}))
        for run in (read,) if home == "\udcff" else (read, files_of):
            assert str(index.parent) in refusal(index, run)
    (tmp_path / "shards" / "zero").symlink_to("/dev/zero")
    index.write_text(json.dumps({"weight_map": {"w": "zero"}}))
    assert "points to a file outside the folder" in refusal(index, files_of)


def test_a_checkpoint_that_changes_while_it_is_read(tmp_path, monkeypatch):
    from boundcalc.checkpoint import reader

    torch.save({"fc.weight": torch.ones(2, 3)}, tmp_path / "net.pt")
    decoded = reader.decode

    def meanwhile(state):
        torch.save({"fc.weight": torch.zeros(2, 4)}, tmp_path / "net.pt")
        return decoded(state)

    monkeypatch.setattr(reader, "decode", meanwhile)
    assert "net.pt: changed while it was read" in refusal(tmp_path / "net.pt")
