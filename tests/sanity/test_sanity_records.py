"""What training recorded beside a checkpoint: believed where it is readable, silent where it is not."""

from __future__ import annotations

import json
import os

import pytest
import torch


def logger(*errors, word="test_accuracy", examples=800):
    lines = []
    for epoch, wrong in enumerate(errors):
        value = 1 - wrong if word.endswith("accuracy") else wrong
        lines += [f"test_loss,{epoch * 469},0.3", f"{word},{epoch * 469},{value}"]
        lines += [f"test_examples,{epoch * 469},{examples}"]
    return "\n".join(lines)


def disagreeing(lines):
    return [line for line in lines if "records" in line]


def test_a_logger_that_agrees(warned, sample, level):
    assert warned(level(logger(0.9, 0.1, 0.04)), sample) == ()


@pytest.mark.parametrize("word", ["test_accuracy", "test_error"])
def test_a_logger_that_disagrees_names_the_file_and_both_numbers(warned, sample, level, word):
    home = level(logger(0.9, 0.0052, word=word))
    (line,) = disagreeing(warned(home, sample))
    assert line.startswith(str(home / "logger"))
    assert "0.0052" in line
    assert "0.04" in line


def test_the_normalisation_that_agrees_is_named(warned, sample, level):
    home = level(logger(0.9, 0.04))
    lines = disagreeing(warned(home, sample, normalize=(0.5, 0.5)))
    assert len(lines) == 1
    assert "without --normalize" in lines[0]
    assert disagreeing(warned(home, sample)) == []


def test_other_samples_of_the_same_kind_may_differ_a_little(warned, sample, level):
    assert warned(level(logger(0.9, 0.02, examples=10_000)), sample) == ()
    assert disagreeing(warned(level(logger(0.9, 0.5, examples=10_000)), sample))


def test_the_initial_model_is_compared_with_the_first_evaluation(warned, sample, level, tickets):
    home = level(logger(0.9075, 0.04))
    initial = torch.load(tickets / "lenet300_init.pt", weights_only=True)
    masks = torch.load(home / "mask.pth", weights_only=True)
    masks = {key: torch.ones_like(mask) for key, mask in masks.items()}
    torch.save(masks, home / "mask.pth")
    (home / "sparsity_report.json").unlink()
    torch.save(initial, home / "model_ep0_it0.pth")
    assert disagreeing(warned(home / "model_ep0_it0.pth", sample)) == []


def test_a_model_of_an_epoch_between_is_compared_with_that_epoch(warned, sample, level):
    home = level(logger(0.9, 0.5, 0.04, 0.5, 0.5, 0.5, 0.6))
    os.rename(home / "model_ep6_it0.pth", home / "model_ep2_it0.pth")
    torch.save({}, home / "model_ep6_it0.pth")
    assert disagreeing(warned(home / "model_ep2_it0.pth", sample)) == []


HOSTILE = {
    "empty": "",
    "binary": "\x00\xff\x00",
    "no numbers": "test_accuracy,469,high\ntest_accuracy,x,0.5",
    "numbers that are none": "test_accuracy,469,nan\ntest_accuracy,469,inf\ntest_accuracy,1e3,0.5",
    "out of range": "test_accuracy,469,96.79\ntest_error,469,-0.5",
    "digits of another script": "test_accuracy,\u0664\u0666\u0669,0.5",
    "long": "test_accuracy," + "9" * 5000 + ",0.5\n" + "x" * 10**6,
    "many commas": "," * 10**5,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_damaged_logger_says_nothing(warned, sample, level, kind):
    assert warned(level(HOSTILE[kind]), sample) == ()


def test_a_logger_that_is_no_file(warned, sample, level):
    home = level()
    os.mkfifo(home / "logger")
    assert warned(home, sample) == ()
    os.unlink(home / "logger")
    os.symlink("/dev/zero", home / "logger")
    assert warned(home, sample) == ()


def test_control_characters_of_a_path_do_not_reach_the_terminal(warned, sample, level, tmp_path):
    home = level(logger(0.9, 0.5))
    odd = tmp_path / "a\x1b[31mb"
    os.rename(home, odd)
    lines = warned(odd, sample)
    assert lines
    assert all(line.isprintable() for line in lines)


TICKET = {
    "parameters": 266200,
    "surviving": 5324,
    "samples": 10_000,
    "test_error": 0.04,
    "train_error": 0.0226,
}


def with_ticket(level, **changed):
    home = level()
    (home / "ticket.json").write_text(json.dumps({**TICKET, "normalize": None, **changed}))
    return home


def test_a_ticket_that_agrees(warned, sample, level):
    assert warned(with_ticket(level), sample) == ()


def test_a_ticket_that_disagrees_tells_its_normalisation(warned, sample, level):
    home = with_ticket(level)
    (line,) = disagreeing(warned(home, sample, normalize=(0.5, 0.5)))
    assert "ticket.json records a training error of 0.0226" in line
    assert "without --normalize (as the file says)" in line


def test_a_ticket_of_another_network(warned, sample, level):
    (line,) = disagreeing(warned(with_ticket(level, train_error=0.4, test_error=None), sample))
    assert line.endswith("are these the data, the normalization and the mask of its training?")
    (line,) = disagreeing(warned(with_ticket(level, train_error=0.0, test_error=None, samples=800), sample))
    assert "no common normalization comes near" in line


@pytest.mark.parametrize(
    "text",
    ["[]", "{", "null", '{"train_error": "low", "normalize": "x"}', "[" * 10**5, '{"train_error": 1e999}'],
)
def test_a_damaged_ticket_says_nothing(warned, sample, level, text):
    home = level()
    (home / "ticket.json").write_text(text)
    assert warned(home, sample) == ()


# ------------------------------------------------------------------------------------ sparsity reports


def test_a_report_beside_a_file_that_says_another_density(warned, ticket, tmp_path):
    (tmp_path / "ticket.pt").write_bytes(ticket.read_bytes())
    (tmp_path / "sparsity_report.json").write_text('{"total": 266200.0, "unpruned": 6000.0}')
    (line,) = warned(tmp_path / "ticket.pt", None, only=("samples",))
    assert "says that 6000 of 266200 weights stay" in line
    assert "5324" in line
    (tmp_path / "sparsity_report.json").write_text('{"total": 266200.0, "unpruned": 5324.0}')
    assert warned(tmp_path / "ticket.pt", None, only=("samples",)) == ()


@pytest.mark.parametrize(
    "text", ['{"total": 5.0, "unpruned": 1.0}', "[]", '{"total": "x", "unpruned": null}', '{"total": 1e400}']
)
def test_reports_of_other_networks_and_damaged_ones(warned, ticket, tmp_path, text):
    (tmp_path / "ticket.pt").write_bytes(ticket.read_bytes())
    (tmp_path / "sparsity_report.json").write_text(text)
    assert warned(tmp_path / "ticket.pt", None, only=("samples",)) == ()


def test_a_ticket_json_that_says_another_density(warned, sample, level):
    (line,) = warned(with_ticket(level, surviving=9999), sample)
    assert "ticket.json: says that 9999 of 266200 weights stay" in line
