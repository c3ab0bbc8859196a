"""texture: who sees which face, who paints it, and every texel a robust mean of the photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tadmor.engine.job import Job
from tadmor.engine.photo_cache import SHARED
from tadmor.engine.scene import F32, F64, I32, U8, Bool, Lens, Scene, View
from tadmor.engine.steps.depth import Stereo, load_picture
from tadmor.engine.steps.fuse import Fused
from tadmor.engine.steps.photos import full_picture_path
from tadmor.engine.surface import charts
from tadmor.engine.surface.baking import MOST_BLENDED, Blend, Painter, blend_sigma, rasterise_charts
from tadmor.engine.surface.cleaning import peel_unseen
from tadmor.engine.surface.labels import Candidates, choose_labels, solve_exposure
from tadmor.engine.surface.topology import face_neighbours, face_normals, unit
from tadmor.engine.surface.trust import blobs, contradicted, disagreement
from tadmor.engine.surface.visibility import look
from tadmor.engine.workspace import Workspace, digest

VERSION = 2
COLOUR_BLUR_PX = 4.0
JPEG_QUALITY = 90
TEXELS_AT_ONCE = 800_000
"""Bounds what a view's charts take in memory: 60 bytes a texel."""
EDGE_FLOOR_SKY = 0.0199
"""Takes nearly all of the floor weight of 0.02 from texels in a photo's sky: they count where nothing else does."""


@dataclass(frozen=True, eq=False, slots=True)
class Textured:
    """Entries `model`, the textured mesh and its pages, and `sights`, what each view sees; rows of `held_out` views."""

    model: Path
    sights: tuple[Path, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class SightTask:
    """One view that looks at the mesh."""

    workspace: Workspace
    entry: Path
    mesh: Path
    view: View
    lens: Lens
    picture: Path
    confirmed: Path


@dataclass(frozen=True, eq=False, slots=True)
class BakeTask:
    """The charts that one view paints, with the views that help it: rows into `views`, `lenses` and `sights`."""

    workspace: Workspace
    entry: Path
    layout: Path
    mesh: Path
    painter: int
    views: tuple[View, ...]
    lenses: tuple[Lens, ...]
    sights: tuple[Path, ...]
    texture_px: int


def held_out_rows(views: int, holdout: int) -> tuple[int, ...]:
    """Rows of the views kept out of the texture: every n-th, starting with the middle of the first n."""
    return tuple(range(holdout // 2, views, holdout)) if holdout else ()


def run(job: Job, scene: Scene, stereo: Stereo, fused: Fused, mesh: Path) -> Textured:
    """Paint the mesh."""
    space, effort, views = job.workspace, job.options.effort, scene.views
    held_out = held_out_rows(len(views), job.options.holdout)
    sights = tuple(
        space.entry("sights", digest(mesh.name, confirmed.name, VERSION), ".npz") for confirmed in fused.confirmed
    )
    key = digest(
        mesh.name,
        [s.name for s in sights],
        held_out,
        effort.texture_px,
        effort.atlas_px,
        effort.atlas_pages,
        job.options.seed,
        VERSION,
    )
    layout, model = space.entry("layout", key, ".npz"), space.entry("model", key, ".npz")
    with job.progress.step("texture", 2 * len(views) + 1) as record:
        tasks = [
            SightTask(space, sights[i], mesh, views[i], stereo.lenses[i], stereo.pictures[i], fused.confirmed[i])
            for i in range(len(views))
        ]
        job.fill(record, see, sights, tasks)
        if model.exists():
            record.reused += len(views)
            job.progress.advance(len(views) + 1)
            return Textured(model, sights, held_out)
        if not layout.exists():
            lay_out(job, scene, mesh, sights, held_out, layout)
        painters = [int(i) for i in np.unique(space.load_arrays(layout)["painter"]) if i >= 0]
        baked = [space.entry("baked", digest(key, i), ".npy") for i in painters]
        work = [
            BakeTask(space, e, layout, mesh, i, views, stereo.lenses, sights, effort.texture_px)
            for e, i in zip(baked, painters, strict=True)
        ]
        job.fill(record, bake, baked, work)
        assemble(job, layout, mesh, painters, baked, model)
        job.progress.advance(len(views) - len(painters) + 1)
        record.done = len(views)
    return Textured(model, sights, held_out)


def see(task: SightTask) -> None:
    """Find what one view sees of the mesh and in what colours."""
    mesh = task.workspace.load_arrays(task.mesh)
    sight = look(mesh["vertices"], mesh["faces"], task.lens, task.view.rotation, task.view.translation)
    blurred = cv2.GaussianBlur(load_picture(task.picture)[0], (0, 0), COLOUR_BLUR_PX)
    columns, rows = np.round(sight.image_points).astype(np.int64).T
    sky: Bool = task.workspace.load_arrays(task.confirmed)["sky"]
    in_sky = sky[rows, columns]
    weight = np.where(sky, -EDGE_FLOOR_SKY, sight.edge_weight).astype(np.float16)
    task.workspace.save_arrays(
        task.entry,
        depth=sight.depth,
        edge_weight=weight,
        faces=sight.faces[~in_sky],
        quality=sight.quality[~in_sky],
        colour=blurred[rows, columns][~in_sky],
        sky_faces=sight.faces[in_sky],
    )


def lay_out(
    job: Job, scene: Scene, mesh: Path, sights: tuple[Path, ...], held_out: tuple[int, ...], layout: Path
) -> None:
    """Choose the painting photo of every face and place the charts on pages."""
    stored = job.workspace.load_arrays(mesh)
    vertices, faces = stored["vertices"], stored["faces"]
    candidates = Candidates.none(len(faces))
    seen = np.zeros(len(faces), np.bool_)
    in_sky = np.zeros(len(faces), np.int32)
    for row, entry in enumerate(sights):
        sight = job.workspace.load_arrays(entry)
        seen[sight["faces"]] = True
        in_sky[sight["sky_faces"]] += 1
        if row not in held_out:
            candidates.add(row, sight["faces"], sight["quality"], sight["colour"].astype(np.float32))
    gain, offset = solve_exposure(candidates, len(scene.views), seed=job.options.seed)
    neighbours = face_neighbours(faces)
    far = stored["far_footprints"][faces].max(1)
    differing = disagreement(candidates, gain, offset)
    keep = ~contradicted(candidates, differing, neighbours, far, in_sky)
    keep &= peel_unseen(faces, seen & keep, far)
    keep &= ~blobs(keep, neighbours, differing)
    label, blendable = choose_labels(candidates, neighbours, gain, offset)
    painter = np.where((label >= 0) & keep, candidates.view[np.arange(len(faces)), np.maximum(label, 0)], -1).astype(
        np.int32
    )
    pixels = [_texture_scale(v, job.options.effort.texture_px) for v in scene.views]
    projected = charts.project_faces(vertices, faces, painter, list(scene.views), pixels)
    atlas = charts.lay_out(
        faces, neighbours, painter, projected, page_px=job.options.effort.atlas_px, pages=job.options.effort.atlas_pages
    )
    job.workspace.save_arrays(
        layout,
        painter=painter,
        blended=_blended(candidates, blendable, painter),
        gain=gain,
        offset=offset,
        keep=keep,
        sigma=np.array(blend_sigma(differing[keep & seen])),
        chart=atlas.chart,
        corner=atlas.corner,
        view=atlas.view,
        size=atlas.size,
        place=atlas.place,
        page=atlas.page,
        page_size=atlas.page_size,
        scale=np.array(atlas.scale),
    )


def _texture_scale(view: View, texture_px: int) -> float:
    return min(1.0, texture_px / max(view.lens.width, view.lens.height))


def _blended(candidates: Candidates, blendable: Bool, painter: I32) -> NDArray[np.int16]:
    """(m, 6) int16: the best candidates of each face that may be blended, the painter always first; -1 for none."""
    rank = np.where(blendable, candidates.quality, -1)
    rank = np.where((candidates.view == painter[:, None]) & (painter[:, None] >= 0), np.inf, rank)
    order = np.argsort(-rank, axis=1, kind="stable")[:, :MOST_BLENDED]
    chosen = np.take_along_axis(candidates.view, order, 1)
    return np.where(np.take_along_axis(rank, order, 1) > 0, chosen, -1).astype(np.int16)


def bake(task: BakeTask) -> None:
    """Paint the charts of one view; the entry holds their texels (t, 3) one chart after the other."""
    layout, mesh = task.workspace.load_arrays(task.layout), task.workspace.load_arrays(task.mesh)
    charts_here = np.nonzero(layout["view"] == task.painter)[0]
    area = np.cumsum(layout["size"][charts_here].astype(np.int64).prod(1))
    batches = np.split(charts_here, np.nonzero(np.diff(area // TEXELS_AT_ONCE))[0] + 1)
    painted = [_bake_charts(task, layout, mesh, batch) for batch in batches]
    with task.workspace.creating(task.entry) as scratch, scratch.open("wb") as file:
        np.save(file, np.concatenate(painted))


def _bake_charts(
    task: BakeTask, layout: dict[str, NDArray[Any]], mesh: dict[str, NDArray[Any]], charts_here: I32
) -> U8:
    """Texels (t, 3) of a few charts of one view."""
    position = np.full(len(layout["view"]), -1, np.int32)
    position[charts_here] = np.arange(len(charts_here))
    chart = np.where(layout["chart"] >= 0, position[layout["chart"]], -1)
    mine = np.nonzero(chart >= 0)[0]
    texels = rasterise_charts(layout["corner"][mine], chart[mine].astype(np.int32), layout["size"][charts_here])
    vertices: F64 = mesh["vertices"]
    faces: I32 = mesh["faces"][mine]
    normals = unit(face_normals(vertices, faces)).astype(np.float32)
    candidates: NDArray[np.int16] = layout["blended"][mine]
    origin = vertices[faces[:, 0]].mean(0)  # float32 coordinates keep their precision near 0
    triangles = (vertices[faces] - origin).astype(np.float32)
    blend = Blend(texels, triangles, normals, candidates, layout["painter"][mine].astype(np.int16))
    for row in np.unique(candidates[candidates >= 0]):
        blend.sample(int(row), _painter(task, int(row), layout, origin))
    return blend.mean(float(layout["sigma"]))


def _painter(task: BakeTask, row: int, layout: dict[str, NDArray[Any]], origin: F64) -> Painter:
    view = task.views[row]
    photo = SHARED.get(full_picture_path(task.workspace, view.photo), task.texture_px)
    sight = task.workspace.load_arrays(task.sights[row])
    lens = view.lens.scaled_to(photo.shape[1], photo.shape[0])
    translation = view.translation + view.rotation @ origin
    return Painter(
        photo,
        lens,
        view.rotation,
        translation,
        layout["gain"][row],
        layout["offset"][row],
        task.lenses[row],
        sight["depth"],
        sight["edge_weight"].astype(np.float32),
    )


def assemble(
    job: Job, layout_entry: Path, mesh_entry: Path, painters: list[int], baked: list[Path], model: Path
) -> None:
    """Put the charts on their pages, encode the pages, give seams vertices of their own, and store the model."""
    layout, mesh = job.workspace.load_arrays(layout_entry), job.workspace.load_arrays(mesh_entry)
    pages = [np.zeros((h, w, 3), np.uint8) for w, h in layout["page_size"]]
    for painter, entry in zip(painters, baked, strict=True):
        texels = np.load(entry, mmap_mode="r")
        start = 0
        for chart in np.nonzero(layout["view"] == painter)[0]:
            (width, height), (left, top) = layout["size"][chart], layout["place"][chart]
            block = texels[start : start + width * height].reshape(height, width, 3)
            pages[layout["page"][chart]][top : top + height, left : left + width] = block
            start += width * height
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    encoded = job.compute.map(lambda page: cv2.imencode(".jpg", page, options)[1], pages, here=True)
    keep: Bool = layout["keep"]
    faces, chart = mesh["faces"][keep], layout["chart"][keep]
    atlas = charts.Atlas(
        chart,
        layout["corner"][keep],
        layout["view"],
        layout["size"],
        layout["place"],
        layout["page"],
        layout["page_size"],
        float(layout["scale"]),
    )
    uv: F32 = charts.texture_coordinates(atlas)
    old, new_faces, first = charts.split_vertices(faces, chart)
    face_page = np.where(chart >= 0, layout["page"][np.maximum(chart, 0)] if len(layout["page"]) else -1, -1).astype(
        np.int16
    )
    job.workspace.save_arrays(
        model,
        vertices=mesh["vertices"][old],
        faces=new_faces,
        uv=np.clip(uv.reshape(-1, 2)[first], 0, 1),
        face_page=face_page,
        mesh_vertex=old,
        mesh_face=np.nonzero(keep)[0].astype(np.int32),
        painter=layout["painter"][keep],
        page_size=layout["page_size"],
        **{f"page{i}": jpeg.ravel() for i, jpeg in enumerate(encoded)},
    )
