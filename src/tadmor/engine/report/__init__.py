"""The report of a run: report.json for programs, report.html for people.

`document.py` says what there is to say, as JSON; `page.py` shows it, with the pictures of `pictures.py`, the plan of
`plan.py` and the texts of `languages/`. Nothing is in the page that is not in the JSON, but for the pictures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tadmor.engine.record import RunRecord
from tadmor.engine.report import pictures
from tadmor.engine.report.document import document
from tadmor.engine.report.page import Illustrations, Pair, render_page
from tadmor.engine.report.pictures import Album
from tadmor.engine.report.plan import draw_plan
from tadmor.media.atomic import replacing


def write(record: RunRecord, out: Path) -> Path:
    """Write report.json and report.html into `out`, also of a run that failed; returns the page's path.

    The pictures come from the run's workspace. Raises OSError where `out` cannot be written.
    """
    told = document(record, out)
    data = json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
    page = render_page(told, len(data), illustrate(record, told))
    for name, content in (("report.json", data), ("report.html", page.encode())):
        with replacing(out / name) as file:
            file.write(content)
    return out / "report.html"


def illustrate(record: RunRecord, told: dict[str, Any]) -> Illustrations:
    """Make the page's pictures. `told` is the record's document."""
    numbers = {v.name: number for number, v in enumerate(record.verdicts, 1)}
    keys = {numbers[name]: key for key, name in record.names.items() if name in numbers}
    album = Album()
    pictures.add_thumbs(album, record)
    overviews: dict[int, int] = {}
    plan = None
    for component in record.components:
        if component.model_entry is None or not component.faces:
            continue
        model = pictures.small_model(component.model_entry)
        overview = pictures.add_overview(album, component, model)
        overviews[component.number] = numbers[component.scene.views[overview.row].name]
        if component.number == 1:
            pictures.add_renders(album, component, model)
            scene = component.scene
            plan = draw_plan(scene, model.vertices, component.held_out, [numbers[v.name] for v in scene.views])
            album.add("shadow", plan.shadow)
    return Illustrations(album, keys, _pairs(record, told, numbers), overviews, plan)


def _pairs(record: RunRecord, told: dict[str, Any], numbers: dict[str, int]) -> list[Pair]:
    if not record.components:
        return []
    first = record.components[0]
    scores = dict(zip([s.row for s in first.scores], told["components"][0]["scores"], strict=True))
    chosen = [(first.scene.views[s.row], scores[s.row]) for s in pictures.chosen_pairs(first)]
    return [Pair(numbers[view.name], view.photo, score) for view, score in chosen]
