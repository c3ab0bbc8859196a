"""The signed distance field of a scanned surface that is given thickness away from the side from which it was seen.

A scan is open and ragged: it has no inside. Close to it, the distance to the tangent plane of the nearest surface
point says on which side of it a voxel lies (Hoppe et al. 1992, "Surface reconstruction from unorganized points"); the
shell is what lies behind the surface, up to the wall's thickness. Where two sides of a thin wall or column lie closer
together than that, balls along its middle bring it up to the thickness. Lengths are in voxels throughout, voxel
centres at integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tadmor.media.mesh import F32, I32, I64, Bool

Distance = Callable[[F32, I32], F32]  # of positions (n, 3) from the point (n,) that is nearest to each

_VOXELS_AT_ONCE = 1 << 19
_SPACING = 0.7  # of samples
_OPPOSED = -0.3  # cosine between the normals of two sides of one wall, at most
_CANCELLED = 0.3  # length of the mean normal in a voxel that both sides of a wall pass


@dataclass(frozen=True, eq=False, slots=True)
class Samples:
    """Points of a surface: `points` (n, 3), unit `normals` (n, 3), `areas` (n,), float32, and `face` (n,) of each."""

    points: F32
    normals: F32
    areas: F32
    face: I64


def sample_triangles(corners: F32, spacing: float) -> Samples:
    """Return points of triangles (m, 3, 3), about `spacing` apart, at least one on each triangle that has an area.

    The points lie in rows along each triangle's longest edge, so that slivers give few.
    """
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(cross, axis=1)
    face = np.flatnonzero(doubled > 0)
    lengths = np.linalg.norm(np.roll(corners[face], -1, axis=1) - corners[face], axis=2)  # of the edges 0-1, 1-2, 2-0
    longest = lengths.argmax(1)
    length = lengths.max(1)
    rows = np.maximum(np.ceil(doubled[face] / length / spacing), 1).astype(np.int64)
    # One entry a row: the triangle, and from which part of its height to which the row reaches.
    triangle, number = _counted(rows)
    low, high = number / rows[triangle], (number + 1) / rows[triangle]
    height = low + (high - low) * (3 - low - 2 * high) / (3 * (2 - low - high))  # of the trapezium's centroid
    points = np.maximum(np.ceil((1 - height) * length[triangle] / spacing), 1).astype(np.int64)
    area = doubled[face][triangle] / 2 * (high - low) * (2 - low - high) / points
    # One entry a point: the row, and where along it.
    row, number = _counted(points)
    along = (number + 0.5) / points[row] * (1 - height[row])
    of = triangle[row]
    a, b, c = (corners[face[of], (longest[of] + i) % 3] for i in range(3))
    positions = a + along[:, None] * (b - a) + height[row][:, None] * (c - a)
    normals = cross[face] / doubled[face][:, None]
    return Samples(positions.astype(np.float32), normals[of].astype(np.float32), area[row].astype(np.float32), face[of])


def _counted(counts: I64) -> tuple[I64, I64]:
    """Return, for each of `counts`, its position that many times over, and 0, 1, 2, ... beside it."""
    owner: I64 = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def rim_points(corners: F32) -> F32:
    """Return (k, 3) points, a voxel apart, on the edges that only one of the triangles (m, 3, 3) has: on rims.

    Corners are rounded to 1/32 voxel to find out which of them are the same vertex.
    """
    x, y, z = np.rint(corners.reshape(-1, 3) * 32).astype(np.int64).T
    _, vertex = np.unique((x << 42) + (y << 21) + z, return_inverse=True)
    start, end = vertex, np.roll(vertex.reshape(-1, 3), -1, axis=1).ravel()
    _, first, count = np.unique(
        np.minimum(start, end) * np.int64(len(vertex)) + np.maximum(start, end), return_index=True, return_counts=True
    )
    alone = first[count == 1]
    a, b = (corner.reshape(-1, 3)[alone] for corner in (corners, np.roll(corners, -1, axis=1)))
    pieces = np.maximum(np.ceil(np.linalg.norm(b - a, axis=1)), 1).astype(np.int64)
    edge, number = _counted(pieces)
    along = ((number + 0.5) / pieces[edge])[:, None]
    points: F32 = (a[edge] + along * (b - a)[edge]).astype(np.float32)
    return points


def shell_field(corners: F32, shape: tuple[int, int, int], wall: float) -> F32:
    """Return a field (x, y, z) float32 that is negative in the shell: about the distance to its surface, at most 1.

    `corners` (m, 3, 3) of the triangles, at least `wall` + 3 voxels inside the grid of this `shape`; `wall` is the
    shell's thickness.
    """
    voxel, points, normals = _mean_by_voxel(sample_triangles(corners, _SPACING), shape)
    nearest = _nearest(voxel, shape)
    lengths = np.linalg.norm(normals, axis=1)
    two_sided = lengths < _CANCELLED
    normals = np.where(two_sided, 0, normals.T / np.maximum(lengths, 1e-30)).T.astype(np.float32)
    # How far a slab reaches to the sides of its point: at a rim no further than the next voxel, so that openings stay
    # as they are, elsewhere as far as it is the nearest; not at all where both sides of a wall share a voxel.
    rim = _near(rim_points(corners), voxel, shape)
    reach = np.where(two_sided, -1, np.where(rim, 1, 2 * wall)).astype(np.float32)
    field = np.ones(shape, np.float32)
    _lower(field, voxel, nearest, _slab(points, normals, reach, wall), wall + 1)
    middles = _middles_of_thin_walls(points, normals, two_sided, nearest, shape, wall)
    if len(middles):
        voxel, first = np.unique(_flat_index(middles, shape), return_index=True)
        _lower(field, voxel, _nearest(voxel, shape), _ball(middles[first], wall / 2), wall / 2 + 1)
    return field


def _slab(points: F32, normals: F32, reach: F32, wall: float) -> Distance:
    """Return the distance to the slab behind a surface point, `wall` thick and `reach` (n,) wide to each side."""

    def distance(at: F32, point: I32) -> F32:
        away = at - points[point]
        height = np.einsum("ij,ij->i", away, normals[point])
        sideways = np.sqrt(np.maximum((away**2).sum(1) - height**2, 0))
        # The point is the mean of a voxel, so that it may lie a voxel beside the nearest point of the surface.
        far = np.hypot(height, np.maximum(sideways - 1, 0)) - np.float32(wall)
        slab: F32 = np.maximum(np.maximum(height, far), sideways - reach[point])
        return slab

    return distance


def _ball(centres: F32, radius: float) -> Distance:
    """Return the distance to the ball around a centre."""

    def distance(at: F32, centre: I32) -> F32:
        away: F32 = np.sqrt(((at - centres[centre]) ** 2).sum(1)) - np.float32(radius)
        return away

    return distance


def box_dilated(mask: Bool, reach: int) -> Bool:
    """Return (x, y, z) bool: the voxels at most `reach` voxels from a set one along each axis."""
    grown = mask.view(np.uint8)
    for axis in range(3):
        grown = ndimage.maximum_filter1d(grown, 2 * reach + 1, axis, mode="constant")
    return grown.view(np.bool_)


def _near(points: F32, voxel: I64, shape: tuple[int, ...]) -> Bool:
    """Tell for each of these voxels whether one of the points lies in it or beside it."""
    mask = np.zeros(shape, bool)
    mask.reshape(-1)[_flat_index(points, shape)] = True
    return box_dilated(mask, 1).reshape(-1)[voxel]


def _flat_index(points: F32, shape: tuple[int, ...]) -> I64:
    """Return (n,) the flat index of the voxel of each point, of the nearest voxel for points outside the grid."""
    voxel = np.clip(np.rint(points).astype(np.int64), 0, np.array(shape) - 1)
    flat: I64 = voxel @ np.array([shape[1] * shape[2], shape[2], 1])
    return flat


def _mean_by_voxel(samples: Samples, shape: tuple[int, ...]) -> tuple[I64, F32, F32]:
    """Return, for the voxels that hold samples, their flat index and the samples' mean point and normal by area."""
    voxel, group = np.unique(_flat_index(samples.points, shape), return_inverse=True)
    total = np.bincount(group, samples.areas)

    def mean(values: F32) -> F32:
        sums = [np.bincount(group, samples.areas * values[:, i]) for i in range(3)]
        return (np.stack(sums, axis=1) / total[:, None]).astype(np.float32)

    return voxel, mean(samples.points), mean(samples.normals)


def _nearest(voxel: I64, shape: tuple[int, ...]) -> I32:
    """Return (x*y*z,) int32: for each voxel of the grid the nearest of these voxels, as its position in `voxel`."""
    empty = np.ones(shape, bool)
    empty.reshape(-1)[voxel] = False
    x, y, z = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    x *= shape[1]
    x += y
    x *= shape[2]
    x += z
    position = np.zeros(empty.size, np.int32)
    position[voxel] = np.arange(len(voxel), dtype=np.int32)
    nearest: I32 = position[x.reshape(-1)]
    return nearest


def _lower(field: F32, voxel: I64, nearest: I32, distance: Distance, reach: float) -> None:
    """Lower the field, in place, to the distance from the nearest point, within `reach` of these voxels."""
    near = np.zeros(field.shape, bool)
    near.reshape(-1)[voxel] = True
    band = np.flatnonzero(box_dilated(near, int(np.ceil(reach)) + 1))
    flat = field.reshape(-1)
    for start in range(0, len(band), _VOXELS_AT_ONCE):
        block = band[start : start + _VOXELS_AT_ONCE]
        at = np.stack(np.unravel_index(block, field.shape), axis=-1).astype(np.float32)
        flat[block] = np.minimum(flat[block], distance(at, nearest[block]))


def _middles_of_thin_walls(
    points: F32, normals: F32, two_sided: Bool, nearest: I32, shape: tuple[int, ...], wall: float
) -> F32:
    """Return (k, 3) points midway between the two sides where the surface has an opposite side closer than `wall`."""
    inside = points - normals * np.float32(wall / 2)
    other = nearest[_flat_index(inside, shape)]
    opposed = np.einsum("ij,ij->i", normals, normals[other]) < _OPPOSED
    height = np.einsum("ij,ij->i", inside - points[other], normals[other])  # of the other side, above its plane
    thin = opposed & (height > 0.25 - wall / 2) & (((inside - points[other]) ** 2).sum(1) < wall**2)
    return np.concatenate([points[two_sided], (points[thin] + points[other[thin]]) / 2])
