"""What a camera with a real lens sees of a lit monument: linear light, one number a pixel and channel, no noise."""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F32, Lens, View
from tadmor.engine.surface.raster import rasterise
from tadmor.engine.synthetic.light import Light, lit, sky_at
from tadmor.engine.synthetic.monument import Monument
from tadmor.engine.synthetic.noise import jit, value
from tadmor.engine.synthetic.stone import weathered

_OVERSAMPLE = 2  # subpixels each way: outlines are smooth, and surfaces leave out what is finer than a pixel

# of light, linear red, green, blue
_SUN = (2.75, 2.38, 1.84)
_SKY = (0.47, 0.56, 0.74)
_BOUNCE = (0.32, 0.24, 0.15)
_HAZE = (0.62, 0.70, 0.80)
_HAZE_M = 2600.0


def linear_picture(monument: Monument, light: Light, view: View) -> F32:
    """Light that reaches each pixel: (height, width, 3) float32, about 1 for sunlit stone. Releases the GIL."""
    lens = view.lens
    points = view.camera_points(monument.vertices.astype(np.float64)).astype(np.float32)
    wide, high, focal, cx, cy = _frame(view.lens)
    depth, face = rasterise(points, monument.faces, focal, cx, cy, wide, high, near=0.05)
    picture = np.zeros((lens.height, lens.width, 3), np.float32)
    look = np.stack([monument.material.astype(np.float32), monument.tint], 1)
    mesh = (monument.vertices, monument.faces, monument.normals, look)
    around = (light.shadow.depth, light.shadow.projection, light.sky)
    constants = (*light.sun.tolist(), *light.sky_origin.tolist(), light.sky_spacing_m)
    through = (lens.focal_px, lens.cx, lens.cy, lens.k1, lens.k2)
    pose = (view.rotation, tuple(view.centre.tolist()))
    _expose(*mesh, *around, constants, depth, face, (focal, cx, cy), *pose, through, monument.seed, picture)
    return picture


def _frame(lens: Lens) -> tuple[int, int, float, float, float]:
    """Width, height, focal length and centre of the pinhole picture that covers all that the lens sees, oversampled.

    Without distortion its pixel centres are the subpixels of the photo.
    """
    half_x = max(lens.cx, lens.width - 1 - lens.cx) + 1
    half_y = max(lens.cy, lens.height - 1 - lens.cy) + 1
    spread = 1.0
    for x, y in ((half_x, half_y), (half_x, 0.0), (0.0, half_y)):
        u, v = _undistorted(x / lens.focal_px, y / lens.focal_px, lens.k1, lens.k2)
        spread = max(spread, u * lens.focal_px / x if x else 1.0, v * lens.focal_px / y if y else 1.0)
    reach_x, reach_y = (int(np.ceil(_OVERSAMPLE * half * spread)) + 2 for half in (half_x, half_y))
    cx, cy = reach_x + (_OVERSAMPLE * lens.cx + 0.5) % 1, reach_y + (_OVERSAMPLE * lens.cy + 0.5) % 1
    return 2 * reach_x + 2, 2 * reach_y + 2, lens.focal_px * _OVERSAMPLE, cx, cy


@jit
def _undistorted(x, y, k1, k2):  # type: ignore[no-untyped-def]  # compiled by numba
    """Ideal image coordinates of distorted ones, both in units of the focal length (Newton's method on the radius)."""
    distorted = np.sqrt(x * x + y * y)
    if distorted == 0.0 or (k1 == 0.0 and k2 == 0.0):
        return x, y
    r = distorted
    for _ in range(3):
        r2 = r * r
        r -= (r * (1 + r2 * (k1 + r2 * k2)) - distorted) / (1 + r2 * (3 * k1 + r2 * 5 * k2))
    return x * r / distorted, y * r / distorted


# Arrays are handed to compiled functions one by one: taken out of a tuple, each would be reference-counted each time.


@jit
def _expose(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917  # compiled by numba; arrays one by one, see above
    vertices,
    faces,
    normals,
    look,
    shadow,
    into_shadow,
    sky,
    constants,
    depth,
    face,
    drawn,
    rotation,
    centre,
    lens,
    seed,
    picture,
):
    focal, centre_x, centre_y = drawn
    focal_px, cx, cy, k1, k2 = lens
    kind = np.zeros(4, np.int32)
    weight, us, vs, zs = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4)
    step = 0.25 / focal_px
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            u, v = _undistorted((column - cx) / focal_px, (row - cy) / focal_px, k1, k2)
            kinds = 0
            for sub in range(4):
                su, sv = u + (step if sub & 1 else -step), v + (step if sub & 2 else -step)
                i, j = int(su * focal + centre_x + 0.5), int(sv * focal + centre_y + 0.5)
                slot = 0
                while slot < kinds and kind[slot] != face[j, i]:
                    slot += 1
                if slot == kinds:
                    kind[slot], weight[slot], us[slot], vs[slot], zs[slot] = face[j, i], 0.0, 0.0, 0.0, 0.0
                    kinds += 1
                weight[slot] += 0.25
                us[slot], vs[slot], zs[slot] = us[slot] + 0.25 * su, vs[slot] + 0.25 * sv, zs[slot] + 0.25 * depth[j, i]
            r, g, b = 0.0, 0.0, 0.0
            for slot in range(kinds):
                w = weight[slot]
                su, sv, f = us[slot] / w, vs[slot] / w, kind[slot]
                if f < 0:
                    one = _sky(rotation, su, sv, constants, seed)
                else:
                    hit = _hit(vertices, faces, normals, f, rotation, centre, su, sv, zs[slot] / w)
                    footprint = hit[7] / focal_px
                    stone = weathered(hit[0], hit[1], hit[2], hit[4], int(look[f, 0]), look[f, 1], footprint, seed)
                    one = _lit_surface(hit, stone, shadow, into_shadow, sky, constants)
                r, g, b = r + w * one[0], g + w * one[1], b + w * one[2]
            picture[row, column, 0], picture[row, column, 1], picture[row, column, 2] = r, g, b


@jit
def _turned(rotation, x, y, z):  # type: ignore[no-untyped-def]  # compiled by numba
    """Direction in the camera to direction in the world."""
    return (
        rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z,
        rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z,
        rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z,
    )


@jit
def _hit(vertices, faces, normals, f, rotation, centre, u, v, z_drawn):  # type: ignore[no-untyped-def]  # compiled by numba
    """Where the ray (u, v, 1) meets a face: point, normal towards the camera, distance, distance by the slant."""
    dx, dy, dz = _turned(rotation, u, v, 1.0)
    a, e1, e2, n = _triangle(vertices, faces, f)
    along = n[0] * dx + n[1] * dy + n[2] * dz
    offset = n[0] * (a[0] - centre[0]) + n[1] * (a[1] - centre[1]) + n[2] * (a[2] - centre[2])
    z = offset / along if along != 0.0 else z_drawn
    if not (0.8 * z_drawn < z < 1.25 * z_drawn):  # the mean ray of an outline pixel may leave a grazing plane
        z = z_drawn
    x, y, w = centre[0] + z * dx, centre[1] + z * dy, centre[2] + z * dz
    nx, ny, nz = _shading_normal(normals, f, a, e1, e2, n, (x, y, w))
    if along > 0.0:  # seen from behind
        nx, ny, nz = -nx, -ny, -nz
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    facing = -(nx * dx + ny * dy + nz * dz) / length
    return x, y, w, nx, ny, nz, z * length, z * length / np.sqrt(min(max(facing, 0.1), 1.0))


@jit
def _triangle(vertices, faces, f):  # type: ignore[no-untyped-def]  # compiled by numba
    """First corner, the edges from it, and their cross product."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, az = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
    ux, uy, uz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
    vx, vy, vz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
    n = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    return (ax, ay, az), (ux, uy, uz), (vx, vy, vz), n


@jit
def _shading_normal(normals, f, a, e1, e2, n, at):  # type: ignore[no-untyped-def]  # compiled by numba
    """Normal of length 1 at a point of a face, interpolated between its corners, on the side of the face's own."""
    px, py, pz = at[0] - a[0], at[1] - a[1], at[2] - a[2]
    s = 1.0 / (n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
    j = s * (n[0] * (py * e2[2] - pz * e2[1]) + n[1] * (pz * e2[0] - px * e2[2]) + n[2] * (px * e2[1] - py * e2[0]))
    k = s * (n[0] * (e1[1] * pz - e1[2] * py) + n[1] * (e1[2] * px - e1[0] * pz) + n[2] * (e1[0] * py - e1[1] * px))
    j, k = min(max(j, 0.0), 1.0), min(max(k, 0.0), 1.0)
    i = max(1.0 - j - k, 0.0)
    nx = i * normals[f, 0, 0] + j * normals[f, 1, 0] + k * normals[f, 2, 0]
    ny = i * normals[f, 0, 1] + j * normals[f, 1, 1] + k * normals[f, 2, 1]
    nz = i * normals[f, 0, 2] + j * normals[f, 1, 2] + k * normals[f, 2, 2]
    scale = 1.0 / np.sqrt(max(nx * nx + ny * ny + nz * nz, 1e-12))
    if nx * n[0] + ny * n[1] + nz * n[2] < 0.0:
        scale = -scale
    return nx * scale, ny * scale, nz * scale


@jit
def _lit_surface(hit, stone, shadow, into_shadow, sky, constants):  # type: ignore[no-untyped-def]  # compiled by numba
    """Light from a surface: sun unless shaded, sky as far as it is open, what the ground gives back; then haze."""
    x, y, z, nx, ny, nz, distance = hit[0], hit[1], hit[2], hit[3], hit[4], hit[5], hit[6]
    r, g, b, bx, by, bz = stone
    within = bx * nx + by * ny + bz * nz
    mx, my, mz = nx - (bx - within * nx), ny - (by - within * ny), nz - (bz - within * nz)
    scale = 1.0 / np.sqrt(mx * mx + my * my + mz * mz)
    mx, my, mz = mx * scale, my * scale, mz * scale
    sun_x, sun_y, sun_z, spacing = constants[0], constants[1], constants[2], constants[6]
    direct = sun_x * mx + sun_y * my + sun_z * mz
    if direct > 0.0 and sun_x * nx + sun_y * ny + sun_z * nz > 0.0:
        direct *= lit(x + 0.03 * nx, y + 0.03 * ny, z + 0.03 * nz, shadow, into_shadow, 0.04)
    else:
        direct = 0.0
    reach = 0.9 * spacing
    origin = (constants[3], constants[4], constants[5])
    vx, vy, vz, even = sky_at(x + reach * nx, y + reach * ny, z + reach * nz, sky, origin, spacing)
    open_sky = max(even + vx * mx + vy * my + vz * mz, 0.0) + 0.05
    back = (0.5 - 0.4 * my) * (0.35 + 1.3 * even)
    clear = np.exp(-distance / _HAZE_M)
    return (
        clear * r * (_SUN[0] * direct + _SKY[0] * open_sky + _BOUNCE[0] * back) + (1 - clear) * _HAZE[0],
        clear * g * (_SUN[1] * direct + _SKY[1] * open_sky + _BOUNCE[1] * back) + (1 - clear) * _HAZE[1],
        clear * b * (_SUN[2] * direct + _SKY[2] * open_sky + _BOUNCE[2] * back) + (1 - clear) * _HAZE[2],
    )


@jit
def _sky(rotation, u, v, sun, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Light of the sky along the ray (u, v, 1): deep overhead, pale at the horizon, with soft clouds."""
    dx, dy, dz = _turned(rotation, u, v, 1.0)
    scale = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * scale, dy * scale, dz * scale
    height = max(dy, 0.0)
    pale = np.exp(-4.2 * height)
    r, g, b = 0.12 + 0.60 * pale, 0.32 + 0.53 * pale, 0.80 + 0.22 * pale
    glow = max(dx * sun[0] + dy * sun[1] + dz * sun[2], 0.0) ** 24
    r, g, b = r + 0.35 * glow, g + 0.33 * glow, b + 0.28 * glow
    x, z = dx / (height + 0.16), dz / (height + 0.16)
    cloud, amplitude, frequency = 0.0, 0.5, 0.9
    for octave in range(5):
        cloud += amplitude * value(x * frequency, 7.3 * octave, 2.2 * z * frequency, seed + 71 + octave)
        amplitude, frequency = amplitude * 0.52, frequency * 2.07
    cover = min(max((cloud - 0.05) / 0.6, 0.0), 1.0)
    cover = 0.6 * cover * cover * (3 - 2 * cover) * min(height * 6.0, 1.0)
    return r + cover * (1.0 - r), g + cover * (1.0 - g), b + cover * (1.02 - b)
