"""quality: the model rendered through photos' cameras and scored, above all those kept out of the texture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.scene import U8, Scene, View
from tadmor.engine.steps.photos import working_picture
from tadmor.engine.steps.texture import Textured
from tadmor.engine.surface.rendering import Model, Score, render, score
from tadmor.engine.workspace import Workspace, digest

VERSION = 1
SCORED_WIDTH_PX = 800
MOST_INPUT_PHOTOS = 24
"""Held-out photos are all scored; of the others at most so many, evenly spread, since they only serve to compare."""


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """One photo's score; `render` is the picture (PNG-free .jpg) in the workspace."""

    row: int
    held_out: bool
    score: Score
    render: Path


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """One view to render and score."""

    workspace: Workspace
    entry: Path
    model: Path
    view: View


def run(job: Job, scene: Scene, textured: Textured) -> tuple[PhotoScore, ...]:
    """Score the held-out photos and a selection of the others at 800 px width."""
    rows = sorted({*textured.held_out, *_spread([r for r in range(len(scene.views)) if r not in textured.held_out])})
    entries = [
        job.workspace.entry("scores", digest(textured.model.name, scene.views[r].photo, VERSION), ".json") for r in rows
    ]
    tasks = [Task(job.workspace, e, textured.model, scene.views[r]) for e, r in zip(entries, rows, strict=True)]
    with job.progress.step("quality", len(rows)) as record:
        job.fill(record, measure, entries, tasks)
    scores = []
    for row, entry in zip(rows, entries, strict=True):
        stored = job.workspace.load_json(entry)
        scores.append(PhotoScore(row, row in textured.held_out, Score(**stored), entry.with_suffix(".jpg")))
    return tuple(scores)


def _spread(rows: list[int]) -> list[int]:
    if len(rows) <= MOST_INPUT_PHOTOS:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, MOST_INPUT_PHOTOS).round().astype(int)]


def load_model(entry: Path) -> Model:
    """The textured model with decoded pages."""
    stored = Workspace.load_arrays(entry)
    pages = tuple(decoded(stored[f"page{i}"]) for i in range(len(stored["page_size"])))
    return Model(stored["vertices"], stored["faces"], stored["uv"], stored["face_page"], pages)


def decoded(page: U8) -> U8:
    """(h, w, 3) uint8 BGR of a texture page as it is stored: the bytes of a JPEG."""
    picture: U8 | None = cv2.imdecode(page, cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


_LOADED: dict[Path, Model] = {}


def measure(task: Task) -> None:
    """Render one view beside its photo, score it, and keep both."""
    model = _LOADED.get(task.model)
    if model is None:
        _LOADED.clear()
        model = _LOADED[task.model] = load_model(task.model)
    photo = working_picture(task.workspace, task.view.photo)
    width = min(SCORED_WIDTH_PX, photo.shape[1])
    height = round(task.view.lens.height * width / task.view.lens.width)
    photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    picture, covered, _ = render(
        model, task.view.lens.scaled_to(width, height), task.view.rotation, task.view.translation
    )
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    with task.workspace.creating(task.entry.with_suffix(".jpg")) as scratch:
        scratch.write_bytes(encoded.tobytes())  # cv2.imwrite does not tell of a full disk
    task.workspace.save_json(task.entry, asdict(score(picture, photo, covered)))
