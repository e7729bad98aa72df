"""Which checkpoints lie below files, folders and patterns."""

from __future__ import annotations

import json
import sys

import pytest

from boundcalc.batch.discover import discover
from boundcalc.batch.keys import key_of, settings_of
from boundcalc.errors import CheckpointError
from boundcalc.options import Options


@pytest.fixture
def lottery(tmp_path):
    """Levels of an open_lth lottery, in the order of the file system's names."""
    home = tmp_path / "lottery_0" / "replicate_1"
    for name in ("level_pretrain", "level_0", "level_2", "level_10"):
        main = home / name / "main"
        main.mkdir(parents=True)
        for file in ("model_ep0_it0.pth", "model_ep2_it0.pth", "mask.pth", "sparsity_report.json"):
            (main / file).touch()
    return home


def names(found, base):
    return [str(path.relative_to(base)) for path in found]


def test_a_folder_of_levels_is_one_ticket_a_level_in_order_of_their_numbers(lottery, tmp_path):
    levels = [f"level_{number}/main" for number in (0, 2, 10)]
    assert names(discover([tmp_path]), lottery) == levels
    assert names(discover([lottery / "level_2"]), lottery) == ["level_2/main"]
    assert names(discover([lottery / "level_2", tmp_path]), lottery) == [levels[1], levels[0], levels[2]]


@pytest.mark.parametrize("pattern", ["lottery_*", "**", "*/*/level_*", "*/*/level_*/main"])
def test_patterns_find_what_a_folder_would(lottery, tmp_path, monkeypatch, pattern):
    levels = [f"level_{number}/main" for number in (0, 2, 10)]
    assert names(discover([str(tmp_path / pattern)]), lottery) == levels
    monkeypatch.chdir(tmp_path)
    assert names(discover([pattern]), lottery) == levels


def test_pretrained_weights_are_a_ticket_where_there_is_no_other(lottery):
    assert names(discover([lottery / "level_pretrain"]), lottery) == ["level_pretrain/main"]
    assert names(discover([str(lottery / "level_pre*")]), lottery) == ["level_pretrain/main"]


def test_what_is_no_checkpoint_is_left_out(tmp_path):
    for name in (
        "a.pt",
        "b.safetensors",
        "b.mask.pt",
        "b_mask.pt",
        "mask.pth",
        ".hidden.pt",
        "notes.txt",
        "results.json",
    ):
        (tmp_path / name).touch()
    (tmp_path / "replicate_0").mkdir()
    (tmp_path / "replicate_0" / "state.pth").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "c.pt").touch()
    expected = ["a.pt", "b.safetensors"]
    assert sorted(names(discover([str(tmp_path / "*")]), tmp_path)) == expected
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert sorted(names(discover([tmp_path]), tmp_path)) == expected
    assert names(discover([tmp_path / "notes.txt"]), tmp_path) == ["notes.txt"], "it is named"


def test_the_state_of_an_optimizer_is_found_only_alone(tmp_path):
    for name in ("optimizer.pt", "scheduler.pt"):
        (tmp_path / name).touch()
    assert discover([tmp_path]) == (tmp_path / "optimizer.pt", tmp_path / "scheduler.pt")
    (tmp_path / "model.safetensors").touch()
    assert discover([tmp_path]) == discover([f"{tmp_path}/*"]) == (tmp_path / "model.safetensors",)


def test_shards_are_one_checkpoint(tmp_path):
    shards = {"w": "model-00001-of-00002.safetensors", "v": "model-00002-of-00002.safetensors"}
    for shard in shards.values():
        (tmp_path / shard).touch()
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert names(discover([tmp_path]), tmp_path) == ["model.safetensors.index.json"]


def test_brackets_in_names(tmp_path, monkeypatch):
    home = tmp_path / "runs [old]"
    home.mkdir()
    (home / "a[1].pt").touch()
    monkeypatch.chdir(home)
    for word in ("a[1].pt", "*.pt", str(home)):
        assert names(discover([word]), home) == ["a[1].pt"]


def test_nothing_is_told_apart(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for word, problem in (
        (tmp_path / "none.pt", "none.pt: no such file or folder"),
        (tmp_path / "empty", r"empty: no checkpoint in this folder \(names that end in .bin, "),
        (tmp_path / "*.pt", r"\*.pt: matches nothing"),
        (tmp_path / "*", r"\*: matches no checkpoint \(names that end in .bin, "),
    ):
        with pytest.raises(CheckpointError, match=problem):
            discover([word])


def calls(function):
    """Return how many Python functions are called, which no other process changes."""
    counted = 0

    def seen(frame, event, argument):
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("kind", ["files", "files with masks", "indices", "shards", "levels"])
def test_discovery_and_digest_take_time_in_proportion_to_the_files(tmp_path, kind):
    """Counted in calls: four times the files take less than five times as many."""
    settings = settings_of(Options())

    def spent(count):
        home = tmp_path / str(count)
        home.mkdir()
        for number in range(count):
            if kind == "levels":
                main = home / f"level_{number}" / "main"
                main.mkdir(parents=True)
                (main / "model_ep2_it0.pth").touch()
            elif kind == "indices":
                (home / f"m{number}.safetensors.index.json").write_text(
                    '{"weight_map": {"w": "a.safetensors"}}'
                )
            else:
                (home / f"n{number}.{'pt' if 'files' in kind else 'safetensors'}").write_text("x")
                if kind == "files with masks":
                    (home / f"n{number}_mask.pt").write_text("x")
        if kind == "shards":
            homes = {f"w{number}": f"n{number}.safetensors" for number in range(count)}
            (home / "m.safetensors.index.json").write_text(json.dumps({"weight_map": homes}))
        return calls(lambda: [key_of(path, settings) for path in discover([home])])

    spent(3)
    assert spent(400) < 5 * spent(100)
