"""export: the model, its evidence, its cameras and its cloud as files that other programs read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tadmor.engine import colmap
from tadmor.engine.job import Job
from tadmor.engine.options import Format
from tadmor.engine.scene import Scene
from tadmor.engine.steps.evidence import load_evidence
from tadmor.engine.steps.fuse import Fused, load_cloud
from tadmor.engine.steps.photos import working_picture
from tadmor.engine.steps.quality import decoded
from tadmor.engine.steps.texture import Textured
from tadmor.engine.surface.evidence import CLASS_COLOURS
from tadmor.engine.surface.topology import unit
from tadmor.engine.workspace import Workspace, told_apart
from tadmor.media.gltf import write_glb
from tadmor.media.mesh import AtlasPage, TexturedMesh
from tadmor.media.obj import write_obj
from tadmor.media.ply import write_ply_cloud, write_ply_mesh
from tadmor.media.printable import write_printable_stl
from tadmor.media.stl import write_stl
from tadmor.media.usdz import write_usdz

GENERATOR_NOTE = "Made by Tadmor from photographs; see report.html for photos, cameras and evidence."


@dataclass(frozen=True, slots=True)
class Exported:
    """Files written, relative to the component's folder, with their sizes in bytes."""

    folder: Path
    sizes: dict[str, int]


def run(
    job: Job, scene: Scene, fused: Fused, textured: Textured, evidence: Path, folder: Path, *, unit_name: str
) -> Exported:
    """Write everything that belongs to one component into `folder`."""
    options = job.options
    mesh = textured_mesh(textured.model, evidence)
    extras: dict[str, Any] = {
        "title": "Model rebuilt from photographs",
        "source": GENERATOR_NOTE,
        "unit": unit_name,
        "photos": [v.name for v in scene.views],
    }
    coloured = evidence_mesh(mesh)
    cloud = load_cloud(fused.cloud)
    pictures: list[Path] = []
    writers: dict[str, Callable[[Path], object]] = {
        "model.glb": lambda path: write_glb(path, mesh, name="model", extras=extras),
        "evidence.glb": lambda path: write_glb(path, coloured, name="evidence", extras=extras),
        "model.ply": lambda path: write_ply_mesh(path, with_vertex_colours(mesh, textured), comments=[GENERATOR_NOTE]),
        "cloud.ply": lambda path: write_ply_cloud(
            path,
            cloud.points,
            normals=unit(cloud.normals).astype(np.float32),
            colours=cloud.colours[:, ::-1],
            attributes={"footprint": cloud.footprints},
        ),
        "cameras": lambda path: write_cameras(scene, job.workspace, path),
    }
    if Format.OBJ in options.formats:
        writers["model.obj"] = lambda path: pictures.extend(write_obj(path, mesh))
    if Format.STL in options.formats:
        writers["model.stl"] = lambda path: write_stl(path, mesh.vertices, mesh.faces)
    if Format.USDZ in options.formats:
        writers["model.usdz"] = lambda path: write_usdz(path, mesh, name="model")
    height_mm = options.print_height_mm
    if height_mm is not None:
        writers["print.stl"] = lambda path: write_printable_stl(path, mesh.vertices, mesh.faces, height_mm=height_mm)
    with job.progress.step("export", len(writers)), told_apart(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, write in writers.items():
            write(folder / name)
            job.progress.advance()
        current = {*writers, *(path.name for path in pictures)}
        _remove({path for path in _own_files(folder) if path.relative_to(folder).parts[0] not in current})
        sizes = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(_own_files(folder))}
    return Exported(folder, sizes)


_OWN_NAMES = (
    "model.glb",
    "evidence.glb",
    "model.ply",
    "cloud.ply",
    "cameras/*.txt",
    "cameras/*.bin",
    "model.obj",
    "model.mtl",
    "model_page_[0-9]*.jpg",
    "model.stl",
    "model.usdz",
    "print.stl",
)


def _own_files(folder: Path) -> set[Path]:
    """The files in a component's folder that this step has written, now or in an earlier run."""
    return {path for name in _OWN_NAMES for path in folder.glob(name) if path.is_file()}


def _remove(files: set[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def remove_own_files(folder: Path) -> None:
    """Remove what this step has written into a component's folder, and the folders that are empty then."""
    _remove(_own_files(folder))
    for emptied in (folder / "cameras", folder):
        if emptied.is_dir() and not any(emptied.iterdir()):
            emptied.rmdir()


def textured_mesh(model: Path, evidence: Path) -> TexturedMesh:
    """The model as the writers take it, with evidence per vertex."""
    stored, found = Workspace.load_arrays(model), load_evidence(evidence)
    pages = tuple(
        AtlasPage(stored[f"page{i}"].tobytes(), int(width), int(height))
        for i, (width, height) in enumerate(stored["page_size"])
    )
    attributes: dict[str, NDArray[Any]] = {
        "photos": found.photos,
        "angle_deg": found.angle_deg,
        "gsd": found.gsd,
        "class": found.classes,
    }
    return TexturedMesh(
        stored["vertices"].astype(np.float32), stored["faces"], stored["uv"], pages, stored["face_page"], attributes
    )


def evidence_mesh(mesh: TexturedMesh) -> TexturedMesh:
    """The same surface coloured by its evidence class, without texture, seams closed again."""
    key = np.concatenate([mesh.vertices, mesh.attributes["class"][:, None].astype(np.float32)], axis=1)
    _, first, back = np.unique(key, axis=0, return_index=True, return_inverse=True)
    attributes = {name: values[first] for name, values in mesh.attributes.items()}
    colours = CLASS_COLOURS[attributes["class"]]
    return TexturedMesh(mesh.vertices[first], back[mesh.faces].astype(np.int32), attributes=attributes, colours=colours)


def with_vertex_colours(mesh: TexturedMesh, textured: Textured) -> TexturedMesh:
    """The same mesh with the photos' colours at its vertices, for programs that read PLY."""
    stored = Workspace.load_arrays(textured.model)
    colours = np.full((len(mesh.vertices), 3), 153, np.uint8)
    for number, _ in enumerate(mesh.pages):
        page = decoded(stored[f"page{number}"])
        rows = np.unique(mesh.faces[mesh.face_page == number])
        assert mesh.uv is not None
        x = np.clip((mesh.uv[rows, 0] * page.shape[1]).astype(int), 0, page.shape[1] - 1)
        y = np.clip((mesh.uv[rows, 1] * page.shape[0]).astype(int), 0, page.shape[0] - 1)
        colours[rows] = page[y, x, ::-1]
    return TexturedMesh(mesh.vertices, mesh.faces, attributes=mesh.attributes, colours=colours)


def write_cameras(scene: Scene, workspace: Workspace, folder: Path) -> None:
    """COLMAP text model of the scene, points coloured from the photos that see them."""
    colours = np.full((len(scene.points), 3), 128, np.uint8)
    for view in scene.views:
        picture = working_picture(workspace, view.photo)
        lens = view.lens.scaled_to(picture.shape[1], picture.shape[0])
        in_camera = view.camera_points(scene.points[view.point_index])
        points = np.rint(lens.distort(in_camera[:, :2] / in_camera[:, 2:])).astype(int)
        x, y = np.clip(points[:, 0], 0, lens.width - 1), np.clip(points[:, 1], 0, lens.height - 1)
        colours[view.point_index] = picture[y, x, ::-1]
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    colmap.write_text_model(scene, colours, scratch)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.replace(folder)
