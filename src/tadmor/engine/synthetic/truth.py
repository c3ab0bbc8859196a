"""What is true of synthetic photographs, and how far a reconstruction is from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tadmor.engine.scene import F32, F64, I32, I64, Bool, Lens, View
from tadmor.engine.surface.raster import rasterise
from tadmor.engine.synthetic.distance import distance_to_mesh
from tadmor.engine.synthetic.monument import Monument
from tadmor.engine.synthetic.solids import unit

FARTHEST_M = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class Truth:
    """A monument, its photographs in `folder` and their cameras: `views[i].name` is the file name. Metres, Y up."""

    monument: Monument
    folder: Path
    views: tuple[View, ...]

    def view(self, name: str) -> View:
        """Return the view of a photograph; raises KeyError where there is none."""
        for view in self.views:
            if view.name == name:
                return view
        raise KeyError(name)

    def drawn(self, view: View, lens: Lens | None = None) -> tuple[F32, I32]:
        """Depth and face images (height, width) as by `rasterise`, undistorted, through `lens` or the view's."""
        through = lens or view.lens
        points = view.camera_points(self.monument.vertices.astype(np.float64)).astype(np.float32)
        return rasterise(
            points,
            self.monument.faces,
            through.focal_px,
            through.cx,
            through.cy,
            through.width,
            through.height,
            near=0.05,
        )

    def depth(self, view: View, lens: Lens | None = None) -> F32:
        """(height, width) float32 z in the camera frame of what an undistorted photograph shows, 0 in the sky."""
        return self.drawn(view, lens)[0]


@dataclass(frozen=True, eq=False, slots=True)
class Similarity:
    """target = scale * rotation @ source + translation."""

    scale: float
    rotation: F64
    translation: F64

    def apply(self, points: F64) -> F64:
        """Map points (n, 3)."""
        mapped: F64 = self.scale * points @ self.rotation.T + self.translation
        return mapped


def align(source: F64, target: F64) -> Similarity:
    """Similarity that best maps points (n, 3) onto their partners (Umeyama, 1991). Three at least, not in line."""
    from_mean, to_mean = source.mean(0), target.mean(0)
    a, b = source - from_mean, target - to_mean
    u, singular, vt = np.linalg.svd(b.T @ a / len(a))
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(flip) @ vt
    scale = float((singular * flip).sum() / (a**2).sum(1).mean())
    return Similarity(scale, rotation, to_mean - scale * rotation @ from_mean)


@dataclass(frozen=True, eq=False, slots=True)
class CameraErrors:
    """How far reconstructed cameras are from the truth once aligned to it by `similarity`.

    `names` of the photographs compared; `centre_m` (n,) distance of the centres; `rotation_deg` (n,) angle between the
    orientations; `missing` names that were not reconstructed.
    """

    similarity: Similarity
    names: tuple[str, ...]
    centre_m: F64
    rotation_deg: F64
    missing: tuple[str, ...]


def compare_cameras(truth: Truth, views: Sequence[View]) -> CameraErrors:
    """Align reconstructed views to the truth by their centres and measure what remains.

    Views are matched by `View.name`. Raises KeyError for a name that the truth does not know and ValueError with fewer
    than three views: they do not fix a similarity.
    """
    if len(views) < 3:
        raise ValueError(f"at least three views are needed to align a reconstruction, not {len(views)}")
    partners = [truth.view(view.name) for view in views]
    ours, theirs = np.array([v.centre for v in views]), np.array([v.centre for v in partners])
    similarity = align(ours, theirs)
    centre = np.linalg.norm(similarity.apply(ours) - theirs, axis=1)
    turns = np.array([v.rotation @ similarity.rotation.T @ p.rotation.T for v, p in zip(views, partners, strict=True)])
    # the angle by its sine and cosine: exact also near 0 degrees
    axis = np.stack(
        [turns[:, 2, 1] - turns[:, 1, 2], turns[:, 0, 2] - turns[:, 2, 0], turns[:, 1, 0] - turns[:, 0, 1]], 1
    )
    angle = np.degrees(np.arctan2(np.linalg.norm(axis, axis=1), np.trace(turns, axis1=1, axis2=2) - 1))
    names = tuple(view.name for view in views)
    missing = tuple(v.name for v in truth.views if v.name not in set(names))
    return CameraErrors(similarity, names, centre, angle, missing)


@dataclass(frozen=True, eq=False, slots=True)
class SurfaceErrors:
    """How far a model's surface is from the truth, in metres of the truth.

    `accuracy_m` (n,) distances of points on the model to the true surface; `completeness_m` (k,) distances of points
    on the true surface that the photographs show to the model. Both are exact up to `FARTHEST_M`, which stands for all
    that is farther.
    """

    accuracy_m: F64
    completeness_m: F64

    def accuracy(self, threshold_m: float) -> float:
        """Share of the model that lies within a distance of the truth."""
        return float((self.accuracy_m <= threshold_m).mean())

    def completeness(self, threshold_m: float) -> float:
        """Share of what the photographs show that the model has within a distance."""
        return float((self.completeness_m <= threshold_m).mean())

    def f_score(self, threshold_m: float) -> float:
        """Harmonic mean of accuracy and completeness (Knapitsch et al., "Tanks and Temples", 2017)."""
        a, c = self.accuracy(threshold_m), self.completeness(threshold_m)
        return 2 * a * c / (a + c) if a + c else 0.0


def compare_surface(
    truth: Truth,
    vertices: F64,
    faces: I32,
    similarity: Similarity,
    *,
    seen_by: int = 3,
    samples: int = 100_000,
    seed: int = 0,
) -> SurfaceErrors:
    """Measure a model against the truth inside the building's box.

    `vertices` (n, 3) and `faces` (m, 3) of the model in its own frame, which `similarity` (from `compare_cameras`) maps
    to the truth. Completeness asks only for what at least `seen_by` photographs show under less than 75 degrees.
    Raises ValueError where no part of the model lies in the box.
    """
    rng = np.random.default_rng(seed)
    monument = truth.monument
    true_vertices = monument.vertices.astype(np.float64)
    true_faces = monument.faces[monument.faces_in_region()]
    wanted, wanted_face = on_surface(true_vertices, true_faces, samples, rng)
    wanted = wanted[seen_count(truth, wanted, face_normals(true_vertices, true_faces)[wanted_face]) >= seen_by]
    model = similarity.apply(np.asarray(vertices, np.float64))
    near = faces[overlapping(model, faces, monument.region)]
    if not len(near):
        raise ValueError("no part of the model lies where the building stands")
    found, _ = on_surface(model, near, samples, rng)
    found = found[((found >= monument.region[0]) & (found <= monument.region[1])).all(1)]
    if not len(found):
        raise ValueError("no part of the model lies where the building stands")
    return SurfaceErrors(
        distance_to_mesh(found, true_vertices, monument.faces, reach=FARTHEST_M),
        distance_to_mesh(wanted, model, faces, reach=FARTHEST_M),
    )


def overlapping(vertices: F64, faces: I32, region: F64) -> Bool:
    """Which faces (m,) have a bounding box that touches the box between the corners `region` (2, 3)."""
    corners = vertices[faces]
    touching: Bool = ((corners.min(1) <= region[1]) & (corners.max(1) >= region[0])).all(1)
    return touching


def face_normals(vertices: F64, faces: I32) -> F64:
    """(m, 3) unit normals."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return unit(np.cross(b - a, c - a))


def on_surface(vertices: F64, faces: I32, count: int, rng: np.random.Generator) -> tuple[F64, I64]:
    """Points (count, 3) spread evenly over a mesh, and the rows of `faces` that they lie on."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = np.sort(rng.choice(len(faces), count, p=area / area.sum()))
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    points: F64 = a[face] + u * (b - a)[face] + v * (c - a)[face]
    return points, face


def seen_count(truth: Truth, points: F64, normals: F64, *, steepest_deg: float = 75.0) -> I64:
    """Count (n,) the photographs that show world points with these normals (of either sign), not too slanted."""
    count = np.zeros(len(points), np.int64)
    for view in truth.views:
        lens = view.lens.pinhole
        local = view.camera_points(points)
        ahead = local[:, 2] > 0.05
        column, row = (np.rint(lens.distort(local[ahead, :2] / local[ahead, 2:])).astype(np.int64)).T
        framed = (column >= 0) & (row >= 0) & (column < lens.width) & (row < lens.height)
        index = np.flatnonzero(ahead)[framed]
        depth = truth.depth(view)[row[framed], column[framed]]
        z = local[index, 2]
        towards = unit(view.centre - points[index])
        facing = np.abs((towards * normals[index]).sum(1))
        tolerance = 0.02 + 2 * z / lens.focal_px / np.maximum(facing, 0.1)
        visible: Bool = (z < depth + tolerance) & (facing > np.cos(np.radians(steepest_deg)))
        count[index[visible]] += 1
    return count
