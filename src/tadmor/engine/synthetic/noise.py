"""Value noise in space: smooth, unrepeating, the same for the same seed on every machine."""

from __future__ import annotations

import numba
import numpy as np

from tadmor.engine.scene import F64

jit = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")

# noise repeats after 4096 lattice cells (Perlin, "An image synthesizer", 1985: a shuffled table instead of a hash)
_LAST = 4095
_SHUFFLED = np.random.default_rng(1985).permutation(_LAST + 1)
_VALUES = np.random.default_rng(2015).uniform(-1, 1, _LAST + 1)


def noise(points: F64, spacing: float, seed: int) -> F64:
    """Sample noise in [-1, 1] whose lattice points are `spacing` apart. `points` (n, 3); returns (n,) float64."""
    values = np.zeros(len(points))
    _fill(np.ascontiguousarray(points, np.float64), 1.0 / spacing, seed, values)
    return values


@jit
def _fill(points, frequency, seed, values):  # type: ignore[no-untyped-def]  # compiled by numba
    for i in range(len(points)):
        values[i] = value(points[i, 0] * frequency, points[i, 1] * frequency, points[i, 2] * frequency, seed)


@jit
def scramble(h):  # type: ignore[no-untyped-def]  # compiled by numba
    """Mix the lower 32 bits of an integer (Chris Wellons, "Prospecting for hash functions", 2018: lowbias32)."""
    h &= 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 0x7FEB352D) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 0x846CA68B) & 0xFFFFFFFF
    return h ^ (h >> 16)


@jit
def hashed(x, y, z, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """32 bits for a lattice cell."""
    return scramble((x * 73856093) ^ (y * 19349663) ^ (z * 83492791) ^ (seed * 2654435761))


@jit
def value(x, y, z, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Noise in [-1, 1] at a point of the unit lattice."""
    return slope(x, y, z, seed)[0]


@jit
def slope(x, y, z, seed):  # type: ignore[no-untyped-def]  # compiled by numba
    """Noise at a point of the unit lattice and its gradient: value, d/dx, d/dy, d/dz (value noise, quintic weights)."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = np.int64(fx), np.int64(fy), np.int64(fz) + 1013 * seed
    x, y, z = x - fx, y - fy, z - fz
    u, v, w = (
        x * x * x * (x * (x * 6 - 15) + 10),
        y * y * y * (y * (y * 6 - 15) + 10),
        z * z * z * (z * (z * 6 - 15) + 10),
    )
    du, dv, dw = 30 * x * x * (x * (x - 2) + 1), 30 * y * y * (y * (y - 2) + 1), 30 * z * z * (z * (z - 2) + 1)
    near, far = _SHUFFLED[k & _LAST], _SHUFFLED[(k + 1) & _LAST]
    p, q = _SHUFFLED[(j + near) & _LAST] + i, _SHUFFLED[(j + 1 + near) & _LAST] + i
    r, t = _SHUFFLED[(j + far) & _LAST] + i, _SHUFFLED[(j + 1 + far) & _LAST] + i
    a, b, c, d = _VALUES[p & _LAST], _VALUES[(p + 1) & _LAST], _VALUES[q & _LAST], _VALUES[(q + 1) & _LAST]
    e, f, g, h = _VALUES[r & _LAST], _VALUES[(r + 1) & _LAST], _VALUES[t & _LAST], _VALUES[(t + 1) & _LAST]
    k1, k2, k3 = b - a, c - a, e - a
    k4, k5, k6 = a - b - c + d, a - c - e + g, a - b - e + f
    k7 = -a + b + c - d + e - f - g + h
    return (
        a + k1 * u + k2 * v + k3 * w + k4 * u * v + k5 * v * w + k6 * w * u + k7 * u * v * w,
        du * (k1 + k4 * v + k6 * w + k7 * v * w),
        dv * (k2 + k5 * w + k4 * u + k7 * w * u),
        dw * (k3 + k6 * u + k5 * v + k7 * u * v),
    )
