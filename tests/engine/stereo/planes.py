"""Textured planes seen by pinhole cameras, with exact depth: what stereo can be measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tadmor.engine.scene import F32, F64, U8, Bool, Lens, View

LENS = Lens(240, 180, 220.0, 119.5, 89.5)
TEXELS_A_UNIT = 96.0


def texture(seed: int, size: int = 1024) -> U8:
    """(size, size) uint8: grain of several sizes, as stone has."""
    rng = np.random.default_rng(seed)
    drawn = np.zeros((size, size), np.float32)
    for sigma, weight in ((1.2, 1.0), (3.0, 1.0), (9.0, 1.0)):
        grain = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), sigma)
        drawn += weight * grain / grain.std()
    levels: U8 = np.clip(125 + 22 * drawn, 0, 255).astype(np.uint8)
    return levels


@dataclass(frozen=True, eq=False, slots=True)
class Plane:
    """Points with normal . x = offset, `normal` (3,) of unit length; `half` its half width in world units, None
    for endless; `picture` its texture, centred on the point nearest to the origin.
    """

    normal: F64
    offset: float
    picture: U8
    half: float | None = None

    @property
    def axes(self) -> F64:
        """(2, 3) unit vectors in the plane."""
        across = np.cross([0.0, 1.0, 0.0], self.normal)
        across /= np.linalg.norm(across)
        return np.stack([across, np.cross(self.normal, across)])


def looking(position: Sequence[float], target: Sequence[float], lens: Lens = LENS, name: str = "view") -> View:
    """A level view from a place towards another; world y points down, as in a camera."""
    place = np.array(position, float)
    ahead = np.array(target, float) - place
    ahead /= np.linalg.norm(ahead)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return View(name, name, lens, rotation, -rotation @ place)


def depth_of(plane: Plane, view: View) -> tuple[F64, F64]:
    """Exact depth (h, w), inf where the view does not meet the plane, and the points (h, w, 2) met, on its axes."""
    lens = view.lens
    x, y = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    rays = np.stack([(x - lens.cx) / lens.focal_px, (y - lens.cy) / lens.focal_px, np.ones(x.shape)], -1)
    world = rays @ view.rotation
    facing = world @ plane.normal
    with np.errstate(divide="ignore"):
        depth = (plane.offset - view.centre @ plane.normal) / facing
    on_plane = (view.centre + world * depth[..., None]) @ plane.axes.T
    met = (depth > 0) & np.isfinite(depth)
    if plane.half is not None:
        met &= (np.abs(on_plane) <= plane.half).all(-1)
    return np.where(met, depth, np.inf), on_plane


def photographed(planes: Sequence[Plane], view: View) -> tuple[U8, F32]:
    """Grey picture (h, w) uint8 and exact depth (h, w) float32 of what is nearest."""
    nearest = np.full((view.lens.height, view.lens.width), np.inf)
    picture = np.zeros(nearest.shape, np.uint8)
    for plane in planes:
        depth, on_plane = depth_of(plane, view)
        texel = (on_plane * TEXELS_A_UNIT + plane.picture.shape[0] / 2).astype(np.float32)
        shown = cv2.remap(plane.picture, texel[..., 0], texel[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        front = depth < nearest
        picture[front] = shown[front]
        nearest = np.minimum(nearest, depth)
    return picture, np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)


def wrong(found: F32, true: F32, tolerance: float = 0.01) -> Bool:
    """Where a depth is more than so much off (a share of the depth)."""
    off: Bool = np.abs(found - true) > tolerance * true
    return off
