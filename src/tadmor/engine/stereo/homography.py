"""Looking at a plane through two views: where it lies, and whether both show the same pattern on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, U8, Bool, Lens
from tadmor.engine.stereo.planes import Plane

MIN_COSINE = 0.02


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """One view: `picture` (h, w, 3) BGR, confirmed `depth` (h, w), `sky` (h, w), pinhole lens, cam_from_world."""

    picture: U8
    depth: F32
    sky: Bool
    lens: Lens
    rotation: F64
    translation: F64

    def reduced(self, long_side_px: int) -> Shown:
        """The view with its long side of at most so many pixels."""
        scale = min(1.0, long_side_px / max(self.lens.width, self.lens.height))
        size = (max(round(self.lens.width * scale), 1), max(round(self.lens.height * scale), 1))
        return Shown(
            cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA),
            cv2.resize(self.depth, size, interpolation=cv2.INTER_NEAREST),
            cv2.resize(self.sky.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
            self.lens.scaled_to(*size),
            self.rotation,
            self.translation,
        )

    @property
    def centre(self) -> F64:
        """Where the camera stood, world (3,)."""
        centre: F64 = -self.rotation.T @ self.translation
        return centre

    def in_camera(self, plane: Plane) -> tuple[F64, float]:
        """Normal (3,) and offset of a plane in the camera's frame."""
        normal = self.rotation @ plane.normal
        return normal, plane.offset + float(normal @ self.translation)

    def rays(self) -> tuple[F32, F32]:
        """X (1, w) and y (h, 1) of the pixels' rays at depth 1."""
        x = (np.arange(self.lens.width) - self.lens.cx) / self.lens.focal_px
        y = (np.arange(self.lens.height) - self.lens.cy) / self.lens.focal_px
        return x[None].astype(np.float32), y[:, None].astype(np.float32)


def plane_depth(view: Shown, plane: Plane, pixels: tuple[NDArray[np.int64], ...] | None = None) -> F32:
    """Depth (h, w) of the plane in a view, or (n,) at some pixels (rows, columns); 0 where a ray misses it, grazes it
    (below 0.02) or meets its back.
    """
    normal, offset = view.in_camera(plane)
    x, y = view.rays()
    if pixels is not None:
        x, y = x[0, pixels[1]], y[pixels[0], 0]
    along = np.float32(normal[0]) * x + np.float32(normal[1]) * y + np.float32(normal[2])
    faces = (along < -MIN_COSINE * np.sqrt(1 + x**2 + y**2)) & (offset < 0)
    depth: F32 = np.where(faces, np.float32(offset) / np.where(faces, along, np.float32(-1)), np.float32(0))
    return depth


def plane_homography(view: Shown, other: Shown, plane: Plane) -> tuple[F64, F32]:
    """The map (3, 3) of image points of `view` to those of `other`, for points of the plane, and the factor (h, w)
    from their depth in `view` to their depth in `other` (Hartley & Zisserman, Multiple View Geometry, 13.1).
    """
    normal, offset = view.in_camera(plane)
    turn = other.rotation @ view.rotation.T
    shift = other.translation - turn @ view.translation
    through = turn + np.outer(shift, normal) / offset
    matrix: F64 = _calibration(other.lens) @ through @ np.linalg.inv(_calibration(view.lens))
    x, y = view.rays()
    return matrix, (through[2, 0] * x + through[2, 1] * y + through[2, 2]).astype(np.float32)


def _calibration(lens: Lens) -> F64:
    return np.array([[lens.focal_px, 0, lens.cx], [0, lens.focal_px, lens.cy], [0, 0, 1.0]])


def warped(image: NDArray[Any], homography: F64, view: Shown, *, smooth: bool = True) -> NDArray[Any]:
    """An image of another view as `view` would show it if all were on the plane; 0 beside it."""
    flags = (cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    moved: NDArray[Any] = cv2.warpPerspective(image, homography, (view.lens.width, view.lens.height), flags=flags)
    return moved


@dataclass(frozen=True, eq=False, slots=True)
class Pattern:
    """A grey picture (h, w) float32 with its local means and standard deviations over a window."""

    grey: F32
    mean: F32
    deviation: F32
    window_px: int

    @classmethod
    def of(cls, grey: F32, window_px: int) -> Pattern:
        """Measure a picture."""
        mean = cv2.blur(grey, (window_px, window_px))
        square = cv2.blur(grey * grey, (window_px, window_px))
        return cls(grey, mean, np.sqrt(np.maximum(square - mean * mean, 0)), window_px)

    def correlation(self, other: Pattern) -> F32:
        """Normalised cross-correlation (h, w) of the windows of two pictures."""
        product = cv2.blur(self.grey * other.grey, (self.window_px, self.window_px))
        covariance = product - self.mean * other.mean
        result: F32 = covariance / np.maximum(self.deviation * other.deviation, np.float32(1e-2))
        return result
