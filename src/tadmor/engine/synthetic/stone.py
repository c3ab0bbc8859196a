"""How weathered stone, sand, brick and plaster look at a point in space: colour without light, and small bumps.

Everything is a function of the position in the world, so no two places look alike even where the shapes repeat, and
every photograph sees the same. Detail finer than the pixel that asks for it is left out, so pictures do not alias.
"""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F32, F64, U8
from tadmor.engine.synthetic.noise import hashed, jit, slope, value

# by solids.Material:  ASHLAR JOINT CARVED PAVING SAND ROCK BRICK PLASTER TIMBER
_RED = np.array([0.640, 0.300, 0.655, 0.540, 0.590, 0.500, 0.470, 0.660, 0.210])
_GREEN = np.array([0.458, 0.206, 0.477, 0.404, 0.418, 0.360, 0.280, 0.605, 0.140])
_BLUE = np.array([0.292, 0.130, 0.315, 0.288, 0.282, 0.250, 0.180, 0.525, 0.090])
_SPACING = np.array([1.0, 1.0, 1.0, 1.0, 2.6, 0.8, 0.7, 1.1, 0.5])  # of the coarsest grain, relative
_GRAIN = np.array([0.110, 0.115, 0.105, 0.125, 0.095, 0.130, 0.130, 0.085, 0.160])
_CRUST = np.array([0.42, 0.30, 0.45, 0.25, 0.22, 0.40, 0.35, 0.50, 0.30])
_STREAK = np.array([0.30, 0.10, 0.30, 0.0, 0.0, 0.0, 0.22, 0.34, 0.0])
_PITS = np.array([0.50, 0.20, 0.50, 0.50, 0.50, 0.35, 0.45, 0.30, 0.20])
_TINT = np.array([0.14, 0.05, 0.07, 0.16, 0.0, 0.20, 0.28, 0.03, 0.25])
_BUMP = np.array([0.075, 0.06, 0.065, 0.08, 0.10, 0.10, 0.07, 0.045, 0.05])

_OCTAVES = 8
_COARSEST_M = 2.3
_RATIO = 0.45


def albedo(points: F64, normals: F64, material: U8, tint: F32, footprint_m: F64, seed: int) -> F32:
    """Colour of the surface at world points.

    `points`, `normals` (n, 3) float64 world, normals of length 1; `material`, `tint` (n,) as in `Monument`;
    `footprint_m` (n,) size of the pixel on the surface in metres. Returns (n, 3) float32 linear RGB reflectance in [0,
    1].
    """
    colours = np.zeros((len(points), 3), np.float32)
    _fill(points, normals, material, tint, footprint_m, seed, colours)
    return colours


@jit
def _fill(points, normals, material, tint, footprint_m, seed, colours):  # type: ignore[no-untyped-def]  # compiled by numba
    for i in range(len(points)):
        p, n = points[i], normals[i]
        seen = weathered(p[0], p[1], p[2], n[1], material[i], tint[i], footprint_m[i], seed)
        colours[i, 0], colours[i, 1], colours[i, 2] = seen[0], seen[1], seen[2]


@jit
def weathered(x, y, z, up, material, tint, footprint_m, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Red, green, blue and the slope (3) of the bumps at a world point whose normal rises by `up`."""
    spacing = _COARSEST_M * _SPACING[material]
    grain, bump = _GRAIN[material], _BUMP[material]
    tone, warm, patch = 1.0 + _TINT[material] * tint, 0.0, 0.0
    bx, by, bz = 0.0, 0.0, 0.0
    # every second octave is sampled askew, so that the lattices never line up
    sx, sy, sz = 0.36 * x + 0.48 * y - 0.8 * z, -0.8 * x + 0.6 * y, 0.48 * x + 0.64 * y + 0.6 * z
    irregular = 0.0
    for octave in range(_OCTAVES):
        shown = min(max(spacing / footprint_m - 1.0, 0.0), 1.0)
        if shown == 0.0:
            break
        if octave % 2:
            n, dx, dy, dz = slope(sx / spacing, sy / spacing, sz / spacing, seed + octave)
            dx, dy, dz = 0.36 * dx - 0.8 * dy + 0.48 * dz, 0.48 * dx + 0.6 * dy + 0.64 * dz, -0.8 * dx + 0.6 * dz
        else:
            n, dx, dy, dz = slope(x / spacing, y / spacing, z / spacing, seed + octave)
        tone += shown * grain * n
        if octave == 0:
            warm = n
        if octave < 3:
            patch += n * 0.45
        if octave > 1:
            bx, by, bz = bx + shown * bump * dx, by + shown * bump * dy, bz + shown * bump * dz
            irregular += shown * n * 0.25
        spacing *= _RATIO
    tone = tone * _stains(x, y, z, up, material, patch, irregular, seed)
    tone = max(tone * _pits(x, y, z, material, irregular, footprint_m, seed), 0.12)
    r, g, b = _RED[material], _GREEN[material], _BLUE[material]
    grey = min(max(0.85 - tone, 0.0), 0.4)  # what is dark has also lost its warmth
    mean = (r + g + b) / 3
    r, g, b = r + grey * (mean - r), g + grey * (mean - g), b + grey * (mean - b)
    r, g, b = r * (1 + 0.05 * warm), g * (1 + 0.01 * warm), b * (1 - 0.07 * warm)
    if material == 4:
        r, g, b = _scrub(x, y, z, irregular, footprint_m, seed, r, g, b)
    return min(r * tone, 1.0), min(g * tone, 1.0), min(b * tone, 1.0), bx, by, bz


@jit
def _smoothstep(low, high, t):  # type: ignore[no-untyped-def]  # compiled by numba
    t = min(max((t - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@jit
def _stains(x, y, z, up, material, patch, irregular, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Darkening by crusts and by rain that ran down."""
    crust = _smoothstep(0.12, 0.75, patch + irregular + 0.15 * up)
    shade = 1.0 - _CRUST[material] * crust
    strength = _STREAK[material] * (1.0 - min(abs(up) * 1.5, 1.0))
    if strength > 0.0:
        run = value(x * 3.1, y * 0.22, z * 3.1, seed + 31) + 0.5 * value(x * 9.0, y * 0.5, z * 9.0, seed + 32)
        shade *= 1.0 - strength * _smoothstep(0.1, 0.8, run)
    return shade


@jit
def _spot(x, y, z, cell, share, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Return the distance to the one spot of a cell of space, in its radii (9: it has none), and 8 random bits.

    A cell of y = 0 exactly is for flat ground: the distance there is level.
    """
    cx, cy, cz = np.floor(x / cell), np.floor(y / cell), np.floor(z / cell)
    h = hashed(np.int64(cx), np.int64(cy), np.int64(cz), seed)
    if (h & 0xFF) > share * 255:
        return 9.0, 0
    radius = 0.16 + 0.24 * ((h >> 8) & 0x3F) / 63.0
    room = 1.0 - 2 * radius
    dx = x / cell - cx - radius - room * ((h >> 14) & 0x1F) / 31.0
    dy = y / cell - cy - radius - room * ((h >> 19) & 0x1F) / 31.0
    dy = 0.0 if y == 0.0 else dy
    dz = z / cell - cz - radius - room * ((h >> 24) & 0x1F) / 31.0
    return np.sqrt(dx * dx + dy * dy + dz * dz) / radius, (h >> 5) & 0xFF


@jit
def _pits(x, y, z, material, irregular, footprint_m, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Pits, dark, and chips where fresh stone shows, light, of four sizes."""
    strength = _PITS[material]
    shade = 1.0
    cell = 0.62
    for size in range(4):
        shown = min(max(0.5 * cell / footprint_m - 1.0, 0.0), 1.0)
        if shown == 0.0:
            break
        distance, bits = _spot(x, y, z, cell, 0.62, seed + 41 + size)
        if distance < 1.6:
            cover = 1.0 - _smoothstep(0.55, 1.05, distance + 0.8 * irregular)
            if bits % 3 == 0:
                shade *= 1.0 + 0.55 * strength * shown * cover
            else:
                shade *= 1.0 - strength * shown * cover * (0.6 + 0.4 * bits / 255.0)
        cell *= 0.42
    return shade


@jit
def _scrub(x, y, z, irregular, footprint_m, seed, r, g, b):  # type: ignore[no-untyped-def]  # compiled by numba
    """Dry tufts on the sand, and bare rock on the hills."""
    rock = _smoothstep(6.0, 25.0, y + 6.0 * irregular)
    layers = 1.0 - 0.25 * rock * (0.5 + 0.5 * value(x * 0.01, y * 0.35, z * 0.01, seed + 51))
    r, g, b = r * layers * (1 - 0.1 * rock), g * layers * (1 - 0.08 * rock), b * layers
    distance, bits = _spot(x, 0.0, z, 2.3, 0.45, seed + 61)
    shown = min(max(0.8 / footprint_m - 1.0, 0.0), 1.0)
    if distance < 1.7 and shown > 0.0:
        cover = 0.9 * shown * (1.0 - _smoothstep(0.2, 0.6, distance * (1.3 + 2.0 * bits / 255.0) + 1.6 * irregular))
        r, g, b = r + cover * (0.16 - r), g + cover * (0.15 - g), b + cover * (0.075 - b)
    return r, g, b
