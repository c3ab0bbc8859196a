"""Making a scanned surface printable: a closed solid in millimetres, standing on a plate.

The surface is sampled and thickened on a voxel grid (shell_field.py), cavities are filled, a base plate is put under
it, what does not hang together with the plate is dropped, and the solid's surface is extracted (surface_nets.py),
which is watertight by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from tadmor.media.mesh import F32, F64, I32, Bool
from tadmor.media.shell_field import box_dilated, sample_triangles, shell_field
from tadmor.media.stl import write_stl
from tadmor.media.surface_nets import is_closed, surface_net, well_composed

_MOST_VOXELS = 16_000_000  # about 1.2 GB while the field is computed
_NOISE_AREA = 0.005  # of the area of the largest piece: smaller loose pieces are taken for noise
_FOOT = 0.04  # of the height: gaps under the surface's lower edge up to this are filled, so that a ragged edge stands
_PIECE_CELLS = 96  # along the longest side: pieces closer than two such cells are one
_UNEVEN = 0.25  # by this much, in voxels, walls come out thinner in places
_OFF_CENTRE = 0.05  # least distance of the surface from a voxel's centre, in voxels
_STABLE = 0.2  # least depth of the plate, as a part of the height


def printable(
    vertices: F32 | F64,
    faces: I32,
    *,
    height_mm: float,
    wall_mm: float = 1.2,
    base_mm: float = 2.0,
    detail_mm: float = 0.4,
    max_cells: int = 512,
) -> tuple[F32, I32]:
    """Return an open, ragged surface as a closed solid: watertight, manifold, consistently oriented.

    `vertices` (n, 3) any unit, Y up; `faces` (m, 3) int32, counter-clockwise seen from where the surface was seen: it
    gets its thickness on the other side. `height_mm` is the height of the result with its plate, `wall_mm` the least
    thickness (at least two voxels), `base_mm` the plate's, `detail_mm` the size of a voxel, which grows where the
    model would have more than `max_cells` voxels along a side or 16 million in all.

    Closed rooms are filled, also where they are open by gaps up to about twice the wall. Loose pieces that do not
    stand on the plate are dropped.

    Returns vertices (k, 3) float32 in mm, Z up (x_mm, y_mm, z_mm from x, -z, y), the plate's middle at x = y = 0, its
    lower side at z = 0, and faces (j, 3) int32, counter-clockwise seen from outside.
    Raises ValueError where there is no surface, or the height does not leave room for plate and walls.
    """
    if height_mm < 4 * (base_mm + wall_mm):
        raise ValueError(f"{height_mm} mm are too low for a plate of {base_mm} mm and walls of {wall_mm} mm")
    corners = _without_noise(_z_up(vertices)[faces])
    low, high = corners.min((0, 1)), corners.max((0, 1))
    if not high[2] > low[2]:
        raise ValueError("the surface has no height")
    sunk_mm = 0.75 * base_mm  # the surface starts a little below the plate's upper side, so that they join
    scale = (height_mm - sunk_mm) / (high[2] - low[2])
    grid = _grid((high - low) * scale, height_mm, wall_mm, base_mm, detail_mm, max_cells)
    scale *= 1 - grid.cell_mm / height_mm  # an open rim grows by about a voxel, also at the top
    foot = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    corners_mm = (corners - foot) * scale + np.array([0, 0, sunk_mm])
    field = shell_field(grid.in_voxels(corners_mm), grid.shape, grid.wall)
    _add_plate(field, grid)
    solid = _one_solid(field < 0, grid)
    field = np.where(solid, np.minimum(field, -_OFF_CENTRE), np.maximum(field, _OFF_CENTRE))
    net, net_faces = surface_net(field, solid)
    if not is_closed(net_faces):
        raise RuntimeError("the printable surface is not closed")
    vertices_mm = net * grid.cell_mm + grid.origin_mm
    vertices_mm[np.abs(vertices_mm[:, 2]) < 1e-3 * grid.cell_mm, 2] = 0
    vertices_mm *= height_mm / vertices_mm[:, 2].max()
    return vertices_mm.astype(np.float32), net_faces


def write_printable_stl(
    path: Path, vertices: F32 | F64, faces: I32, *, height_mm: float, wall_mm: float = 1.2, base_mm: float = 2.0
) -> None:
    """Write a surface (Y up) as a printable solid of this height: binary STL, millimetres, Z up.

    Raises as `printable`, and OSError where the file cannot be written.
    """
    write_stl(path, *printable(vertices, faces, height_mm=height_mm, wall_mm=wall_mm, base_mm=base_mm))


@dataclass(frozen=True, eq=False, slots=True)
class _Grid:
    """The voxel grid and what stands in it: lengths in voxels, except where the name says mm.

    `origin_mm` (3,) is the centre of the first voxel; `half` (2,) half the plate's width and depth; `top` the height
    of the plate's upper side and `foot` that up to which the surface's lower edge is filled, both from the plate's
    lower side.
    """

    shape: tuple[int, int, int]
    cell_mm: float
    origin_mm: F64
    wall: float
    half: F64
    top: float
    foot: float

    def in_voxels(self, points_mm: F64) -> F32:
        return ((points_mm - self.origin_mm) / self.cell_mm).astype(np.float32)


def _grid(extent_mm: F64, height_mm: float, wall_mm: float, base_mm: float, detail_mm: float, max_cells: int) -> _Grid:
    half_mm = extent_mm[:2] / 2 + wall_mm + 1
    half_mm[1] = max(half_mm[1], _STABLE * height_mm / 2)
    size_mm = np.array([2 * half_mm[0], 2 * half_mm[1], height_mm])
    cell_mm = float(max(detail_mm, size_mm.max() / max_cells, (size_mm.prod() / _MOST_VOXELS) ** (1 / 3)))
    wall = max(wall_mm / cell_mm, 2.0) + _UNEVEN
    margin = int(np.ceil(wall)) + 4
    x, y, z = (int(n) + 2 * margin for n in np.ceil(size_mm / cell_mm))
    # Half a voxel off, so that the plate's lower side passes between voxels.
    origin_mm = np.array([-half_mm[0], -half_mm[1], 0]) - (margin - 0.5) * cell_mm
    top, foot = base_mm / cell_mm, (base_mm + _FOOT * height_mm) / cell_mm
    return _Grid((x, y, z), cell_mm, origin_mm, wall, half_mm / cell_mm, top, foot)


def _z_up(vertices: F32 | F64) -> F64:
    """Return (n, 3) float64 the vertices turned from Y up to Z up."""
    return np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=1).astype(np.float64)


def _without_noise(corners: F64) -> F64:
    """Return the triangles (m, 3, 3) without those of small loose pieces, which would spoil the size of the whole."""
    if not len(corners):
        raise ValueError("there is no surface")
    low, high = corners.min((0, 1)), corners.max((0, 1))
    cell = float((high - low).max()) / _PIECE_CELLS or 1.0
    samples = sample_triangles(((corners - low) / cell).astype(np.float32), 1.0)
    voxel = tuple(np.rint(samples.points).astype(np.int64).T)
    near = np.zeros([_PIECE_CELLS + 1] * 3, bool)
    near[voxel] = True
    pieces, count = ndimage.label(box_dilated(near, 1))
    piece = pieces[voxel]
    areas = np.bincount(piece, samples.areas, minlength=count + 1)
    kept = np.zeros(len(corners), bool)
    kept[samples.face[areas[piece] >= _NOISE_AREA * areas.max()]] = True
    if not kept.any():
        raise ValueError("there is no surface")
    return corners[kept]


def _add_plate(field: F32, grid: _Grid) -> None:
    """Lower the field, in place, to the distance from the plate, below which nothing is left."""
    x, y, z = (np.arange(n, dtype=np.float32) for n in grid.shape)
    centre_x, centre_y, bottom = (-grid.origin_mm / grid.cell_mm).astype(np.float32)
    slab = slice(0, int(bottom + grid.top) + 2)
    half_x, half_y = grid.half.astype(np.float32)
    sideways = np.maximum(np.abs(x - centre_x)[:, None] - half_x, np.abs(y - centre_y)[None, :] - half_y)
    upwards = np.abs(z[slab] - bottom - np.float32(grid.top / 2)) - np.float32(grid.top / 2)
    with_plate = np.minimum(field[:, :, slab], np.maximum(sideways[:, :, None], upwards))
    field[:, :, slab] = np.maximum(with_plate, bottom - z[slab])


def _one_solid(solid: Bool, grid: _Grid) -> Bool:
    """Return the solid (x, y, z) bool that stands on the plate, without cavities, well-composed."""
    middle_x, middle_y, bottom = (int(n) for n in np.ceil(-grid.origin_mm / grid.cell_mm))
    edge = solid[:, :, bottom : bottom + int(grid.foot)]
    edge |= np.logical_or.accumulate(edge[:, :, ::-1], axis=2)[:, :, ::-1]
    # Rooms: empty voxels that the outside does not reach once all gaps up to twice the wall are shut.
    reach = round(grid.wall)
    shut = box_dilated(solid, reach)
    rooms = ~(shut | _outside(shut))
    solid |= box_dilated(rooms, reach)
    pieces, _ = ndimage.label(solid)
    solid = well_composed(pieces == pieces[middle_x, middle_y, bottom + 1])
    return ~_outside(solid)


def _outside(solid: Bool) -> Bool:
    """Return the empty voxels that are joined to the grid's border, which is empty, by faces."""
    pieces, _ = ndimage.label(~solid)
    outside: Bool = pieces == pieces[0, 0, -1]
    return outside
