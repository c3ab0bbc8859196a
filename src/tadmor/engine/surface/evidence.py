"""How well every vertex is evidenced: by how many photos, from how far apart, how finely, and what class that makes.

After the London Charter (2009) and the Seville Principles (2011): what was measured, what is weakly attested and what
was filled in must be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, U8, Bool

OBSERVED_PHOTOS = 3
OBSERVED_ANGLE_DEG = 5.0
SAME_DEPTH = 0.01
MIN_COSINE = 0.08


class EvidenceClass(IntEnum):
    """The classes, as stored per vertex."""

    INFERRED = 0
    WEAKLY_OBSERVED = 1
    OBSERVED = 2


CLASS_COLOURS = np.array([[0xEC, 0xD3, 0xE2], [0xDD, 0x9A, 0x22], [0x1F, 0x5F, 0x8B]], np.uint8)
"""sRGB of the classes: mauve, amber, blue; they differ in lightness (87, 68, 38) for those who do not see colours."""


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """What speaks for each vertex.

    `photos` (n,) uint16 that see it; `angle_deg` (n,) float32, the best triangulation angle; `gsd` (n,) float32, the
    ground sampling distance of the finest full-size photo in world units, 0 where unseen; `classes` (n,) uint8 of
    EvidenceClass.
    """

    photos: NDArray[np.uint16]
    angle_deg: F32
    gsd: F32
    classes: U8


class Witnesses:
    """Collects which views see which vertices, one view at a time; one bit a vertex and view."""

    def __init__(self, vertices: F64, normals: F64) -> None:
        """`vertices` (n, 3) world and their unit `normals`."""
        self.vertices = vertices
        self.normals = normals
        self._seen: list[U8] = []
        self._centres: list[F64] = []
        self._gsd = np.full(len(vertices), np.inf, np.float32)

    def add(self, depth: F32, k: F64, rotation: F64, translation: F64, full_focal_px: float) -> None:
        """Enter a view: `depth` (h, w) is the mesh drawn through a pinhole `k` (focal_px, cx, cy).

        `full_focal_px` is that of the full-size photo.
        """
        in_camera = self.vertices @ rotation.T + translation
        centre = -rotation.T @ translation
        seen = _sees(in_camera, self.normals @ rotation.T, depth, k)
        self._gsd[seen] = np.minimum(self._gsd[seen], (in_camera[seen, 2] / full_focal_px).astype(np.float32))
        self._seen.append(np.packbits(seen))
        self._centres.append(centre)

    def evidence(self, measured: Bool) -> Evidence:
        """Sum up; `measured` (n,) says where a confirmed depth supports the vertex.

        Observed: at least three photos and 5 degrees, on measured surface. Weakly observed: any photo. Inferred: none.
        """
        n = len(self.vertices)
        photos = np.zeros(n, np.uint16)
        for bits in self._seen:
            photos += np.unpackbits(bits, count=n)
        angle = np.zeros(n, np.float32)
        if self._seen:
            _widest_angle(self.vertices, np.stack(self._seen), np.array(self._centres), angle)
        gsd = np.where(photos > 0, self._gsd, 0).astype(np.float32)
        observed = (photos >= OBSERVED_PHOTOS) & (angle >= OBSERVED_ANGLE_DEG) & measured
        classes = np.where(
            observed,
            EvidenceClass.OBSERVED,
            np.where(photos > 0, EvidenceClass.WEAKLY_OBSERVED, EvidenceClass.INFERRED),
        )
        return Evidence(photos, angle, gsd, classes.astype(np.uint8))


@njit(nogil=True, cache=True, error_model="numpy")
def _sees(points, normals, depth, k):  # type: ignore[no-untyped-def]  # compiled by numba
    """(n,) whether each vertex (camera frame) faces the camera and is what is drawn there, within a pixel and 1 %."""
    height, width = depth.shape
    seen = np.zeros(len(points), np.bool_)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if z <= 1e-6:
            continue
        u, v = k[0] * x / z + k[1] + 0.5, k[0] * y / z + k[2] + 0.5
        if u < 1 or v < 1 or u >= width - 1 or v >= height - 1:
            continue
        cosine = -(normals[i, 0] * x + normals[i, 1] * y + normals[i, 2] * z) / np.sqrt(x * x + y * y + z * z)
        if cosine < 0.08:
            continue
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                d = depth[int(v) + dy, int(u) + dx]
                if d > 0 and abs(d - z) < 0.01 * z:
                    seen[i] = True
    return seen


@njit(parallel=True, cache=True, error_model="numpy")
def _widest_angle(vertices, bits, centres, angle_deg):  # type: ignore[no-untyped-def]  # compiled by numba
    """Widest angle in degrees between the directions to two views that see a vertex.

    Exact up to 24 views; beyond, the view farthest in angle from the first, and the one farthest from that.
    """
    views = len(centres)
    for i in prange(len(vertices)):
        directions = np.zeros((views, 3))
        n = 0
        for v in range(views):
            if (bits[v, i >> 3] >> (7 - (i & 7))) & 1:
                x, y, z = centres[v, 0] - vertices[i, 0], centres[v, 1] - vertices[i, 1], centres[v, 2] - vertices[i, 2]
                length = np.sqrt(x * x + y * y + z * z)
                directions[n, 0], directions[n, 1], directions[n, 2] = x / length, y / length, z / length
                n += 1
        if n < 2:
            continue
        lowest = 1.0
        if n <= 24:
            for a in range(n):
                for b in range(a + 1, n):
                    lowest = min(lowest, _dot(directions, a, b))
        else:
            far = 0
            for _ in range(2):
                start = far
                for b in range(n):
                    cosine = _dot(directions, start, b)
                    if cosine < lowest:
                        lowest, far = cosine, b
        angle_deg[i] = np.degrees(np.arccos(min(max(lowest, -1.0), 1.0)))


@njit(inline="always")
def _dot(rows, a, b):  # type: ignore[no-untyped-def]  # compiled by numba
    return rows[a, 0] * rows[b, 0] + rows[a, 1] * rows[b, 1] + rows[a, 2] * rows[b, 2]
