"""A headless Chromium: pages opened at a width, in a colour scheme or for print, and measured by script."""

import base64
import json
import os
import shutil
from pathlib import Path

import pytest

SCRIPT = (Path(__file__).parent / "report_browser.js").read_text()
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
REQUIRED = "BOUNDCALC_BROWSER"


class Browser:
    """One browser, driven by selenium.

    Args:
        driver: of a Chromium with logs of console and network.
        folder: for pages.
    """

    def __init__(self, driver, folder):
        self.driver, self.folder, self.height = driver, folder, 900

    def open(self, text, width=1000, scheme="light"):
        """Open a page of this text at a width."""
        path = self.folder / "page.html"
        path.write_text(text, encoding="utf-8")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.look(scheme)
        self.resize(width)
        self.driver.get(path.as_uri())

    def resize(self, width):
        """Set the width of the viewport in CSS pixels."""
        size = {"width": width, "height": self.height, "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)

    def look(self, scheme="light", media=""):
        """Set the colour scheme, and the medium: the empty one is the screen."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", media=media, features=features)

    def cdp(self, command, **parameters):
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def ask(self, call, *arguments):
        """Call a function of the script, or evaluate an expression of it."""
        return self.driver.execute_script(f"{SCRIPT}\nreturn {call}", *arguments)

    def find(self, query):
        """Return the first element of a CSS query."""
        return self.driver.find_element("css selector", query)

    def console(self):
        """Return what the console said since the page was opened."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def requests(self):
        """Return the addresses that were asked for since the page was opened."""
        messages = [json.loads(one["message"])["message"] for one in self.driver.get_log("performance")]
        return [
            one["params"]["request"]["url"]
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        ]

    def pdf(self):
        """Return the page as it would be printed."""
        return base64.b64decode(self.cdp("Page.printToPDF", printBackground=False)["data"])


def start(folder):
    """Start a browser.

    Without one the test is skipped, or fails where the environment says that a browser is required.

    Args:
        folder: empty, for its profile and for pages.

    Returns:
        The browser.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        webdriver = None
    if program is None or driver is None or webdriver is None:
        say = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
        say("needs chromium, chromedriver and selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    return Browser(webdriver.Chrome(options=options, service=service), folder)
