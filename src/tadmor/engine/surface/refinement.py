"""Moving a mesh onto the depth maps it came from: Poisson smooths away relief that was measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
from numba import njit, prange

from tadmor.engine.scene import F64, I32
from tadmor.engine.surface.cleaning import SeenFrom
from tadmor.engine.surface.topology import vertex_normals

STEP = 0.8
MAX_DIFFERENCE = 0.01
MIN_COSINE = 0.15
SMOOTHING_MEASURED = 0.25
SMOOTHING_UNMEASURED = 0.5


def refine_once(vertices: F64, faces: I32, mean: sp.csr_matrix, views: Iterable[SeenFrom]) -> F64:
    """One round: move each vertex along its normal onto the mean of the depths measured there, then smooth lightly.

    `mean` is `topology.neighbour_mean`. A depth speaks for a vertex within 1 %; it weighs (cosine focal / depth)^2,
    the density of pixels on the surface. Smoothing (a fraction towards the neighbours' mean) is stronger where no
    depth speaks.
    """
    normals = vertex_normals(vertices, faces)
    total, weight = np.zeros(len(vertices)), np.zeros(len(vertices))
    for view in views:
        centre = -view.rotation.T @ view.translation
        pose = np.hstack([view.rotation, view.translation[:, None]])
        k = np.array([view.lens.focal_px, view.lens.cx, view.lens.cy])
        _add_residuals(vertices, normals, pose, k, centre, view.depth, MAX_DIFFERENCE, total, weight)
    measured = weight > 0
    shift = np.where(measured, total / np.maximum(weight, 1e-30), 0)
    moved = vertices + STEP * shift[:, None] * normals
    smoothing = np.where(measured, SMOOTHING_MEASURED, SMOOTHING_UNMEASURED)[:, None]
    refined: F64 = moved + smoothing * (mean @ moved - moved)
    return refined


@njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _add_residuals(  # type: ignore[no-untyped-def]  # compiled by numba: flat arrays, no structs
    vertices, normals, pose, k, centre, depth, max_difference, total, weight
):
    """Add one view's weighted displacements along the normals that would put the vertices on its depth map."""
    height, width = depth.shape
    for i in prange(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        d = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
        if d <= 0:
            continue
        u = k[0] * (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / d + k[1]
        v = k[0] * (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / d + k[2]
        if u < 1 or v < 1 or u > width - 2 or v > height - 2:
            continue
        ui, vi = int(u), int(v)
        d00, d01 = depth[vi, ui], depth[vi, ui + 1]
        d10, d11 = depth[vi + 1, ui], depth[vi + 1, ui + 1]
        if d00 <= 0 or d01 <= 0 or d10 <= 0 or d11 <= 0:
            continue
        fu, fv = u - ui, v - vi
        measured = (1 - fv) * (d00 + fu * (d01 - d00)) + fv * (d10 + fu * (d11 - d10))
        difference = measured - d
        if abs(difference) > max_difference * d:
            continue
        vx, vy, vz = centre[0] - x, centre[1] - y, centre[2] - z
        distance = np.sqrt(vx * vx + vy * vy + vz * vz)
        cosine = (normals[i, 0] * vx + normals[i, 1] * vy + normals[i, 2] * vz) / distance
        if cosine < 0.15:
            continue
        w = (cosine * k[0] / d) ** 2
        total[i] += w * (-difference * distance / d * cosine)
        weight[i] += w
