"""Exact distances from points to a triangle mesh, by a grid of cells that know which triangles touch them."""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F64, I32
from tadmor.engine.synthetic.noise import jit

_RINGS = 4
_MOST_CELLS = 16_000_000


def distance_to_mesh(points: F64, vertices: F64, faces: I32, *, reach: float) -> F64:
    """Distance of points (n, 3) to the nearest triangle: (n,) float64, `reach` where all are farther.

    `vertices` (v, 3) and `faces` (m, 3) of a mesh in the unit of the points. Raises ValueError for a `reach` of 0 or
    less.
    """
    if reach <= 0:
        raise ValueError(f"the reach must be above 0, not {reach}")
    far = np.full(len(points), float(reach))
    if not len(points) or not len(faces):
        return far
    low, high = points.min(0) - reach, points.max(0) + reach
    cell = max(reach / _RINGS, float((np.prod(high - low) / _MOST_CELLS) ** (1 / 3)))
    shape = np.ceil((high - low) / cell).astype(np.int64) + 1
    corners = np.ascontiguousarray(vertices[faces], np.float64)
    start, listed = _binned(corners, low, cell, shape)
    _measure(np.ascontiguousarray(points, np.float64), corners, low, cell, shape, start, listed, far)
    return far


@jit
def _cells(corner, low, cell, shape):  # type: ignore[no-untyped-def]  # compiled by numba
    """First and last cell on each axis that the box around a triangle (3, 3) touches; none if last < first."""
    first, last = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for axis in range(3):
        a = min(corner[0, axis], corner[1, axis], corner[2, axis])
        b = max(corner[0, axis], corner[1, axis], corner[2, axis])
        first[axis] = np.int64(min(max(np.floor((a - low[axis]) / cell), 0.0), np.float64(shape[axis])))
        last[axis] = np.int64(min(max(np.floor((b - low[axis]) / cell), -1.0), np.float64(shape[axis] - 1)))
    return first, last


@jit
def _binned(corners, low, cell, shape):  # type: ignore[no-untyped-def]  # compiled by numba
    """Triangles of every cell: those of cell c are listed[start[c] : start[c + 1]]."""
    start = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    listed = np.zeros(0, np.int32)
    for filling in range(2):
        for f in range(len(corners)):
            first, last = _cells(corners[f], low, cell, shape)
            for i in range(first[0], last[0] + 1):
                for j in range(first[1], last[1] + 1):
                    for k in range(first[2], last[2] + 1):
                        c = (i * shape[1] + j) * shape[2] + k
                        if filling:
                            start[c] -= 1
                            listed[start[c]] = f
                        else:
                            start[c] += 1
        if not filling:  # running totals; filling then counts each cell's down to its beginning
            for c in range(1, len(start)):
                start[c] += start[c - 1]
            listed = np.zeros(start[-1], np.int32)
    return start, listed


@jit
def _measure(points, corners, low, cell, shape, start, listed, nearest):  # type: ignore[no-untyped-def]  # compiled by numba
    for n in range(len(points)):
        p = points[n]
        at = ((p - low) / cell).astype(np.int64)
        best = nearest[n] * nearest[n]
        for ring in range(_RINGS + 1):
            # all that lies beyond the rings looked at is farther than ring - 1 whole cells
            if ring > 0 and best <= ((ring - 1) * cell) ** 2:
                break
            for i in range(max(at[0] - ring, 0), min(at[0] + ring, shape[0] - 1) + 1):
                for j in range(max(at[1] - ring, 0), min(at[1] + ring, shape[1] - 1) + 1):
                    inside = abs(i - at[0]) < ring and abs(j - at[1]) < ring
                    for k in range(at[2] - ring, at[2] + ring + 1, 2 * ring if inside else 1):
                        if k < 0 or k >= shape[2]:
                            continue
                        c = (i * shape[1] + j) * shape[2] + k
                        for entry in range(start[c], start[c + 1]):
                            best = min(best, squared_distance(p, corners[listed[entry]]))
        nearest[n] = np.sqrt(best)


@jit
def squared_distance(p, corner):  # type: ignore[no-untyped-def]  # compiled by numba
    """Squared distance of a point (3,) to a triangle (3, 3): to its plane or, beside it, to the nearest edge."""
    ax, ay, az = corner[0, 0], corner[0, 1], corner[0, 2]
    ux, uy, uz = corner[1, 0] - ax, corner[1, 1] - ay, corner[1, 2] - az
    vx, vy, vz = corner[2, 0] - ax, corner[2, 1] - ay, corner[2, 2] - az
    wx, wy, wz = p[0] - ax, p[1] - ay, p[2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    n2 = nx * nx + ny * ny + nz * nz
    if n2 > 0.0:
        b = (nx * (wy * vz - wz * vy) + ny * (wz * vx - wx * vz) + nz * (wx * vy - wy * vx)) / n2
        c = (nx * (uy * wz - uz * wy) + ny * (uz * wx - ux * wz) + nz * (ux * wy - uy * wx)) / n2
        if b >= 0.0 and c >= 0.0 and b + c <= 1.0:
            height = nx * wx + ny * wy + nz * wz
            return height * height / n2
    return min(
        _squared_to_edge(wx, wy, wz, ux, uy, uz),
        _squared_to_edge(wx, wy, wz, vx, vy, vz),
        _squared_to_edge(wx - ux, wy - uy, wz - uz, vx - ux, vy - uy, vz - uz),
    )


@jit
def _squared_to_edge(wx, wy, wz, ex, ey, ez):  # type: ignore[no-untyped-def]  # compiled by numba
    """Squared distance of w to the segment from the origin to e."""
    length2 = ex * ex + ey * ey + ez * ez
    t = min(max((wx * ex + wy * ey + wz * ez) / length2, 0.0), 1.0) if length2 > 0.0 else 0.0
    dx, dy, dz = wx - t * ex, wy - t * ey, wz - t * ez
    return dx * dx + dy * dy + dz * dz
