"""mesh: a surface through the cloud, cut back to what was measured, thinned and moved onto the depth maps."""

from __future__ import annotations

import tempfile
from pathlib import Path

import fast_simplification
import numpy as np
from scipy.spatial import cKDTree

from tadmor.engine import colmap
from tadmor.engine.job import Job
from tadmor.engine.scene import F32, F64, I32
from tadmor.engine.steps.fuse import Fused, load_cloud
from tadmor.engine.stereo.merging import Cloud, near_cloud
from tadmor.engine.surface.cleaning import refill_small_holes, supported, without_small_pieces
from tadmor.engine.surface.refinement import refine_once
from tadmor.engine.surface.topology import keep_faces, neighbour_mean, unit
from tadmor.engine.workspace import digest
from tadmor.errors import UserError
from tadmor.media.ply import read_ply, write_ply_cloud

VERSION = 2
OCTREE_DEPTHS = range(7, 14)
FINEST_CELL_FOOTPRINTS = 2.0
MOST_POISSON_FACES = 600_000
"""Poisson's time follows the faces it makes (33 microseconds each, measured); decimation would take more away again."""
REFINEMENTS = 4
MIN_POINTS = 500


def run(job: Job, fused: Fused) -> Path:
    """Return the mesh entry: `vertices` (n, 3) float64, `faces` (m, 3) int32 in the scene's frame, and `far_footprints`
    (n,) float32, each vertex's distance from the nearest measured point in that point's footprints.
    """
    space, effort = job.workspace, job.options.effort
    entry = space.entry("mesh", digest(fused.cloud.name, effort.max_faces, VERSION), ".npz")
    with job.progress.step("mesh", 4 + REFINEMENTS) as record:
        if entry.exists():
            record.reused = 1
            return entry
        cloud = load_cloud(fused.cloud)
        if len(cloud.points) < MIN_POINTS:
            raise UserError("no-surface", count=len(fused.views), workspace=space.root)
        vertices, faces = poisson_surface(cloud)
        job.progress.advance()
        seen = (fused.seen_from(i) for i in range(len(fused.views)))
        keep = supported(vertices, cloud.points, cloud.footprints, seen, workers=job.compute.threads)
        vertices, faces, _ = keep_faces(vertices, faces, refill_small_holes(faces, keep[faces].all(1)))
        vertices, faces = without_small_pieces(vertices, faces)
        if not len(faces):
            raise UserError("no-surface", count=len(fused.views), workspace=space.root)
        job.progress.advance()
        vertices, faces = decimate(vertices, faces, effort.max_faces)
        job.progress.advance()
        mean = neighbour_mean(len(vertices), faces)
        for _ in range(REFINEMENTS):
            vertices = refine_once(vertices, faces, mean, (fused.seen_from(i) for i in range(len(fused.views))))
            job.progress.advance()
        measured, footprints = cloud.points[cloud.measured], cloud.footprints[cloud.measured]
        distance, nearest = cKDTree(measured).query(vertices, workers=job.compute.threads)
        far = (distance / footprints[nearest]).astype(np.float32)
        space.save_arrays(entry, vertices=vertices, faces=faces, far_footprints=far)
    return entry


def poisson_surface(cloud: Cloud) -> tuple[F64, I32]:
    """Screened Poisson surface of the cloud without its strays."""
    near = near_cloud(cloud.points)
    points, normals = cloud.points[near], unit(cloud.normals[near])
    depth = octree_depth(float((points.max(0) - points.min(0)).max()) * 1.1, cloud.footprints[near])
    with tempfile.TemporaryDirectory(prefix="tadmor-") as folder:
        oriented = Path(folder) / "oriented.ply"
        origin = points.mean(0)  # float32 coordinates keep their precision near 0
        write_ply_cloud(
            oriented,
            (points - origin).astype(np.float32),
            normals=normals.astype(np.float32),
            colours=cloud.colours[near],
        )
        surface = read_ply(colmap.poisson_mesh(oriented, depth, folder=Path(folder)))
    return surface.vertices + origin, surface.faces


def octree_depth(extent: float, footprints: F32) -> int:
    """The finest octree, over a cube of so many world units, that makes a bearable number of faces.

    A point stands for a square of two footprints; where cells are smaller than that, the octree stays as coarse as the
    points.
    """
    depth = OCTREE_DEPTHS[0]
    for finer in OCTREE_DEPTHS[1:]:
        cell = extent / 2**finer
        faces = 4 * np.minimum((2 * footprints / cell) ** 2, 1).sum()
        if faces > MOST_POISSON_FACES or cell < FINEST_CELL_FOOTPRINTS * float(np.median(footprints)):
            break
        depth = finer
    return depth


def decimate(vertices: F64, faces: I32, most: int) -> tuple[F64, I32]:
    """Reduce to at most so many faces by quadric edge collapse (Garland & Heckbert 1997)."""
    if len(faces) <= most:
        return vertices, faces
    origin = vertices.mean(0)
    fewer, kept = fast_simplification.simplify(
        (vertices - origin).astype(np.float32), faces.astype(np.int32), target_count=most
    )
    return fewer.astype(np.float64) + origin, np.asarray(kept, np.int32)
