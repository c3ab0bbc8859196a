"""Shapes to build with: blocks, turned and drawn profiles, as triangles with shading normals. Metres, Y up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from scipy.spatial import ConvexHull

from tadmor.engine.scene import F64, U8


class Material(IntEnum):
    """What a face is made of; `stone.py` knows how each looks."""

    ASHLAR = 0
    JOINT = 1
    CARVED = 2
    PAVING = 3
    SAND = 4
    ROCK = 5
    BRICK = 6
    PLASTER = 7
    TIMBER = 8


@dataclass(frozen=True, eq=False, slots=True)
class Solid:
    """Triangles: `corners` and `normals` (m, 3, 3) float64, `material` (m,) uint8, `tint` (m,) float64 in [-1, 1]."""

    corners: F64
    normals: F64
    material: U8
    tint: F64

    def placed(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, *, yaw_deg: float = 0.0) -> Solid:
        """Turn about the vertical (anticlockwise seen from above), then move."""
        c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
        return self.turned(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([x, y, z]))

    def turned(self, rotation: F64, offset: F64) -> Solid:
        """Apply a rotation (3, 3), then move by `offset` (3,)."""
        return replace(self, corners=self.corners @ rotation.T + offset, normals=self.normals @ rotation.T)

    def bent(self, displace: Callable[[F64], F64]) -> Solid:
        """Move every corner by `displace` (points (n, 3) -> offsets (n, 3)); the shading normals stay."""
        flat = self.corners.reshape(-1, 3)
        return replace(self, corners=(flat + displace(flat)).reshape(-1, 3, 3))


def join(*solids: Solid) -> Solid:
    """Put solids into one."""
    return Solid(
        np.concatenate([s.corners for s in solids]),
        np.concatenate([s.normals for s in solids]),
        np.concatenate([s.material for s in solids]),
        np.concatenate([s.tint for s in solids]),
    )


def unit(vectors: F64) -> F64:
    """Scale (..., 3) vectors to length 1; those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: F64 = vectors / np.where(length > 0, length, 1)
    return scaled


def triangles(corners: F64, material: Material, tint: F64 | float = 0.0) -> Solid:
    """Flat triangles (m, 3, 3)."""
    normal = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    n = len(corners)
    return Solid(
        corners,
        np.repeat(normal[:, None], 3, 1),
        np.full(n, material, np.uint8),
        np.broadcast_to(np.asarray(tint, float), n).copy(),
    )


def quads(corners: F64, material: Material, tint: F64 | float = 0.0) -> Solid:
    """Flat quadrilaterals (q, 4, 3), anticlockwise seen from outside; `tint` one for all or (q,)."""
    halves = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    each = np.broadcast_to(np.asarray(tint, float), len(corners))
    return triangles(halves, material, np.concatenate([each, each]))


def raised(corners: F64, height: F64 | float, chamfer: float, material: Material, tint: F64 | float = 0.0) -> Solid:
    """Stones laid on a surface: quadrilaterals (q, 4, 3) lifted along their normals, with slanted sides (the joints).

    `height` is one for all, (q,) or (q, 4) (a stone that is not quite plane); `chamfer` is how far the lifted face
    steps back from its outline, in metres, and at most a third of its shortest side.
    """
    normal = unit(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]))[:, None]
    ahead, behind = np.roll(corners, -1, 1) - corners, np.roll(corners, 1, 1) - corners
    shortest = np.linalg.norm(ahead, axis=-1).min(1)[:, None, None]
    inset = np.minimum(chamfer, shortest / 3) * (unit(ahead) + unit(behind))
    lift = np.asarray(height, float)
    lift = np.broadcast_to(lift[:, None] if lift.ndim == 1 else lift, corners.shape[:2])
    top = corners + inset + lift[..., None] * normal
    sides = np.stack([corners, np.roll(corners, -1, 1), np.roll(top, -1, 1), top], 2).reshape(-1, 4, 3)
    tints = np.broadcast_to(np.asarray(tint, float), len(corners))
    return join(quads(top, material, tints), quads(sides, Material.JOINT, np.repeat(tints, 4)))


def box(
    low: tuple[float, float, float], high: tuple[float, float, float], material: Material, tint: float = 0.0
) -> Solid:
    """Axis-aligned box."""
    return hull(
        np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]),
        material,
        tint,
    )


def block(size: tuple[float, float, float], chamfer: float, material: Material, tint: float = 0.0) -> Solid:
    """Box about the origin whose edges are broken."""
    half = np.array(size) / 2
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    points = [signs * (half - chamfer * (1 - np.eye(3)[axis])) for axis in range(3)]
    return hull(np.concatenate(points), material, tint)


def hull(points: F64, material: Material, tint: float = 0.0) -> Solid:
    """Convex hull of points (n, 3)."""
    shape = ConvexHull(points)
    corners = points[shape.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = (normal * shape.equations[:, :3]).sum(1) < 0
    corners[inward] = corners[inward][:, ::-1]
    return triangles(corners, material, tint)


def sheet(points: F64, material: Material, tint: float = 0.0, *, closed: bool = False) -> Solid:
    """Smooth surface through a grid of points (rows, columns, 3); `closed` joins the last column to the first."""
    if closed:
        around = np.concatenate([points[:, -1:], points, points[:, :1]], 1)
        along = (around[:, 2:] - around[:, :-2]) / 2
        points, along = np.concatenate([points, points[:, :1]], 1), np.concatenate([along, along[:, :1]], 1)
    else:
        along = np.gradient(points, axis=1)
    normal = unit(np.cross(along, np.gradient(points, axis=0)))

    def cells(values: F64) -> F64:
        a, b, c, d = values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]
        return np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 3), np.stack([a, c, d], 2).reshape(-1, 3, 3)])

    corners = cells(points)
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    kept = np.linalg.norm(doubled, axis=1) > 1e-12  # the poles of a turned shape close to nothing
    n = int(kept.sum())
    return Solid(corners[kept], cells(normal)[kept], np.full(n, material, np.uint8), np.full(n, tint))


def lathe(
    profile: F64,
    segments: int,
    material: Material,
    tint: float = 0.0,
    *,
    arc_deg: tuple[float, float] = (0.0, 360.0),
    wobble: Callable[[F64], F64] | None = None,
) -> Solid:
    """Turn a profile (p, 2) of radius and height about the vertical; `wobble` (points (n, 3) -> (n,)) scales radii."""
    closed = arc_deg[1] - arc_deg[0] == 360.0
    angle = np.radians(
        np.linspace(*arc_deg, segments, endpoint=False) if closed else np.linspace(*arc_deg, segments + 1)
    )
    radius, height = profile[:, :1], np.broadcast_to(profile[:, 1:], (len(profile), len(angle)))
    points = np.stack([radius * np.sin(angle), height, radius * np.cos(angle)], -1)
    if wobble is not None:
        points[..., ::2] *= wobble(points.reshape(-1, 3)).reshape(points.shape[:2])[..., None]
    return sheet(points, material, tint, closed=closed)


def sweep(plan: F64, profile: F64, material: Material, tint: float = 0.0, *, closed: bool = False) -> Solid:
    """Draw a profile along a path on the ground, mitred at the corners: mouldings, steps, entablatures.

    `plan` (k, 2) of x and z, with the outside on the right of the way seen from above (z towards the viewer); `profile`
    (p, 2) of distance outwards and height.
    """
    step = np.diff(np.concatenate([plan, plan[:1]]) if closed else plan, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    out = np.stack([-step[:, 1], step[:, 0]], 1)
    if closed:
        before, after = np.roll(out, 1, 0), out
    else:
        before, after = np.concatenate([out[:1], out]), np.concatenate([out, out[-1:]])
    mitre = (before + after) / (1 + (before * after).sum(1, keepdims=True))
    if closed:
        plan, mitre = np.concatenate([plan, plan[:1]]), np.concatenate([mitre, mitre[:1]])
    at = plan[:, None] + mitre[:, None] * profile[None, :, :1]
    height = np.broadcast_to(profile[None, :, 1], at.shape[:2])
    points = np.stack([at[..., 0], height, at[..., 1]], -1)
    cell = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], 2)
    return quads(cell.reshape(-1, 4, 3), material, tint)
