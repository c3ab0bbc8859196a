"""Which triangle does each pixel of a pinhole camera see, and how far away.

The edge functions are determinants of the pixel's ray and the triangle's corners (2D homogeneous rasterisation: Olano
and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997), so a triangle that reaches behind the
camera needs no clipping, and the answer is the one a ray caster gives. Two triangles that share an edge evaluate it to
exactly opposite numbers, so the fill rule leaves neither cracks nor pixels drawn twice. That exactness is why the
kernels are compiled without fastmath: a fused multiply-add would break the symmetry.
"""

from __future__ import annotations

import numba
import numpy as np

from tadmor.engine.scene import F32, I32


def rasterise(
    points_camera: F32,
    faces: I32,
    focal_px: float,
    cx: float,
    cy: float,
    width: int,
    height: int,
    *,
    near: float = 1e-3,
) -> tuple[F32, I32]:
    """Draw a triangle mesh into a depth image and an image of face numbers.

    `points_camera` (n, 3) float32 in the camera frame (x right, y down, z forwards); `faces` (m, 3) int32 rows of it,
    drawn whichever side they show; `focal_px`, `cx`, `cy` of a pinhole with pixel centres at integers; nothing nearer
    than `near` (in the units of the points, above 0) is drawn. Returns depth (height, width) float32, the z of what is
    seen and 0 where nothing is, and face (height, width) int32, -1 where nothing is. Draws on one thread and releases
    the GIL: run several views on threads.
    """
    points = np.ascontiguousarray(points_camera, np.float32)
    corners = np.ascontiguousarray(faces, np.int32)
    inverse_depth = np.zeros((height, width), np.float32)
    face = np.full((height, width), -1, np.int32)
    _draw(points, corners, (float(focal_px), float(cx), float(cy)), float(near), inverse_depth, face)
    return inverse_depth, face  # _draw leaves depth where it kept its reciprocal


def barycentrics(points_camera: F32, faces: I32, face: I32, focal_px: float, cx: float, cy: float) -> F32:
    """Perspective-correct weights of the corners at every pixel of a face image that `rasterise` made.

    Takes the arguments that `rasterise` was given and `face`, its second result. Returns (height, width, 2) float32:
    the weights (u, v) of the second and third corner, 0 where nothing is. A pixel that sees face f shows
    (1 - u - v) value[faces[f, 0]] + u value[faces[f, 1]] + v value[faces[f, 2]].
    """
    points = np.ascontiguousarray(points_camera, np.float32)
    corners = np.ascontiguousarray(faces, np.int32)
    weights = np.zeros((*face.shape, 2), np.float32)
    _weigh(points, corners, np.ascontiguousarray(face, np.int32), (float(focal_px), float(cx), float(cy)), weights)
    return weights


_jit = numba.njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _draw(points, faces, camera, near, inverse_depth, face):  # type: ignore[no-untyped-def]  # compiled by numba
    height, width = face.shape
    screen = _project(points, camera, near)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        in_front = (points[a, 2] >= near) + (points[b, 2] >= near) + (points[c, 2] >= near)
        if in_front == 0:
            continue
        if in_front == 3:
            x0 = min(screen[a, 0], screen[b, 0], screen[c, 0])
            x1 = max(screen[a, 0], screen[b, 0], screen[c, 0])
            y0 = min(screen[a, 1], screen[b, 1], screen[c, 1])
            y1 = max(screen[a, 1], screen[b, 1], screen[c, 1])
        else:
            x0, x1, y0, y1 = _bounds_in_front(points, (a, b, c), camera, near)
        # the edge functions decide what is drawn; the box only has to be no smaller than they are
        left = int(max(np.ceil(x0 - 1e-6), 0.0))
        right = int(min(np.floor(x1 + 1e-6), width - 1.0))
        top = int(max(np.ceil(y0 - 1e-6), 0.0))
        bottom = int(min(np.floor(y1 + 1e-6), height - 1.0))
        if left <= right and top <= bottom:
            _draw_face(points, (a, b, c), f, camera, near, (left, right, top, bottom), inverse_depth, face)
    for row in range(height):
        for column in range(width):
            if face[row, column] >= 0:
                inverse_depth[row, column] = np.float32(1) / inverse_depth[row, column]


@_jit
def _project(points, camera, near):  # type: ignore[no-untyped-def]  # compiled by numba
    """Image points (n, 2) of what lies beyond the near plane."""
    focal_px, cx, cy = camera
    screen = np.zeros((len(points), 2))
    for i in range(len(points)):
        if points[i, 2] >= near:
            scale = focal_px / points[i, 2]
            screen[i, 0] = scale * points[i, 0] + cx
            screen[i, 1] = scale * points[i, 1] + cy
    return screen


@_jit
def _corner(points, i):  # type: ignore[no-untyped-def]  # compiled by numba
    return np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])


@_jit
def _bounds_in_front(points, corners, camera, near):  # type: ignore[no-untyped-def]  # compiled by numba
    """Bounds on the screen of the part of a triangle beyond the near plane: x0, x1, y0, y1."""
    focal_px, cx, cy = camera
    x0, x1, y0, y1 = np.inf, -np.inf, np.inf, -np.inf
    for i in range(3):
        px, py, pz = _corner(points, corners[i])
        qx, qy, qz = _corner(points, corners[(i + 1) % 3])
        if pz >= near:
            x, y = focal_px * px / pz + cx, focal_px * py / pz + cy
            x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        if (pz >= near) != (qz >= near):
            s = (near - pz) / (qz - pz)
            x = focal_px * (px + s * (qx - px)) / near + cx
            y = focal_px * (py + s * (qy - py)) / near + cy
            x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
    return x0 - 1.0, x1 + 1.0, y0 - 1.0, y1 + 1.0


@_jit
def _edge(points, p, q, camera):  # type: ignore[no-untyped-def]  # compiled by numba
    """Coefficients by x, y and 1 of the determinant (p, q, pixel's ray); those of (q, p, ray) are exactly opposite."""
    focal_px, cx, cy = camera
    px, py, pz = _corner(points, p)
    qx, qy, qz = _corner(points, q)
    by_x = py * qz - pz * qy
    by_y = pz * qx - px * qz
    return by_x, by_y, focal_px * (px * qy - py * qx) - cx * by_x - cy * by_y


@_jit
def _plane(points, a, b, c):  # type: ignore[no-untyped-def]  # compiled by numba
    """Return the normal n (not of unit length) of a triangle and n . point, the same for all its points."""
    ax, ay, az = _corner(points, a)
    bx, by, bz = _corner(points, b)
    cx, cy, cz = _corner(points, c)
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return nx, ny, nz, nx * ax + ny * ay + nz * az


@_jit
def _draw_face(points, corners, f, camera, near, box, inverse_depth, face):  # type: ignore[no-untyped-def]  # compiled by numba
    a, b, c = corners
    focal_px, cx, cy = camera
    left, right, top, bottom = box
    nx, ny, nz, offset = _plane(points, a, b, c)
    if offset == 0.0:  # seen exactly edge-on, or degenerate
        return
    if offset > 0.0:
        edge0, edge1, edge2 = _edge(points, b, c, camera), _edge(points, c, a, camera), _edge(points, a, b, camera)
    else:
        edge0, edge1, edge2 = _edge(points, c, b, camera), _edge(points, a, c, camera), _edge(points, b, a, camera)
    x0, x1, x2 = edge0[0], edge1[0], edge2[0]
    owns0, owns1, owns2 = _owns(edge0), _owns(edge1), _owns(edge2)
    # 1 / z = n . ray / offset is linear over the screen
    zx, zy = nx / (offset * focal_px), ny / (offset * focal_px)
    z1 = nz / offset - zx * cx - zy * cy
    for row in range(top, bottom + 1):
        rest0, rest1, rest2 = edge0[1] * row + edge0[2], edge1[1] * row + edge1[2], edge2[1] * row + edge2[2]
        first, last = left, right
        if right - left > 12:
            first, last = _span(x0, rest0, first, last)
            first, last = _span(x1, rest1, first, last)
            first, last = _span(x2, rest2, first, last)
        rest_z = zy * row + z1
        for column in range(first, last + 1):
            e0, e1, e2 = x0 * column + rest0, x1 * column + rest1, x2 * column + rest2
            if e0 < 0.0 or e1 < 0.0 or e2 < 0.0:
                continue
            if (e0 == 0.0 and not owns0) or (e1 == 0.0 and not owns1) or (e2 == 0.0 and not owns2):
                continue
            inverse = zx * column + rest_z
            if inverse > inverse_depth[row, column] and inverse * near <= 1.0:
                inverse_depth[row, column] = inverse
                face[row, column] = f


@_jit
def _owns(edge):  # type: ignore[no-untyped-def]  # compiled by numba
    """Whether pixels exactly on the edge are drawn: true for one of the two triangles that share it."""
    return edge[0] > 0.0 or (edge[0] == 0.0 and edge[1] > 0.0)


@_jit
def _span(by_x, rest, first, last):  # type: ignore[no-untyped-def]  # compiled by numba
    """Narrow the columns first..last to those where by_x * column + rest may be 0 or more, with a column to spare."""
    if by_x == 0.0:
        return first, last
    root = min(max(-rest / by_x, first - 2.0), last + 2.0)
    if by_x > 0.0:
        return max(first, int(np.floor(root)) - 1), last
    return first, min(last, int(np.ceil(root)) + 1)


@_jit
def _weigh(points, faces, face, camera, weights):  # type: ignore[no-untyped-def]  # compiled by numba
    focal_px, cx, cy = camera
    height, width = face.shape
    for row in range(height):
        for column in range(width):
            f = face[row, column]
            if f < 0:
                continue
            nx, ny, nz, offset = _plane(points, faces[f, 0], faces[f, 1], faces[f, 2])
            x, y = (column - cx) / focal_px, (row - cy) / focal_px
            z = offset / (nx * x + ny * y + nz)
            ax, ay, az = _corner(points, faces[f, 0])
            bx, by, bz = _corner(points, faces[f, 1])
            cx_, cy_, cz = _corner(points, faces[f, 2])
            px, py, pz = x * z - ax, y * z - ay, z - az
            ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx_ - ax, cy_ - ay, cz - az
            length2 = nx * nx + ny * ny + nz * nz
            u = (nx * (py * vz - pz * vy) + ny * (pz * vx - px * vz) + nz * (px * vy - py * vx)) / length2
            v = (nx * (uy * pz - uz * py) + ny * (uz * px - ux * pz) + nz * (ux * py - uy * px)) / length2
            u = min(max(u, 0.0), 1.0)
            weights[row, column, 0] = u
            weights[row, column, 1] = min(max(v, 0.0), 1.0 - u)
