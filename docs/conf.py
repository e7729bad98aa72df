"""Configuration of the documentation site: MyST pages, notebooks executed while the site is built, every warning an error.

`make docs` builds it. The pages under reference/ and results/ that `make_pages.py` names are written afresh before each build.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from boundcalc import __version__

HERE = Path(__file__).parent

runpy.run_path(str(HERE / "make_pages.py"))["write"](HERE)

project = "boundcalc"
author = "the boundcalc authors"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["_build", "README.md"]
suppress_warnings = ["mystnb.unknown_mime_type"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "furo"
html_title = f"boundcalc {release}"
copybutton_exclude = ".linenos, .gp, .go"
