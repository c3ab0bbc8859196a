"""Which faces a view sees, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from tadmor.engine.scene import F32, F64, I32, Lens
from tadmor.engine.surface.raster import rasterise

SAME_DEPTH = 0.01
MIN_COSINE = 0.08
EDGE_REACH_PX = 6
EDGE_JUMP = 0.02


@dataclass(frozen=True, eq=False, slots=True)
class Sight:
    """What one view sees of a mesh, through its pinhole working lens.

    `depth` (h, w) float32 of the mesh, 0 beside it; `edge_weight` (h, w) float32, 0 at depth edges and borders to 1
    away from them; `faces` (k,) int32 seen; `quality` (k,) float32 their projected area in px times cosine times edge
    weight; `image_points` (k, 2) float32 of their centres.
    """

    depth: F32
    edge_weight: F32
    faces: I32
    quality: F32
    image_points: F32


def look(vertices: F64, faces: I32, lens: Lens, rotation: F64, translation: F64) -> Sight:
    """Draw the mesh, vertices (n, 3) world and faces (m, 3), from a view and judge the faces whose centre is seen."""
    in_camera = (vertices @ rotation.T + translation).astype(np.float32)
    depth, _ = rasterise(in_camera, faces, lens.focal_px, lens.cx, lens.cy, lens.width, lens.height)
    weight = edge_weight(depth)
    k = np.array([lens.focal_px, lens.cx, lens.cy], np.float32)
    quality, points = _judge(in_camera, faces, k, depth, weight)
    seen = np.nonzero(quality > 0)[0].astype(np.int32)
    return Sight(depth, weight, seen, quality[seen], points[seen])


def edge_weight(depth: F32) -> F32:
    """(h, w) float32: rises from 0 at depth edges, holes and the border to 1 at six pixels from them."""
    kernel = np.ones((3, 3))
    highest, lowest = cv2.dilate(depth, kernel), cv2.erode(depth, kernel)
    smooth = ((lowest > 0) & (highest - lowest < EDGE_JUMP * highest)).astype(np.uint8)
    smooth[[0, -1]] = 0
    smooth[:, [0, -1]] = 0
    distance = cv2.distanceTransform(smooth, cv2.DIST_L2, 3)
    weight: F32 = np.clip(distance / EDGE_REACH_PX, 0, 1).astype(np.float32)
    return weight


@njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
def _judge(points, faces, k, depth, weight):  # type: ignore[no-untyped-def]  # compiled by numba
    """Quality per face (0: not seen) and its centre's image point; it is seen where the depth drawn nearby agrees."""
    height, width = depth.shape
    quality = np.zeros(len(faces), np.float32)
    image_points = np.zeros((len(faces), 2), np.float32)
    corners = np.zeros((3, 2), np.float32)
    for f in range(len(faces)):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        if min(a[2], b[2], c[2]) <= 1e-6:
            continue
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20)
        x, y, z = (a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3, (a[2] + b[2] + c[2]) / 3
        cosine = -(nx * x + ny * y + nz * z) / length / np.sqrt(x * x + y * y + z * z)
        if cosine < 0.08:
            continue
        outside = False
        for i in range(3):
            p = points[faces[f, i]]
            corners[i, 0] = k[0] * p[0] / p[2] + k[1]
            corners[i, 1] = k[0] * p[1] / p[2] + k[2]
            if corners[i, 0] < 1 or corners[i, 1] < 1 or corners[i, 0] > width - 2 or corners[i, 1] > height - 2:
                outside = True
        if outside:
            continue
        u = (corners[0, 0] + corners[1, 0] + corners[2, 0]) / 3
        v = (corners[0, 1] + corners[1, 1] + corners[2, 1]) / 3
        column, row = int(u + 0.5), int(v + 0.5)
        seen = False
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                d = depth[row + dy, column + dx]
                if d > 0 and abs(d - z) < 0.01 * z:
                    seen = True
        if not seen:
            continue
        area = 0.5 * abs(
            (corners[1, 0] - corners[0, 0]) * (corners[2, 1] - corners[0, 1])
            - (corners[1, 1] - corners[0, 1]) * (corners[2, 0] - corners[0, 0])
        )
        quality[f] = max(area, np.float32(1e-6)) * cosine * (0.1 + 0.9 * weight[row, column])
        image_points[f, 0] = u
        image_points[f, 1] = v
    return quality, image_points
