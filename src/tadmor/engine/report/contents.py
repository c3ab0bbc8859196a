"""What the page says, arranged from the report's JSON and independent of language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

OUTCOME_ORDER = ("no-overlap", "no-depth", "too-few-features", "blurred", "duplicate", "unreadable", "used")
STOPPED, WAITING, HELD = "stop", "wait", "hold"
TONES = {
    "used": "ok", "no-overlap": WAITING, "no-depth": WAITING, "too-few-features": WAITING, "blurred": WAITING,
    "duplicate": HELD, "unreadable": STOPPED,
}  # fmt: skip
GOOD_DB, FAIR_DB = 26.0, 20.0
STONE, JOINT = (34.0, 17.0), 2.5


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file to offer: `kind` is its key in the words, `href` relative to the page."""

    kind: str
    path: str
    href: str
    size_bytes: int
    component: int


@dataclass(frozen=True, slots=True)
class Wall:
    """One hundred stones as SVG paths, a class each."""

    width: float
    height: float
    observed: str
    weak: str
    inferred: str


def verdict_groups(verdicts: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Verdicts by outcome: first those that ask for something, the used ones last."""
    groups = [(outcome, [v for v in verdicts if v["outcome"] == outcome]) for outcome in OUTCOME_ORDER]
    return [(outcome, members) for outcome, members in groups if members]


def grade(psnr_db: float) -> str:
    """A likeness in a word: good, fair or rough."""
    return "good" if psnr_db >= GOOD_DB else "fair" if psnr_db >= FAIR_DB else "rough"


def hundredths(shares: Mapping[str, float]) -> tuple[int, int, int]:
    """Stones for observed, weakly observed and inferred: 100 in all, by largest remainder."""
    exact = [100 * shares[name] for name in ("observed", "weakly_observed", "inferred")]
    stones = [int(x) for x in exact]
    by_remainder = sorted(range(3), key=lambda i: stones[i] - exact[i])
    for i in by_remainder[: 100 - sum(stones)]:
        stones[i] += 1
    return stones[0], stones[1], stones[2]


def wall(stones: tuple[int, int, int], across: int) -> Wall:
    """Lay one hundred stones in running bond, `across` to a course, observed ones at the bottom."""
    courses = 100 // across
    paths = ["", "", ""]
    for number in range(100):
        course, place = divmod(number, across)
        kind = 0 if number < stones[0] else 1 if number < stones[0] + stones[1] else 2
        x = place * (STONE[0] + JOINT) + (course % 2) * (STONE[0] + JOINT) / 2
        y = (courses - 1 - course) * (STONE[1] + JOINT) + 1
        inset = 0.0 if kind == 0 else 0.5
        paths[kind] += (
            f"M{x + inset:g} {y + inset:g}h{STONE[0] - 2 * inset:g}v{STONE[1] - 2 * inset:g}h-{STONE[0] - 2 * inset:g}z"
        )
    return Wall((across + 0.5) * (STONE[0] + JOINT), courses * (STONE[1] + JOINT) + 1, *paths)


def file_rows(components: Sequence[Mapping[str, Any]]) -> list[FileRow]:
    """The files in OUT, the parts of COLMAP's model as one row, and this report's JSON."""
    rows = []
    for component in components:
        folder = "" if component["folder"] == "." else f"{component['folder']}/"
        cameras = [f for f in component["files"] if f["path"].startswith("cameras/")]
        for file in component["files"]:
            if file not in cameras:
                path = f"{folder}{file['path']}"
                kind = _kind(file["path"])
                rows.append(FileRow(kind, path, quote(path), file["size_bytes"], component["number"]))
        if cameras:
            size = sum(f["size_bytes"] for f in cameras)
            rows.append(FileRow("cameras", f"{folder}cameras/", quote(f"{folder}cameras/"), size, component["number"]))
    return sorted(rows, key=lambda row: (row.component, _KINDS.index(row.kind)))


_KINDS = (
    "model_glb", "evidence_glb", "model_ply", "cloud_ply", "cameras", "model_obj", "model_stl", "model_usdz",
    "print_stl", "other",
)  # fmt: skip


def _kind(path: str) -> str:
    kind = path.replace(".", "_")
    return kind if kind in _KINDS else "other"
