"""Pages in a headless Chromium: nothing fails, nothing is fetched, nothing overlaps; sorting, tooltips, keys, print, dark.

Skipped where there is no Chromium, unless the environment has ``BOUNDCALC_BROWSER=required``.
"""

import json
import re
from functools import partial
from pathlib import Path

import pytest
from report_browser import start
from report_pages import full, many

from boundcalc.report import Report
from boundcalc.report.comparison import Comparison
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.views.html import store_page

TREES = Path(__file__).parent / "trees"
WIDTHS = (400, 1000, 1600)
NAMES = ("lenet300", "declared", "store", "comparison")
LONG = "lottery_691775df8c9f2e69015aad1bf73aa69b_magnitude_global_rewound/replicate_{0}/level_{0}/main"
LEAST_CONTRAST = 4.5


class Keys:
    """Code points of WebDriver's keys."""

    ENTER, ESCAPE = "\ue007", "\ue00c"
    ARROW_LEFT, ARROW_RIGHT, ARROW_DOWN = "\ue012", "\ue014", "\ue015"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = start(tmp_path_factory.mktemp("browser"))
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def pages():
    lenet300, declared = (
        json.loads((TREES / f"{name}.json").read_text()) for name in ("lenet300", "declared")
    )
    return {
        "lenet300": Report(every_look(lenet300)).to("html"),
        "declared": Report(declared).to("html"),
        "store": store(lenet300),
        "comparison": Comparison(comparison()).to("html"),
    }


def every_look(tree):
    """Add layers with all z-scores near each other, a second graphon, and every status of a bound."""
    tree = full(tree)
    tree["checkpoint"]["path"] = "runs/" + LONG.format(3)
    scores = ("delta_r", "delta_r_imdb", "lambda", "lambda_imsg", "narc")
    near = {score: 0.1 * index for index, score in enumerate(scores)}
    names = ["features.layer4.1.conv2.weight_of_a_long_name", "fc2"]
    tree["topology"]["layers"] = [{"name": name, "z": near} for name in names]
    graphon = tree["graphon"]["layers"][0]
    tree["graphon"]["layers"] = [{**graphon, "name": name} for name in (*names, "fc3", "fc4", "fc5")]
    bound = tree["bounds"]["peeling"]
    huge = {"status": "published", "value": None, "log10_value": 340.13, "vacuous": True}
    tree["bounds"]["a_published_bound_of_a_long_name"] = {**bound, **huge}
    for status in ("published", "score", "refuted"):
        tree["bounds"][f"a_{status}_bound"] = {**bound, "status": status, "value": 0.5, "log10_value": -0.302}
    return tree


def store(tree):
    tickets = many(tree, 12, LONG)
    for index, ticket in enumerate(tickets):
        ticket["bounds"]["peeling"] |= {"value": 0.9 + index, "log10_value": None, "vacuous": index > 0}
    columns = (Column("quantity"), Column("tau", right=True))
    extra = Section("Rank correlations", "tau", grid=Grid(columns, (("peeling", "0.35"), ("occam", "-0.1"))))
    return store_page(tickets, "a store", [extra], [("runs/broken.pt", "runs/broken.pt: not a checkpoint")])


def comparison():
    one = {
        "path": LONG.format(1),
        "sha256": "0",
        "format": "f",
        "parameters": 10,
        "surviving": 5,
        "density": 0.5,
    }
    layer = {
        "names": ["a", "a"],
        "shapes": [[2, 5], [2, 5]],
        "densities": [0.5, 0.4],
        "l2": 0.1,
        "cut": [0.0, 0.1],
    }
    quantities = {
        "bounds.galanti2023.log10_value": 0.5,
        "bounds.peeling.log10_value": 0.7,
        "samples.ratio": 0.2,
    }
    return {
        "schema": "boundcalc.compare/1", "version": "1", "seed": 0, "resolution": 64, "against": "first",
        "checkpoints": [one, one], "pairs": [{"checkpoints": [0, 1], "layers": [layer]}],
        "tickets": [{"checkpoint": k, "lottery": "a", "density": 0.5, "quantities": quantities} for k in (0, 1)],
        "statuses": {"galanti2023": "refuted", "peeling": "theorem"}, "correlations": [],
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_nothing_fails_and_nothing_is_fetched(browser, pages, name):
    browser.open(pages[name])
    browser.ask("document.body.offsetHeight")
    assert browser.console() == []
    assert [one for one in browser.requests() if not one.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps_or_overflows(browser, pages, name, width):
    browser.open(pages[name], width)
    assert browser.ask("window.innerWidth") == width
    assert browser.ask("overflow()") == []
    assert browser.ask("overlaps()") == []


@pytest.mark.parametrize("name", NAMES)
def test_headings_and_names(browser, pages, name):
    browser.open(pages[name])
    levels = [level for level, _ in browser.ask("headings()")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(text for _, text in browser.ask("headings()"))
    assert browser.ask("all('svg.chart, .mark, .scroll').filter((one) => !one.ariaLabel"
                       " && !document.getElementById(one.getAttribute('aria-labelledby'))).length") == 0  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["lenet300", "store", "comparison"])
def test_contrast(browser, pages, name, scheme):
    browser.open(pages[name], 1000, scheme)
    dark = browser.ask("luminance(background(document.body)) < 0.2")
    assert dark == (scheme == "dark")
    assert browser.ask("pale(arguments[0])", LEAST_CONTRAST) == []
    hover(browser, "main td.n")
    assert browser.ask("pale(arguments[0])", LEAST_CONTRAST) == []


def numbers(column):
    return [float(key) for key in column["keys"] if key is not None]


@pytest.mark.parametrize("how", ["click", "keyboard"])
@pytest.mark.parametrize(
    ("name", "table", "head"),
    [("lenet300", "#bounds table", "value"), ("store", "#tickets table", "density"), ("store", "#bounds table", "peeling")],
)  # fmt: skip
def test_a_header_sorts_by_number(browser, pages, name, table, head, how):
    browser.open(pages[name])
    found = browser.find(table)
    index = browser.ask("column(arguments[0], arguments[1]).index", found, head)
    button = found.find_elements("css selector", "thead button")[index]
    for direction, descending in (("ascending", False), ("descending", True), ("ascending", False)):
        button.click() if how == "click" else button.send_keys(Keys.ENTER)
        column = browser.ask("column(arguments[0], arguments[1])", found, head)
        assert column["sorted"] == direction
        assert len(set(numbers(column))) > 1
        assert numbers(column) == sorted(numbers(column), reverse=descending)
        keys = column["keys"]
        assert None not in keys[: len(numbers(column))]


def hover(browser, target):
    """Move the mouse to an element, by a query or itself, as a user would."""
    element = browser.find(target) if isinstance(target, str) else target
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    left, top = browser.driver.execute_script(
        "const at = arguments[0].getBoundingClientRect(); return [(at.left + at.right) / 2, (at.top + at.bottom) / 2]", element
    )  # fmt: skip
    browser.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=left, y=top)
    return element


def says(browser, element):
    """Return the tooltip, after checking that it is in view and has the status and source of an element."""
    tip = browser.ask("tooltip()")
    assert tip["shown"] and tip["inside"], tip
    origin = browser.find("#" + element.get_attribute("data-o"))
    for kind, label in (("status", "Status: "), ("source", "Source: ")):
        words = origin.find_element("css selector", "." + kind).get_attribute("textContent")
        assert label + words in tip["text"]
    assert element.get_attribute("aria-describedby") == "tip"
    return tip["text"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["lenet300", "store"])
def test_numbers_say_where_they_come_from(browser, pages, name, width):
    browser.open(pages[name], width)
    for query in ("td.n", "dd.n", "svg.chart .mark", "figcaption"):
        found = browser.driver.find_elements("css selector", "main " + query)
        for element in (found[0], found[-1]):
            for show in (
                partial(hover, browser),
                partial(browser.driver.execute_script, "arguments[0].focus()"),
            ):
                show(element)
                says(browser, element)
                press(browser, Keys.ESCAPE)
                assert not browser.ask("tooltip()")["shown"]
                hover(browser, "h1")
                assert not browser.ask("tooltip()")["shown"]


def test_a_tap_says_where_a_number_comes_from(browser, pages):
    browser.open(pages["lenet300"], 400)
    element = browser.find("#reference td.refuted")
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()
    assert "Status: refuted" in says(browser, element)
    browser.find("h1").click()
    assert not browser.ask("tooltip()")["shown"]


def press(browser, *keys):
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)
    return browser.driver.switch_to.active_element


@pytest.mark.parametrize("group", ["#bounds tbody", "#bounds svg.chart", "#empirical dl"])
def test_arrow_keys_go_from_number_to_number(browser, pages, group):
    browser.open(pages["lenet300"])
    root = browser.find(group)
    numbers = root.find_elements("css selector", "[data-o]")
    assert [one.get_attribute("tabindex") for one in numbers] == ["0"] + ["-1"] * (len(numbers) - 1)
    browser.driver.execute_script("arguments[0].focus()", numbers[0])
    assert press(browser, Keys.ARROW_RIGHT) == numbers[1]
    says(browser, numbers[1])
    assert press(browser, Keys.ARROW_LEFT) == numbers[0]
    below = press(browser, Keys.ARROW_DOWN)
    assert below != numbers[0]
    says(browser, below)
    assert press(browser, Keys.ESCAPE) == below
    assert not browser.ask("tooltip()")["shown"]


def test_everything_is_reached_by_tab(browser, pages):
    browser.open(pages["lenet300"])
    expected = browser.ask("all('a, button, [tabindex=\"0\"]').length")
    browser.ask("watch()")
    for _ in range(expected):
        browser.cdp("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    reached = browser.ask("window.reached")
    assert len(reached) == expected
    assert [name for name, seen in reached if not seen] == []


@pytest.mark.parametrize("name", NAMES)
def test_print_leaves_nothing_out(browser, pages, name):
    browser.open(pages[name], 720, "dark")
    browser.look("dark", "print")
    assert browser.ask("cut()") == []
    assert browser.ask("broken()") == []
    assert browser.ask("overflow()") == []
    assert browser.ask("overlaps()") == []
    assert not browser.ask("shown(document.querySelector('nav'))")
    assert browser.ask("luminance(background(document.body)) > 0.9")
    assert browser.pdf().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("good", "bad", "measure"),
    [
        (".chart text { font-family", ".chart text { font-size: 30px; font-family", "overlaps()"),
        (".scroll { overflow-x: auto", ".scroll { overflow-x: visible", "overflow()"),
        ("--soft: #52606e", "--soft: #9aa5b1", f"pale({LEAST_CONTRAST})"),
        ("figure { margin: 0", "figure { display: none; margin: 0", "cut()"),
    ],
)  # fmt: skip
def test_the_measures_find_faults(browser, pages, good, bad, measure):
    assert good in pages["lenet300"]
    browser.open(re.sub("<meta http-equiv[^>]*>", "", pages["lenet300"].replace(good, bad)), 400)
    assert browser.ask(measure) != []


def test_a_fetch_is_noticed(browser, pages):
    browser.open(pages["declared"].replace("<main", '<img alt="" src="http://127.0.0.1:9/x.png"><main'))
    assert any("127.0.0.1:9" in one for one in browser.console())
