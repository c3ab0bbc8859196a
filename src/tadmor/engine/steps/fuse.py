"""fuse: keep the depths that views agree on, take the sky out, continue planes, merge all into one oriented cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.scene import F32, F64, Bool, Lens, Scene, View
from tadmor.engine.steps.depth import Stereo, load_depth, load_picture
from tadmor.engine.stereo import ground
from tadmor.engine.stereo.agreement import MAX_COST, Measured, confirm
from tadmor.engine.stereo.completion import MOST_VIEWS, complete
from tadmor.engine.stereo.homography import Shown
from tadmor.engine.stereo.merging import Cloud, back_project, depth_normals, join, thin, view_samples
from tadmor.engine.stereo.planes import Plane, find_planes
from tadmor.engine.stereo.sky import sky_mask
from tadmor.engine.surface.cleaning import SeenFrom
from tadmor.engine.workspace import Workspace, digest

VERSION = 2
SAMPLE_STRIDE = 4
MOST_SAMPLES = 1_500_000
PLANE_SAMPLES = 60_000


@dataclass(frozen=True, eq=False, slots=True)
class Fused:
    """`confirmed` entries of every view (depth and sky), `completed` entries (depth with what planes propose), the
    `cloud` entry, and the views and their pinhole lenses.
    """

    confirmed: tuple[Path, ...]
    completed: tuple[Path, ...]
    cloud: Path
    views: tuple[View, ...]
    lenses: tuple[Lens, ...]

    def seen_from(self, index: int) -> SeenFrom:
        """Load what a view says about space."""
        depth = Workspace.load_arrays(self.completed[index])["depth"]
        sky = Workspace.load_arrays(self.confirmed[index])["sky"]
        view = self.views[index]
        return SeenFrom(depth, sky, self.lenses[index], view.rotation, view.translation)


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """One view, its row in the scene, its pinhole lens, and its entries."""

    row: int
    view: View
    lens: Lens
    picture: Path
    depth: Path
    agreed: Path
    confirmed: Path
    completed: Path
    sampled: Path


@dataclass(frozen=True, eq=False, slots=True)
class ViewTask:
    """One view with the views it is checked against, and what all views measured."""

    workspace: Workspace
    own: Placed
    others: tuple[Placed, ...]
    sketch: Path
    planes: Path


def run(job: Job, scene: Scene, stereo: Stereo) -> Fused:
    """Confirm, mask, complete, merge."""
    space, count = job.workspace, len(scene.views)
    partners = _partners(stereo.sources)
    checked = [
        digest(stereo.depths[i].name, [stereo.depths[j].name for j in partners[i]], VERSION) for i in range(count)
    ]
    whole = digest(sorted(checked), VERSION)
    placed = [_placed(space, scene, stereo, row, key, whole) for row, key in enumerate(checked)]
    cloud, sketch = space.entry("cloud", whole, ".npz"), space.entry("sketch", whole, ".npz")
    planes = space.entry("planes", whole, ".npz")
    tasks = [ViewTask(space, placed[i], tuple(placed[j] for j in partners[i]), sketch, planes) for i in range(count)]
    with job.progress.step("fuse", 4 * count + 1) as record:
        job.fill(record, agree, [p.agreed for p in placed], tasks)
        if not sketch.exists():
            _make_sketch(job, placed, sketch)
        job.fill(record, take_sky_out, [p.confirmed for p in placed], tasks)
        if not planes.exists():
            _look_for_planes(job, placed, partners, sketch, planes)
        job.fill(record, continue_planes, [p.completed for p in placed], tasks)
        if not cloud.exists():
            job.fill(record, sample, [p.sampled for p in placed], tasks)
            save_cloud(space, cloud, thin(join([load_cloud(p.sampled) for p in placed])))
        else:
            record.reused += count
            job.progress.advance(count)
        job.progress.advance()
        record.done = count
    views = tuple(p.view for p in placed)
    return Fused(tuple(p.confirmed for p in placed), tuple(p.completed for p in placed), cloud, views, stereo.lenses)


def _placed(space: Workspace, scene: Scene, stereo: Stereo, row: int, key: str, whole: str) -> Placed:
    """The entries of a view: what depends on its partners alone, and what depends on the whole scene."""
    own = digest(key, whole)
    return Placed(
        row,
        scene.views[row],
        stereo.lenses[row],
        stereo.pictures[row],
        stereo.depths[row],
        space.entry("agreed", key, ".npz"),
        space.entry("confirmed", own, ".npz"),
        space.entry("completed", own, ".npz"),
        space.entry("sampled", own, ".npz"),
    )


def _partners(sources: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    """For every view its sources and the views it is a source of."""
    partners = [list(s) for s in sources]
    for i, row in enumerate(sources):
        for j in row:
            if i not in partners[j]:
                partners[j].append(i)
    return partners


def _measured(placed: Placed) -> Measured:
    depth, cost = load_depth(placed.depth)
    known = np.where(cost < MAX_COST, depth, 0).astype(np.float32)
    return Measured(known, cost, placed.lens, placed.view.rotation, placed.view.translation)


def agree(task: ViewTask) -> None:
    """Keep the depths of one view that others confirm."""
    depth, count = confirm(_measured(task.own), (_measured(other) for other in task.others))
    task.workspace.save_arrays(task.own.agreed, depth=depth, count=count)


def _make_sketch(job: Job, placed: list[Placed], sketch: Path) -> None:
    """Store a thin sample of all agreed points, to see onto what parts of the photos anything projects."""
    parts = job.compute.map(_sketched, placed, here=True)
    points, normals, footprints = (np.concatenate(column) for column in zip(*parts, strict=True))
    every = slice(None, None, max(1, len(points) // MOST_SAMPLES))
    job.workspace.save_arrays(sketch, points=points[every], normals=normals[every], footprints=footprints[every])


def _look_for_planes(job: Job, placed: list[Placed], partners: list[list[int]], sketch: Path, planes: Path) -> None:
    """Store the large planes of the scene, which way is up, and how high the cameras stood above the ground (0 where
    that cannot be said).
    """
    stored = job.workspace.load_arrays(sketch)
    every = slice(None, None, max(1, len(stored["points"]) // PLANE_SAMPLES))
    found = find_planes(*(stored[name][every] for name in ("points", "normals", "footprints")), seed=job.options.seed)
    up = ground.vertical(found)
    views = job.compute.map(lambda p: _shown(p).reduced(ground.WORKING_PX), placed, here=True)
    height = ground.camera_height(views, partners, up, lambda share, tried: job.compute.map(share, tried, here=True))
    job.workspace.save_arrays(
        planes,
        normals=np.array([p.normal for p in found]).reshape(-1, 3),
        offsets=np.array([p.offset for p in found]),
        up=up,
        camera_height=np.array(height or 0.0),
    )


def _sketched(placed: Placed) -> tuple[F64, F32, F32]:
    """Every fourth pixel of every fourth row of a view: world points (n, 3), normals (n, 3), footprints (n,)."""
    depth: F32 = Workspace.load_arrays(placed.agreed)["depth"]
    rows, columns = np.nonzero(depth[::SAMPLE_STRIDE, ::SAMPLE_STRIDE])
    rows, columns = rows * SAMPLE_STRIDE, columns * SAMPLE_STRIDE
    points = back_project(depth, placed.lens, placed.view.rotation, placed.view.translation, rows, columns)
    normals = depth_normals(depth, placed.lens, rows, columns) @ placed.view.rotation.astype(np.float32)
    return points, normals, (depth[rows, columns] / placed.lens.focal_px).astype(np.float32)


def take_sky_out(task: ViewTask) -> None:
    """Find the sky of one view and delete the depths in it."""
    own = task.own
    depth: F32 = task.workspace.load_arrays(own.agreed)["depth"]
    points: F64 = task.workspace.load_arrays(task.sketch)["points"]
    picture, _ = load_picture(own.picture)
    sky: Bool = sky_mask(picture, depth, own.lens, own.view.rotation, own.view.translation, points)
    task.workspace.save_arrays(own.confirmed, depth=np.where(sky, np.float32(0), depth), sky=sky)


def continue_planes(task: ViewTask) -> None:
    """Give depth to pixels of one view that continue a plane and look the same in other views."""
    stored = task.workspace.load_arrays(task.planes)
    planes = [Plane(n, float(d)) for n, d in zip(stored["normals"], stored["offsets"], strict=True)]
    own, others = _shown(task.own), [_shown(other) for other in task.others[:MOST_VIEWS]]
    height = float(stored["camera_height"])
    level = ground.local_ground(own, others, stored["up"], height) if height else None
    added = complete(own, others, planes, level)
    added[~load_picture(task.own.picture)[1]] = 0
    task.workspace.save_arrays(task.own.completed, depth=np.where(added > 0, added, own.depth), proposed=added > 0)


def _shown(placed: Placed) -> Shown:
    stored = Workspace.load_arrays(placed.confirmed)
    picture, _ = load_picture(placed.picture)
    view = placed.view
    return Shown(picture, stored["depth"], stored["sky"], placed.lens, view.rotation, view.translation)


def sample(task: ViewTask) -> None:
    """Sample one view's surface where no other view sees it finer."""
    load, own = task.workspace.load_arrays, task.own
    picture, _ = load_picture(own.picture)
    others = (
        (other.row, load(other.completed)["depth"], other.lens, other.view.rotation, other.view.translation)
        for other in task.others
    )
    stored = load(own.completed)
    pose = own.view.rotation, own.view.translation
    samples = view_samples(stored["depth"], own.lens, *pose, picture, stored["proposed"], others, own.row)
    save_cloud(task.workspace, own.sampled, samples)


def save_cloud(workspace: Workspace, entry: Path, cloud: Cloud) -> None:
    """Store a cloud."""
    workspace.save_arrays(
        entry,
        points=cloud.points,
        normals=cloud.normals,
        footprints=cloud.footprints,
        colours=cloud.colours,
        measured=cloud.measured,
    )


def load_cloud(entry: Path) -> Cloud:
    """Load a cloud."""
    return Cloud(**Workspace.load_arrays(entry))
