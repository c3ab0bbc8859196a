"""Surface nets (Gibson 1998, "Constrained elastic surface nets"): the closed, manifold surface of a voxel solid.

The net has one vertex in each cell of eight voxels that the surface passes, and one quad across each pair of
neighbouring voxels of which one is solid: its topology is that of the solid's voxel faces. That surface is a manifold
if the solid is well-composed (Latecki 1997, "3D well-composed pictures"), i.e. if no two solid or two empty voxels
touch only along an edge or in a corner. `well_composed` sees to that, so that the net needs no repair afterwards.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from tadmor.media.mesh import F32, I32, I64, U8, Bool

# The eight voxels of a cell; voxel i's bit is set in the cell's code where it is solid.
_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
_EDGES = [(a, b) for a, b in combinations(range(8), 2) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]


def _fillings() -> U8:
    """Return (256,) for each cell code the bits of voxels to fill so that its diagonal contacts go; else 0."""
    fill = np.zeros(256, np.uint8)
    for code in range(256):
        solid = [bool(code >> i & 1) for i in range(8)]
        for a, b in combinations(range(8), 2):
            apart = _CORNERS[a] != _CORNERS[b]
            if apart.sum() == 2:  # across a face of the cell: the other two voxels of that face
                others = [i for i in range(8) if (_CORNERS[i] == _CORNERS[a])[~apart].all() and i not in {a, b}]
            elif apart.sum() == 3:  # through the cell: all six others
                others = [i for i in range(8) if i not in {a, b}]
            else:
                continue
            if solid[a] and solid[b] and not any(solid[i] for i in others):
                # A path of face neighbours from a to b: change one coordinate after the other.
                path, axes = _CORNERS[a].copy(), np.flatnonzero(apart)
                for axis in axes[:-1]:
                    path[axis] = _CORNERS[b][axis]
                    fill[code] |= 1 << int(path @ (4, 2, 1))
            if apart.all() and not solid[a] and not solid[b] and all(solid[i] for i in others):
                fill[code] |= 1 << a
    return fill


_FILLINGS = _fillings()


def well_composed(solid: Bool) -> Bool:
    """Return a copy of a solid (x, y, z) bool with voxels added until no two voxels touch only by an edge or a corner.

    The outermost layer of voxels must be empty, and remains so.
    """
    solid = solid.copy()
    flat = solid.reshape(-1)
    offsets = _corner_offsets(solid.shape)
    cells = np.flatnonzero(_FILLINGS[_codes(solid)])
    while len(cells):
        codes = np.zeros(len(cells), np.uint8)
        for i, offset in enumerate(offsets):
            codes |= flat[cells + offset].astype(np.uint8) << i
        bits = _FILLINGS[codes]
        filled = np.unique(np.concatenate([(cells + offset)[bits >> i & 1 > 0] for i, offset in enumerate(offsets)]))
        flat[filled] = True
        cells = np.unique((filled[:, None] - offsets).ravel())
    return solid


def surface_net(field: F32, solid: Bool) -> tuple[F32, I32]:
    """Return the surface of a well-composed solid, placed where a field crosses zero.

    `field` (x, y, z) float32 is negative where `solid` is set and positive elsewhere; the outermost layer is empty.
    Returns vertices (n, 3) float32 in voxels (voxel centres lie at integers) and faces (m, 3) int32, counter-clockwise
    seen from outside: watertight and manifold.
    """
    codes = _codes(solid)
    cells = np.flatnonzero((codes != 0) & (codes != 255))
    vertex_of_cell = np.zeros(solid.size, np.int32)
    vertex_of_cell[cells] = np.arange(len(cells), dtype=np.int32)
    vertices = _crossings_mean(field, cells)
    return vertices, _triangles(vertices, _quads(solid, vertex_of_cell))


def is_closed(faces: I32) -> bool:
    """Tell whether each edge of the faces (m, 3) belongs to two of them that run along it in opposite directions."""
    start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    count = int(faces.max(initial=0)) + 1
    along, against = np.sort(start * count + end), np.sort(end * count + start)
    return bool((along == against).all() and (along[1:] != along[:-1]).all())


def _corner_offsets(shape: tuple[int, ...]) -> I64:
    """Return (8,) flat index offsets of a cell's voxels from its first one."""
    offsets: I64 = _CORNERS @ np.array([shape[1] * shape[2], shape[2], 1])
    return offsets


def _codes(solid: Bool) -> U8:
    """Return the cells' codes by the flat index of their first voxel; 0 in the last layers, where no cell begins."""
    codes = np.zeros(solid.shape, np.uint8)
    inner = codes[:-1, :-1, :-1]
    bits = solid.view(np.uint8)
    x, y, z = solid.shape
    for i, (dx, dy, dz) in enumerate(_CORNERS):
        inner |= bits[dx : x - 1 + dx, dy : y - 1 + dy, dz : z - 1 + dz] << np.uint8(i)
    return codes.reshape(-1)


def _crossings_mean(field: F32, cells: I64) -> F32:
    """Return (n, 3) the mean of the points where the field crosses zero on the cells' edges."""
    flat, offsets = field.reshape(-1), _corner_offsets(field.shape)
    total = np.zeros((len(cells), 3), np.float32)
    count = np.zeros(len(cells), np.float32)
    for a, b in _EDGES:
        at_a, at_b = flat[cells + offsets[a]], flat[cells + offsets[b]]
        crossed = (at_a < 0) != (at_b < 0)
        along = np.divide(at_a, at_a - at_b, out=np.zeros_like(at_a), where=crossed)
        axis = int(np.flatnonzero(_CORNERS[a] != _CORNERS[b])[0])
        total += crossed[:, None] * _CORNERS[a].astype(np.float32)
        total[:, axis] += along
        count += crossed
    corner = np.stack(np.unravel_index(cells, field.shape), axis=-1).astype(np.float32)
    return corner + total / count[:, None]


def _quads(solid: Bool, vertex_of_cell: I32) -> I32:
    """Return (q, 4) int32: for each pair of a solid and an empty neighbour the vertices of the cells around it."""
    strides = np.array([solid.shape[1] * solid.shape[2], solid.shape[2], 1])
    flat = solid.reshape(-1)
    quads = []
    for axis in range(3):
        step, left, right = strides[axis], strides[(axis + 1) % 3], strides[(axis + 2) % 3]
        # The border is empty, so that a pair that wraps around the end of a row is never of different kind.
        first = np.flatnonzero(flat[:-step] != flat[step:])
        around = np.stack([first, first - left, first - left - right, first - right], axis=1)
        entering = ~flat[first]  # empty, then solid along the axis: the outside lies behind
        around[entering] = around[entering][:, ::-1]
        quads.append(vertex_of_cell[around])
    return np.concatenate(quads)


def _triangles(vertices: F32, quads: I32) -> I32:
    """Return (2 q, 3) int32: each quad cut along its shorter diagonal."""
    a, b, c, d = (vertices[quads[:, i]] for i in range(4))
    other = ((b - d) ** 2).sum(1) < ((a - c) ** 2).sum(1)
    turned = np.where(other[:, None], np.roll(quads, -1, axis=1), quads)
    triangles: I32 = turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return triangles
