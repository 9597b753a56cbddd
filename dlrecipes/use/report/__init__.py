"""The report of a run, and the comparison of two: HTML files that need nothing else."""

from dlrecipes.use.report.comparison import write_comparison
from dlrecipes.use.report.page import write_report

__all__ = ["write_comparison", "write_report"]
