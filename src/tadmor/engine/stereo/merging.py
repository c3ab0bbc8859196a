"""From agreeing depth maps to one oriented point cloud in which every piece of surface stands once, at its finest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit

from tadmor.engine.scene import F32, F64, I64, U8, Bool, Lens
from tadmor.engine.stereo.agreement import calibration

STRIDE = 2
CELL_FOOTPRINTS = 2.0
SAME_DEPTH = 0.01
CELL_BITS, LEVELS = 19, 4


@dataclass(frozen=True, eq=False, slots=True)
class Cloud:
    """Oriented points: `points` (n, 3) float64 world, `normals` (n, 3) float32 (not of unit length: short where
    unsure), `footprints` (n,) float32 world size of a pixel at the point, `colours` (n, 3) uint8 BGR, `measured` (n,)
    bool: whether stereo measured the point; the others were proposed by a plane.
    """

    points: F64
    normals: F32
    footprints: F32
    colours: U8
    measured: Bool


def back_project(depth: F32, lens: Lens, rotation: F64, translation: F64, rows: I64, columns: I64) -> F64:
    """World points (n, 3) of the pixels (rows, columns) of a depth map."""
    z = depth[rows, columns].astype(np.float64)
    in_camera = np.stack([(columns - lens.cx) / lens.focal_px * z, (rows - lens.cy) / lens.focal_px * z, z], axis=1)
    world: F64 = (in_camera - translation) @ rotation
    return world


def depth_normals(depth: F32, lens: Lens, rows: I64, columns: I64, reach: int = 2) -> F32:
    """Normals (n, 3) float32 in the camera frame of the pixels (rows, columns) of a depth map (h, w), by central
    differences over `reach` pixels.

    Zero where a neighbour is missing or the surface breaks off.
    """
    return np.asarray(_normals(depth, calibration(lens), rows, columns, reach), np.float32)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _normals(depth, k, rows, columns, reach):  # type: ignore[no-untyped-def]  # compiled by numba
    height, width = depth.shape
    normals = np.zeros((len(rows), 3), np.float32)
    for n in range(len(rows)):
        y, x = rows[n], columns[n]
        if x < reach or y < reach or x >= width - reach or y >= height - reach:
            continue
        window = depth[y - reach : y + reach + 1, x - reach : x + reach + 1]
        lowest, highest = window.min(), window.max()
        if lowest <= 0 or highest - lowest > np.float32(0.05) * depth[y, x]:
            continue
        left, right = depth[y, x - reach], depth[y, x + reach]
        above, below = depth[y - reach, x], depth[y + reach, x]
        u, v, r = (x - k[2]) / k[0], (y - k[3]) / k[1], reach / k[0]
        ax, ay, az = (u + r) * right - (u - r) * left, v * (right - left), right - left
        bx, by, bz = u * (below - above), (v + r) * below - (v - r) * above, below - above
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20)
        if nx * u + ny * v + nz > 0:
            length = -length
        normals[n, 0], normals[n, 1], normals[n, 2] = nx / length, ny / length, nz / length
    return normals


def view_samples(
    depth: F32,
    lens: Lens,
    rotation: F64,
    translation: F64,
    picture: U8,
    proposed: Bool,
    others: Iterable[tuple[int, F32, Lens, F64, F64]],
    index: int,
) -> Cloud:
    """Sample a view's depths every second pixel, leaving to other views what they see finer.

    `proposed` (h, w): where planes gave the depth. `others`: (index, depth, lens, rotation, translation) of the views
    it was confirmed with; of two equally fine views the lower index keeps the sample.
    """
    rows, columns = np.nonzero(depth[::STRIDE, ::STRIDE])
    rows, columns = rows * STRIDE, columns * STRIDE
    points = back_project(depth, lens, rotation, translation, rows, columns)
    footprints = (depth[rows, columns] / lens.focal_px).astype(np.float32)
    own = np.ones(len(points), np.bool_)
    for other, other_depth, other_lens, other_rotation, other_translation in others:
        pose = np.hstack([other_rotation, other_translation[:, None]])
        _leave_to_finer(
            points, footprints, pose, calibration(other_lens).astype(np.float64), other_depth, other < index, own
        )
    normals = depth_normals(depth, lens, rows, columns) @ rotation.astype(np.float32)
    centre = -rotation.T @ translation
    towards = centre - points
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    unsure = np.abs(normals).sum(1) == 0
    normals[unsure] = 0.2 * towards[unsure]
    rows, columns = rows[own], columns[own]
    return Cloud(points[own], normals[own], footprints[own], picture[rows, columns], ~proposed[rows, columns])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _leave_to_finer(points, footprints, pose, k, other_depth, other_first, own):  # type: ignore[no-untyped-def]  # compiled by numba
    """Clear `own` where the other view holds the same depth with a smaller footprint."""
    height, width = other_depth.shape
    for n in range(len(points)):
        if not own[n]:
            continue
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        depth = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
        if depth <= 0:
            continue
        footprint = depth / k[0]
        difference = footprint / footprints[n] - 1
        if difference > 1e-5 or (difference > -1e-5 and not other_first):  # alike but for rounding: the first keeps it
            continue
        u = k[0] * (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / depth + k[2] + 0.5
        v = k[1] * (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / depth + k[3] + 0.5
        if u < 2 or v < 2 or u >= width - 2 or v >= height - 2:
            continue
        e = other_depth[int(v), int(u)]
        if e > 0 and abs(e - depth) < 0.01 * depth:
            own[n] = False


def thin(cloud: Cloud) -> Cloud:
    """Average what falls into one cell of two footprints; the cells' sizes are powers of two, by the footprints."""
    if not len(cloud.points):
        return cloud
    base = float(np.median(cloud.footprints))
    level = np.clip(np.round(np.log2(cloud.footprints / base)), -3, 6)
    size = CELL_FOOTPRINTS * base * 2.0**level
    cell = np.floor((cloud.points - cloud.points.min(0)) / size[:, None]).astype(np.int64)
    order, starts = _grouped(level.astype(np.int64), cell)
    number = np.diff(np.append(starts, len(order)))

    def mean(values: F64 | F32) -> F64:
        summed: F64 = np.add.reduceat(values[order].astype(np.float64), starts)
        return summed / (number[:, None] if summed.ndim > 1 else number)

    normals = np.add.reduceat(cloud.normals[order], starts)
    colours = mean(cloud.colours.astype(np.float32))
    return Cloud(
        mean(cloud.points),
        normals.astype(np.float32),
        mean(cloud.footprints).astype(np.float32),
        colours.astype(np.uint8),
        mean(cloud.measured.astype(np.float32)) >= 0.5,
    )


def _grouped(level: I64, cell: I64) -> tuple[I64, I64]:
    """The order (n,) that puts points of one level and cell (n, 3) together, and where in it each cell starts."""
    if cell.max(initial=0) < 2**CELL_BITS:
        number = ((level + LEVELS) << (3 * CELL_BITS)) | (cell[:, 0] << (2 * CELL_BITS)) | (cell[:, 1] << CELL_BITS)
        number |= cell[:, 2]
        order = np.argsort(number, kind="stable")
        new = np.diff(number[order]) != 0
    else:  # a scene that reaches too far for one number a cell
        order = np.lexsort((cell[:, 2], cell[:, 1], cell[:, 0], level))
        sorted_cells = np.column_stack([level, cell])[order]
        new = (np.diff(sorted_cells, axis=0) != 0).any(1)
    return order, np.concatenate([[0], np.nonzero(new)[0] + 1])


def join(clouds: list[Cloud]) -> Cloud:
    """All points of several clouds."""
    return Cloud(
        np.concatenate([c.points for c in clouds]),
        np.concatenate([c.normals for c in clouds]),
        np.concatenate([c.footprints for c in clouds]),
        np.concatenate([c.colours for c in clouds]),
        np.concatenate([c.measured for c in clouds]),
    )


def near_cloud(points: F64, *, reach: float = 6.0) -> Bool:
    """Where points (n, 3) lie within `reach` times the 90th percentile of their distances from the median.

    The rest are strays.
    """
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    near: Bool = distance < reach * np.percentile(distance, 90)
    return near
