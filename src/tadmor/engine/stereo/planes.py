"""The large planes of a scene: ground, walls, pavements; found in what the depth maps agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tadmor.engine.scene import F32, F64, Bool

TOLERANCE_FOOTPRINTS = 3.0
SAME_DIRECTION = 0.9
"""Cosine; normals of single points are noisy."""
HYPOTHESES = 200
MOST_SAMPLED = 4000
MOST_PLANES = 8
MIN_SHARE = 0.01
REFITS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Plane:
    """The points X with `normal` @ X = `offset`: unit normal (3,) towards the cameras, both in world units; and which
    `share` of the measured points lie on it.
    """

    normal: F64
    offset: float
    share: float = 0.0


def find_planes(points: F64, normals: F32, footprints: F32, *, seed: int) -> list[Plane]:
    """Find the planes that many points (n, 3) world lie on, the largest first.

    One-point RANSAC (each point with its normal is a hypothesis), one plane after the other, refitted by weighted least
    squares. A point belongs to a plane within 3 of its footprints (n,) and 25 degrees of its normal (n, 3); points
    with a zero normal take no part. A plane holds at least 1 % of the points.
    """
    usable = np.abs(normals).sum(1) > 0
    points, normals, footprints = points[usable], normals[usable], footprints[usable]
    least = MIN_SHARE * len(points)
    origin = points.mean(0) if len(points) else np.zeros(3)
    points = points - origin
    left = np.arange(len(points))
    random = np.random.default_rng(seed)
    planes: list[Plane] = []
    while len(planes) < MOST_PLANES and len(left) >= max(least, 3):
        found = _largest(points[left], normals[left], footprints[left], random)
        if found is None or found[1].sum() < least:
            break
        plane, on = found
        planes.append(Plane(plane.normal, plane.offset + float(plane.normal @ origin), float(on.sum()) / len(points)))
        left = left[~on]
    return planes


def _largest(points: F64, normals: F32, footprints: F32, random: np.random.Generator) -> tuple[Plane, Bool] | None:
    """The best of many one-point hypotheses on a sample, refitted on all points, and which points are on it."""
    sample = random.choice(len(points), min(len(points), MOST_SAMPLED), replace=False)
    near, facing, tolerance = points[sample], normals[sample], TOLERANCE_FOOTPRINTS * footprints[sample]
    tried = random.choice(len(points), min(len(points), HYPOTHESES), replace=False)
    direction = normals[tried] / np.linalg.norm(normals[tried], axis=1, keepdims=True)
    offsets = np.einsum("ij,ij->i", direction, points[tried])
    unit = facing / np.linalg.norm(facing, axis=1, keepdims=True)
    best, most = None, 0
    for one, offset in zip(direction.astype(np.float64), offsets, strict=True):
        number = int(((np.abs(near @ one - offset) < tolerance) & (unit @ one > SAME_DIRECTION)).sum())
        if number > most:
            best, most = Plane(one, float(offset)), number
    if best is None:
        return None
    lengths = np.linalg.norm(normals, axis=1)
    for _ in range(REFITS):
        on = _on(best, points, normals, lengths, footprints)
        if on.sum() < 3:
            return None
        best = _fitted(points[on], footprints[on], best.normal)
    return best, _on(best, points, normals, lengths, footprints)


def _on(plane: Plane, points: F64, normals: F32, lengths: F32, footprints: F32) -> Bool:
    near = np.abs(points @ plane.normal - plane.offset) < TOLERANCE_FOOTPRINTS * footprints
    result: Bool = near & (normals @ plane.normal > SAME_DIRECTION * lengths)
    return result


def _fitted(points: F64, footprints: F32, towards: F64) -> Plane:
    """Total least squares with weights 1 / footprint^2, facing as `towards` (3,)."""
    weight = 1 / footprints.astype(np.float64) ** 2
    centre = (points * weight[:, None]).sum(0) / weight.sum()
    centred = (points - centre) * np.sqrt(weight)[:, None]
    normal = np.linalg.eigh(centred.T @ centred)[1][:, 0]
    if normal @ towards < 0:
        normal = -normal
    return Plane(normal, float(normal @ centre))
