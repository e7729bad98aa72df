"""The report: one tree of plain values (schema ``boundcalc.report/2``), and one file for each view of it."""

from boundcalc.report.tree import SCHEMA, Report
from boundcalc.report.views import FORMATS

__all__ = ["FORMATS", "SCHEMA", "Report"]
