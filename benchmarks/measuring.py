"""Runs `tadmor remodel` as a person would, in a process of its own, and measures it from outside."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its exit code, wall and CPU seconds, peak memory of all its processes in MB, and its report.

    `report` is report.json, empty where there is none; `error` is what the run said if it did not end well.
    """

    exit_code: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    report: dict[str, Any]
    error: str

    @property
    def component(self) -> dict[str, Any] | None:
        """The largest component that has a model."""
        return next((c for c in self.report.get("components", []) if c["model"]), None)


def remodel(photos: Path | Sequence[Path], out: Path, *options: str) -> Measured:
    """Run `tadmor remodel` on a folder or on files into the folder `out`, which must not hold an earlier run."""
    inputs = [photos] if isinstance(photos, Path) else photos
    command = [sys.executable, "-m", "tadmor", "remodel", *map(str, inputs), "-o", str(out), "--json", *options]
    cpu_before, began_at = _children_cpu_seconds(), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = _Peak(process.pid)
        last: dict[str, Any] = {}
        assert process.stdout is not None
        for line in process.stdout:
            last = json.loads(line)
            _show(last)
        exit_code = process.wait()
    seconds = time.monotonic() - began_at
    written = out / "report.json"
    report = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    error = f"{last.get('what', '')} [{last.get('code', '')}]" if exit_code else ""
    return Measured(exit_code, seconds, _children_cpu_seconds() - cpu_before, peak.stop(), report, error)


def _show(event: dict[str, Any]) -> None:
    if event["event"] == "progress" and event["kind"] == "end":
        print(f"  {event['step']:<9} {event['seconds']:7.1f} s", file=sys.stderr)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Peak:
    """Samples the resident memory of a process and all below it; what they share counts once for each."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return self._mb

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._mb = max(self._mb, sum(map(_resident_mb, _family(self._pid))))


def _family(pid: int) -> Iterable[int]:
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listed.read_text().split()
        except OSError:  # ended meanwhile
            continue
        for child in children:
            yield from _family(int(child))


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write rows as a Markdown table with aligned columns; None becomes an empty cell, floats keep their form."""
    cells = [list(heading), *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
