"""report.html: one file in two languages, from the report's JSON and its pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from tadmor.engine.report import contents
from tadmor.engine.report.pictures import Album
from tadmor.engine.report.plan import WIDTH as PLAN_WIDTH
from tadmor.engine.report.plan import Plan
from tadmor.engine.report.words import LANGUAGES, Words
from tadmor.engine.surface.evidence import OBSERVED_ANGLE_DEG, OBSERVED_PHOTOS
from tadmor.media.blur import BLURRED_ABOVE

HERE = Path(__file__).parent
RULES = {"photos": OBSERVED_PHOTOS, "angle_deg": OBSERVED_ANGLE_DEG, "blurred_px": BLURRED_ABOVE}


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo shown beside the model: its number, its key in the album, and its score in the JSON."""

    number: int
    key: str
    score: Mapping[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Illustrations:
    """The page's pictures: `keys` are the photos' keys in the album by verdict number; `overviews` number the photo
    beside which each component's picture was taken.
    """

    album: Album
    keys: Mapping[int, str]
    pairs: Sequence[Pair]
    overviews: Mapping[int, int]
    plan: Plan | None


def render_page(document: Mapping[str, Any], json_bytes: int, shown: Illustrations) -> str:
    """Return the page's HTML. `document` is report.json, `json_bytes` its size."""
    verdicts, components = document["verdicts"], document["components"]
    evidence = components[0]["evidence"] if components else None
    stones = contents.hundredths(evidence["area_share"]) if evidence else (0, 0, 0)
    given = {
        "d": document,
        "json_bytes": json_bytes,
        "languages": [Words(language) for language in LANGUAGES],
        "css": Markup(_css()),  # noqa: S704  # our own sheet
        "album": shown.album,
        "keys": _Missing(shown.keys),
        "pairs": shown.pairs,
        "overviews": _Missing(shown.overviews),
        "plan": shown.plan,
        "plan_width": PLAN_WIDTH,
        "arch": arch(),
        "ruin": _ruin(),
        "stones": stones,
        "wall_desk": contents.wall(stones, 20),
        "wall_phone": contents.wall(stones, 10),
        "rules": RULES,
        "grade": contents.grade,
        "tones": contents.TONES,
        "groups": contents.verdict_groups(verdicts),
        "numbers": {v["name"]: v["number"] for v in verdicts},
        "originals": _Missing(_originals(verdicts)),
        "needed": _Missing(_needed(verdicts)),
        "files": contents.file_rows(components),
        "longest": max([s["seconds"] for s in document["steps"]], default=0) or 1.0,
        "ordinal": _ordinal,
    }
    return _environment().get_template("report.html.jinja").render(given)


class _Missing(dict[int, Any]):
    """A mapping that has None for what it lacks, as the templates ask before they show."""

    def __missing__(self, key: int) -> None:
        return None


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # every chapter draws with the same small parts
    environment.globals.update(
        {
            name: part
            for name, part in vars(environment.get_template("macros.html.jinja").module).items()
            if name[0] != "_"
        }
    )
    return environment


@cache
def _css() -> str:
    return (HERE / "report.css").read_text(encoding="utf-8")


def _originals(verdicts: Sequence[Mapping[str, Any]]) -> dict[int, Markup]:
    """Of which file each duplicate is one: the verdict's measure reads "of NAME; what the figure counts"."""
    found = {}
    for v in verdicts:
        if v["outcome"] == "duplicate" and v["measure"].startswith("of ") and ";" in v["measure"]:
            found[v["number"]] = Markup("<bdi>{}</bdi>").format(v["measure"].removeprefix("of ").rpartition(";")[0])
    return found


def _needed(verdicts: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """How much would have been enough, where a verdict's measure says so: "...; N are needed"."""
    told = {v["number"]: re.search(r"; (\d+) are needed", v["measure"]) for v in verdicts}
    return {number: int(match[1]) for number, match in told.items() if match}


def _ordinal(words: Words, n: int) -> str:
    """A place in a row: 8th in English; in Arabic "one of each 8" needs the plain number."""
    if words.language != "en":
        return words.number(n)
    ending = "th" if 11 <= n % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def arch() -> list[tuple[str, str]]:
    """The mark: an arch of five voussoirs on two jambs, one stone missing; class and SVG path of each stone."""
    stones = []
    for stone in range(5):
        start, end = (math.pi * (stone + f) / 5 for f in (0.035, 0.965))
        outer, inner = ([(16 - r * math.cos(a), 17.5 - r * math.sin(a)) for a in (start, end)] for r in (15.0, 7.5))
        path = (
            f"M{outer[0][0]:.1f} {outer[0][1]:.1f}A15 15 0 0 1 {outer[1][0]:.1f} {outer[1][1]:.1f}"
            f"L{inner[1][0]:.1f} {inner[1][1]:.1f}A7.5 7.5 0 0 0 {inner[0][0]:.1f} {inner[0][1]:.1f}z"
        )
        stones.append(("gap" if stone == 3 else "stone", path))
    jambs = "M1 19h7.5v5.5H1zM1 25.5h7.5V31H1zM23.5 19H31v5.5h-7.5zM23.5 25.5H31V31h-7.5z"
    return [*stones, ("stone", jambs)]


def _ruin() -> list[tuple[str, int, int]]:
    """A wall with stones missing: class, x and y of each, for the page of a run without a model."""
    missing = {(1, 1), (2, 1), (2, 2), (2, 3), (1, 2), (0, 2)}
    return [
        ("gap" if (course, place) in missing else "stone", 1 + 24 * place + 12 * (course % 2), 46 - 17 * course)
        for course in range(3)
        for place in range(4)
    ]
