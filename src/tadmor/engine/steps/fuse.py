"""fuse: keep the depths that views agree on, take the sky out, and merge all into one oriented point cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.scene import F32, F64, Bool, Lens, Scene, View
from tadmor.engine.steps.depth import Stereo, load_depth, load_picture
from tadmor.engine.stereo.agreement import MAX_COST, Measured, confirm
from tadmor.engine.stereo.merging import Cloud, back_project, join, thin, view_samples
from tadmor.engine.stereo.sky import sky_mask
from tadmor.engine.surface.cleaning import SeenFrom
from tadmor.engine.workspace import Workspace, digest

VERSION = 1
SAMPLE_STRIDE = 4
MOST_SAMPLES = 1_500_000


@dataclass(frozen=True, eq=False, slots=True)
class Fused:
    """`confirmed` entries of every view (depth and sky), the `cloud` entry, and the views and their pinhole lenses."""

    confirmed: tuple[Path, ...]
    cloud: Path
    views: tuple[View, ...]
    lenses: tuple[Lens, ...]

    def seen_from(self, index: int) -> SeenFrom:
        """Load what a view says about space."""
        stored = Workspace.load_arrays(self.confirmed[index])
        view = self.views[index]
        return SeenFrom(stored["depth"], stored["sky"], self.lenses[index], view.rotation, view.translation)


@dataclass(frozen=True, eq=False, slots=True)
class ViewTask:
    """One view with the views it is checked against, as (row, view, lens, entry)."""

    workspace: Workspace
    entry: Path
    index: int
    view: View
    lens: Lens
    own: Path
    picture: Path
    others: tuple[tuple[int, View, Lens, Path], ...]
    samples: Path | None = None


def run(job: Job, scene: Scene, stereo: Stereo) -> Fused:
    """Confirm, mask, merge."""
    views, lenses, space = scene.views, stereo.lenses, job.workspace
    partners = _partners(stereo.sources)
    checked = [
        digest(stereo.depths[i].name, [stereo.depths[j].name for j in partners[i]], VERSION) for i in range(len(views))
    ]
    agreed = [space.entry("agreed", key, ".npz") for key in checked]
    whole = digest(sorted(checked), VERSION)
    confirmed = tuple(space.entry("confirmed", digest(key, whole), ".npz") for key in checked)
    sampled = [space.entry("sampled", digest(key, whole), ".npz") for key in checked]
    cloud, sketch = space.entry("cloud", whole, ".npz"), space.entry("sketch", whole, ".npz")

    def tasks(
        entries: list[Path] | tuple[Path, ...],
        own: tuple[Path, ...] | list[Path],
        others: tuple[Path, ...] | list[Path],
    ) -> list[ViewTask]:
        return [
            ViewTask(
                space,
                entries[i],
                i,
                views[i],
                lenses[i],
                own[i],
                stereo.pictures[i],
                tuple((j, views[j], lenses[j], others[j]) for j in partners[i]),
                sketch,
            )
            for i in range(len(views))
        ]

    with job.progress.step("fuse", 3 * len(views) + 1) as record:
        job.fill(record, agree, agreed, tasks(agreed, stereo.depths, stereo.depths))
        if not sketch.exists():
            space.save_arrays(sketch, points=_sketch(agreed, views, lenses))
        job.fill(record, take_sky_out, confirmed, tasks(confirmed, agreed, agreed))
        if not cloud.exists():
            job.fill(record, sample, sampled, tasks(sampled, confirmed, confirmed))
            save_cloud(space, cloud, thin(join([load_cloud(entry) for entry in sampled])))
        else:
            record.reused += len(views)
            job.progress.advance(len(views))
        job.progress.advance()
        record.done = len(views)
    return Fused(confirmed, cloud, views, lenses)


def _partners(sources: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    """For every view its sources and the views it is a source of."""
    partners = [list(s) for s in sources]
    for i, row in enumerate(sources):
        for j in row:
            if i not in partners[j]:
                partners[j].append(i)
    return partners


def _measured(view: View, lens: Lens, entry: Path) -> Measured:
    depth, cost = load_depth(entry)
    return Measured(np.where(cost < MAX_COST, depth, 0).astype(np.float32), cost, lens, view.rotation, view.translation)


def agree(task: ViewTask) -> None:
    """Keep the depths of one view that others confirm."""
    others = (_measured(view, lens, entry) for _, view, lens, entry in task.others)
    depth, count = confirm(_measured(task.view, task.lens, task.own), others)
    task.workspace.save_arrays(task.entry, depth=depth, count=count)


def _sketch(agreed: list[Path], views: tuple[View, ...], lenses: tuple[Lens, ...]) -> F64:
    """A thin sample of all agreed points, to see onto what parts of the photos anything projects."""
    points = []
    for entry, view, lens in zip(agreed, views, lenses, strict=True):
        depth: F32 = Workspace.load_arrays(entry)["depth"]
        rows, columns = np.nonzero(depth[::SAMPLE_STRIDE, ::SAMPLE_STRIDE])
        points.append(
            back_project(depth, lens, view.rotation, view.translation, rows * SAMPLE_STRIDE, columns * SAMPLE_STRIDE)
        )
    together = np.concatenate(points)
    return together[:: max(1, len(together) // MOST_SAMPLES)]


def take_sky_out(task: ViewTask) -> None:
    """Find the sky of one view and delete the depths in it."""
    assert task.samples is not None
    depth: F32 = task.workspace.load_arrays(task.own)["depth"]
    points: F64 = task.workspace.load_arrays(task.samples)["points"]
    picture, _ = load_picture(task.picture)
    sky: Bool = sky_mask(picture, depth, task.lens, task.view.rotation, task.view.translation, points)
    task.workspace.save_arrays(task.entry, depth=np.where(sky, np.float32(0), depth), sky=sky)


def sample(task: ViewTask) -> None:
    """Sample one view's surface where no other view sees it finer."""
    picture, _ = load_picture(task.picture)
    others = (
        (j, task.workspace.load_arrays(entry)["depth"], lens, view.rotation, view.translation)
        for j, view, lens, entry in task.others
    )
    depth: F32 = task.workspace.load_arrays(task.own)["depth"]
    save_cloud(
        task.workspace,
        task.entry,
        view_samples(depth, task.lens, task.view.rotation, task.view.translation, picture, others, task.index),
    )


def save_cloud(workspace: Workspace, entry: Path, cloud: Cloud) -> None:
    """Store a cloud."""
    workspace.save_arrays(
        entry, points=cloud.points, normals=cloud.normals, footprints=cloud.footprints, colours=cloud.colours
    )


def load_cloud(entry: Path) -> Cloud:
    """Load a cloud."""
    return Cloud(**Workspace.load_arrays(entry))
