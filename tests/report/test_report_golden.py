"""What the views print, to the letter."""

import pytest

from boundcalc.report import FORMATS, Report


@pytest.mark.parametrize("format", FORMATS)
def test_views(tree, tree_name, format, check_golden):
    check_golden(f"{tree_name}.{format}.txt", Report.from_dict(tree).to(format))


def test_a_missing_golden_file_fails(check_golden, tmp_path, monkeypatch):
    monkeypatch.delenv("BOUNDCALC_REWRITE_GOLDEN", raising=False)
    with pytest.raises(pytest.fail.Exception, match=r"x.txt is missing"):
        check_golden("x.txt", "text", tmp_path)


def test_rewriting_is_not_passing(check_golden, tmp_path, monkeypatch):
    monkeypatch.setenv("BOUNDCALC_REWRITE_GOLDEN", "1")
    with pytest.raises(pytest.skip.Exception, match=r"rewritten"):
        check_golden("x.txt", "text", tmp_path)
    assert (tmp_path / "x.txt").read_text() == "text"
