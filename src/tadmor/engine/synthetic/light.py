"""Sun and sky over a monument: where the sun reaches, and how much of the sky each place sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tadmor.engine.scene import F32, F64
from tadmor.engine.surface.raster import rasterise
from tadmor.engine.synthetic.monument import Monument
from tadmor.engine.synthetic.noise import jit
from tadmor.engine.synthetic.solids import unit

_FAR_M = 3000.0  # light comes from so far away that its rays are nearly parallel
_MARGIN_M = 9.0


@dataclass(frozen=True, eq=False, slots=True)
class LightMap:
    """What a far light sees: `depth` (s, s) float32, and `projection` (3, 4) from world points to its pixels."""

    depth: F32
    projection: F64


@dataclass(frozen=True, eq=False, slots=True)
class Light:
    """`sun` (3,) unit vector towards it; its `shadow` map; and the open sky around the building.

    `sky` (x, y, z, 4) float32 on a lattice from `sky_origin` (3,), `sky_spacing_m` apart: a surface with normal n gets
    sky[3] + sky[:3] . n of the light that it would get lying flat in the open.
    """

    sun: F64
    shadow: LightMap
    sky: F32
    sky_origin: F64
    sky_spacing_m: float


def daylight(
    monument: Monument,
    *,
    sun_azimuth_deg: float = -38.0,
    sun_elevation_deg: float = 43.0,
    shadow_size: int = 3072,
    sky_directions: int = 20,
    sky_spacing_m: float = 0.5,
) -> Light:
    """Light a monument by a sun `sun_azimuth_deg` to the right of the way a visitor looks back from it (towards +z)."""
    azimuth, elevation = np.radians(sun_azimuth_deg), np.radians(sun_elevation_deg)
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    low, high = monument.region[0] - [_MARGIN_M, 1.0, _MARGIN_M], monument.region[1] + [_MARGIN_M, 1.0, _MARGIN_M]
    axes = [np.arange(a, b + sky_spacing_m, sky_spacing_m) for a, b in zip(low, high, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    sky = np.zeros((len(places), 4), np.float32)
    directions = upper_hemisphere(sky_directions)
    with ThreadPoolExecutor(2) as pool:
        for direction, seen in zip(directions, pool.map(lambda d: _map(monument, d, 512), directions), strict=True):
            _gather(places, seen.depth, seen.projection, direction / sky_directions, sky)
    volume = sky.reshape(*(len(axis) for axis in axes), 4)
    return Light(sun, _map(monument, sun, shadow_size), _filled(volume), low, sky_spacing_m)


def upper_hemisphere(count: int) -> F64:
    """(count, 3) directions spread evenly over the sky (Fibonacci lattice: Gonzalez, 2010)."""
    i = np.arange(count) + 0.5
    y = i / count
    turn = np.pi * (1 + np.sqrt(5)) * i
    return np.stack([np.sqrt(1 - y**2) * np.cos(turn), y, np.sqrt(1 - y**2) * np.sin(turn)], 1)


def _map(monument: Monument, direction: F64, size: int) -> LightMap:
    middle = monument.region.mean(0)
    reach = np.linalg.norm(monument.region[1] - middle) + _MARGIN_M
    aside = unit(np.cross([0.13, 0.0, 1.0], direction))
    rotation = np.stack([aside, np.cross(-direction, aside), -direction])
    translation = -rotation @ (middle + _FAR_M * direction)
    focal, centre = float(0.5 * size / reach * _FAR_M), (size - 1) / 2
    points = (monument.vertices @ rotation.T + translation).astype(np.float32)
    depth, _ = rasterise(points, monument.faces, focal, centre, centre, size, size, near=1.0)
    k = np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    return LightMap(depth, k @ np.hstack([rotation, translation[:, None]]))


def _filled(volume: F32) -> F32:
    """Give places inside the stone, which see no sky at all, the mean of the places beside them."""
    for _ in range(2):
        dark = volume[..., 3] == 0
        total, count = np.zeros_like(volume), np.zeros(volume.shape[:3], np.float32)
        for axis in range(3):
            for step in (-1, 1):
                total += np.roll(volume, step, axis)
                count += np.roll(~dark, step, axis)
        volume = np.where((dark & (count > 0))[..., None], total / np.maximum(count, 1)[..., None], volume)
    return volume


@jit
def _projected(x, y, z, projection):  # type: ignore[no-untyped-def]  # compiled by numba
    """Column, row and depth of a world point in a light's map."""
    u = projection[0, 0] * x + projection[0, 1] * y + projection[0, 2] * z + projection[0, 3]
    v = projection[1, 0] * x + projection[1, 1] * y + projection[1, 2] * z + projection[1, 3]
    w = projection[2, 0] * x + projection[2, 1] * y + projection[2, 2] * z + projection[2, 3]
    return u / w, v / w, w


@jit
def lit(x, y, z, depth, projection, bias_m):  # type: ignore[no-untyped-def]  # compiled by numba
    """Share of a light in [0, 1] that reaches a world point: 4 x 4 texels, weighted so that edges move smoothly."""
    u, v, w = _projected(x, y, z, projection)
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 1 or j < 1 or i >= depth.shape[1] - 2 or j >= depth.shape[0] - 2:
        return 1.0
    fu, fv = u - i, v - j
    total = 0.0
    for dj in range(-1, 3):
        wv = 1.0 - fv if dj == -1 else (fv if dj == 2 else 1.0)
        for di in range(-1, 3):
            wu = 1.0 - fu if di == -1 else (fu if di == 2 else 1.0)
            seen = depth[j + dj, i + di]
            if seen == 0.0 or seen > w - bias_m:
                total += wu * wv
    return total / 9.0


@jit
def _gather(places, depth, projection, direction, sky):  # type: ignore[no-untyped-def]  # compiled by numba
    """Add the light of one direction of the sky, whose length is its share, to the places that see it."""
    share = np.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    for i in range(len(places)):
        u, v, w = _projected(places[i, 0], places[i, 1], places[i, 2], projection)
        column, row = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
        if 0 <= column < depth.shape[1] and 0 <= row < depth.shape[0] and 0.0 < depth[row, column] < w:
            continue
        sky[i, 0] += direction[0]
        sky[i, 1] += direction[1]
        sky[i, 2] += direction[2]
        sky[i, 3] += 0.5 * share


@jit
def sky_at(x, y, z, sky, origin, spacing_m):  # type: ignore[no-untyped-def]  # compiled by numba
    """Linear interpolation in the sky lattice, clamped to it: the four numbers of `Light.sky`."""
    u = min(max((x - origin[0]) / spacing_m, 0.0), sky.shape[0] - 1.001)
    v = min(max((y - origin[1]) / spacing_m, 0.0), sky.shape[1] - 1.001)
    w = min(max((z - origin[2]) / spacing_m, 0.0), sky.shape[2] - 1.001)
    i, j, k = int(u), int(v), int(w)
    u, v, w = u - i, v - j, w - k
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for di in range(2):
        wu = u if di else 1.0 - u
        for dj in range(2):
            wv = wu * (v if dj else 1.0 - v)
            for dk in range(2):
                weight = wv * (w if dk else 1.0 - w)
                a += weight * sky[i + di, j + dj, k + dk, 0]
                b += weight * sky[i + di, j + dj, k + dk, 1]
                c += weight * sky[i + di, j + dj, k + dk, 2]
                d += weight * sky[i + di, j + dj, k + dk, 3]
    return a, b, c, d
