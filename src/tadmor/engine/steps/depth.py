"""depth: photos without distortion at working size, then depth, normal and cost of every pixel of every view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.scene import F32, U8, Bool, Lens, Scene, View
from tadmor.engine.steps.photos import working_picture
from tadmor.engine.stereo.agreement import relative_pose
from tadmor.engine.stereo.patchmatch import SourceView, depth_map
from tadmor.engine.stereo.views import choose_sources, depth_range, undistort, working_lens
from tadmor.engine.workspace import Workspace, array_digest, digest

VERSION = 2
SOURCES = 5


@dataclass(frozen=True, eq=False, slots=True)
class Stereo:
    """What the depth step leaves per view: `pictures` and `depths` entries, pinhole `lenses`, rows of its `sources`."""

    pictures: tuple[Path, ...]
    depths: tuple[Path, ...]
    lenses: tuple[Lens, ...]
    sources: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False, slots=True)
class UndistortTask:
    """One view to prepare."""

    workspace: Workspace
    entry: Path
    view: View
    lens: Lens


@dataclass(frozen=True, eq=False, slots=True)
class DepthTask:
    """One view to measure against its sources."""

    workspace: Workspace
    entry: Path
    view: View
    lens: Lens
    picture: Path
    sources: tuple[tuple[View, Lens, Path], ...]
    depth_range: tuple[float, float]
    seed: int


def view_key(view: View, *more: object) -> str:
    """Key of a view by its photo, lens and pose."""
    return digest(view.photo, repr(view.lens), array_digest(view.rotation, view.translation), *more)


def run(job: Job, scene: Scene) -> Stereo:
    """Measure every view of a scene; views without a usable source get no depth entry's worth of work, only zeros."""
    views = scene.views
    lenses = tuple(working_lens(v.lens, job.options.effort.depth_px) for v in views)
    keys = [view_key(v, job.options.effort.depth_px, VERSION) for v in views]
    pictures = tuple(job.workspace.entry("pictures", k, ".npz") for k in keys)
    sources, ranges = _plans(job.workspace, scene, keys)
    depths = tuple(
        job.workspace.entry(
            "depths", digest(keys[i], [keys[j] for j in sources[i]], ranges[i], job.options.seed), ".npz"
        )
        for i in range(len(views))
    )
    with job.progress.step("depth", 2 * len(views)) as record:
        to_undistort = [
            UndistortTask(job.workspace, e, v, lens) for e, v, lens in zip(pictures, views, lenses, strict=True)
        ]
        job.fill(record, prepare, pictures, to_undistort)
        shown = list(zip(views, lenses, pictures, strict=True))
        to_measure = [
            DepthTask(job.workspace, e, *shown[i], tuple(shown[j] for j in sources[i]), ranges[i], job.options.seed)
            for i, e in enumerate(depths)
        ]
        job.fill(record, measure, depths, to_measure)
        record.done //= 2
    return Stereo(pictures, depths, lenses, sources)


def _plans(
    space: Workspace, scene: Scene, keys: list[str]
) -> tuple[tuple[tuple[int, ...], ...], list[tuple[float, float]]]:
    """Sources and depth range of every view: as they were for views that stood already, so that a photo that joins
    does not change what was measured before it.
    """
    chosen = choose_sources(scene, SOURCES)
    row_of = {key: row for row, key in enumerate(keys)}
    sources, ranges = [], []
    for row, (key, view) in enumerate(zip(keys, scene.views, strict=True)):
        entry = space.entry("plans", key, ".json")
        plan = space.load_json(entry) if entry.exists() else None
        if plan is None or not plan["sources"] or not set(plan["sources"]) <= set(row_of):
            span = depth_range(view, scene.points) if chosen[row] else (0.0, 0.0)
            plan = {"sources": [keys[j] for j in chosen[row]], "range": span}
            space.save_json(entry, plan)
        sources.append(tuple(row_of[k] for k in plan["sources"]))
        ranges.append((float(plan["range"][0]), float(plan["range"][1])))
    return tuple(sources), ranges


def prepare(task: UndistortTask) -> None:
    """Undistort one photo at working size."""
    picture, inside = undistort(working_picture(task.workspace, task.view.photo), task.view.lens, task.lens)
    task.workspace.save_arrays(task.entry, picture=picture, inside=inside)


def load_picture(entry: Path) -> tuple[U8, Bool]:
    """The undistorted picture (h, w, 3) BGR and where the photo reaches."""
    stored = Workspace.load_arrays(entry)
    return stored["picture"], stored["inside"]


def measure(task: DepthTask) -> None:
    """PatchMatch one view; depth is stored as float32, cost as float16."""
    picture, inside = load_picture(task.picture)
    depth = np.zeros(inside.shape, np.float32)
    cost = np.full(inside.shape, 2, np.float16)
    if task.sources:
        sources = []
        for view, lens, entry in task.sources:
            turn, shift = relative_pose(task.view.rotation, task.view.translation, view.rotation, view.translation)
            grey = cv2.cvtColor(load_picture(entry)[0], cv2.COLOR_BGR2GRAY)
            sources.append(SourceView(grey, lens, turn, shift))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        depth, _, measured_cost = depth_map(grey, task.lens, sources, task.depth_range, seed=task.seed)
        cost = measured_cost.astype(np.float16)
        depth[~inside] = 0
    task.workspace.save_arrays(task.entry, depth=depth, cost=cost)


def load_depth(entry: Path) -> tuple[F32, F32]:
    """Depth and cost (h, w) float32 as measured."""
    stored = Workspace.load_arrays(entry)
    return stored["depth"], stored["cost"].astype(np.float32)
