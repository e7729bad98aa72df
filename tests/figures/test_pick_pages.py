"""The page of picked and wrong examples, and picked and wrong over the rounds, from a ticket that was picked."""

from __future__ import annotations

import numpy as np
import pytest

from boundcalc.certificates import file
from boundcalc.cli.main import main
from boundcalc.empirical.datasets import open_data
from boundcalc.figures import pictures
from boundcalc.figures.examples import images_of
from boundcalc.figures.picture import tickets_of

WORDS = (
    "train --data digits --arch strided-4 --first-stage orientations-4 --pruner random --density 0.5 --certify pick"
    " --pick-first 30 --pick-rounds 3 --pick-steps 20 --pick-last-steps 30 --pick-half"
)


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    home = tmp_path_factory.mktemp("picked")
    assert main([*WORDS.split(), "--out", str(home)]) == 0
    return home / "replicate_0" / "level_0" / "main"


def drawn(ticket, name, data="digits"):
    report = {"schema": "boundcalc.report/2", "checkpoint": {"path": str(ticket), "density": 0.5}}
    return pictures()[name].of(tickets_of([report], [str(ticket)], data)).figure


def test_the_replay_finds_the_same_picks_and_the_same_network(ticket, capsys):
    assert main(["verify", str(ticket / file.NAME), "--data", "digits", "--replay"]) == 0
    assert "replayed  True" in capsys.readouterr().out


def test_picked_and_wrong_are_drawn_after_every_round(ticket):
    certificate = file.read_certificate(ticket / file.NAME)
    picked, wrong = np.cumsum([len(one) for one in certificate.rounds]), certificate.made_by["wrong"]
    lines = [line.get_ydata() for line in drawn(ticket, "pick").axes[0].get_lines()]
    assert wrong[-1] == certificate.wrong
    assert lines[0] == pytest.approx(100 * picked / certificate.m)
    assert lines[1] == pytest.approx(100 * (picked + wrong) / certificate.m)
    assert lines[3] == pytest.approx([100 * certificate.value])


def test_the_page_shows_picked_and_wrong_images(ticket):
    certificate = file.read_certificate(ticket / file.NAME)
    figure = drawn(ticket, "examples")
    shown = [image.get_array() for axes in figure.axes for image in axes.get_images()]
    assert len(shown) == min(64, len(certificate.picked)) + min(64, certificate.wrong)
    x, y = next(iter(open_data("digits").train.batches(2000)))
    first = x[certificate.picked[0]].reshape(8, 8)
    assert np.allclose(shown[0], (first - first.min()) / (first.max() - first.min()))
    assert figure.axes[0].get_title(loc="left") == str(y[certificate.picked[0]])


def test_color_images_keep_their_channels():
    class Two:
        def batches(self):
            yield np.linspace(-1, 1, 24).reshape(2, 3, 2, 2), np.array([4, 5])

    found = images_of(Two(), [1])
    assert list(found) == [1] and found[1][1] == 5
    assert found[1][0].shape == (2, 2, 3) and (found[1][0].min(), found[1][0].max()) == (0, 1)


def test_without_data_the_page_says_what_to_give(ticket, tmp_path, capsys):
    target = tmp_path / "a.png"
    assert main(["plot", str(ticket), "--what", "examples", "-o", str(target)]) == 2
    assert "give --data DATA" in capsys.readouterr().err
    assert not target.exists()
